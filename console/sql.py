"""Every SQL text of the engine: found by name, one statement a file, run and witnessed in one place.

Owns the reading of `sql/**.sql` and the one function that sends them. Never holds SQL text itself, and
never puts a value or a name into a text but through psycopg.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from console.errors import SqlMissing
from console.settings import data_folder

_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")
_VERSIONED = re.compile(r"\.(\d+)\.sql$")

Part = sql.Composable
_BOTH = sql.SQL("{first};{then}")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One SQL file: `text` without its header, `sha256` (hex) of the whole file's bytes."""

    name: str
    text: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A statement whose places are filled; `query` may hold a verifier and stays out of repr."""

    statement: Statement
    query: sql.Composed = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What the engine's own trace needs of one statement: -1 rows where the server told none."""

    name: str
    sha256: str
    pid: int
    rows: int
    duration_us: int
    sqlstate: str = ""


class EngineConnection(psycopg.Connection[Any]):
    """A connection of the engine's own that tells `observer` of every named statement sent through `run`."""

    observer: Callable[[Ran], None] | None = None


def load(name: str, server_major: int | None = None) -> Statement:
    """Return the statement `name` ("folder/file" without .sql).

    With `server_major`, the file `name.N.sql` with the highest N up to it wins over `name.sql`.
    Raises SqlMissing where there is no such file or it cannot be read.
    """
    return _read(data_folder("sql"), name, server_major)


@functools.cache
def _read(folder: Path, name: str, server_major: int | None) -> Statement:
    """Read a file once a process: what was loaded first is what is sent, whatever becomes of the file."""
    if _NAME.fullmatch(name) is None:
        raise SqlMissing(f"{name!r} is no name of a sql file; use folder/file in lower case")
    content = _content(_best_file(folder, name, server_major))
    return Statement(name=name, text=_without_header(content.decode("utf-8")), sha256=_sha256(content))


def shipped_sha256(name: str, server_major: int | None = None) -> str:
    """Return the sha256 (hex) of a statement's file as it is now; raises SqlMissing like `load`."""
    return _sha256(_content(_best_file(data_folder("sql"), name, server_major)))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as missing:
        raise SqlMissing(f"the sql file {path} is missing; install drydock-console again") from missing


def run(
    conn: psycopg.Connection[Any],
    name: str,
    parameters: Mapping[str, object] | None = None,
    parts: Mapping[str, Part] | None = None,
) -> list[tuple[Any, ...]]:
    """Send one named statement and return its rows (none where it returns none).

    `parameters` are bound by the server; `parts` fill the file's `{name}` places with identifiers,
    literals and keywords made by psycopg.sql. Raises psycopg.Error as the server gave it.
    """
    return send(conn, prepare(name, parts or {}, conn.info.server_version // 10000), parameters)


def prepare(name: str, parts: Mapping[str, Part], server_major: int | None = None) -> Prepared:
    """Return the named statement with its `{name}` places filled."""
    statement = load(name, server_major)
    return Prepared(statement=statement, query=sql.SQL(statement.text).format(**parts))


def send(
    conn: psycopg.Connection[Any], prepared: Prepared, parameters: Mapping[str, object] | None = None
) -> list[tuple[Any, ...]]:
    """Send a prepared statement, tell the connection's observer, return the rows."""
    statement = prepared.statement
    began = time.perf_counter_ns()
    cursor = conn.cursor(row_factory=tuple_row)
    sqlstate = ""
    try:
        cursor.execute(prepared.query, parameters, prepare=False)
        return list(cursor.fetchall()) if cursor.description is not None else []
    except psycopg.Error as refused:
        sqlstate = refused.sqlstate or "no sqlstate"
        raise
    finally:
        _tell(conn, statement, rows=cursor.rowcount, began=began, sqlstate=sqlstate)
        cursor.close()


def send_behind(conn: psycopg.Connection[Any], first: Prepared, then: Prepared) -> None:
    """Send two statements in one message, inside a transaction, and tell the connection's observer of both.

    The second runs only when the first was not refused; rows are not returned. Raises psycopg.Error as the server
    gave it for whichever was refused.
    """
    began, sqlstate = time.perf_counter_ns(), ""
    cursor = conn.cursor(row_factory=tuple_row)
    try:
        cursor.execute(_BOTH.format(first=first.query, then=then.query), prepare=False)
    except psycopg.Error as refused:
        sqlstate = refused.sqlstate or "no sqlstate"
        raise
    finally:
        _tell(conn, first.statement, rows=-1, began=began, sqlstate="")
        _tell(conn, then.statement, rows=-1, began=began, sqlstate=sqlstate)
        cursor.close()


def _tell(
    conn: psycopg.Connection[Any], statement: Statement, *, rows: int, began: int, sqlstate: str
) -> None:
    observer = conn.observer if isinstance(conn, EngineConnection) else None
    if observer is not None:
        duration_us = (time.perf_counter_ns() - began) // 1000
        observer(
            Ran(
                name=statement.name, sha256=statement.sha256, pid=conn.info.backend_pid, rows=rows,
                duration_us=duration_us, sqlstate=sqlstate,
            )
        )  # fmt: skip


@contextmanager
def copying(conn: psycopg.Connection[Any], prepared: Prepared) -> Iterator[psycopg.Copy]:
    """Send a prepared COPY and give its stream; the connection's observer is told at its end."""
    began, sqlstate = time.perf_counter_ns(), ""
    cursor = conn.cursor(row_factory=tuple_row)
    try:
        with cursor.copy(prepared.query) as stream:
            yield stream
    except psycopg.Error as refused:
        sqlstate = refused.sqlstate or "no sqlstate"
        raise
    finally:
        _tell(conn, prepared.statement, rows=cursor.rowcount, began=began, sqlstate=sqlstate)
        cursor.close()


@contextmanager
def pinned(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """Run the block with search_path pg_catalog and row_security off, and put both back at its end.

    So every definition prints with its schema, no function or operator of a restored database stands
    before PostgreSQL's own, and no policy hides a row. Outside a transaction the block is one of its own.
    """
    with conn.transaction():
        [(search_path, row_security)] = run(conn, "catalogue/session_pins")
        run(conn, "catalogue/pin_session", {"search_path": "pg_catalog", "row_security": "off"})
        yield
        run(conn, "catalogue/pin_session", {"search_path": search_path, "row_security": row_security})


def files() -> tuple[Path, ...]:
    """Return every SQL file of the engine, in the order of their relative names."""
    folder = data_folder("sql")
    return tuple(sorted(folder.rglob("*.sql"), key=lambda path: path.relative_to(folder).as_posix()))


def tree_sha256() -> str:
    """Return one sha256 (hex) over the names and bytes of all SQL files."""
    folder = str(data_folder("sql"))
    tree = hashlib.sha256()
    for path in sorted(_paths_below(folder)):
        tree.update(f"{path[len(folder) + 1 :]}\0{_sha256(_bytes_of(path))}\n".encode())
    return tree.hexdigest()


def _paths_below(folder: str) -> Iterator[str]:
    """Yield the SQL files below a folder; texts, because each boundary asks for them and paths cost more."""
    for root, _folders, names in os.walk(folder):
        yield from (f"{root}/{name}" for name in names if name.endswith(".sql"))


def _bytes_of(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def _best_file(folder: Path, name: str, server_major: int | None) -> Path:
    plain = folder / f"{name}.sql"
    if server_major is None:
        return plain
    try:
        beside = [one for one in os.listdir(plain.parent) if one.startswith(f"{plain.stem}.")]
    except OSError:
        return plain
    versions = [
        (int(found[1]), one)
        for one in beside
        if (found := _VERSIONED.fullmatch(one.removeprefix(plain.stem))) is not None
    ]
    fitting = [version for version in versions if version[0] <= server_major]
    return plain.with_name(max(fitting)[1]) if fitting else plain


def _without_header(text: str) -> str:
    lines = text.splitlines()
    while lines and (not lines[0].strip() or lines[0].startswith("--")):
        lines.pop(0)
    return "\n".join(lines).rstrip().removesuffix(";")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
