"""The trace by its offsets: reading while it grows, filtering, searching a million."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fix_journals import passed
from fix_screens import HOSTILE, engine_query, server_line, statement, write_large_trace, write_run

from console.tui.spans import width_of
from console.tui.trace_file import Record, TraceFile
from console.tui.trace_filter import Filter, FilterUnclear, parse_filter
from console.tui.trace_row import row_of, row_spans
from console.tui.trace_view import TraceView

RECORDS: tuple[Record, ...] = (
    engine_query("catalogue/identity"),
    statement(1, sql="BEGIN", implicit=True, rows=-1),
    statement(2),
    server_line("SELECT entry_id FROM public.decision_backlog_entry WHERE n = $1"),
    statement(3, sql="INSERT INTO review_decision VALUES ($1)", scenario="S9", principal="cutter_verify",
              sqlstate="42501", message="permission denied for table review_decision", rows=-1),
    statement(4, sql="/* hi */ (UPDATE x SET y = 'decision_backlog_entry_old')", duration_us=9_000),
    statement(5, sql="COMMIT", answered=False),
)  # fmt: skip


@pytest.fixture
def view(tmp_path: Path) -> TraceView:
    """A trace of seven records."""
    trace = TraceFile(write_run(tmp_path, passed(), RECORDS))
    trace.refresh()
    return TraceView(trace)


def shown(view: TraceView, line: str) -> list[int]:
    """Return the numbers that a filter's line leaves."""
    view.use(parse_filter(line))
    while view.is_busy:
        view.work(1.0)
    return [view.number(row) for row in range(len(view))]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("", [0, 1, 2, 3, 4, 5, 6]),
        ("errors", [4]),
        ("verb:insert,update", [4, 5]),
        ("table:decision_backlog_entry", [2, 3]),
        ("by:VERIFY", [4]),
        ("in:s9", [4]),
        ("slower:5ms", [5]),
        ("slower:0.3ms from:client", [5]),
        ("from:server", [3]),
        ("from:engine identity", [0]),
        ("denied review_decision", [4]),
        ("nowhere", []),
    ],
)
def test_a_filter_leaves_exactly(view: TraceView, line: str, left: list[int]) -> None:
    """Each word of a filter leaves the records that it describes, and no other."""
    assert shown(view, line) == left


@pytest.mark.parametrize("line", ["slower:soon", "from:nobody", "verb:"])
def test_an_unclear_filter_says_so(line: str) -> None:
    """A word that cannot be understood is refused by name."""
    with pytest.raises(FilterUnclear, match=line.partition(":")[0]):
        parse_filter(line)


def test_a_search_goes_both_ways_and_round(view: TraceView) -> None:
    """The nearest record beyond is found, forwards and backwards, past the ends, and absence is -1."""
    rule = Filter(texts=("decision_backlog_entry",))
    found = []
    for beyond, step in ((0, 1), (3, 1), (5, 1), (5, -1), (2, -1)):
        view.find(rule, beyond=beyond, step=step, what="x")
        found.append(view.work(1.0))
    assert found == [2, 5, 2, 3, 5]
    for step in (1, -1):
        view.find(Filter(texts=("no such word",)), beyond=3, step=step, what="x")
        assert view.work(1.0) == -1


def test_a_search_comes_back_to_the_only_one(view: TraceView) -> None:
    """The record that a search begins at is found when it is the only one, and is not looked past."""
    rule = Filter(errors=True)
    view.find(rule, beyond=-1, step=1, what="x")
    only = view.work(1.0)
    assert only is not None and only >= 0
    for step in (1, -1):
        view.find(rule, beyond=only, step=step, what="x")
        assert view.work(1.0) == only


def test_a_record_half_written_is_not_shown(view: TraceView, tmp_path: Path) -> None:
    """An offset whose line has no end yet counts only when the line is whole."""
    folder = next(tmp_path.iterdir())
    size = (folder / "trace.jsonl").stat().st_size
    whole = (folder / "trace.jsonl").read_bytes().splitlines(keepends=True)[0]
    with (folder / "trace.idx").open("ab") as index, (folder / "trace.jsonl").open("ab") as lines:
        index.write(size.to_bytes(8, "little"))
        index.flush()
        assert view.trace.refresh() == 7
        lines.write(whole[:20])
        lines.flush()
        assert view.trace.refresh() == 7
        lines.write(whole[20:])
        lines.flush()
        assert view.trace.refresh() == 8
    record = view.trace.record(7)
    assert record is not None and row_of(record).sql == "catalogue/identity"


def test_an_index_that_does_not_fit_is_told_not_followed(tmp_path: Path) -> None:
    """Offsets that point nowhere give a line that says so, never an exception."""
    folder = write_run(tmp_path, passed(), RECORDS)
    (folder / "trace.idx").write_bytes(b"\xff" * 24 + b"\0" * 16)
    trace = TraceFile(folder)
    trace.refresh()
    for number in range(trace.count):
        spans = row_spans(number, trace.record(number), 100)
        assert "cannot be read" in spans[1][0] or spans[-1][0]


def test_hostile_sql_is_glyphs() -> None:
    """No control, bidi or escape character of a statement is left in its line, and markup stays text."""
    text = "".join(part for part, _role in row_spans(0, statement(1, sql=HOSTILE), 120))
    assert (
        text.isprintable() and "␛]2;owned␇" in text and "[/] [@click=app.exit]" in text and "<U+202E>" in text
    )


@pytest.mark.parametrize("width", [78, 158])
def test_the_columns_before_the_statement_do_not_move(width: int) -> None:
    """Whatever the record, its statement begins in the same column."""
    begins = {width_of(row_spans(number, record, width)[:-1]) for number, record in enumerate(RECORDS)}
    assert len(begins) == 1


def test_a_million_records_open_jump_and_are_searched(tmp_path: Path) -> None:
    """The last of a million is read without the others, and the one needle is found."""
    write_large_trace(tmp_path, 1_000_000, needle_at=987_654)
    began = time.monotonic()
    trace = TraceFile(tmp_path)
    assert trace.refresh() == 1_000_000
    last = trace.record(999_999)
    opened_s = time.monotonic() - began
    assert last is not None and opened_s < 1.0
    view = TraceView(trace)
    for rule in (Filter(texts=("needle",)), Filter(errors=True)):
        view.find(rule, beyond=0, step=1, what="needle")
        found = None
        while found is None:
            found = view.work(0.05)
        assert found == 987_654
    assert shown(view, "errors") == [987_654]
