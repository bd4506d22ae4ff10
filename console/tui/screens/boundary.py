"""The boundary's question (design section 7): what will happen, on what, over which digest, what is final."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from console.model.event import BoundaryArmed
from console.model.run_state import RunState
from console.model.text import one_line
from console.tui.challenge import Choice, Pace
from console.tui.decision import Answer
from console.tui.describe import Told, asked, time_left
from console.tui.screens.question import QuestionScreen

HOLDS_MINUTES = (5, 15, 30, 60, 120, 240, 480, 1440)

Send = Callable[["BoundaryScreen", Answer], None]


class BoundaryScreen(QuestionScreen):
    """Stands until this boundary is answered, here or elsewhere, or is put aside."""

    def __init__(
        self, state: RunState, armed: BoundaryArmed, send: Send, *, pace: Pace | None = None
    ) -> None:
        self.armed = armed
        self.armed_at = state.armed_at
        self._state = state
        self._send = send
        self._hold = HOLDS_MINUTES.index(15)
        super().__init__(pace=pace)

    @property
    def can_hold(self) -> bool:
        """Tell whether this boundary offers to wait for some minutes more."""
        return self.armed.default == "proceed"

    @property
    def minutes(self) -> int:
        """Return how long a hold would be."""
        return HOLDS_MINUTES[self._hold]

    def choices(self) -> Sequence[Choice]:
        """Return what can be answered."""
        go_on = (
            "destroy the copy now" if self.can_hold else f"approve {self._boundary_name()}: the run goes on"
        )
        hold = (
            [Choice(id="hold", words=f"hold {self.minutes} minutes (+ and - change it)")]
            if self.can_hold
            else []
        )
        end = (
            []
            if self.can_hold
            else [Choice(id="abort", words="abort: the run ends here, the teardown follows")]
        )
        return [
            Choice(id="approve", words=go_on, name=self.armed.typed),
            *hold,
            *end,
            Choice(id="aside", words="put the question aside: the run waits, b brings it back"),
        ]

    def _boundary_name(self) -> str:
        return one_line(self.armed.boundary, limit_chars=24)

    def heading(self) -> str:
        """Return who waits, and what silence means."""
        silence = "the copy is destroyed" if self.can_hold else self.armed.default
        whom = "two people" if self.armed.needs > 1 else "you"
        return f"● {self._boundary_name()} waits for {whom}; no answer within {self._left()} means: {silence}"

    def _left(self) -> str:
        return time_left(self.armed, self.armed_at, datetime.now(UTC))

    def told(self) -> list[Told]:
        """Return what the approval covers."""
        return asked(self._state, self.armed)

    def other_key(self, key: str) -> bool:
        """Take + and - where there is something to hold."""
        if not self.can_hold or key not in ("plus", "minus", "equals_sign", "kp_add", "kp_subtract"):
            return False
        step = -1 if "minus" in key or "subtract" in key else 1
        self._hold = min(max(0, self._hold + step), len(HOLDS_MINUTES) - 1)
        self.challenge.choices = self.choices()
        return True

    def answered(self, choice: Choice) -> None:
        """Send the answer; the engine is asked elsewhere and not waited for."""
        if choice.id == "aside":
            self.app.put_aside(self)  # type: ignore[attr-defined]
            return
        self.engine_says = "asking the engine…"
        self.draw()
        verb = choice.id if choice.id in ("abort", "hold") else "approve"
        self._send(
            self,
            Answer(
                verb=verb,  # type: ignore[arg-type]
                boundary=self.armed.boundary,
                digest=self.armed.digest,
                minutes=float(self.minutes) if verb == "hold" else 0.0,
                typed=self.armed.typed if verb == "approve" else "",
                shown_at=self.shown_at,
                early_keys=self.challenge.early_keys,
            ),
        )
