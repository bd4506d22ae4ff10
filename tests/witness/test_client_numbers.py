"""The cells beside the client witness's lines: what the reader makes of them, and that no content can hurt it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_client import again, append, done, opened, sent

from console.harness import numbers as written
from console.harness.numbers import Numbers
from console.witness import client, client_numbers
from console.witness.client import ClientTrace
from console.witness.client_numbers import STATEMENTS, lines_of, numbers_of


@pytest.fixture
def trace(tmp_path: Path) -> ClientTrace:
    """Return a reader of a file that is not there yet."""
    return ClientTrace(tmp_path / "client.jsonl")


@pytest.fixture
def numbers(trace: ClientTrace) -> Numbers:
    """Return the cells beside it, as the harness has them."""
    return Numbers(str(numbers_of(trace.path)))


def announce(numbers: Numbers, n: int, like: int, *, after_ns: int = 250_000_000) -> None:
    """Store that a statement is about to leave."""
    numbers.turn(n)
    numbers.afters[n - numbers.base] = after_ns
    numbers.likes[n - numbers.base] = like


def answer(numbers: Numbers, n: int, *, ns: int = 12_345, rows: int = 1) -> None:
    """Store a statement's outcome."""
    numbers.tooks[n - numbers.base] = ns
    numbers.counts[n - numbers.base] = rows + 2


def test_both_sides_mean_the_same_file() -> None:
    """The harness, which imports nothing of the engine's, has windows of another size."""
    assert (written.STATEMENTS, written.COLUMNS * written.CELL_BYTES) == (STATEMENTS, 32)


def test_cells_say_what_lines_would(trace: ClientTrace, numbers: Numbers, tmp_path: Path) -> None:
    """A statement told in cells is another one than the same told by lines."""
    other = ClientTrace(tmp_path / "other.jsonl")
    for one in (trace, other):
        append(one.path, opened(at=7.0), sent(1, kept=True, t=8), done(1))
    announce(numbers, 2, 1)
    answer(numbers, 2, ns=5_999, rows=-1)
    announce(numbers, 3, 1, after_ns=1)
    answer(numbers, 3, rows=0)
    append(other.path, again(2, 1), done(2, ns=5_999, rows=-1), again(3, 1, after=1e-9), done(3, rows=0))
    assert trace.drain() == other.drain()
    assert trace.irregularities == other.irregularities == []


def test_cells_and_lines_come_in_the_order_of_their_numbers(trace: ClientTrace, numbers: Numbers) -> None:
    """What is in cells is read before or after the lines between which it was stored; or a session ends before it."""
    append(trace.path, opened(), sent(1, kept=True))
    announce(numbers, 2, 1)
    append(trace.path, done(1), sent(3, kept=True))
    announce(numbers, 4, 3)
    answer(numbers, 2)
    answer(numbers, 3)
    append(trace.path, {"e": "unsent", "n": 4}, sent(5))
    announce(numbers, 6, 1)
    answer(numbers, 6)
    append(trace.path, done(5), {"e": "close", "c": 1, "pid": 123, "at": 9.0})
    assert [(s.n, s.sql, s.answered) for s in trace.drain()] == [
        (1, "SELECT 1", True), (2, "SELECT 1", True), (3, "SELECT 3", True), (5, "SELECT 5", True),
        (6, "SELECT 1", True),
    ]  # fmt: skip
    assert trace.finish() == []
    assert (trace.irregularities, trace.unsent_statements) == ([], 1)


def test_an_outcome_is_waited_for(trace: ClientTrace, numbers: Numbers) -> None:
    """A statement under way is given as answered, or never is; or a later one comes before it."""
    append(trace.path, opened(), sent(1, kept=True), done(1))
    announce(numbers, 2, 1)
    announce(numbers, 3, 1)
    answer(numbers, 3)
    assert [s.n for s in trace.drain()] == [1]
    assert [(s.n, s.answered) for s in trace.under_way()] == [(2, False), (3, True)]
    assert (trace.backend_of(2), trace.backend_of(3), trace.backend_of(4)) == (123, None, 0)
    answer(numbers, 2)
    assert trace.backend_of(2) is None
    assert [(s.n, s.answered) for s in trace.drain()] == [(2, True), (3, True)]
    announce(numbers, 4, 1)
    assert [(s.n, s.answered) for s in trace.finish()] == [(4, False)]
    assert trace.irregularities == []


def test_a_number_that_was_stored_meanwhile_is_read(trace: ClientTrace, numbers: Numbers) -> None:
    """Of two columns one is known as it was before: a statement took no time, or left when its session was opened."""
    cells = client_numbers.Cells(numbers_of(trace.path))
    announce(numbers, 2, 1)
    answer(numbers, 2)
    assert list(cells.look()) == []
    assert (cells.announcement(2), cells.answer(2)) == ((1, 250_000_000), (12_345, 1))
    announce(numbers, 600, 1)
    assert (cells.announcement(600), cells.answer(600)) == ((1, 250_000_000), None)
    announce(numbers, 3, 1)
    answer(numbers, 3)
    for column in (client_numbers.AFTER, client_numbers.TOOK):
        cells._cell(column, 2)
        piece, looked, known = cells._pieces[column]
        known[3] = 0
        cells._pieces[column] = (piece, looked, known)
    assert (cells.announcement(3), cells.answer(3)) == ((1, 250_000_000), (12_345, 1))


def test_windows_follow_each_other(trace: ClientTrace, numbers: Numbers) -> None:
    """The first statements of another window are read from the last one's cells, or not at all."""
    append(trace.path, opened(), sent(1, kept=True), done(1))
    count = 2 * STATEMENTS + 5
    found = [*trace.drain()]
    for n in range(2, count):
        announce(numbers, n, 1)
        answer(numbers, n, rows=n)
        if n % 9_999 == 0:
            found += trace.drain()
    found += trace.finish()
    assert [(s.n, s.rows) for s in found[1:]] == [(n, n) for n in range(2, count)]
    assert trace.irregularities == []
    assert sum(1 for _ in lines_of(numbers_of(trace.path))) == 2 * (count - 2)


def test_what_is_stored_while_lines_are_read_comes_before_later_lines(
    trace: ClientTrace, numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells that were empty before a second piece of the lines was read are taken for empty still."""
    many = [opened(), sent(1, kept=True), done(1), *(sent(n, sql="x" * 10_000) for n in range(3, 40))]
    announce(numbers, 2, 1)
    append(trace.path, *many)
    pread, size = os.pread, trace.path.stat().st_size

    def written_meanwhile(descriptor: int, size_bytes: int, offset: int) -> bytes:
        if 0 < offset < size and size_bytes == client._CHUNK_BYTES:
            monkeypatch.setattr(os, "pread", pread)
            announce(numbers, 40, 1)
            append(trace.path, sent(41), {"e": "close", "c": 1, "pid": 123, "at": 9.0})
        return pread(descriptor, size_bytes, offset)

    monkeypatch.setattr(os, "pread", written_meanwhile)
    append(trace.path, done(39))
    assert [s.n for s in trace.drain(everything=True)] == list(range(1, 42))
    assert trace.irregularities == []


@pytest.mark.parametrize("n", [-1, 1 << 50, 2**63 - 1])
def test_no_number_in_a_line_can_raise(trace: ClientTrace, numbers: Numbers, n: int) -> None:
    """The cells of a statement lie beyond what a file can have: the reader raises in the engine."""
    announce(numbers, 1, 1)
    append(trace.path, opened(), sent(n, kept=True), done(n - 1))
    trace.drain()
    assert len(trace.under_way()) == 1
    assert trace.backend_of(n) == 123
    trace.finish()
    assert any("sends statement" in one for one in trace.irregularities)


def test_windows_without_cells_are_passed_over(tmp_path: Path) -> None:
    """As many statements as a window has were told by lines, a pipeline's, and what follows is not kept."""
    path = tmp_path / "client.numbers"
    numbers = Numbers(str(path))
    for n in (5 * STATEMENTS + 7, 9 * STATEMENTS):
        announce(numbers, n, 3)
    assert [one.split(b",")[1] for one in lines_of(path)] == [b'"n":163847', b'"n":294912']


def test_a_file_that_is_mostly_a_hole_is_read_in_no_time(tmp_path: Path) -> None:
    """The subject makes the file as large as files can be, and the engine reads zeros for ever."""
    path = tmp_path / "client.numbers"
    numbers = Numbers(str(path))
    announce(numbers, 2, 1)
    os.truncate(path, 1 << 43)
    assert len(list(lines_of(path))) == 1


def test_a_harness_killed_between_two_stores_has_claimed_nothing(
    trace: ClientTrace, numbers: Numbers
) -> None:
    """When a statement would have left is stored before that it leaves: alone, it hides nothing."""
    append(trace.path, opened(), sent(1, kept=True), done(1))
    numbers.afters[2] = 5
    assert [s.n for s in trace.finish()] == [1]
    assert trace.irregularities == []


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("unknown", "the cells of statement 2: it sends a statement like 77, of which nothing is known"),
        ("early", "the cells of statement 2: it leaves before its session was opened"),
        ("behind", "goes on behind statement 1"),
        ("answer behind", "goes on behind statement 1"),
        ("large", "too many for 1 statements"),
        ("removed", "was removed or replaced"),
        ("replaced", "was removed or replaced"),
        ("shorter", "shrank from"),
        ("late answer", "the cells of statement 2: it answers statement 2 after its scenario ended"),
    ],
)
def test_what_does_not_fit_is_said(trace: ClientTrace, numbers: Numbers, how: str, says: str) -> None:
    """A hidden, torn or impossible claim passes for none."""
    append(trace.path, opened(), sent(1, kept=True), done(1))
    path = numbers_of(trace.path)
    trace.drain()
    if how == "unknown":
        announce(numbers, 2, 77)
    elif how == "early":
        announce(numbers, 2, 1, after_ns=-1)
    elif how == "behind":
        announce(numbers, STATEMENTS + 5, 1)
    elif how == "answer behind":
        answer(numbers, 5)
    elif how == "large":
        os.truncate(path, 1 << 40)
    elif how == "removed":
        path.unlink()
    elif how == "replaced":
        path.with_name("two").write_bytes(path.read_bytes())
        path.with_name("two").rename(path)
    elif how == "late answer":
        announce(numbers, 2, 1)
        trace.drain(everything=True)
        answer(numbers, 2)
    else:
        os.truncate(path, 0)
    trace.finish()
    assert any(says in one for one in trace.irregularities), trace.irregularities


CELL = st.one_of(st.integers(0, 9), st.integers(-(2**63), 2**63 - 1))


@settings(max_examples=150, deadline=None)
@given(
    cells=st.lists(st.tuples(CELL, CELL, CELL, CELL), max_size=12), reads=st.lists(st.booleans(), max_size=3)
)
def test_no_cells_can_raise(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[int, ...]], reads: list[bool]
) -> None:
    """Whatever a subject stores is a statement, or an irregularity."""
    trace = ClientTrace(tmp_path_factory.mktemp("cells") / "client.jsonl")
    numbers = Numbers(str(numbers_of(trace.path)))
    append(trace.path, opened(), sent(1, kept=True), done(1), sent(2), sent(5, kept=True))
    for n, (like, after, took, count) in enumerate(cells, 1):
        numbers.likes[n], numbers.afters[n], numbers.tooks[n], numbers.counts[n] = like, after, took, count
    for everything in reads:
        trace.drain(everything=everything)
        trace.under_way()
    trace.finish()
    assert all(isinstance(one, bytes) for one in lines_of(numbers_of(trace.path)))


@pytest.mark.parametrize("what", ["folder", "pipe", "link"])
def test_what_is_no_file_of_cells_is_not_read(trace: ClientTrace, tmp_path: Path, what: str) -> None:
    """A pipe holds the reader for ever, a link leads it elsewhere."""
    path = numbers_of(trace.path)
    append(trace.path, opened(), sent(1, kept=True), done(1))
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "elsewhere")
    assert len(trace.finish()) == 1
    assert list(lines_of(path)) == []


def test_cells_that_cannot_be_had_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has no room or no shared pages, a harness does not start, or stores into nothing."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    numbers = Numbers(str(tmp_path / "client.numbers"))
    with pytest.raises(IndexError):
        numbers.afters[1] = 5
    assert numbers.displacement() == ""
    assert client_numbers.Cells(tmp_path / "client.numbers").announcement(1) is None


def test_a_window_that_was_left_takes_nothing(tmp_path: Path) -> None:
    """After a fork, or a line that could not be written, numbers are still stored."""
    numbers = Numbers(str(tmp_path / "client.numbers"))
    numbers.likes[1] = 1
    numbers.end()
    numbers.turn(1)
    with pytest.raises(IndexError):
        numbers.likes[1] = 1


@pytest.mark.parametrize("how", ["removed", "replaced", "cut", "closed"])
def test_a_file_of_cells_that_is_not_in_place_is_told(tmp_path: Path, how: str) -> None:
    """The subject takes the harness's numbers away, and nobody says so."""
    path = tmp_path / "client.numbers"
    numbers = Numbers(str(path))
    assert numbers.displacement() == ""
    if how == "removed":
        path.unlink()
    elif how == "replaced":
        path.unlink()
        path.touch()
    elif how == "cut":
        os.truncate(path, 100)
    else:
        os.close(numbers._descriptor)
    assert numbers.displacement() == f"was {how}"
