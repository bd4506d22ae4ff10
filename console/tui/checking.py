"""Verification of runs in threads of their own, one run at a time each, that nobody ever waits for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from console.errors import DrydockError
from console.model.browsing import Checked, Evidence

TROUBLES = (DrydockError, OSError)
_OWN_FAULT = "drydock failed at it; the same from the shell shows why"


@dataclass(kw_only=True)
class Checking:
    """What is known of one run's verification so far."""

    answers: list[Checked] = field(default_factory=list)
    done: bool = False
    trouble: str = ""

    @property
    def words(self) -> tuple[str, str]:
        """Return how it stands in a few words, and their role."""
        differ = sum(one.state == "differs" for one in self.answers)
        if self.trouble:
            return "✗ cannot be verified", "fail"
        if differ:
            return f"✗ DOES NOT VERIFY{'' if self.done else ' (so far)'}", "fail"
        if not self.done:
            return f"▶ verifying, {len(self.answers)} answers", "wait"
        left = sum(one.state == "not checked" for one in self.answers)
        return (f"✓ verifies, {left} not checked" if left else "✓ verifies"), "pass"


def apart(work: Callable[[], None], ended: Callable[[str], None]) -> None:
    """Do some work in a thread and tell the screen's loop when it ended: with "" or the sentence of its trouble."""
    loop = asyncio.get_running_loop()

    def run() -> None:
        trouble = _OWN_FAULT
        try:
            work()
            trouble = ""
        except TROUBLES as wrong:
            trouble = str(wrong)
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has closed: the screen is gone
                loop.call_soon_threadsafe(ended, trouble)

    threading.Thread(target=run, name="evidence", daemon=True).start()


def check_apart(evidence: Evidence, run: str, news: Callable[[], None]) -> Checking:
    """Begin to verify a run and return what is known of it, which grows; `news` is called in the loop each time."""
    loop, found = asyncio.get_running_loop(), Checking()

    def tell(one: Checked) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(answered, one)

    def answered(one: Checked) -> None:
        found.answers.append(one)
        news()

    def ended(trouble: str) -> None:
        found.done, found.trouble = True, trouble
        news()

    apart(lambda: evidence.check(run, tell), ended)
    return found
