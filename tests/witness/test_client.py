"""The reader of the client witness's file: what it merges, and that no content can hurt it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.harness import tracer
from console.model.trace import ClientStatement
from console.witness.client import (
    LONGEST_KEPT_BYTES,
    LONGEST_LINE_BYTES,
    MOST_ALIKE,
    MOST_IRREGULARITIES,
    ClientTrace,
)
from console.witness.client_statements import ClientRedaction, ClientSession, Window


def opened(**changes: Any) -> dict[str, Any]:
    """Return the line of a session's opening."""
    return {"e": "open", "c": 1, "pid": 123, "user": "cutter_exec", "at": 1.0} | changes


def sent(n: int, **changes: Any) -> dict[str, Any]:
    """Return the line of a statement about to leave."""
    line = {
        "e": "send", "n": n, "c": 1, "pid": 123, "user": "cutter_exec", "s": "S4", "a": "mark", "p": "MARK",
        "sql": f"SELECT {n}", "types": ["text"], "tx": "idle", "t": 3, "implicit": False, "prepared": "",
        "callers": ["find (db.py:120)"], "at": 2.5,
    }  # fmt: skip
    return line | changes


def again(n: int, like: int, **changes: Any) -> dict[str, Any]:
    """Return the line of a statement about to leave that is like an earlier one."""
    return {"e": "again", "n": n, "like": like, "after": 0.25} | changes


def done(n: int, **changes: Any) -> dict[str, Any]:
    """Return the line of a statement's answer."""
    return {"e": "done", "n": n, "ns": 12_345, "rows": 1, "sqlstate": "", "message": ""} | changes


def append(path: Path, *lines: dict[str, Any] | bytes) -> None:
    """Append lines; bytes go as they are."""
    with path.open("ab") as file:
        for line in lines:
            file.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")


@pytest.fixture
def trace(tmp_path: Path) -> ClientTrace:
    """Return a reader of a file that is not there yet."""
    return ClientTrace(tmp_path / "client.jsonl")


def test_send_and_done_become_one_statement(trace: ClientTrace) -> None:
    """A statement has all that was said of it before and after."""
    append(trace.path, opened(), sent(1), done(1, sqlstate="42501", message="denied", rows=-1))
    assert trace.drain() == [
        ClientStatement(
            n=1, pid=123, principal="cutter_exec", scenario="S4", attempt="mark", phase="MARK",
            sql="SELECT 1", sent_at=2.5, types=("text",), tx="idle", transaction=3, implicit=False,
            prepared="", callers=("find (db.py:120)",), answered=True, duration_us=12, rows=-1,
            sqlstate="42501", message="denied",
        )
    ]  # fmt: skip
    assert trace.irregularities == []


def test_a_statement_like_an_earlier_one_has_all_that_was_said_of_that(trace: ClientTrace) -> None:
    """Only number, transaction and time are its own; time counts from the session's opening."""
    append(
        trace.path,
        opened(at=7.0),
        sent(1, kept=True),
        done(1),
        sent(2, kept=True, tx="intrans", t=8),
        done(2),
    )
    append(trace.path, again(3, 1), {"e": "done", "n": 3, "ns": 5_999, "rows": 2}, again(4, 2), done(4))
    first, second, idle, inside = trace.drain()
    own = {"n": 3, "transaction": 9, "sent_at": 7.25, "duration_us": 5, "rows": 2}
    assert idle == msgspec.structs.replace(first, **own)
    assert inside == msgspec.structs.replace(second, n=4, transaction=9, sent_at=7.25)
    assert trace.irregularities == []


def test_only_so_many_are_kept_for_later_ones(trace: ClientTrace) -> None:
    """The oldest of a session's kept statements goes when there is one too many, and all go with the session."""
    append(trace.path, opened(), *(sent(n, kept=True) for n in range(1, MOST_ALIKE + 2)))
    append(trace.path, again(MOST_ALIKE + 2, 2))
    trace.drain(everything=True)
    assert trace.irregularities == []
    append(trace.path, again(MOST_ALIKE + 3, 1), {"e": "close", "c": 1, "pid": 123, "at": 5.0})
    append(trace.path, again(MOST_ALIKE + 3, 3))
    assert trace.drain(everything=True) == []
    line = MOST_ALIKE + 4
    assert trace.irregularities == [
        f"line {line} sends a statement like 1, of which nothing is known",
        f"line {line + 2} sends a statement like 3, of which nothing is known",
    ]


def test_the_harness_refers_to_nothing_that_is_not_kept() -> None:
    """The reader keeps more than the harness remembers, and what that is short enough for the reader."""
    assert MOST_ALIKE >= 2 * tracer.MOST_ALIKE
    assert LONGEST_KEPT_BYTES >= 2 * tracer.LONGEST_KEPT_BYTES


def test_statements_come_in_the_order_of_sending(trace: ClientTrace) -> None:
    """An answered statement waits for an earlier one; nothing comes twice."""
    append(trace.path, opened(), sent(1), sent(2), done(2))
    assert trace.drain() == []
    assert [(s.n, s.answered) for s in trace.under_way()] == [(1, False), (2, True)]
    assert (trace.backend_of(1), trace.backend_of(2), trace.backend_of(3)) == (
        trace.under_way()[0].pid,
        None,
        0,
    )
    append(trace.path, done(1))
    assert [s.n for s in trace.drain()] == [1, 2]
    assert trace.drain() == trace.finish() == []


def test_a_torn_last_line_waits(trace: ClientTrace) -> None:
    """Half a line is neither read nor an irregularity until the end."""
    raw = json.dumps(sent(1)).encode()
    append(trace.path, opened(), raw[:40])
    assert trace.drain(everything=True) == []
    append(trace.path, raw[40:], b"\n", done(1))
    assert [s.sql for s in trace.drain()] == ["SELECT 1"]
    append(trace.path, raw[:40])
    assert trace.drain() == []
    assert trace.irregularities == []
    assert trace.finish() == []
    assert trace.irregularities == ["the trace ends within line 4"]


def test_unanswered_statements_come_when_everything_is_asked_for(trace: ClientTrace) -> None:
    """After a scenario an unanswered statement is returned as such; a late answer is told."""
    append(trace.path, opened(), sent(1), sent(2), done(2))
    assert [(s.n, s.answered, s.rows) for s in trace.drain(everything=True)] == [(1, False, -1), (2, True, 1)]
    append(trace.path, done(1))
    assert trace.drain() == []
    assert trace.irregularities == ["line 5 answers statement 1 after its scenario ended"]


def test_lost_and_unsent_statements_hold_nothing_up(trace: ClientTrace) -> None:
    """A lost statement is returned unanswered, one that libpq refused is only counted."""
    append(trace.path, opened(), sent(1), {"e": "lost", "n": 1})
    append(trace.path, sent(2), {"e": "unsent", "n": 2}, sent(3), done(3))
    assert [(s.n, s.answered) for s in trace.drain()] == [(1, False), (3, True)]
    assert trace.unsent_statements == 1


def test_windows_sessions_and_redactions(trace: ClientTrace) -> None:
    """Attempts, sessions and redactions are kept with their times and places."""
    append(
        trace.path, opened(), {"e": "begin", "s": "S4", "a": "mark", "at": 2.0},
        {
            "e": "redacted", "secret": "cutter_exec", "origin": "server message", "form": "plain",
            "s": "S4", "a": "mark",
        },
        {"e": "end", "s": "S4", "a": "mark", "at": 3.0}, {"e": "begin", "s": "S5", "a": "cut", "at": 4.0},
        {"e": "close", "c": 1, "pid": 123, "at": 5.0},
    )  # fmt: skip
    trace.drain()
    assert trace.windows == [
        Window(scenario="S4", attempt="mark", began_at=2.0, ended_at=3.0),
        Window(scenario="S5", attempt="cut", began_at=4.0),
    ]
    assert trace.sessions == [
        ClientSession(number=1, pid=123, principal="cutter_exec", opened_at=1.0, closed_at=5.0)
    ]
    assert trace.redactions == [
        ClientRedaction(
            secret="cutter_exec", origin="server message", form="plain", scenario="S4", attempt="mark"
        )
    ]
    assert trace.irregularities == []


def test_processes_are_numbered_apart(trace: ClientTrace) -> None:
    """A forked child's numbers never answer or hide the harness's own."""
    append(trace.path, opened(), sent(1), opened(pid=9, proc=77), sent(1, pid=9, proc=77))
    append(trace.path, done(1, proc=77), done(1))
    assert [(s.n, s.pid) for s in trace.drain()] == [(1, 123), (2, 9)]
    assert [session.process for session in trace.sessions] == [0, 77]
    assert trace.irregularities == []


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([b"garbage\n"], "line 1 is not a line of the tracer's"),
        ([b"\n"], "line 1 is not a line of the tracer's"),
        ([b'{"e":"send"}\n'], "line 1 is not a line of the tracer's"),
        ([b'{"e":"nothing"}\n'], "line 1 is not a line of the tracer's"),
        ([b'{"e":"open","c":1,"pid":1,"user":"\xff","at":1}\n'], "line 1 is not a line of the tracer's"),
        ([b'{"e":"lost","n":1,"x":' + b"[" * 100_000 + b"\n"], "line 1 is not a line of the tracer's"),
        ([opened(at="soon")], "line 1 is not a line of the tracer's"),
        ([opened(), sent(1, tx="asleep")], "line 2 is not a line of the tracer's"),
        ([opened(), sent(2)], "line 2 sends statement 2 after statement 0"),
        ([opened(), again(1, 1)], "line 2 sends a statement like 1, of which nothing is known"),
        (
            [opened(), sent(1), again(2, 1)],
            "line 3 sends a statement like 1, of which nothing is known",
        ),
        (
            [opened(), sent(1, kept=True, sql="x" * LONGEST_KEPT_BYTES), again(2, 1)],
            "line 3 sends a statement like 1, of which nothing is known",
        ),
        (
            [opened(), sent(1, kept=True), again(2, 1, proc=7)],
            "line 3 sends a statement like 1, of which nothing is known",
        ),
        ([opened(), sent(1, kept=True), again(3, 1)], "line 3 sends statement 3 after statement 1"),
        ([opened(), sent(1, kept=True), again(2, 1, after=1e308)], "line 3 is not a line of the tracer's"),
        ([opened(at=1e308)], "line 1 is not a line of the tracer's"),
        ([opened(), sent(1, t=2**63)], "line 2 is not a line of the tracer's"),
        ([opened(), sent(1), done(1, ns=10**400)], "line 3 is not a line of the tracer's"),
        ([opened(), sent(1), sent(1)], "line 3 sends statement 1 after statement 1"),
        ([sent(1)], "line 1 sends on connection 1, which is not open"),
        ([opened(), sent(1, pid=5)], "line 2 gives connection 1 another backend or user than its opening"),
        ([opened(), sent(1, user="x")], "line 2 gives connection 1 another backend or user than its opening"),
        ([done(1)], "line 1 answers statement 1, which waits for no answer"),
        ([opened(), sent(1), done(1), done(1)], "line 4 answers statement 1, which waits for no answer"),
        ([opened(), opened()], "line 2 opens connection 1, which is open"),
        ([{"e": "close", "c": 4, "pid": 1, "at": 1}], "line 1 closes connection 4, which is not open"),
        ([{"e": "end", "s": "S1", "a": "x", "at": 1}], "line 1 ends attempt x, which did not begin"),
        (
            [{"e": "begin", "s": "S1", "a": "x", "at": 1}, {"e": "begin", "s": "S1", "a": "y", "at": 1}],
            "line 2 begins attempt y inside x",
        ),
        (
            [{"e": "begin", "s": "S1", "a": "x", "at": 1, "proc": 8}],
            "line 1 marks attempt x from process 8, which the harness did not start",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(
    trace: ClientTrace, lines: list[dict[str, Any] | bytes], says: str
) -> None:
    """A line that no tracer writes, or not there, is one sentence that names it."""
    append(trace.path, *lines)
    trace.drain(everything=True)
    assert trace.irregularities == [says]


def test_lines_over_the_limit_are_skipped(trace: ClientTrace) -> None:
    """An endless line costs no memory and the next line is read again."""
    append(trace.path, opened(), b"x" * (3 * LONGEST_LINE_BYTES))
    trace.drain()
    append(trace.path, b"x\n", sent(1), done(1), b"y" * (LONGEST_LINE_BYTES + 1) + b"\n")
    assert [s.n for s in trace.drain()] == [1]
    limit = f"is longer than {LONGEST_LINE_BYTES} bytes"
    assert trace.irregularities == [f"line 2 {limit}", f"line 5 {limit}"]


def test_a_shrunk_file_is_told(trace: ClientTrace) -> None:
    """Cutting the file is seen, and what is appended afterwards is read."""
    append(trace.path, opened(), sent(1), done(1))
    trace.drain()
    size = trace.path.stat().st_size
    trace.path.write_bytes(b"")
    assert trace.drain() == []
    assert trace.irregularities == [f"the trace file shrank from {size} to 0 bytes after line 3"]
    append(trace.path, sent(2), done(2))
    assert [s.n for s in trace.drain()] == [2]


def fill(path: Path, *lines: dict[str, Any] | bytes) -> None:
    """Put lines where a reserved file's NULs begin."""
    before = path.read_bytes()
    end = len(before.rstrip(b"\0"))
    raw = b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
    path.write_bytes(before[:end] + raw + before[end + len(raw) :])


def test_what_is_reserved_is_no_line(trace: ClientTrace) -> None:
    """Reading stops at the first NUL, within a line too, and goes on there; a file that keeps NULs ends well."""
    append(trace.path, opened(), b"\0" * 5000)
    assert trace.drain(everything=True) == []
    raw = json.dumps(sent(1)).encode() + b"\n"
    fill(trace.path, raw[:50])
    assert trace.drain() == []
    fill(trace.path, raw[50:], done(1))
    assert [s.n for s in trace.drain()] == [1]
    fill(trace.path, sent(2))
    assert [(s.n, s.answered) for s in trace.finish()] == [(2, False)]
    assert trace.irregularities == []


def test_what_stands_behind_the_end_is_told(trace: ClientTrace) -> None:
    """Lines behind a NUL are nobody's statements, and never pass unseen."""
    append(trace.path, opened(), b"\0" * 300_000, sent(1), b"\0")
    end = len(json.dumps(opened())) + 1
    assert trace.finish() == []
    assert trace.irregularities == [f"the trace goes on at byte {end + 300_000}, behind its end at {end}"]


def test_a_file_far_longer_than_its_lines_is_told_at_once(trace: ClientTrace) -> None:
    """A sparse file of a terabyte is not read to its end."""
    append(trace.path, opened())
    end = trace.path.stat().st_size
    os.truncate(trace.path, 1 << 40)
    assert trace.drain() == trace.finish() == []
    assert trace.irregularities == [f"the trace file is {(1 << 40) - end} bytes longer than its lines"]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_removed_or_replaced_file_is_told_once(trace: ClientTrace, replaced: bool) -> None:
    """The file that was opened is read on, whatever stands at its path now."""
    append(trace.path, opened())
    trace.drain()
    with trace.path.open("ab") as kept:
        trace.path.unlink()
        if replaced:
            append(trace.path, sent(1), done(1))
        kept.write(json.dumps(sent(1, sql="SELECT 'kept'")).encode() + b"\n")
    assert trace.drain() == []
    assert [s.sql for s in trace.finish()] == ["SELECT 'kept'"]
    assert trace.irregularities == [f"the trace file {trace.path} was removed or replaced"]


def test_a_file_that_never_came_is_told(trace: ClientTrace) -> None:
    """A harness that wrote nothing leaves an irregularity, not an empty success."""
    assert trace.drain() == trace.finish() == []
    assert trace.irregularities == [f"the trace file {trace.path} never appeared"]


def test_a_link_in_its_place_is_not_followed(trace: ClientTrace, tmp_path: Path) -> None:
    """A link to another file is refused and told."""
    append(tmp_path / "other", opened())
    trace.path.symlink_to(tmp_path / "other")
    trace.drain()
    assert trace.sessions == []
    assert trace.irregularities == [
        f"the trace file {trace.path} cannot be opened: Too many levels of symbolic links"
    ]


def test_irregularities_are_counted_beyond_the_list(trace: ClientTrace) -> None:
    """A flood of garbage is counted, not kept."""
    append(trace.path, b"x\n" * (MOST_IRREGULARITIES + 5))
    trace.drain()
    assert len(trace.irregularities) == MOST_IRREGULARITIES
    assert trace.irregular_lines == MOST_IRREGULARITIES + 5


KNOWN = [
    opened(),
    sent(1, kept=True),
    again(2, 1),
    done(1),
    {"e": "lost", "n": 1},
    {"e": "end", "s": "", "a": "", "at": 0},
]


MANGLED = st.tuples(
    st.sampled_from(KNOWN),
    st.dictionaries(
        st.sampled_from([*"necatpidsx", "after", "like"]), st.none() | st.integers() | st.floats()
    ),
).map(lambda pair: json.dumps({**pair[0], **pair[1]}).encode())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=60), MANGLED), max_size=12),
    st.integers(1, 9),
)
def test_no_content_raises(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], parts: int) -> None:
    """Whatever the file holds, and however it arrives, reading it returns."""
    trace = ClientTrace(tmp_path_factory.mktemp("hostile") / "client.jsonl")
    raw = b"\n".join(lines)
    step = len(raw) // parts + 1
    for start in range(0, len(raw), step):
        append(trace.path, raw[start : start + step])
        trace.drain()
    statements = trace.finish()
    numbers = [statement.n for statement in statements]
    assert numbers == sorted(numbers)
    kept = msgspec.json.encode(statements)
    assert msgspec.json.decode(kept, type=list[ClientStatement]) == statements
