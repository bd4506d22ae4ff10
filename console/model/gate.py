"""A gate is one data row and one pure function over recorded facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec

from console.errors import Cause, FactMalformed, FactMissing, Unsettled
from console.model.verdict import GateVerdict

T = TypeVar("T")


Decoded = dict[tuple[str, type], tuple[Any, Any]]
"""By name and shape: a recorded value, and that value as its shape."""


class Facts:
    """The recorded facts of a run, read by name; asking for a missing one is an error.

    `decoded` is kept by who asks many gates: what was decoded is not decoded again while the very value is recorded.
    """

    def __init__(self, recorded: Mapping[str, Any], decoded: Decoded | None = None) -> None:
        self._recorded = recorded
        self._decoded: Decoded = {} if decoded is None else decoded

    def need(self, name: str, shape: type[T]) -> T:
        """Return the fact as `shape` (a msgspec type).

        Raises FactMissing when it was never recorded, FactMalformed when it has another shape.
        """
        if name not in self._recorded:
            raise FactMissing(name)
        value = self._recorded[name]
        known = self._decoded.get((name, shape))
        if known is not None and known[0] is value:
            return cast(T, known[1])
        try:
            found = msgspec.convert(value, shape, strict=True)
        except msgspec.ValidationError as wrong:
            raise FactMalformed(name, str(wrong)) from wrong
        self._decoded[name, shape] = (value, found)
        return found

    def names(self, prefix: str) -> list[str]:
        """Return the recorded names that begin with `prefix`, sorted."""
        return sorted(name for name in self._recorded if name.startswith(prefix))


Check = Callable[[Facts], str | None]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One truth that must hold.

    `check` returns None when the gate holds and otherwise the sentence that says why not; None in its
    place means that this release cannot ask the gate, which makes it UNKNOWN and never stops a run
    early nor lets it pass. `rests_on` names the facts (or fact prefixes that end in a dot). `again` names a
    later step at whose end it is asked once more, over what was recorded meanwhile.
    """

    id: str
    title: str
    step: str
    cause: Cause
    rests_on: tuple[str, ...]
    check: Check | None
    remedy: str
    each_scenario: bool = False
    closing: bool = False
    again: str = ""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict of one gate and the sentence behind it (empty for PASS)."""

    verdict: GateVerdict
    reason: str = ""


def judge(gate: Gate, facts: Facts) -> Judgement:
    """Ask one gate: a missing or malformed fact, facts that do not settle it, or an unbuilt check, is UNKNOWN."""
    if gate.check is None:
        return Judgement(verdict=GateVerdict.UNKNOWN, reason="this release cannot ask it yet")
    try:
        reason = gate.check(facts)
    except (FactMissing, FactMalformed, Unsettled) as missing:
        return Judgement(verdict=GateVerdict.UNKNOWN, reason=str(missing))
    if reason is None:
        return Judgement(verdict=GateVerdict.PASS)
    return Judgement(verdict=GateVerdict.FAIL, reason=reason)
