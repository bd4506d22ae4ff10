"""What `q` asks while the run lives: detach and let it go on, or abort it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from console.model.text import one_line
from console.tui.challenge import Choice, Pace
from console.tui.decision import Answer
from console.tui.describe import Told
from console.tui.screens.question import QuestionScreen

Send = Callable[["LeaveScreen", Answer], None]


class LeaveScreen(QuestionScreen):
    """Detaching is one fixed key because it changes nothing; aborting needs the challenge."""

    def __init__(self, run: str, send: Send, *, pace: Pace | None = None) -> None:
        self._run_id = run
        self._send = send
        super().__init__(pace=pace)

    def choices(self) -> Sequence[Choice]:
        """Return what can be answered."""
        return [
            Choice(id="stay", words="stay here", fixed="escape"),
            Choice(id="detach", words="detach: close this screen, the run goes on without it", fixed="d"),
            Choice(id="abort", words="abort: the run ends, the teardown removes what it made"),
        ]

    def heading(self) -> str:
        """Return the question."""
        return "leave this screen?"

    def told(self) -> list[Told]:
        """Return how to come back."""
        return [Told("return", f"drydock attach {one_line(self._run_id, limit_chars=40)}")]

    def answered(self, choice: Choice) -> None:
        """Stay, go, or ask the engine for the end."""
        if choice.id == "stay":
            self.dismiss()
        elif choice.id == "detach":
            self.app.exit()
        else:
            self.engine_says = "asking the engine…"
            self.draw()
            self._send(
                self, Answer(verb="abort", shown_at=self.shown_at, early_keys=self.challenge.early_keys)
            )
