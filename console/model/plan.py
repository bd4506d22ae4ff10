"""A plan as values: ordered steps, their gates and the boundaries before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from console.model.gate import Gate

CopyKind = Literal["new", "kept", "reused"]
"""What becomes of a run's copy, or where it comes from: taken and thrown away, kept for later runs, a kept one."""


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """A place where only the operator can let the run go on.

    `default` is what the time limit means: abort everywhere but at the destruction of the copy. `typed` is the
    name that the operator must type, "" for none; such a boundary is never covered by `--approve all`.
    """

    id: str
    question: str
    irrevocable: str
    default: Literal["abort", "proceed"] = "abort"
    typed: str = ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One stage of a plan; `boundary` names the one that stands before it."""

    id: str
    does: str
    gates: tuple[str, ...]
    boundary: Boundary | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Steps in order, the last of which is the teardown, and the gates as rows.

    `scenarios` are the ids in order, run by `scenario_step`; `not_applicable` maps a gate to the
    reason why it does not apply to this kind of plan, declared before the run begins. Before each of `rewound` the
    copy is made anew as it was prepared. `kept_sha256` is of the list of the kept copy that is taken.
    """

    kind: str
    title: str
    steps: tuple[Step, ...]
    gates: tuple[Gate, ...]
    scenario_step: str
    scenarios: tuple[str, ...]
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    supervise: Literal["boundary", "step", "scenario"] = "boundary"
    rewound: tuple[str, ...] = ()
    copy: CopyKind = "new"
    kept_sha256: str = ""

    @property
    def teardown(self) -> Step:
        """Return the last step, which always runs."""
        return self.steps[-1]

    def gate(self, gate_id: str) -> Gate:
        """Return one gate by id."""
        return next(gate for gate in self.gates if gate.id == gate_id)

    def gates_of(self, step: Step) -> list[Gate]:
        """Return the applicable gates asked at the end of a step, in their order."""
        wanted = [self.gate(gate_id) for gate_id in step.gates]
        return [gate for gate in wanted if gate.id not in self.not_applicable]

    def gates_again(self, step: Step) -> list[Gate]:
        """Return the applicable gates of an earlier step that are asked once more at the end of this one."""
        return [gate for gate in self.gates if gate.again == step.id and gate.id not in self.not_applicable]
