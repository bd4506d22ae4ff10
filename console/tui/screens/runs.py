"""The list of runs: newest first, read head by head between keys, so that thousands of them are there at once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from console.heads import read_head
from console.model.browsing import Evidence, RunHead
from console.model.text import one_line, visible
from console.tui.browse_keys import browse_bindings
from console.tui.checking import Checking
from console.tui.describe import Told
from console.tui.screens.listing import Desk, ListScreen
from console.tui.spans import GLYPHS, VERDICT_ROLES, Spans, cell, cell_right, duration
from console.tui.widgets.lines import Lines

_WORK_EVERY_S, _WORK_FOR_S, _LOOK_EVERY_S = 0.03, 0.015, 2.0
_LIVING = ("starting", "running", "waiting")
_RUN_COLUMNS, _END_COLUMNS, _CLOSURE_COLUMNS, _WHERE_COLUMNS, _TOOK_COLUMNS = 21, 11, 9, 6, 10
_SEAL_COLUMNS, _WIDE_COLUMNS = 20, 92


def end_words(head: RunHead) -> tuple[str, str]:
    """Return verdict or condition with a glyph, and its role."""
    word = head.verdict or head.condition
    role = VERDICT_ROLES.get(word, "wait" if word in ("waiting", "running", "starting") else "fail")
    return f"{GLYPHS.get(word, '!')} {one_line(word, limit_chars=10)}", role


class RunsPane(Lines):
    """Draws heads; those that were not read yet are their ids."""

    headings = 1

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(id="runs")
        self._evidence = evidence
        self._names: Sequence[str] = ()
        self._heads: dict[str, RunHead] = {}
        self._shown: list[str] = []
        self._read = 0
        self.only = ""
        self.marked = ""
        self.checks: Mapping[str, Checking] = {}

    def on_mount(self) -> None:
        """Read heads in slices between keys."""
        self._working = self.set_interval(_WORK_EVERY_S, self.work, pause=True)
        self.reload()

    def reload(self) -> None:
        """Look which runs there are now; what is known of ended ones is kept."""
        self._names = self._evidence.names()
        self._heads = {
            name: head for name, head in self._heads.items() if head.condition == "ended" and name in set(self._names)
        }  # fmt: skip
        self._read = 0
        self._choose_shown()
        self._working.resume()
        self.work()

    def look_again(self) -> bool:
        """Read anew what may have changed, the cursor on its run; return whether anything was."""
        living = any(head.condition in _LIVING for head in self._heads.values())
        if not living and self._evidence.names() == self._names:
            return False
        kept = self._shown[self.cursor] if self.cursor < len(self._shown) else ""
        self.reload()
        if kept in self._shown:
            self.cursor = self._shown.index(kept)
        return True

    @property
    def selected(self) -> RunHead | None:
        """Return the run under the cursor."""
        if self.cursor >= len(self._shown):
            return None
        return self.head(self._shown[self.cursor])

    def head(self, run: str) -> RunHead:
        """Return a run's head, read now where it was not yet."""
        if run not in self._heads:
            self._heads[run] = read_head(self._evidence.runs, run)
        return self._heads[run]

    def work(self) -> None:
        """Read more heads for a bounded time."""
        until = time.monotonic() + _WORK_FOR_S
        while self._read < len(self._names) and time.monotonic() < until:
            self.head(self._names[self._read])
            self._read += 1
        if self.only:
            self._choose_shown()
        if self._read >= len(self._names):
            self._working.pause()
        self.refresh()

    def _choose_shown(self) -> None:
        words = self.only.lower()
        if words:
            self._shown = [name for name in self._names if name in self._heads and self._holds(name, words)]
        else:
            self._shown = list(self._names)
        self.grew()

    def _holds(self, name: str, words: str) -> bool:
        head = self._heads[name]
        told = (
            name,
            head.verdict,
            head.condition,
            head.closure,
            head.cause,
            head.where,
            head.subject,
            head.title,
        )
        line = " ".join(told).lower()
        return all(word in line for word in words.split())

    def use(self, words: str) -> None:
        """Show only runs whose line has every word; "" shows all."""
        self.only = words
        self.cursor = self.top_line = 0
        self._choose_shown()

    def line_count(self) -> int:
        """Return how many runs there are."""
        return len(self._shown)

    def heading(self, number: int, width: int) -> Spans:
        """Return what the columns are."""
        del number, width
        names = (("run", _RUN_COLUMNS), ("verdict", _END_COLUMNS), ("closure", _CLOSURE_COLUMNS),
                 ("where", _WHERE_COLUMNS), ("took", _TOOK_COLUMNS), ("  subject", 20))  # fmt: skip
        return ((" ", "plain"), *((cell(name, columns), "dim") for name, columns in names))

    def line(self, number: int, width: int) -> Spans:
        """Return one run."""
        head = self.head(self._shown[number])
        words, role = end_words(head)
        unclean = "pass" if head.closure == "CLEAN" else "fail"
        took = duration(head.duration_s) if head.duration_s is not None else ""
        checking = self.checks.get(head.run)
        seal, seal_role = checking.words if checking else _seal(head)
        beside = _SEAL_COLUMNS if width >= _WIDE_COLUMNS else 2
        room = max(0, width - 60 - beside)
        return (
            ("»" if head.run == self.marked else " ", "wait"),
            (cell(head.run, _RUN_COLUMNS), "name"), (cell(words, _END_COLUMNS), role),
            (cell(head.closure, _CLOSURE_COLUMNS), unclean), (cell(one_line(head.where), _WHERE_COLUMNS), "plain"),
            (cell_right(took, _TOOK_COLUMNS), "dim"), ("  ", "plain"),
            (cell(_end_of_path(head.subject, room), room), "plain"), (" ", "plain"),
            (cell(seal, beside - 1) if beside > 2 else seal[:1] if seal[:1] in "✓✗▶" else " ", seal_role),
        )  # fmt: skip

    def title(self, width: int) -> str:
        """Return how many runs are shown."""
        del width
        count = len(self._shown)
        told = [f"Runs: {min(self.cursor + 1, count):,} of {count:,}"]
        if self._read < len(self._names):
            told.append(f"reading {self._read:,} of {len(self._names):,}")
        if self.only:
            told.append(
                f"only “{visible(self.only, limit_chars=40)}” of {len(self._names):,}, f and Enter shows all"
            )
        return " · ".join(told)


def _seal(head: RunHead) -> tuple[str, str]:
    if head.condition != "ended":
        return "", "dim"
    return ("sealed", "dim") if head.sealed else ("✗ not sealed", "fail")


def _end_of_path(path: str, columns: int) -> str:
    """Return the end of a path: what tells two subjects apart stands there."""
    shown = one_line(path, limit_chars=400)
    return shown if len(shown) <= columns else "…" + shown[-max(1, columns - 1) :]


class RunsScreen(ListScreen):
    """Every run of the folder; opens one, searches all, compares two."""

    BINDINGS = browse_bindings("runs")
    name_of_keys = "runs"

    def __init__(self, evidence: Evidence, desk: Desk, keymap: Mapping[str, str]) -> None:
        super().__init__(keymap)
        self._evidence = evidence
        self._desk = desk
        self.runs = RunsPane(evidence)

    def on_mount(self) -> None:
        """Look now and then which runs there are, and how those stand that go on."""
        self.set_interval(_LOOK_EVERY_S, self._look_again)

    def _look_again(self) -> None:
        if self.app.screen is self and self.runs.look_again():
            self.draw()

    def panes(self) -> Sequence[Lines]:
        """Return the list of runs."""
        return (self.runs,)

    def header(self) -> list[tuple[Spans, Spans]]:
        """Return the folder, and what is marked."""
        folder = one_line(str(self._evidence.runs), limit_chars=200)
        marked = ((f"» {self.runs.marked} is the first of two ", "wait"),) if self.runs.marked else ()
        return [
            (((" drydock ", "title"), (" evidence ", "name"), (folder, "plain")), ()),
            (((" what the journals' ends say; v verifies", "dim"),), marked),
        ]

    def told(self) -> Sequence[Told]:
        """Return what is known of the run under the cursor."""
        head = self.runs.selected
        if head is None:
            return (Told("runs", "there is none here: drydock run makes one"),)
        words, role = end_words(head)
        told = [Told("run", head.run), Told("end", f"{words}, {head.closure}".removesuffix(", "), role)]
        if head.condition in _LIVING:
            told.append(Told("live", f"drydock attach {head.run} shows it as it goes on", "wait"))
        checking = self.runs.checks.get(head.run)
        for label, text in (("where", head.where), ("cause", head.cause), ("reason", head.reason),
                            ("subject", head.subject), ("title", head.title), ("began", head.began_at)):  # fmt: skip
            if text:
                told.append(Told(label, text))
        if checking is not None:
            told.append(Told("verification", *checking.words))
            told += [Told(one.name, one.words, "fail") for one in checking.answers if one.state == "differs"]
        elif head.condition == "ended":
            told.append(Told("seal", *_seal(head)))
        return told

    def open_line(self) -> None:
        """Open the run under the cursor."""
        head = self.runs.selected
        if head is not None:
            self._desk.open_run(head.run)

    def action_search(self) -> None:
        """Ask for a text."""
        self.ask("search all runs")

    def action_filter(self) -> None:
        """Ask which runs to show."""
        self.ask("only runs with", self.runs.only)

    def answered(self, asking: str, line: str) -> None:
        """Search or filter."""
        if asking == "search all runs":
            if line:
                self._desk.search_runs(line)
        else:
            self.runs.use(line)
            self.draw()

    def action_mark(self) -> None:
        """Mark the run under the cursor, or take its mark away."""
        head = self.runs.selected
        if head is not None:
            self.runs.marked = "" if self.runs.marked == head.run else head.run
            self.runs.refresh()
            self.draw()

    def action_compare(self) -> None:
        """Compare the marked run with the one under the cursor."""
        head = self.runs.selected
        if head is None or self.runs.marked in ("", head.run):
            self.notify("mark another run with m first", timeout=4)
            return
        self._desk.compare_runs(self.runs.marked, head.run)

    def news(self) -> None:
        """Show what became known of any run's verification."""
        if self.is_mounted:
            self.runs.refresh()
            self.draw()

    def action_check(self) -> None:
        """Verify the run under the cursor."""
        head = self.runs.selected
        if head is not None:
            self._desk.check_run(head.run)
