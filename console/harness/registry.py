"""The scenario functions of the imported pack, by id; filled by the `scenario` decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.harness.context import Context

ScenarioFunction = Callable[["Context"], None]

_SCENARIOS: dict[str, ScenarioFunction] = {}


def scenario(identifier: str) -> Callable[[ScenarioFunction], ScenarioFunction]:
    """Register the decorated function as the scenario `identifier`.

    Raises ValueError when the pack names a scenario twice.
    """

    def register(function: ScenarioFunction) -> ScenarioFunction:
        if identifier in _SCENARIOS:
            raise ValueError(f"the pack names scenario {identifier} twice")
        _SCENARIOS[identifier] = function
        return function

    return register


def scenario_ids() -> list[str]:
    """Return the registered ids in the order of the pack's file."""
    return list(_SCENARIOS)


def find_scenario(identifier: str) -> ScenarioFunction | None:
    """Return the function of one scenario, None when the pack has none."""
    return _SCENARIOS.get(identifier)
