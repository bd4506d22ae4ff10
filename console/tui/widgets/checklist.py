"""The pane of steps, boundaries, gates and scenarios; follows the place where the run is."""

from __future__ import annotations

from console.model.run_state import RunState
from console.tui.checklist import Line, checklist
from console.tui.keys import bindings
from console.tui.spans import Spans
from console.tui.widgets.lines import Lines


class ChecklistPane(Lines):
    """Draws the checklist; unfolded it shows every gate."""

    BINDINGS = bindings("checklist")

    def __init__(self) -> None:
        super().__init__(id="checklist")
        self.follow = True
        self._state = RunState()
        self._lines: list[Line] = []
        self._unfolded = False

    @property
    def selected(self) -> Line | None:
        """Return the line under the cursor."""
        return self._lines[self.cursor] if self.cursor < len(self._lines) else None

    def show(self, state: RunState) -> None:
        """Draw another state."""
        if state is self._state:
            return
        self._state = state
        self._lines = checklist(state, unfolded=self._unfolded)
        self.grew()

    def grew(self) -> None:
        """Follow the place where the run is, not the last line."""
        if self.follow and self._lines:
            current = [number for number, line in enumerate(self._lines) if line.now]
            reached = self._reached()
            self.cursor = (self._failed_before_it_asks() or current or reached or [0])[-1]
            below = min(len(self._lines) - 1, self.cursor + self.page_lines // 3)
            top = max(0, below - self.page_lines + 1)
            self.top_line = min(max(0, len(self._lines) - self.page_lines), top, self.cursor)
            self.refresh()
            return
        super().grew()

    def _failed_before_it_asks(self) -> list[int]:
        """Return the line of what failed while a boundary waits: its question is on the screen anyway."""
        state = self._state
        if state.armed is None or state.ended is not None:
            return []
        failed = [name for name, done in state.scenarios.items() if done.verdict == "FAIL"]
        failed += [one.gate for one in state.failing_gates]
        return [number for number, line in enumerate(self._lines) if line.id in failed[:1]][:1]

    def _reached(self) -> list[int]:
        """Return the lines of what the run came to; after a failure only the first line that tells it."""
        ended = self._state.ended
        failing = next((one.gate for one in self._state.failing_gates), "")
        if ended is not None and (where := ended.failed_scenario or ended.failed_gate or failing):
            return [number for number, line in enumerate(self._lines) if line.id == where][:1]
        started = self._state.steps_started
        return [n for n, line in enumerate(self._lines) if line.kind == "step" and line.id in started]

    def line_count(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def line(self, number: int, width: int) -> Spans:
        """Return one line."""
        del width
        return self._lines[number].spans

    def title(self, width: int) -> str:
        """Return how many gates hold."""
        del width
        if self._state.created is None:
            return "1 Gates"
        verdicts = [str(judged.verdict) for judged in self._state.gates.values()]
        asked = len(self._state.created.gates) - len(self._state.created.not_applicable)
        counts = {word: verdicts.count(word) for word in ("FAIL", "UNKNOWN")}
        wrong = "".join(f", {count} {word}" for word, count in counts.items() if count)
        return f"1 Gates: {verdicts.count('PASS')} of {asked} hold{wrong}"

    def can_follow(self) -> bool:
        """The place where the run is can be followed."""
        return True

    def action_end(self) -> None:
        """Follow the run again."""
        self.follow = True
        self.grew()

    def action_unfold(self) -> None:
        """Show or hide the gates of steps that hold."""
        chosen = self.selected
        self._unfolded = not self._unfolded
        self._lines = checklist(self._state, unfolded=self._unfolded)
        same = [
            n
            for n, line in enumerate(self._lines)
            if chosen and (line.kind, line.id) == (chosen.kind, chosen.id)
        ]
        self.cursor = same[0] if same else 0
        self.go_to(self.cursor)
        self.refresh()
