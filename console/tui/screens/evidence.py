"""One run's evidence: gates with facts, timeline, kept files, decisions, verification; the trace is one key away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from console.model.browsing import Evidence, Hit
from console.model.text import one_line
from console.tui import describe, kept_rows
from console.tui.browse_keys import browse_bindings
from console.tui.checking import Checking
from console.tui.describe import Told
from console.tui.opened import OpenRun
from console.tui.screens.listing import Desk, ListScreen
from console.tui.seeking import Seeking, statement_behind
from console.tui.spans import GLYPHS, VERDICT_ROLES, Spans, duration
from console.tui.trace_filter import Filter
from console.tui.widgets.bars import tabs_line
from console.tui.widgets.checklist import ChecklistPane
from console.tui.widgets.lines import Lines
from console.tui.widgets.rows import Row, RowsPane

MODES = (
    ("gates", "1 gates"), ("trace", "2 trace"), ("matrix", "3 rows"), ("times", "4 times"),
    ("artefacts", "5 artefacts"), ("decisions", "6 decisions"), ("verify", "7 verify"),
)  # fmt: skip


class EvidenceScreen(ListScreen):
    """One run that has ended, or that nobody leads any more."""

    BINDINGS = browse_bindings("evidence")
    name_of_keys = "evidence"
    has_tabs = True

    def __init__(self, evidence: Evidence, run: OpenRun, desk: Desk, keymap: Mapping[str, str]) -> None:
        super().__init__(keymap)
        self._evidence = evidence
        self.run_open = run
        self._desk = desk
        self.mode = "gates"
        self._every_event = False
        self.checking: Checking | None = None
        self._rests_on: Mapping[str, Sequence[str]] = {}
        self.checklist = ChecklistPane()
        self.rows = {
            "times": RowsPane(id="times", heading="4 Timeline"),
            "artefacts": RowsPane(id="artefacts", heading="5 Artefacts"),
            "decisions": RowsPane(id="decisions", heading="6 Decisions"),
            "verify": RowsPane(id="verify", heading="7 Verification"),
        }

    def panes(self) -> Sequence[Lines]:
        """Return the list of each mode."""
        return (self.checklist, *self.rows.values())

    @property
    def pane(self) -> Lines:
        """Return the list of the mode that is shown."""
        return self.checklist if self.mode == "gates" else self.rows[self.mode]

    def on_mount(self) -> None:
        """Begin with the gates, at the one that failed; facts and verification come once they are painted."""
        self.checklist.show(self.run_open.state)
        self.rows["decisions"].show(kept_rows.decisions(self.run_open.state))
        self._show_times()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """Tell the facts of the gates, and verify beside: both load much that the first paint needs not wait for."""
        created = self.run_open.state.created
        if created is not None:
            self._rests_on = self._evidence.rests_on(created.plan)
        self.action_check()

    def _show_times(self) -> None:
        entries = self.run_open.entries
        if self._every_event:
            self.rows["times"].show(kept_rows.events(entries), f"every event, {len(entries):,}")
        else:
            self.rows["times"].show(
                kept_rows.timeline(entries, self.run_open.state), "Space shows every event"
            )

    def header(self) -> list[tuple[Spans, Spans]]:
        """Return the run, how it ended, its subject, and how its verification stands."""
        state = self.run_open.state
        ended = state.ended
        end: Spans = (("never ended", "fail"),)
        if self.run_open.broken:
            end = ((f"✗ {one_line(self.run_open.broken, limit_chars=100)}", "fail"),)
        elif ended is not None:
            where = ended.failed_scenario or ended.failed_gate
            at = f" at {one_line(where, limit_chars=16)}" if where else ""
            told = f"{GLYPHS[ended.verdict]} {ended.verdict}{at}, {ended.closure}"
            end = ((told, VERDICT_ROLES[ended.verdict] if ended.closure == "CLEAN" else "fail"),)
        subject = str(state.created.config.get("subject_folder", "")) if state.created else ""
        words, role = self.checking.words if self.checking else ("not verified yet", "dim")
        return [
            (
                ((" drydock ", "title"), (f" {one_line(self.run_open.run, limit_chars=40)}  ", "name"), *end),
                ((f"{self._took()} ", "plain"),),
            ),
            (((" subject ", "dim"), (one_line(subject, limit_chars=200), "plain")), ((f" {words} ", role),)),
        ]

    def _took(self) -> str:
        times = kept_rows.times_of(self.run_open.state)
        return duration(times) if times is not None else ""

    def draw(self) -> None:
        """Draw the tabs as well."""
        super().draw()
        if self.is_mounted:
            self._tabs.show((tabs_line(list(MODES), self.mode, self.app.size.width), ()))

    def told(self) -> Sequence[Told]:
        """Return all of the selected gate with its facts, event, file, decision or answer."""
        if self.run_open.state.created is None:
            return (Told("journal", self.run_open.broken or "it holds no run", "fail"),)
        if self.mode == "gates":
            return self._gate_told()
        selected = self.rows[self.mode].selected
        if selected is None:
            return (Told("nothing", "there is nothing here"),)
        if selected.key.startswith("event "):
            return kept_rows.event_told(self.run_open.entries[int(selected.key.removeprefix("event ")) - 1])
        if selected.key.startswith("file "):
            return (*selected.told, Told("begins", self._beginning(selected)))
        return selected.told

    def _gate_told(self) -> Sequence[Told]:
        state, line = self.run_open.state, self.checklist.selected
        if line is None:
            return ()
        tell = {"gate": describe.gate, "scenario": describe.scenario, "boundary": describe.boundary}
        told = tell.get(line.kind, describe.step)(state, line.id)
        if statement_behind(state, line.kind, line.id) is not None:
            told = [*told, Told("statement", "s goes to it", "name")]
        return [*told, *kept_rows.facts_told(state, line.id, self._rests_on)] if line.kind == "gate" else told

    def _beginning(self, selected: Row) -> str:
        try:
            return (
                self._evidence.beginning(self.run_open.run, selected.key.removeprefix("file ")) or "nothing"
            )
        except kept_rows.UNREADABLE as wrong:
            return str(wrong)

    def action_mode(self, mode: str) -> None:
        """Show another list of the run."""
        self.mode = mode
        if mode == "artefacts" and not self.rows[mode].line_count():
            self._list_artefacts()
        self.lay_out()
        self.set_focus(self.pane)
        self.draw()

    def _list_artefacts(self) -> None:
        try:
            kept = self._evidence.artefacts(self.run_open.run)
        except kept_rows.UNREADABLE as wrong:
            self.notify(one_line(str(wrong)), severity="warning", markup=False)
            return
        total = sum(one.size_bytes for one in kept)
        self.rows["artefacts"].show(kept_rows.artefacts(kept), f"{len(kept)} files, {total:,} bytes")

    def action_unfold(self) -> None:
        """Show or hide the gates that hold, or every event."""
        if self.mode == "gates":
            self.checklist.action_unfold()
        elif self.mode == "times":
            self._every_event = not self._every_event
            self._show_times()
        self.draw()

    def action_check(self) -> None:
        """Verify the run, beside everything else."""
        self.checking = self._desk.check_run(self.run_open.run)
        self.news()

    def news(self) -> None:
        """Show what became known of the verification."""
        if self.checking is not None:
            found = self.checking
            rows = kept_rows.checks(found.answers, done=found.done, trouble=found.trouble)
            self.rows["verify"].show(rows, found.words[0])
        self.draw()

    def action_statements(self, pane: str) -> None:
        """Show trace or matrix."""
        self._desk.show_statements(self.run_open, pane, None)

    def action_statement(self) -> None:
        """Go from what failed to the statement that failed."""
        state, line = self.run_open.state, self.checklist.selected
        seek = (
            statement_behind(state, line.kind, line.id) if self.mode == "gates" and line is not None else None
        )
        ended = state.ended
        if seek is None and ended is not None and ended.failed_scenario:
            seek = statement_behind(state, "scenario", ended.failed_scenario)
        if seek is None and ended is not None and ended.failed_gate:
            seek = statement_behind(state, "gate", ended.failed_gate)
        if seek is None:
            self.notify("nothing that failed here has a statement", timeout=4)
            return
        self._desk.show_statements(self.run_open, "trace", seek)

    def show_place(self, place: Hit) -> None:
        """Go to a place that a search found: an event, or a statement."""
        if place.file == "trace":
            seek = Seeking(rule=Filter(), what="what was found", number=place.number)
            self._desk.show_statements(self.run_open, "trace", seek)
            return
        self._every_event = True
        self._show_times()
        self.action_mode("times")
        self.rows["times"].choose(f"event {place.number}")
        self.draw()
