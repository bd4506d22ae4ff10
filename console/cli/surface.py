"""`drydock surface`: what one's own SQL does, by text and, with --dsn, by a server's catalogue.

Reads statements, prints one JSON object a line. Never executes them, never takes a password in argv.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from console.errors import UsageError
from console.model.text import visible
from console.witness.surface import SurfaceVerdict, judge_text
from console.witness.surface_catalogue import judge_catalogue
from console.witness.surface_grammar import NotParsed, parse

EXIT_REFUSED = 1
_CONNECT_PATIENCE_S = 10


@dataclass(frozen=True, kw_only=True)
class _Text:
    id: str
    sql: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("file", nargs="?", default="-", help='.sql, or JSONL {"id","sql"}; - is stdin')
    parser.add_argument("--dsn", help="judge by this server's catalogue too; passfile=PATH, no password")
    parser.add_argument("--major", type=int, help="the server's major version, where no --dsn tells it")
    parser.add_argument(
        "--allow-function", action="append", default=[], metavar="SCHEMA.NAME",
        help="a function of your own that may be called (repeat)",
    )  # fmt: skip


def main(options: argparse.Namespace) -> int:
    """Print a verdict for each statement; return 1 when any is refused, else 0.

    Raises UsageError for a file, a line or a server that cannot be used.
    """
    texts = list(_texts(options.file))
    refused = False
    with _catalogue(options.dsn) as conn:
        major = conn.info.server_version // 10000 if conn is not None else options.major
        for text in texts:
            verdict = judge_text(text.sql, major=major, functions_allowed=options.allow_function)
            if conn is not None:
                verdict = _both(verdict, _by_catalogue(conn, text, options.allow_function))
            refused = refused or not verdict.allowed
            print(_line(text.id, verdict))  # noqa: T201
    return EXIT_REFUSED if refused else 0


def _texts(file: str) -> Iterator[_Text]:
    content = _content(file)
    if file.lower().endswith(".sql") or not content.lstrip().startswith("{"):
        yield from _statements_of(content)
        return
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            yield _from_json(line, f"{'stdin' if file == '-' else file}, line {number}")


def _content(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return raw.decode("utf-8")
    except OSError as failed:
        what = f"{file} cannot be read ({failed.strerror})"
        raise UsageError(what, remedy="name a file, or - for stdin") from failed
    except UnicodeDecodeError as failed:
        what = f"{file} is not UTF-8 at byte {failed.start}"
        raise UsageError(what, remedy="convert it to UTF-8") from failed


def _statements_of(content: str) -> Iterator[_Text]:
    try:
        several = [text for _tree, text in parse(content)]
    except NotParsed:
        several = [content]
    for number, text in enumerate(several, 1):
        yield _Text(id=str(number), sql=text)


def _from_json(line: str, where: str) -> _Text:
    remedy = 'write one {"id": ..., "sql": "..."} a line'
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as failed:
        raise UsageError(f"{where} is not JSON", remedy=remedy) from failed
    if not isinstance(value, dict) or not isinstance(value.get("sql"), str):
        raise UsageError(f"{where} has no text under sql", remedy=remedy)
    identity = value.get("id")
    if isinstance(identity, bool) or not isinstance(identity, (str, int)):
        raise UsageError(f"{where} has no text or number under id", remedy=remedy)
    return _Text(id=str(identity), sql=value["sql"])


@contextmanager
def _catalogue(dsn: str | None) -> Iterator[psycopg.Connection[Any] | None]:
    if dsn is None:
        yield None
        return
    named = _without_password(dsn)
    try:
        conn = psycopg.connect(**named)
    except psycopg.Error as failed:
        said = str(failed).strip().splitlines()[0] if str(failed).strip() else type(failed).__name__
        what = f"no connection for --dsn: {said}"
        raise UsageError(what, remedy="check host, role and passfile") from failed
    with conn:
        conn.read_only = True
        yield conn


def _without_password(dsn: str) -> dict[str, Any]:
    """Return libpq's parameters of a DSN that names everything itself and holds no password."""
    try:
        named = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise UsageError(
            "--dsn is no connection string", remedy='write "host=... dbname=... user=... passfile=PATH"'
        ) from None
    if named.get("password") or named.get("sslpassword"):
        raise UsageError(
            "--dsn holds a password, which every user of this machine can read in the process list",
            remedy="name a 0600 file with passfile=PATH inside the DSN instead, or a role without a password",
        )
    inherited = sorted(name for name in os.environ if name.startswith("PG"))
    if inherited:
        what = f"libpq would take {', '.join(inherited)} from the environment"
        raise UsageError(what, remedy="unset them and use --dsn")
    return {"connect_timeout": _CONNECT_PATIENCE_S, "client_encoding": "utf8",
            "application_name": "drydock-surface", **named}  # fmt: skip


def _by_catalogue(conn: psycopg.Connection[Any], text: _Text, allowed: list[str]) -> SurfaceVerdict:
    try:
        return judge_catalogue(conn, text.sql, functions_allowed=allowed)
    except psycopg.Error as failed:
        said = str(failed).strip().splitlines()[0]
        what = f"the catalogue could not be read for {text.id}: {said}"
        raise UsageError(what, remedy="use a role that may read pg_catalog") from failed


def _both(by_text: SurfaceVerdict, by_catalogue: SurfaceVerdict) -> SurfaceVerdict:
    reasons = [verdict.reason for verdict in (by_text, by_catalogue) if verdict.reason]
    return SurfaceVerdict(
        allowed=by_text.allowed and by_catalogue.allowed,
        verbs=by_text.verbs,
        reason="; ".join(reasons),
        functions=by_text.functions,
    )


def _line(identity: str, verdict: SurfaceVerdict) -> str:
    """Return one line of printable ASCII: nothing in it can move a cursor or break the line."""
    reason = visible(verdict.reason)
    value = {"id": identity, "allowed": verdict.allowed, "verbs": list(verdict.verbs), "reason": reason}
    return json.dumps(value).replace("\x7f", "\\u007f")
