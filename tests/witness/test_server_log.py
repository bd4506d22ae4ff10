"""The server's own log: what PostgreSQL 16 and 18 really write, and how a growing file is read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from console.model.trace import ServerLine
from console.witness.server_log import (
    LINE_LIMIT_BYTES,
    ServerLog,
    server_line,
    sessions_ended,
)

if TYPE_CHECKING:
    from tests.witness.conftest import WitnessedServer

PATIENCE_S = 20.0


def lines_until_ended(log: ServerLog, pid: int) -> list[ServerLine]:
    """Read until the server logged the end of that backend's session."""
    found: list[ServerLine] = []
    deadline = time.monotonic() + PATIENCE_S
    while not sessions_ended(found, [pid]):
        assert time.monotonic() < deadline, f"no end of backend {pid} among {len(found)} lines"
        reading = log.read("S1")
        assert reading.irregularities == ()
        found += reading.lines
    return [line for line in found if line.pid == pid]


Deed = Callable[[psycopg.Connection[Any]], object]
Seen = Sequence[tuple[str, str, str, str, bool]]


def quietly(deed: Deed) -> Deed:
    """Do something that the server refuses."""

    def run(conn: psycopg.Connection[Any]) -> None:
        with pytest.raises(psycopg.Error):
            deed(conn)

    return run


def in_pipeline(conn: psycopg.Connection[Any]) -> None:
    """Send two statements and one that fails, then one that is skipped."""
    with conn.pipeline():
        conn.execute("select 1")
        conn.execute("select %s::int", (2,))
        conn.execute("select 1/0")
        conn.execute("select 3")


def prepared(conn: psycopg.Connection[Any]) -> None:
    """Prepare without executing, then prepare and execute."""
    conn.pgconn.prepare(b"idle one", b"select 98", None)
    conn.execute("select %s::int", (1,), prepare=True)


def copies(conn: psycopg.Connection[Any]) -> None:
    """Copy one row out."""
    with conn.cursor().copy("copy ledger to stdout") as copy:
        list(copy)


def imitates(conn: psycopg.Connection[Any]) -> None:
    """Write a line with the words of a logged statement."""
    conn.execute("do $$ begin raise log 'statement: select 666'; end $$")


def line(kind: str, sql: str, prepared: str = "", sqlstate: str = "", unlogged: bool = False) -> Any:
    """Return one expected line."""
    return (kind, sql, prepared, sqlstate, unlogged)


FACTS: dict[str, tuple[Deed, Seen]] = {
    "simple": (lambda c: c.execute("select 1"), [line("statement", "select 1")]),
    "several in one string": (
        lambda c: c.execute("select 1; select 2"),
        [line("statement", "select 1; select 2")],
    ),
    "white space is kept": (lambda c: c.execute("select\n 1  "), [line("statement", "select\n 1  ")]),
    "empty": (lambda c: c.execute(""), [line("statement", "")]),
    "extended": (lambda c: c.execute("select %s::int", (1,)), [line("execute", "select $1::int")]),
    "prepared, and Parse alone": (prepared, [line("execute", "select $1::int", "_pg3_0")]),
    "syntax error, simple": (
        quietly(lambda c: c.execute("select 1; selec 2")),
        [line("error", "select 1; selec 2", "", "42601", True)],
    ),
    "unknown column, simple": (
        quietly(lambda c: c.execute("select nope")),
        [line("statement", "select nope"), line("error", "select nope", "", "42703")],
    ),
    "syntax error, extended": (
        quietly(lambda c: c.execute("select nope %s", (1,))),
        [line("error", "select nope $1", "", "42601", True)],
    ),
    "denied read, simple": (
        quietly(lambda c: c.execute("select * from secret")),
        [line("statement", "select * from secret"), line("error", "select * from secret", "", "42501")],
    ),
    "denied read, extended": (
        quietly(lambda c: c.execute("select * from secret where a = %s", (1,))),
        [line("error", "select * from secret where a = $1", "", "42501", True)],
    ),
    "denied insert, extended": (
        quietly(lambda c: c.execute("insert into secret values (%s)", (1,))),
        [
            line("execute", "insert into secret values ($1)"),
            line("error", "insert into secret values ($1)", "", "42501"),
        ],
    ),
    "pipeline": (
        quietly(in_pipeline),
        [
            line("execute", "select 1"),
            line("execute", "select $1::int"),
            line("error", "select 1/0", "", "22012", True),
        ],
    ),
    "copy": (copies, [line("statement", "copy ledger to stdout")]),
    "cut at NUL": (lambda c: c.execute("select 1\0; select 99"), [line("statement", "select 1")]),
    "an imitated line": (
        imitates,
        [
            line("statement", "do $$ begin raise log 'statement: select 666'; end $$"),
            line("other", ""),
        ],
    ),
}


@pytest.mark.parametrize("name", FACTS)
def test_server_writes(witnessed_server: WitnessedServer, name: str) -> None:
    """PostgreSQL writes exactly these lines for this way of sending a statement."""
    deed, expected = FACTS[name]
    log = ServerLog(witnessed_server.cluster.server_log)
    with witnessed_server.connect(autocommit=True) as conn:
        deed(conn)
        pid = conn.info.backend_pid
    found = lines_until_ended(log, pid)
    log.close()
    shown = [(it.kind, it.sql, it.prepared, it.sqlstate, it.unlogged) for it in found]
    logins = ("connection", "disconnection")
    assert [it for it in shown if it[0] not in logins and it != ("other", "", "", "", False)] == [
        it for it in expected if it[0] != "other"
    ]
    assert [it[0] for it in shown if it[0] in logins] == list(logins)
    assert {it.user for it in found if it.kind != "other"} == {"subject"}


def test_fastpath_is_a_statement_of_its_own() -> None:
    """A function called past SQL stands in the log as a statement that no client text equals."""
    message = 'fastpath function call: "lo_create" (OID 715)'
    found = server_line(entry(message=message))
    assert (found.kind, found.sql) == ("statement", message)


def test_time_is_right_in_every_zone(witnessed_server: WitnessedServer) -> None:
    """A line's time is within a second of the client's clock."""
    log = ServerLog(witnessed_server.cluster.server_log)
    before = time.time()
    with witnessed_server.connect() as conn:
        pid = conn.info.backend_pid
    last = lines_until_ended(log, pid)[-1]
    log.close()
    assert before - 1 < last.at < time.time() + 1
    local = entry(timestamp="2026-11-21 08:44:05.250 EET", session_start="2026-11-21 08:44:04 EET")
    assert server_line({**local, "session_id": "6b013db4.20b0"}).at == 0x6B013DB4 + 1.25


def entry(number: int = 1, *, session: str = "6b013db4.20b0", **other: Any) -> dict[str, Any]:
    """Return one entry of the jsonlog."""
    return {
        "timestamp": "2026-11-21 06:44:04.599 UTC", "session_start": "2026-11-21 06:44:04 UTC",
        "session_id": session, "pid": 8368, "line_num": number, "user": "subject", "dbname": "postgres",
        "error_severity": "LOG", "message": "statement: select 1", "ps": "idle", **other,
    }  # fmt: skip


def written(*entries: dict[str, Any]) -> bytes:
    """Return entries as the file holds them."""
    return b"".join(json.dumps(it).encode() + b"\n" for it in entries)


def test_torn_line_waits(tmp_path: Path) -> None:
    """The beginning of a line yields nothing, its rest yields the line once."""
    path = tmp_path / "server.json"
    log = ServerLog(path)
    assert log.read().lines == ()
    whole = written(entry())
    path.write_bytes(whole[:40])
    assert log.read().lines == ()
    with path.open("ab") as file:
        file.write(whole[40:])
    assert [it.sql for it in log.read().lines] == ["select 1"]
    assert log.read().lines == ()
    log.close()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{nonsense\n", "server.json: a line is not JSON in UTF-8: JSON is malformed"),
        (b'{"pid":1,"message":"\xff"}\n', "server.json: a line is not JSON in UTF-8: 'utf-8' codec"),
        (b'{"message":"no pid"}\n', "server.json: a line is not an entry of the server's log"),
        (b'{"pid":1,"message":[]}\n', "server.json: a line's texts are not texts"),
        (
            written(entry(1), entry(3)),
            "server.json: session 6b013db4.20b0 goes from line 1 to line 3",
        ),
        (written(entry(2)), "server.json: session 6b013db4.20b0 goes from line 0 to line 2"),
    ],
)
def test_unreadable_line_is_said(tmp_path: Path, content: bytes, sentence: str) -> None:
    """A line that cannot be read, or one that is missing, is an irregularity and not silence."""
    path = tmp_path / "server.json"
    path.write_bytes(content)
    log = ServerLog(path)
    (found,) = log.read().irregularities
    log.close()
    assert found.startswith(sentence)


@pytest.mark.parametrize(("size", "read"), [(LINE_LIMIT_BYTES, True), (LINE_LIMIT_BYTES + 1, False)])
def test_long_line(tmp_path: Path, size: int, read: bool) -> None:
    """A line of 8 MiB is read; one byte more makes it an irregularity, and the next line is read."""
    path = tmp_path / "server.json"
    empty = len(written(entry(message="statement: "))) - 1
    path.write_bytes(written(entry(message="statement: " + "x" * (size - empty)), entry(1, session="1.1")))
    log = ServerLog(path)
    reading = log.read()
    log.close()
    too_long = f"server.json: a line is longer than {LINE_LIMIT_BYTES} bytes and was not read"
    assert len(reading.lines) == (2 if read else 1)
    assert reading.irregularities == (() if read else (too_long,))


def test_shrunk_replaced_and_removed_files_are_said(tmp_path: Path) -> None:
    """A file that shrank, was replaced or is gone is an irregularity, and what is there is read."""
    path = tmp_path / "server.json"
    path.write_bytes(written(entry(1), entry(2)))
    whole = path.stat().st_size
    log = ServerLog(path)
    log.read()
    path.write_bytes(written(entry(1)))
    shrunk = log.read()
    assert shrunk.irregularities == (f"server.json shrank from {whole} to {whole // 2} bytes",)
    assert len(shrunk.lines) == 1
    other = tmp_path / "other"
    other.write_bytes(written(entry(1)))
    other.replace(path)
    assert log.read().irregularities == (f"server.json was replaced after {whole // 2} bytes were read",)
    path.unlink()
    assert log.read().irregularities == (f"server.json is gone after {whole // 2} bytes were read",)
    log.close()


def seen(kind: str, pid: int) -> ServerLine:
    """Return one line of a session's beginning or end."""
    return ServerLine(
        at=0.0,
        pid=pid,
        session="s",
        line=1,
        user="u",
        database="d",
        application="",
        kind=kind,
        severity="LOG",
    )


@pytest.mark.parametrize(
    ("lines", "pids", "ended"),
    [
        ([("connection", 1), ("disconnection", 1)], [1], True),
        ([("connection", 1), ("disconnection", 1), ("connection", 2)], [1], True),
        ([("connection", 1), ("disconnection", 1), ("connection", 2)], [1, 2], False),
        ([("connection", 1), ("disconnection", 1), ("connection", 1)], [1], False),
        ([("connection", 1), ("statement", 1)], [1], False),
        ([], [1], False),
        ([], [], True),
    ],
)
def test_sessions_ended(lines: list[tuple[str, int]], pids: list[int], ended: bool) -> None:
    """Only a disconnection after the last connection ends a session; an unseen backend has not ended."""
    assert sessions_ended([seen(*it) for it in lines], pids) is ended
