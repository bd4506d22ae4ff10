"""How long locks were held, as looks from outside can tell: at least, at most, and the longest wait for one.

Pure: keeps times of looks (monotonic seconds), never reads a clock and never looks by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look saw of some backends: locks that they hold, the longest wait for one, modes by relation."""

    holds: bool
    waited_ms: int
    modes: dict[str, tuple[str, ...]]


@dataclass(kw_only=True)
class HeldLocks:
    """Look after look; `free_at` is when it was last known that nothing was held."""

    free_at: float
    looks: int = 0
    waited_ms: int = 0
    waits: bool = False
    modes: dict[str, set[str]] = field(default_factory=dict)
    _first: float = 0.0
    _last: float = 0.0
    _gone: float | None = None

    def saw(self, look: Look, *, began: float, ended: float) -> None:
        """Add one look, which the server answered at some moment between its beginning and its end."""
        self.waits = look.waited_ms > 0
        self.waited_ms = max(self.waited_ms, look.waited_ms)
        for relation, modes in look.modes.items():
            self.modes.setdefault(relation, set()).update(modes)
        if look.holds:
            self._first = self._first or ended
            self._last, self._gone = began, None
            self.looks += 1
        elif not self.looks:
            self.free_at = began
        elif self._gone is None:
            self._gone = ended

    @property
    def holds(self) -> bool:
        """Tell whether the last look saw a lock held."""
        return bool(self.looks) and self._gone is None

    @property
    def at_least_s(self) -> float:
        """Return the time between the first and the last look that saw a lock."""
        return max(0.0, self._last - self._first)

    def at_most_s(self, now: float) -> float:
        """Return the time between the looks around those; until `now` while it is still held."""
        return (self._gone if self._gone is not None else now) - self.free_at if self.looks else 0.0
