"""The harness's protocol, spoken to the packed program as a process."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from harness_driver import SHOPPER_PASSWORD, HarnessProcess, Stage, run

from console.engine.archive import build_harness
from console.model.trace import ClientStatement
from console.witness.client import ClientTrace

HEAD = "import os, sys\nfrom console.harness import Context, scenario\nfrom shop import ways\n"


def one_scenario(body: str) -> str:
    """Return a pack whose scenario S1 runs `body`."""
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return f'{HEAD}\n@scenario("S1")\ndef first(ctx: Context) -> None:\n{indented}\n'


def test_the_archive_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    """Packing twice gives one hash and one content, whatever the clock and the umask say."""
    first = build_harness(tmp_path / "a.pyz")
    before = os.umask(0o077)
    try:
        second = build_harness(tmp_path / "b.pyz")
    finally:
        os.umask(before)
    assert first == second
    assert (tmp_path / "a.pyz").read_bytes() == (tmp_path / "b.pyz").read_bytes()


def test_ready_names_process_driver_and_scenarios(stage: Stage) -> None:
    """The first reply says who runs here and what it can run."""
    with HarnessProcess(stage) as harness:
        ready = harness.ask(stage.context())
        assert ready.pop("python") == sys.version.split()[0]
        assert ready == {
            "ready": True, "pid": harness.process.pid, "driver": "psycopg 3.3.9 (binary)",
            "scenarios": ["WAYS", "REFUSED", "RIVAL"], "declared": [],
        }  # fmt: skip
        assert harness.end() == 0


def test_the_end_of_the_input_ends_the_harness(bare_stage: Stage) -> None:
    """A harness whose engine died ends by itself with 0."""
    with HarnessProcess(bare_stage) as harness:
        harness.ask(bare_stage.context())
        assert harness.process.stdin
        harness.process.stdin.close()
        assert harness.process.wait(30) == 0


def test_a_raised_attempt_tells_type_sqlstate_and_the_subjects_frames(stage: Stage) -> None:
    """What the subject raised is told with the place in the subject that raised it."""
    (reply,), _trace, _statements = run(stage, "REFUSED")
    (attempt,) = reply["attempts"]
    assert attempt["frames"][0].startswith("refuse (shop/ways.py:")
    del attempt["frames"]
    assert attempt == {
        "name": "refused", "outcome": "raised", "type": "DivisionByZero", "module": "psycopg.errors",
        "message": "division by zero", "sqlstate": "22012", "told": {},
    }  # fmt: skip


def test_what_the_subject_prints_is_no_reply(bare_stage: Stage) -> None:
    """A subject that writes a reply to stdout, and reads commands from stdin, reaches neither."""
    fake = '{"scenario": "S1", "attempts": [], "ready": true}'
    bare_stage.write(
        pack=one_scenario(
            f"fake = {fake!r}\nprint(fake, flush=True)\nos.write(1, fake.encode() + b'\\n')\n"
            "os.spawnlp(os.P_WAIT, 'echo', 'echo', fake)\n"
            "with ctx.attempt('real'):\n    assert sys.stdin.read() == ''"
        )
    )
    with HarnessProcess(bare_stage) as harness:
        harness.ask(bare_stage.context())
        reply = harness.ask({"scenario": "S1"})
        assert [(a["name"], a["outcome"]) for a in reply["attempts"]] == [("real", "returned")]
        assert harness.end() == 0
    assert harness.stderr_path.read_text().count(fake) == 3


def test_an_unknown_scenario_is_named_with_the_known_ones(bare_stage: Stage) -> None:
    """Asking for a scenario that the pack lacks is told, and the harness goes on."""
    with HarnessProcess(bare_stage) as harness:
        harness.ask(bare_stage.context())
        assert harness.ask({"scenario": "S99"}) == {
            "scenario": "S99", "attempts": [], "whose": "pack",
            "failed": "the pack has no scenario S99; it has WAYS, REFUSED, RIVAL",
        }  # fmt: skip
        assert harness.end() == 0


@pytest.mark.parametrize(
    ("pack", "subject", "whose", "says"),
    [
        ("this is no Python", "", "pack", "the pack cannot be imported: SyntaxError: invalid syntax"),
        ("import shop\n1 / 0\n", "", "pack", "ZeroDivisionError: division by zero (at <module> (pack.py:2))"),
        ("import console.model\n", "", "pack", "No module named 'console.model'"),
        ("x = 1\n", "", "pack", "has no scenario"),
        (HEAD, "class :\n", "subject", "the subject cannot be imported: SyntaxError"),
        (HEAD, "1 / 0\n", "subject", "(at <module> (shop/ways.py:1))"),
        (HEAD, "import sys; sys.exit('leaves')\n", "subject", "SystemExit: leaves"),
        (HEAD, "import no_such_dependency\n", "subject", "No module named 'no_such_dependency'"),
        ("import cutter_agent\n", "", "subject", "No module named 'cutter_agent'"),
    ],
)
def test_what_cannot_be_imported_is_blamed_on_its_owner(
    bare_stage: Stage, pack: str, subject: str, whose: str, says: str
) -> None:
    """An import that fails is told in one sentence, with whose it is, and the harness ends with 1."""
    bare_stage.write(pack=pack, subject=subject)
    with HarnessProcess(bare_stage) as harness:
        reply = harness.ask(bare_stage.context())
        assert reply["whose"] == whose
        assert says in reply["failed"]
        assert harness.process.wait(30) == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"nonsense\n", "the first line is not a context"),
        (b"7\n", "the first line is not a context"),
        (b'{"pack": "p"}\n', "the context lacks subject, trace, host, port, database, sslmode, passwords"),
    ],
)
def test_a_first_line_that_is_no_context_is_refused(bare_stage: Stage, line: bytes, says: str) -> None:
    """The harness starts nothing without a whole context."""
    with HarnessProcess(bare_stage) as harness:
        assert harness.ask(line) == {"failed": says, "whose": "harness"}
        assert harness.process.wait(30) == 1


def test_another_psycopg_is_refused(bare_stage: Stage) -> None:
    """The tracer does not start on a psycopg that it was not written for."""
    program = (
        "import psycopg, sys; psycopg.__version__ = '3.3.8'; "
        f"sys.path.insert(0, {str(bare_stage.archive)!r}); import console.harness.program as p; p.main()"
    )
    with HarnessProcess(bare_stage, [sys.executable, "-I", "-B", "-c", program]) as harness:
        assert harness.ask(bare_stage.context()) == {
            "failed": "psycopg 3.3.8 is installed here, and the tracer knows psycopg 3.3.9 only",
            "whose": "harness",
        }
        assert harness.process.wait(30) == 1


def test_an_error_outside_an_attempt_ends_the_scenario_with_a_sentence(bare_stage: Stage) -> None:
    """What a pack leaves outside its attempts is told apart from the attempts' outcomes."""
    bare_stage.write(pack=one_scenario("with ctx.attempt('first'):\n    pass\nraise KeyError('lost')"))
    (reply,), _trace, _statements = run(bare_stage, "S1")
    assert [a["outcome"] for a in reply["attempts"]] == ["returned"]
    assert reply["failed"] == "S1 ended outside an attempt: KeyError: 'lost' (at first (pack.py:9))"
    assert reply["whose"] == "pack"


@pytest.mark.parametrize("raised", ["SystemExit(0)", "KeyboardInterrupt()", "Unprintable()"])
def test_whatever_is_raised_in_an_attempt_counts_as_raised(bare_stage: Stage, raised: str) -> None:
    """Neither leaving the process nor a hostile exception gets past the attempt."""
    bare_stage.write(
        pack="class Unprintable(Exception):\n    def __str__(self):\n        raise ValueError\n"
        + one_scenario(f"with ctx.attempt('only'):\n    raise {raised}")
    )
    (reply,), trace, _statements = run(bare_stage, "S1")
    assert [(a["outcome"], a["type"]) for a in reply["attempts"]] == [("raised", raised.split("(")[0])]
    assert [(w.scenario, w.attempt, w.ended_at is not None) for w in trace.windows] == [("S1", "only", True)]


def test_a_password_in_a_message_is_taken_out_and_counted(stage: Stage) -> None:
    """A password leaves neither in a reply nor in the trace; each find is a record with its origin."""
    stage.write(
        pack=one_scenario(
            "with ctx.attempt('tells'):\n"
            '    ways.connect(ctx).execute("SELECT $$" + ctx.password(\'shopper\') + "$$::int")'
        )
    )
    (reply,), trace, statements = run(stage, "S1")
    assert "[redacted:shopper]" in reply["attempts"][0]["message"]
    assert statements[1].sql == "SELECT $$[redacted:shopper]$$::int"
    assert SHOPPER_PASSWORD not in stage.trace.read_text() + str(reply)
    found = [(r.secret, r.origin, r.form, r.scenario, r.attempt) for r in trace.redactions]
    assert found == [
        ("shopper", "statement", "plain", "S1", "tells"),
        ("shopper", "server message", "plain", "S1", "tells"),
        ("shopper", "attempt message", "plain", "S1", ""),
        ("shopper", "attempt message", "plain", "S1", ""),
    ]


def test_a_rival_is_traced_and_closed_with_its_scenario(stage: Stage) -> None:
    """Deliberate interference is witnessed, and its session ends before the next scenario."""
    _replies, trace, statements = run(stage, "RIVAL", "REFUSED")
    rival, later = trace.sessions
    assert [s.sql for s in statements if s.pid == rival.pid] == ["SELECT 'rival'"]
    assert rival.closed_at is not None
    assert rival.closed_at < later.opened_at


def test_a_trace_that_cannot_be_opened_stops_the_start(bare_stage: Stage) -> None:
    """Without a place to record nothing is run."""
    context = {**bare_stage.context(), "trace": "/proc/no-such-place"}
    with HarnessProcess(bare_stage) as harness:
        reply = harness.ask(context)
        expected = "the trace file /proc/no-such-place cannot be opened: No such file or directory"
        assert reply == {"failed": expected, "whose": "harness"}
        assert harness.process.wait(30) == 1


FULL = """import resource
conn = ways.connect(ctx)
conn.execute("SELECT 'recorded'")
{first}
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize({trace!r}) + {room}, -1))
with __import__('contextlib').suppress(RuntimeError):
    for number in range(5000):
        conn.execute(f"SELECT {{number}} AS {words}")
assert conn.closed
"""


@pytest.mark.parametrize(
    ("first", "room", "reason"),
    [
        ("", 0, "File too large"),
        ("os.fork() or os._exit(0)", 0, "File too large"),
        ("os.fork() or os._exit(0)", 40, "only a part of a line was written"),
    ],
)
def test_without_a_trace_nothing_is_executed(stage: Stage, first: str, room: int, reason: str) -> None:
    """A failed or partial append raises, closes the connection, and the server never sees the statement.

    Beyond what was reserved as in a file that is written line by line, which it is after a fork.
    """
    stage.write(
        pack=one_scenario(
            FULL.format(first=first, trace=str(stage.trace), room=room, words=stage.folder.name)
        )
    )
    with HarnessProcess(stage) as harness:
        harness.ask(stage.context())
        reply = harness.ask({"scenario": "S1"})
        assert reply["failed"] == f"the trace file {stage.trace} cannot be written: {reason}"
        assert reply["whose"] == "harness"
        assert harness.process.wait(30) == 1
    recorded = in_both(stage, stage.folder.name)
    assert (recorded > 100) == (not first)


def in_both(stage: Stage, words: str) -> int:
    """Return how many statements with these words both witnesses have."""
    recorded = [one.sql for one in ClientTrace(stage.trace).finish() if words in one.sql]
    assert stage.cluster is not None
    log = stage.cluster.server_log.read_text()
    assert [sql for sql in recorded if sql not in log] == []
    assert log.count(words) == len(recorded)
    return len(recorded)


REDIRECT = """ours = [n for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{{n}}')
        and os.readlink(f'/proc/self/fd/{{n}}') == {trace!r}]
"""


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ("os.unlink({trace!r})", "was removed"),
        ("os.unlink({trace!r})\nopen({trace!r}, 'w').close()", "was replaced"),
        ("os.close(int(ours[0]))", "was closed"),
        (
            "os.dup2(os.open(os.devnull, os.O_WRONLY), int(ours[0]))",
            "was exchanged for another under its descriptor",
        ),
        ("open({trace!r}, 'a').write('{{}}')", "was cut or written by another"),
        ("os.truncate({trace!r}, 0)", "was cut or written by another"),
    ],
)
def test_a_trace_tampered_with_is_the_subjects_fault(bare_stage: Stage, deed: str, says: str) -> None:
    """Whatever happens to the trace file is told after the scenario, and whose fault it is."""
    trace = str(bare_stage.trace)
    bare_stage.write(pack=one_scenario((REDIRECT + deed).format(trace=trace)))
    with HarnessProcess(bare_stage) as harness:
        harness.ask(bare_stage.context())
        reply = harness.ask({"scenario": "S1"})
    assert reply["failed"] == f"the trace file {trace} {says} during the rehearsal"
    assert reply["whose"] == "subject"


def test_a_closed_descriptor_lets_no_statement_through(stage: Stage) -> None:
    """A subject that closes every descriptor it finds sends nothing untraced: what was reserved takes some more."""
    body = """conn = ways.connect(ctx)
os.close(int(ours[0]))
with __import__('contextlib').suppress(RuntimeError):
    for number in range(5000):
        conn.execute(f"SELECT {{number}} AS {words}")
assert conn.closed
"""
    stage.write(pack=one_scenario((REDIRECT + body).format(trace=str(stage.trace), words=stage.folder.name)))
    with HarnessProcess(stage) as harness:
        harness.ask(stage.context())
        reply = harness.ask({"scenario": "S1"})
    assert reply["failed"] == f"the trace file {stage.trace} cannot be written: Bad file descriptor"
    assert in_both(stage, stage.folder.name) > 100


def test_a_forked_child_writes_under_its_own_numbers_and_cannot_reply(stage: Stage) -> None:
    """A fork's statements are marked as another process's, and it never answers in the harness's name."""
    stage.write(
        pack=one_scenario(
            "with ctx.attempt('forks'):\n"
            "    parent = ways.connect(ctx)\n"
            "    parent.execute(\"SELECT 'parent'\")\n"
            "    child = os.fork()\n"
            "    if child == 0:\n"
            "        ways.connect(ctx).execute(\"SELECT 'child'\")\n"
            "    else:\n"
            "        os.waitpid(child, 0)\n"
            "        parent.execute(\"SELECT 'parent again'\")"
        )
    )
    (reply,), trace, statements = run(stage, "S1")
    assert [a["outcome"] for a in reply["attempts"]] == ["returned"]
    assert [s.sql for s in statements] == [
        "BEGIN", "SELECT 'parent'", "BEGIN", "SELECT 'child'", "SELECT 'parent again'",
    ]  # fmt: skip
    parent, child = trace.sessions
    assert (parent.process, child.process > 0) == (0, True)
    assert trace.irregularities == [
        f"line 12 marks attempt forks from process {child.process}, which the harness did not start"
    ]


def test_a_harness_that_is_told_nonsense_ends(bare_stage: Stage) -> None:
    """A command that is neither a scenario nor the end is refused."""
    with HarnessProcess(bare_stage) as harness:
        harness.ask(bare_stage.context())
        assert harness.ask({"scenario": 4})["failed"] == "a command is neither a scenario nor the end"
        assert harness.process.wait(30) == 1


def test_a_threads_lingering_does_not_hold_the_harness(bare_stage: Stage) -> None:
    """A subject's endless thread does not keep the process alive after the end."""
    bare_stage.write(
        pack=one_scenario("import threading\nthreading.Thread(target=threading.Event().wait).start()")
    )
    with HarnessProcess(bare_stage) as harness:
        harness.ask(bare_stage.context())
        harness.ask({"scenario": "S1"})
        assert harness.end() == 0
        assert harness.process.returncode != -signal.SIGKILL


def test_a_killed_harness_loses_no_statement_that_had_begun(stage: Stage) -> None:
    """What the server was asked before SIGKILL is in the trace, the statement that was under way included."""
    name = stage.folder.name
    body = (
        "conn = ways.connect(ctx, autocommit=True)\n"
        f'for number in range(2000):\n    conn.execute(f"SELECT {{number}} AS {name}")\n'
        f'conn.execute("SELECT pg_sleep(600) AS {name}")\n'
    )
    stage.write(pack=one_scenario(body))
    trace = ClientTrace(stage.trace)
    with HarnessProcess(stage) as harness:
        harness.ask(stage.context())
        assert harness.process.stdin
        harness.process.stdin.write(b'{"scenario": "S1"}\n')
        harness.process.stdin.flush()
        found: list[ClientStatement] = []
        deadline = time.monotonic() + 60
        assert stage.cluster is not None
        asked = f"SELECT pg_sleep(600) AS {name}"
        while not (
            any("pg_sleep" in one.sql for one in trace.under_way())
            and asked in stage.cluster.server_log.read_text()
        ):  # a statement is told before it is sent: killed in between, it would be in one witness alone
            assert time.monotonic() < deadline
            found += trace.drain()
        harness.process.kill()
        assert harness.process.wait(30) == -signal.SIGKILL
    found += trace.finish()
    assert trace.irregularities == []
    told = [one for one in found if name in one.sql]
    assert [one.answered for one in told] == [True] * 2000 + [False]
    assert in_both(stage, name) == 2001
