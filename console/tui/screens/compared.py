"""Two runs side by side: why they differ on the first screen, every difference below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from console.model.browsing import Compared, Difference, Evidence
from console.model.text import one_line
from console.tui.browse_keys import browse_bindings
from console.tui.checking import apart
from console.tui.describe import Told
from console.tui.screens.listing import ListScreen
from console.tui.spans import Spans, wrapped
from console.tui.widgets.lines import Lines
from console.tui.widgets.rows import Row, RowsPane

_CAUSE_COLUMNS = 76


class ComparedScreen(ListScreen):
    """The differences of two runs; both traces are read in a thread."""

    BINDINGS = browse_bindings()
    name_of_keys = "compared"

    def __init__(self, evidence: Evidence, first: str, second: str, keymap: Mapping[str, str]) -> None:
        super().__init__(keymap)
        self._evidence = evidence
        self._names = (first, second)
        self._compared: Compared | None = None
        self._trouble = ""
        self.differences = RowsPane(id="compared", heading="Why they differ")

    def panes(self) -> Sequence[Lines]:
        """Return the differences."""
        return (self.differences,)

    def on_mount(self) -> None:
        """Compare, beside everything else."""
        apart(self._compare, self._ended)

    def _compare(self) -> None:
        self._compared = self._evidence.compare(*self._names)

    def _ended(self, trouble: str) -> None:
        self._trouble = trouble
        if self._compared is not None and not trouble:
            self.differences.show(rows_of(self._compared))
        self.draw()

    def header(self) -> list[tuple[Spans, Spans]]:
        """Return the two runs and how each ended."""
        found = self._compared
        ends = found.ends if found is not None else ("…", "…")
        state = "" if found is not None or self._trouble else "▶ reading both traces "
        trouble = ((one_line(self._trouble), "fail"),) if self._trouble else ()
        first, second = (((f" {place:<6} ", "dim"), (f"{run}  ", "name"), (one_line(end), "plain"))
                         for place, run, end in zip(("first", "second"), self._names, ends, strict=True))  # fmt: skip
        return [((*first, *trouble), ((state, "wait"),)), (second, ())]

    def told(self) -> Sequence[Told]:
        """Return both sides of a difference."""
        selected = self.differences.selected
        if self._trouble:
            return (Told("trouble", self._trouble, "fail"),)
        return selected.told if selected is not None else (Told("comparing", "goes on"),)


def rows_of(found: Compared) -> list[Row]:
    """Return the causes in full, then each section with its differences."""
    rows: list[Row] = []
    for number, cause in enumerate(found.causes):
        told = (Told("why", cause, "fail"),)
        role = "fail" if cause.startswith("CAUSE") else "plain"
        for place, line in enumerate(wrapped(cause, _CAUSE_COLUMNS)):
            rows.append(
                Row(
                    spans=(("● " if place == 0 else "  ", "wait"), (line, role)),
                    told=told,
                    key=f"cause {number} {place}",
                )
            )
    if not found.causes:
        same = not any(different for _title, different in found.sections)
        words = "the runs are the same" if same else "no statement explains the difference"
        rows.append(Row(spans=((words, "plain"),), told=(Told("why", words),)))
    for title, different in found.sections:
        count = f"{len(different)} differ" if different else "the same"
        rows.append(
            Row(spans=((f"{title}: ", "title"), (count, "dim")), told=(Told(title, count),), key=title)
        )
        rows += [_difference(title, number, one) for number, one in enumerate(different)]
    return rows


def _difference(title: str, number: int, one: Difference) -> Row:
    before, after = one.before or "none", one.after or "none"
    spans: Spans = (
        ("  ", "plain"), (f"{one_line(one.what, limit_chars=60)}  ", "name"),
        (one_line(before, limit_chars=100), "plain"),
        (" → ", "dim"), (one_line(after, limit_chars=100), "plain"),
    )  # fmt: skip
    told = (Told(title, one.what), Told("first", before), Told("second", after))
    return Row(spans=spans, told=told, key=f"{title} {number}")
