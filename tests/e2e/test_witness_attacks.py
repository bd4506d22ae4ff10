"""Subjects that try to fool the witnesses: each is caught where the logic puts it."""

from __future__ import annotations

from functools import partial

import pytest
from fix_runs import Drydock, Ended, Play
from subjects import sweep_with

OPTIONS = """
config = adapter.config
options = {"host": config.host, "port": config.port, "dbname": config.name, "sslmode": config.sslmode,
           "user": config.user, "password": config.password.reveal()}
"""
TOUCH = "UPDATE public.decision_backlog_entry SET status = status"
TRACE = """
import json, os
trace = next(os.readlink("/proc/self/fd/" + name) for name in os.listdir("/proc/self/fd")
             if int(name) >= 500 and os.readlink("/proc/self/fd/" + name).endswith("client.jsonl"))
"""
NUMBERS = TRACE.replace("client.jsonl", "client.numbers").replace("trace =", "numbers =")
RAW_TOUCH = f"""
from psycopg import pq
raw = pq.PGconn.connect(" ".join(f"{{key}}='{{value}}'" for key, value in options.items()).encode())
result = raw.exec_(b"{TOUCH}")
assert result.status == pq.ExecStatus.COMMAND_OK, result.error_message
raw.finish()
"""

ATTACKS = {
    "second connection": OPTIONS + f"""
import psycopg
with psycopg.connect(**options) as other:
    other.execute("{TOUCH}")
""",
    "raw libpq": OPTIONS + RAW_TOUCH,
    "raw statement on its own session": f"""
with adapter._session() as connection:
    connection.pgconn.exec_(b"{TOUCH}")
""",
    "forked child": OPTIONS + f"""
import os, psycopg
if os.fork() == 0:
    with psycopg.connect(**options) as other:
        other.execute("{TOUCH}")
    os._exit(0)
os.wait()
""",
    "daemon with a connection": OPTIONS + """
import os, time
told, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    from psycopg import pq
    raw = pq.PGconn.connect(" ".join(f"{key}='{value}'" for key, value in options.items()).encode())
    raw.exec_(b"SELECT 1")
    os.write(tell, b"x")
    time.sleep(600)
os.read(told, 1)
""",
    "own trace lines": TRACE + """
line = {"e": "send", "n": 100000, "c": 1, "pid": 1, "user": "cutter_exec", "s": "S4b", "a": "sweep",
        "p": "SWEEP", "sql": "SELECT 1", "types": [], "tx": "idle", "t": 1, "implicit": False,
        "prepared": "", "callers": [], "at": 1.0}
with open(trace, "a") as file:
    file.write(json.dumps(line) + "\\n")
""",
    "no JSON in the trace": TRACE + """
with open(trace, "a") as file:
    file.write("{ not json\\n")
""",
    "deleted trace": TRACE + "os.unlink(trace)",
    "truncated trace": TRACE + "os.truncate(trace, 0)",
    "replaced trace": TRACE + "import shutil; shutil.copy(trace, trace + '2'); os.rename(trace + '2', trace)",
    "deleted numbers": NUMBERS + "os.unlink(numbers)",
    "truncated numbers": NUMBERS + "os.truncate(numbers, 0)",
    "replaced numbers": NUMBERS
    + "import shutil; shutil.copy(numbers, numbers + '2'); os.rename(numbers + '2', numbers)",
    "own numbers": NUMBERS + """
import struct
with open(numbers, "r+b") as file:
    for n in range(2000):
        file.seek(n * 8)
        if file.read(8) == bytes(8):
            file.seek(n * 8)
            file.write(struct.pack("q", 1))
""",
    "log_statement": """
from cutter_agent.principals import Isolation
with adapter.transaction(Isolation.READ_COMMITTED):
    adapter.execute("SET log_statement = 'none'")
""",
    "log_statement, swallowed": """
import contextlib
with contextlib.suppress(Exception), adapter._session() as connection:
    connection.execute("SELECT set_config('log_statement', 'none', false)")
""",
    "flooded log": f"""
with adapter._session() as connection:
    for _ in range(20_000):
        connection.pgconn.exec_(b"SELECT 1")
    connection.pgconn.exec_(b"{TOUCH}")
""",
    "unhooked tracer": f"""
import sys
from psycopg._cursor_base import BaseCursor
if "console.harness" in sys.modules:
    hooked = BaseCursor._execute_send
    BaseCursor._execute_send = hooked.__wrapped__
    try:
        with adapter._session() as connection:
            connection.execute("{TOUCH}")
            connection.commit()
    finally:
        BaseCursor._execute_send = hooked
""",
    "hides as the engine's rival": OPTIONS + f"""
import psycopg
with psycopg.connect(**options, application_name="drydock-rival") as other:
    other.execute("{TOUCH}")
""",
    "late child": OPTIONS + """
import os, subprocess, sys, textwrap
child = textwrap.dedent('''
import os, sys, time
from psycopg import pq
while os.path.exists("/proc/" + sys.argv[1]): time.sleep(0.005)
time.sleep(0.3)
try:
    raw = pq.PGconn.connect(sys.argv[2].encode())
    raw.exec_(b"UPDATE public.decision_backlog_entry SET unit_ref = unit_ref")
finally:
    time.sleep(600)
''')
where = " ".join(f"{key}='{value}'" for key, value in options.items() if key != "password")
env = {**os.environ, "PGPASSWORD": options["password"]}
subprocess.Popen([sys.executable, "-c", child, str(os.getpid()), where], start_new_session=True, env=env)
""",
    "at the harness's end": """
import gc, sys
program = sys.modules.get("console.harness.program")
if program is not None:
    def closing(*words, before=program._close_connections):
        import psycopg
        for one in gc.get_objects():
            if isinstance(one, psycopg.Connection) and not one.closed:
                one.execute("DO $$ BEGIN PERFORM 1; END $$")
                one.commit()
        before(*words)
    program._close_connections = closing
""",
    "quoting by startup options": OPTIONS + """
import psycopg
settings = "-c standard_conforming_strings=off -c escape_string_warning=off"
with psycopg.connect(**options, options=settings) as other:
    other.execute("SELECT 1")
    text = "SELECT '" + chr(92) + "' , '; COMMIT; BEGIN; SELECT pg_notify(''a'', ''b''); --'"
    other.execute("SELECT '" + chr(92) + "' , '; COMMIT; BEGIN; NOTIFY x; --'")
    other.commit()
""",
    "a rival by name and thread": OPTIONS + f"""
import psycopg, threading
other = psycopg.connect(**options, application_name="drydock-rival", autocommit=True)
thread = threading.Thread(target=other.execute, args=("SELECT 1",))
thread.start(); thread.join()
other.execute("{TOUCH}")
other.close()
""",
    "an expression without end": """
import contextlib
with adapter._session() as connection:
    with contextlib.suppress(Exception):
        connection.execute("SELECT 1" + "+1" * 120_000)
    connection.rollback()
""",
}  # fmt: skip
"""What SWEEP does in the end, once for its real run (S4b)."""

PLACES = {
    "second connection": ("S4b", "transactions with writes committed: 2, expected 1"),
    "raw libpq": ("G-20", "the client witness never recorded: UPDATE public.decision_backlog_entry"),
    "raw statement on its own session": ("G-20", "the client witness never recorded: UPDATE"),
    "forked child": ("S4b", "transactions with writes committed: 2, expected 1"),
    "daemon with a connection": ("S11", "too many connections for role"),
    "own trace lines": ("S4b", "was cut or written by another during the rehearsal"),
    "no JSON in the trace": ("S4b", "was cut or written by another during the rehearsal"),
    "deleted trace": ("S4b", "was removed during the rehearsal"),
    "truncated trace": ("S4b", "which no client statement explains: a connection past the witness"),
    "replaced trace": ("S4b", "was replaced during the rehearsal"),
    "deleted numbers": ("S4b", "client.numbers was removed during the rehearsal"),
    "truncated numbers": ("S4b", ""),
    "replaced numbers": ("S4b", "client.numbers was replaced during the rehearsal"),
    "own numbers": ("S5", ""),
    "log_statement": ("S4b", 'permission denied to set parameter "log_statement"'),
    "log_statement, swallowed": ("S4b", 'permission denied to set parameter "log_statement"'),
    "flooded log": ("G-20", "the client witness never recorded"),
    "unhooked tracer": ("S4b", "which no client statement explains: a connection past the witness"),
    "hides as the engine's rival": ("S4b", "transactions with writes committed: 2, expected 1"),
    "late child": ("G-20", "of the subject outlived the harness"),
    "at the harness's end": ("G-20", "outside every scenario: DO $$"),
    "quoting by startup options": ("G-20", "the server went through transactions"),
    "a rival by name and thread": ("S4b", ""),
    "an expression without end": ("S4b", ""),
}
"""Where each is caught, and in which words."""


def attack(code: str, drydock: Drydock) -> Ended:
    """Return the run of a subject whose SWEEP ends with `code`."""
    return drydock.run("--subject", str(sweep_with(drydock, code)))


PLAYS: dict[str, Play] = {name: partial(attack, code) for name, code in ATTACKS.items()}


LIKE_ANOTHER = frozenset(
    {
        "raw statement on its own session", "no JSON in the trace", "truncated trace", "replaced trace",
        "log_statement, swallowed", "hides as the engine's rival", "an expression without end",
    }
)  # fmt: skip
"""Kept for the full matrix: each goes the way of another one that every run plays."""


@pytest.mark.parametrize(
    "played",
    [pytest.param(name, marks=pytest.mark.matrix if name in LIKE_ANOTHER else ()) for name in ATTACKS],
    indirect=True,
)
def test_the_attack_is_caught(played: Ended, request: pytest.FixtureRequest) -> None:
    """The attack ends FAIL, CLEAN, cause subject, at its place and in its words."""
    place, says = PLACES[request.node.callspec.params["played"]]
    assert played.outcome == (1, "FAIL", "CLEAN", "subject"), played.said.stderr
    found = played.summary["failed_scenario"] or played.summary["failed_gate"]
    assert (found, says in played.said.stderr) == (place, True), played.said.stderr


def test_every_attack_has_a_place() -> None:
    """No attack is without an expectation."""
    assert set(PLACES) == set(ATTACKS)
