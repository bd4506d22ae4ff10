"""Plain questions, a line each: every one shows its default and says why it is asked. No secret is ever asked here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from console.errors import PlanError
from console.model.text import visible


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Answers from options first; `asks` tells whether somebody is there to answer the rest."""

    asks: bool

    def text(
        self, name: str, given: str | None, default: str, why: str, *, may_be_empty: bool = False
    ) -> str:
        """Return the answer: the option's, what is typed, else the default.

        Raises PlanError naming the option where there is neither.
        """
        if given is not None:
            return given
        answer = self._typed(name, default, why) if self.asks else default
        if not answer and not may_be_empty:
            raise PlanError(f"init needs {name}: {why}", remedy=f"give it with --{name}")
        return answer

    def choice(self, name: str, given: str | None, known: Sequence[str], default: str, why: str) -> str:
        """Return one of the known words."""
        answer = self.text(name, given, default, f"{why} ({', '.join(known)})")
        if given is None and answer not in known:
            raise PlanError(f"{visible(answer)} is no {name}", remedy=f"write one of {', '.join(known)}")
        return answer

    def _typed(self, name: str, default: str, why: str) -> str:
        shown = f" [{default}]" if default else ""
        sys.stderr.write(f"{visible(why)}\n  {name}{visible(shown)}: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise PlanError(f"the answers ended at {name}", remedy=f"give it with --{name}, or answer")
        return line.strip() or default
