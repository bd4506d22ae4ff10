"""The scenario functions of the imported pack, by id; filled by the `scenario` decorator."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from console.harness.context import Context

ScenarioFunction = Callable[["Context"], None]

AGAIN = "-again"
"""Ends the id under which the engine asks for a repeatable scenario once more."""

_SCENARIOS: dict[str, ScenarioFunction] = {}
_DECLARED: set[str] = set()


def scenario(identifier: str, **declared: Any) -> Callable[[ScenarioFunction], ScenarioFunction]:
    """Register the decorated function as the scenario `identifier`.

    `declared` is for the engine, which reads it as text (docs/pack.md); here it only says that the whole function is
    one attempt, called as the function is, unless it names `attempts` of its own. Raises ValueError when the pack
    names a scenario twice.
    """

    def register(function: ScenarioFunction) -> ScenarioFunction:
        if identifier in _SCENARIOS:
            raise ValueError(f"the pack names scenario {identifier} twice")
        if declared:
            _DECLARED.add(identifier)
        is_attempt = bool(declared) and "attempts" not in declared
        _SCENARIOS[identifier] = _as_attempt(function) if is_attempt else function
        return function

    return register


def _as_attempt(function: ScenarioFunction) -> ScenarioFunction:
    @wraps(function)
    def attempt(context: Context) -> None:
        with context.attempt(function.__name__):
            function(context)

    return attempt


def scenario_ids() -> list[str]:
    """Return the registered ids in the order of the pack's file."""
    return list(_SCENARIOS)


def declared_ids() -> list[str]:
    """Return the ids whose decorator carried a declaration, sorted: the engine must have read each of them."""
    return sorted(_DECLARED)


def find_scenario(identifier: str) -> ScenarioFunction | None:
    """Return the function of one scenario, of its original for one that is run again; None when there is none."""
    return _SCENARIOS.get(identifier) or _SCENARIOS.get(identifier.removesuffix(AGAIN))
