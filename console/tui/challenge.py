"""Who answers a question on the screen: only somebody who has read it, and never a key typed before.

A pure machine: times and events go in, an answer comes out. It knows no terminal and no clock. First a
fence (a status report that the terminal answers after it has drawn everything before it), then a quiet
period, then random letters and a fence behind them. A terminal that gives no answer gets typed codes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

LETTERS = "cdfghjkmprtvwxz"
"""Neither y nor q, not b (it brings a question back), no vowels (no words), nothing that looks like a digit."""

CODE_CHARS = 4
_READING_S = 0.1
_BURST_KEYS, _HAND_S = 4, 0.0125
"""No hand presses four keys within four times this: such a burst is a paste whose terminal did not say so."""


class Phase(Enum):
    """Where the machine is; the value is what the screen says about it."""

    FENCE = "waiting until the terminal has shown this"
    QUIET = "hands off for a moment"
    SHOWING = "waiting until the terminal has shown the letters"
    ARMED = "now"
    ANSWERED = "answered"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One possible answer; `fixed` is a key for a harmless one that needs no challenge, `name` must be typed out."""

    id: str
    words: str
    fixed: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long each wait is, in seconds. `alone_s`: no other key may come so soon after the letter."""

    fence_s: float = 5.0
    quiet_s: float = 0.6
    alone_s: float = 0.2


IN_MULTIPLEXER = Pace(quiet_s=1.5)
"""tmux answers the fence itself, at once: only quiet tells."""


@dataclass(kw_only=True)
class Challenge:
    """One question being asked. `fence_wanted` counts the fences to write; `answer` is the outcome."""

    choices: Sequence[Choice]
    pace: Pace
    now: float
    chance: random.Random = field(default_factory=random.SystemRandom)
    phase: Phase = Phase.FENCE
    coded: bool = False
    early_keys: int = 0
    fence_wanted: int = 1
    typed: str = ""
    marks: dict[str, str] = field(default_factory=dict)
    answer: Choice | None = None
    _fences_back: int = 0
    _since: float = 0.0
    _pending: Choice | None = None
    _presses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._since = self.now

    @property
    def is_typed(self) -> bool:
        """Tell whether answers are typed: where the terminal gives no fence, and where one of them is a name."""
        return self.coded or any(choice.name for choice in self.choices)

    def restart(self, now: float) -> None:
        """Begin again, because the question was hidden or refused; what was counted stays."""
        self.fence_wanted += 1
        self._enter(Phase.FENCE, now)

    def fence_back(self, now: float) -> None:
        """The terminal answered one fence; only the answer to the last one counts."""
        self._fences_back += 1
        if self._fences_back < self.fence_wanted:
            return
        if self.phase is Phase.FENCE:
            self._enter(Phase.QUIET, now)
        elif self.phase is Phase.SHOWING:
            self._enter(Phase.ARMED, now)

    def tick(self, now: float) -> None:
        """Let time pass."""
        waited = now - self._since
        if self.phase in (Phase.FENCE, Phase.SHOWING) and (self.coded or waited >= self.pace.fence_s):
            self.coded = True
            self._enter(Phase.QUIET, now)
        elif self.phase is Phase.QUIET and waited >= self.pace.quiet_s:
            self._show(now)
        elif self._pending is not None and waited >= self.pace.alone_s:
            self._take(self._pending)

    def key(self, character: str, now: float, *, pressed: float) -> None:
        """Take one key: its character ("" for one without), pressed at `pressed`, handled at `now`."""
        if self.phase is Phase.ANSWERED:
            return
        fixed = next((choice for choice in self.choices if choice.fixed and choice.fixed == character), None)
        if fixed is not None and self.phase is not Phase.FENCE and pressed >= self._since:
            self._take(fixed)
            return
        if self._pending is not None:
            self._stray(2, now)
        elif self.phase is not Phase.ARMED or pressed < self._since + _READING_S:
            self._stray(1, now)
        elif self.is_typed:
            self._type(character, now, pressed)
        else:
            self._letter(character, now)

    def disturb(self, now: float) -> None:
        """A key for the evidence came: it answers nothing, but a letter beside it was not alone."""
        if self._pending is not None:
            self._stray(1, now)

    def pasted(self, text: str, now: float) -> None:
        """A paste came: it never answers."""
        if self.phase is not Phase.ANSWERED:
            self._stray(max(1, len(text)), now)

    def _letter(self, character: str, now: float) -> None:
        found = [choice for choice in self.choices if self.marks.get(choice.id) == character]
        if character and found:
            self._pending, self._since = found[0], now
        else:
            self._stray(1, now)

    def _type(self, character: str, now: float, pressed: float) -> None:
        self.typed += character
        self._presses = [*self._presses, pressed][-len(self.typed) :]
        found = [choice for choice in self.choices if self.marks.get(choice.id, "").startswith(self.typed)]
        if (
            not character
            or not found
            or self._is_burst(whole=bool(found) and self.marks[found[0].id] == self.typed)
        ):
            self._stray(max(1, len(self.typed)), now)
        elif self.marks[found[0].id] == self.typed:
            self._take(found[0])

    def _is_burst(self, *, whole: bool) -> bool:
        """Tell whether the last keys came faster than hands press them; of a short text all of them together."""
        last = self._presses[-_BURST_KEYS:]
        enough = len(last) == _BURST_KEYS or (whole and len(last) > 1)
        return enough and last[-1] - last[0] < _HAND_S * len(last)

    def _stray(self, keys: int, now: float) -> None:
        """Count what must not answer, and ask for quiet and other letters."""
        self.early_keys += keys
        if self.phase is not Phase.FENCE:
            self._enter(Phase.QUIET, now)

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase, self._since, self._pending = phase, now, None
        if phase is not Phase.ARMED:
            self.marks, self.typed, self._presses = {}, "", []
        if phase is Phase.ARMED and not self.marks:
            self._draw()

    def _show(self, now: float) -> None:
        if self.coded:
            self._enter(Phase.ARMED, now)
            return
        self._enter(Phase.SHOWING, now)
        self._draw()
        self.fence_wanted += 1

    def _draw(self) -> None:
        asked = [choice for choice in self.choices if not choice.fixed]
        begun = {choice.name[:1] for choice in asked} | {choice.fixed for choice in self.choices}
        letters = self.chance.sample([letter for letter in LETTERS if letter not in begun], len(asked))
        more = CODE_CHARS - 1 if self.is_typed else 0
        self.marks = {
            choice.id: choice.name or first + "".join(self.chance.choices(LETTERS, k=more))
            for choice, first in zip(asked, letters, strict=True)
        }

    def _take(self, choice: Choice) -> None:
        self.answer, self.phase = choice, Phase.ANSWERED
