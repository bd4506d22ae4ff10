"""What a signal's handler, a finalizer, a profiler or another thread may do while a statement is recorded."""

from __future__ import annotations

import dis
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import psycopg
import pytest
from harness_driver import Stage, client_by_backend, run, server_by_backend
from test_program import one_scenario
from test_tracer import Answer, Connection, Cursor, opened
from test_tracer import run as execute
from test_tracer import run_prepared as execute_prepared

from console.harness import answers, witness
from console.harness import tracer as module
from console.harness.appender import Appender
from console.harness.frames import OwnFrames
from console.harness.numbers import STATEMENTS, Numbers
from console.harness.redaction import Redactor
from console.harness.sessions import Sent, Session
from console.harness.tracer import COMMAND_OK, Tracer
from console.witness.client import ClientTrace
from console.witness.client_numbers import lines_of


class Late(Exception):
    """Raised by a signal's handler."""


@pytest.fixture
def traced(tmp_path: Path) -> Tracer:
    """Return a tracer that writes into a real file."""
    file = Appender(str(tmp_path / "client.jsonl"))
    return Tracer(
        file=file, redactor=Redactor({}), subject=OwnFrames(str(Path(__file__).parent)),
        numbers=Numbers(str(tmp_path / "client.numbers")),
    )  # fmt: skip


@pytest.fixture
def busy() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def session_of(tracer: Tracer) -> Session:
    """Return the session of a new connection, which lives as long as the tracer."""
    connection: Any = Connection()
    session = opened(tracer, connection)
    session.connection = lambda: connection
    return session


@pytest.mark.parametrize("raised", [KeyboardInterrupt, Late, TimeoutError, ValueError])
def test_a_handler_that_raises_when_the_line_is_written_takes_no_number_back(
    traced: Tracer, tmp_path: Path, raised: type[BaseException]
) -> None:
    """The interrupted statement keeps its number, the next one has the next, and none waits for another."""
    session = session_of(traced)
    execute(traced, session, b"SELECT 1")
    put = traced.file.put

    def interrupted(line: bytes) -> None:
        traced.file.put = put
        put(line)
        raise raised

    for text in (b"SELECT 1", b"SELECT 2"):
        traced.file.put = interrupted
        with pytest.raises(raised):
            execute(traced, session, text)
        traced.lost(session, session.own)
        execute(traced, session, text)
    trace = ClientTrace(tmp_path / "client.jsonl")
    assert [(s.n, s.answered) for s in trace.finish()] == [
        (1, True), (2, False), (3, True), (4, False), (5, True),
    ]  # fmt: skip
    assert trace.irregularities == []


@pytest.mark.parametrize("raised", [KeyboardInterrupt, Late, TimeoutError, KeyError, IndexError])
def test_a_handler_that_raises_before_a_prepared_statement_is_told_comes_through(
    traced: Tracer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    """What a handler raises at the look at the clock is nobody else's, nothing is claimed, and no number is missing."""
    session, left = session_of(traced), []
    clock = time.monotonic_ns

    def interrupted() -> int:
        monkeypatch.setattr(witness, "monotonic_ns", clock)
        raise raised

    for turn in range(9):
        if turn in (3, 6):
            monkeypatch.setattr(witness, "monotonic_ns", interrupted)
        try:
            execute_prepared(
                traced, session, b"SELECT 1", leave=lambda *_, turn=turn, **__: left.append(turn)
            )
        except raised:
            assert (turn in (3, 6), session.pending) == (True, None)
    trace = ClientTrace(tmp_path / "client.jsonl")
    assert [(s.n, s.answered) for s in trace.finish()] == [(n, True) for n in range(1, 8)]
    assert (left, trace.irregularities) == ([0, 1, 2, 4, 5, 7, 8], [])


@pytest.mark.parametrize("raised", [KeyboardInterrupt, Late, TimeoutError, KeyError, IndexError])
def test_a_handler_that_raises_while_a_prepared_statement_leaves_is_told(
    traced: Tracer, tmp_path: Path, raised: type[BaseException]
) -> None:
    """What is told without a call says that it did not leave, keeps its number, and the next has the next."""
    session = session_of(traced)

    def interrupted(*_: Any, **__: Any) -> None:
        raise raised

    for turn in range(9):
        if turn in (3, 6):
            with pytest.raises(raised):
                execute_prepared(traced, session, b"SELECT 1", leave=interrupted)
            assert session.pending is None
        else:
            execute_prepared(traced, session, b"SELECT 1")
    trace = ClientTrace(tmp_path / "client.jsonl")
    assert [s.n for s in trace.finish() if s.answered] == [1, 2, 3, 5, 6, 8, 9]
    assert (trace.unsent_statements, trace.irregularities) == (2, [])


@pytest.mark.parametrize("raised", [KeyboardInterrupt, Late, TimeoutError, KeyError, IndexError])
def test_a_handler_that_raises_before_an_answer_is_told_comes_through(
    traced: Tracer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    """The statement is lost where its answer was not told, once, and the next statement follows."""
    session = session_of(traced)
    clock = time.monotonic_ns

    def interrupted() -> int:
        monkeypatch.setattr(answers, "monotonic_ns", clock)
        raise raised

    for turn in range(6):
        if turn == 3:
            monkeypatch.setattr(answers, "monotonic_ns", interrupted)
            with pytest.raises(raised):
                execute_prepared(traced, session, b"SELECT 1")
            traced.give_up(session)
        else:
            execute_prepared(traced, session, b"SELECT 1")
    trace = ClientTrace(tmp_path / "client.jsonl")
    assert [(s.n, s.answered) for s in trace.finish()] == [(n, n != 4) for n in range(1, 7)]
    assert trace.irregularities == []


@pytest.mark.parametrize(
    ("tell", "place", "turn"),
    [
        (execute, module, 0), (execute, module, 1), (execute_prepared, module, 0), (execute_prepared, module, 1),
        (execute_prepared, witness, 0), (execute_prepared, witness, 1), (execute_prepared, witness, 5),
    ],
)  # fmt: skip
def test_a_handler_that_closes_the_session_before_a_statement_is_told_has_the_last_word(
    traced: Tracer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Any, place: Any, turn: int
) -> None:
    """Nothing is claimed of a session that is closed; psycopg's error comes, and the others go on."""
    session, other = session_of(traced), session_of(traced)
    clock = time.monotonic_ns
    closed: list[bool] = []
    trace = ClientTrace(tmp_path / "client.jsonl")
    statements = []

    def closing() -> int:
        if not closed:
            closed.append(True)
            traced.closed(session.pgconn)
            statements.extend(trace.drain())
        return clock()

    def refused(*_: Any, **__: Any) -> None:
        if closed:
            raise psycopg.OperationalError("the connection is closed")

    call = partial(tell, traced, session, b"SELECT 1", *([refused] if tell is execute_prepared else []))
    for number in range(turn + 1):
        if number == turn:
            monkeypatch.setattr(place, "monotonic_ns", closing)
        with suppress(psycopg.OperationalError):
            call()
    monkeypatch.undo()
    execute(traced, other, b"SELECT 2")
    statements.extend(trace.finish())
    assert (closed, trace.irregularities) == ([True], [])
    assert statements[-1].sql == "SELECT 2"
    assert [s.answered for s in statements] == [True] * (turn + 1)


@pytest.mark.parametrize("place", [answers, module])
def test_a_handler_that_closes_the_session_before_an_answer_is_told_has_the_last_word(
    traced: Tracer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any
) -> None:
    """The statement is lost, once, in lines and in cells."""
    if place is module:
        traced.numbers.end()
    session = session_of(traced)
    execute_prepared(traced, session, b"SELECT 1")
    clock = time.monotonic_ns

    def closing() -> int:
        monkeypatch.setattr(place, "monotonic_ns", clock)
        traced.closed(session.pgconn)
        return clock()

    traced.intend(session, b"SELECT 2", (), b"", 0, sys._getframe())
    monkeypatch.setattr(place, "monotonic_ns", closing)
    answers.check_results(traced, lambda *_: None)(Cursor(session), [Answer()])
    assert session.pgconn not in traced.sessions
    trace = ClientTrace(tmp_path / "client.jsonl")
    assert [(s.n, s.answered) for s in trace.finish()] == [(1, True), (2, False)]
    assert trace.irregularities == []
    told = b"".join(lines_of(tmp_path / "client.numbers"))
    assert b'"n":2' not in told


def test_a_handler_that_sends_while_a_prepared_statement_is_told_goes_first(
    traced: Tracer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes at the look at the clock has its number and its line before the one that it interrupted."""
    session, other = session_of(traced), session_of(traced)
    clock = time.monotonic_ns
    came = 0

    def interrupting() -> int:
        nonlocal came
        monkeypatch.setattr(witness, "monotonic_ns", clock)
        execute(traced, other, b"SELECT 'from the handler'")
        came += 1
        return clock()

    for turn in range(9):
        if turn > 3:
            monkeypatch.setattr(witness, "monotonic_ns", interrupting)
        execute_prepared(traced, session, b"SELECT 1")
    trace = ClientTrace(tmp_path / "client.jsonl")
    statements = trace.finish()
    assert (came, trace.irregularities) == (5, [])
    assert [s.sql == "SELECT 1" for s in statements] == [True] * 4 + [False, True] * 5


def test_a_handler_that_sends_a_statement_is_told_before_the_one_it_interrupted(
    traced: Tracer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have numbers in the order of their lines, and nobody waits."""
    session, other = session_of(traced), session_of(traced)
    clock = time.monotonic_ns
    for text in (b"SELECT 1", b"SELECT 1", b"SELECT 2"):

        def interrupting() -> int:
            monkeypatch.setattr(module, "monotonic_ns", clock)
            execute(traced, other, b"SELECT 'from the handler'")
            return clock()

        monkeypatch.setattr(module, "monotonic_ns", interrupting)
        traced.tell(session, session.own, (text, (), b"", 2, ""))
        execute(traced, session, text)
    trace = ClientTrace(tmp_path / "client.jsonl")
    statements = trace.finish()
    assert trace.irregularities == []
    assert len({s.pid for s in statements}) == 1
    assert len(statements) == 9


def _profiled() -> None:
    threading.setprofile(lambda *_: None)


def _debugged() -> None:
    def look(*_: Any) -> Any:
        return look

    threading.settrace(look)


def _forked() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


@pytest.mark.parametrize("told", [execute, execute_prepared])
@pytest.mark.parametrize("prepare", [_profiled, _debugged, _forked])
def test_threads_that_are_profiled_debugged_or_forked_keep_the_order(
    traced: Tracer, tmp_path: Path, prepare: Callable[[], None], told: Callable[..., None], busy: None
) -> None:
    """Where others run between number and line, the lines of threads still stand in the order of their numbers."""
    sessions = [session_of(traced) for _ in range(4)]
    for session in sessions:
        told(traced, session, b"SELECT 1")

    def work(session: Session) -> None:
        for _ in range(1500):
            told(traced, session, b"SELECT 1")

    try:
        prepare()
        threads = [threading.Thread(target=work, args=(session,)) for session in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.setprofile(None)
        threading.settrace(None)
    trace = ClientTrace(tmp_path / "client.jsonl")
    assert len(trace.finish()) == 4 * 1501
    assert trace.irregularities == []


@pytest.mark.parametrize("after", ["a statement", "the end"])
def test_a_statement_that_was_prepared_and_never_executed_is_unsent(
    traced: Tracer, tmp_path: Path, after: str
) -> None:
    """A handler raises between the two: what the server only parsed is claimed as executed."""
    session, sent = session_of(traced), Sent(b"_pg3_0")
    sent.preparing = True
    traced.intend_other(session, sent, b"SELECT 1", (), sys._getframe())
    session.pending = sent
    parsed: Any = SimpleNamespace(status=COMMAND_OK)
    assert not traced.answered(session, sent, [parsed])
    if after == "the end":
        traced.closed(session.pgconn)
    else:
        traced.give_up(session)
        execute(traced, session, b"SELECT 2")
    trace = ClientTrace(tmp_path / "client.jsonl")
    assert [s.sql for s in trace.finish()] == ["SELECT 2"] * (after == "a statement")
    assert (trace.unsent_statements, trace.irregularities) == (1, [])


def _told_without_a_call() -> Iterator[dis.Instruction]:
    """Yield what the two functions do from the look at the next number, or at the cell, to the last store."""
    (sends,) = (
        code for code in witness._send_query_prepared.__code__.co_consts if isinstance(code, CodeType)
    )
    inside = list(dis.get_instructions(sends))
    read: Any = dis.Bytecode(sends)
    handlers = {
        one.offset for one, after in itertools.pairwise(inside)
        if one.opname == "PUSH_EXC_INFO" and after.argval == "LookupError"
    }  # fmt: skip
    for entry in read.exception_entries:
        if entry.target in handlers:
            yield from (one for one in inside if entry.start <= one.offset < entry.end)
    (takes,) = (code for code in answers.check_results.__code__.co_consts if isinstance(code, CodeType))
    inside = list(dis.get_instructions(takes))
    first = next(n for n, one in enumerate(inside) if one.opname == "STORE_FAST" and one.argval == "took_ns")
    last = next(n for n, one in enumerate(inside) if one.opname == "STORE_ATTR" and one.argval == "settled")
    branch = [one for one in inside[first:last] if one.opname != "NOP"]
    assert len(branch) > 10
    yield from branch


def test_nobody_comes_between_the_look_at_a_number_and_the_last_store() -> None:
    """Others run, and handlers raise, where the interpreter calls or jumps back: a LookupError is taken for ours."""
    told = [one.opname for one in _told_without_a_call()]
    assert told.count("STORE_SUBSCR") == 4
    assert [name for name in told if "CALL" in name or name in ("JUMP_BACKWARD", "RESUME", "SEND")] == []


def test_a_thread_that_is_traced_from_the_midst_of_a_function_overwrites_no_claim(
    traced: Tracer, tmp_path: Path
) -> None:
    """Where lines are traced, another thread comes between two of them, and both store what has the same number."""
    session, other = session_of(traced), session_of(traced)
    sent = 0

    def send() -> None:
        nonlocal sent
        for _ in range(4):
            execute_prepared(traced, other, b"SELECT 1")
            sent += 1

    def look(frame: Any, event: str, _: Any) -> Any:
        if frame.f_code.co_name != "send_query_prepared":
            return None
        if event == "line":
            thread = threading.Thread(target=send)
            thread.start()
            thread.join()
        return look

    for turn in range(9):
        if turn == 5:
            sys.settrace(look)
        execute_prepared(traced, session, b"SELECT 1")
        sent += 1
    sys.settrace(None)
    trace = ClientTrace(tmp_path / "client.jsonl")
    assert len(trace.finish()) == sent
    assert trace.irregularities == []


def test_a_known_statement_of_a_thread_that_is_traced_is_told_under_the_lock(traced: Tracer) -> None:
    """Only who sends something new is seen to be traced."""
    session = session_of(traced)
    locked: list[bool] = []
    for look in (None, lambda *_: None):
        sys.settrace(look)
        execute(traced, session, b"SELECT 1")
        sys.settrace(None)
        locked.append(traced.under_lock)
    assert locked == [False, True]


def test_a_child_that_was_forked_while_another_thread_makes_room_sends_on(
    traced: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is held for ever in the child, whose other threads are gone, and each statement waits for it."""
    making, made = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        making.set()
        assert made.wait(60)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", slow)
    thread = threading.Thread(target=traced.numbers.turn, args=(STATEMENTS,))
    thread.start()
    assert making.wait(60)
    child = os.fork()
    if not child:
        signal.alarm(20)
        session = session_of(traced)
        for _ in range(5):
            execute_prepared(traced, session, b"SELECT 1")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    made.set()
    thread.join()
    assert status == 0


INTERRUPTED = """
import random, signal

class Late(TimeoutError):
    pass

def late(*_):
    raise Late

signal.signal(signal.SIGALRM, late)
chance = random.Random(7)
conn = None
for turn in range(300):
    if conn is None or conn.closed or conn.info.transaction_status:
        conn = conn and conn.close() or ways.connect(ctx, autocommit=turn % 2 == 0)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0001 + chance.random() * 0.001)
        while True:
            for number in range(7):
                conn.execute(f'SELECT {number}')
    except Late:
        pass
conn.close()
ways.connect(ctx, autocommit=True).execute("SELECT 'at last'")
"""


def test_a_subject_whose_statements_are_broken_off_by_signals_is_told_as_the_server_saw_it(
    stage: Stage,
) -> None:
    """An alarm raises at any moment: no number is missing, and nothing is claimed that did not leave."""
    stage.write(pack=one_scenario(INTERRUPTED))
    replies, trace, statements = run(stage, "S1")
    assert "failed" not in replies[0], replies
    assert trace.irregularities == []
    assert statements[-1].sql == "SELECT 'at last'"
    claimed = client_by_backend(statements)
    assert stage.cluster
    seen = server_by_backend(stage.cluster, "shopper", set(claimed))
    for backend, texts in claimed.items():
        assert seen[backend] == texts[: len(seen[backend])]
        assert len(texts) - len(seen[backend]) <= 1
