"""What the check of a pack says: each question with its answer, and the exact place of each difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from console.evidence.ledger import LedgerLine
from console.model.event import RunCreated


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One place where the pack is not what it says."""

    check: str
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question and its answer; `words` say over what, or why it was not asked."""

    name: str
    state: Literal["holds", "differs", "not checked"]
    words: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Every check in its order, and every finding."""

    run: str
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Tell whether nothing differs."""
        return not self.findings


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What is known besides the pack: None where it was not given."""

    ledger: list[LedgerLine] | None = None
    keys: frozenset[str] | None = None
    not_applicable: Callable[[RunCreated], Iterable[str]] | None = None
    """Which gates a plan of this configuration leaves out; asked, so that nobody declares a failure away."""
