"""The plan `dry-run`: C-01 to C-13 on an isolated copy (design section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from console.gates.kept_table import with_kept_gates
from console.gates.rewind_table import with_rewind_gates
from console.gates.sample_table import SAMPLE_GATES, with_sample_gates
from console.gates.table import GATES
from console.model.config import KeptCopy, RunConfig
from console.model.plan import Boundary, Plan, Step
from console.plans.reusing import copy_kind, not_applicable_to_kept, reuse_words, with_reuse
from console.plans.rewinding import rewinding_words, with_rewinds
from console.plans.sampling import sampling_claims, sampling_words

_B1 = Boundary(
    id="B-1", question="execute this plan; production is not touched before B-2 asks again", irrevocable=""
)
_B2 = Boundary(
    id="B-2",
    question="touch production, read-only: pg_dump and named queries in one read-only snapshot",
    irrevocable="production's load while it is read; a copy of its data will be on this machine until the teardown",
)
_B2_FILE = Boundary(
    id="B-2",
    question="take in the dump file: copied, hashed and searched, nothing of it is run",
    irrevocable="a copy of its data will be on this machine until the teardown",
)
_B2_SAMPLE = Boundary(
    id="B-2",
    question="touch production, read-only: pg_dump of whole tables, COPY of others and named queries in one snapshot",
    irrevocable="production's load while it is read and masked; what is taken of its data, masked columns as fakes, "
    "will be on this machine until the teardown",
)
_B3 = Boundary(
    id="B-3",
    question="provision the isolated PostgreSQL; the teardown removes it by exact name and id",
    irrevocable="",
)
_B4 = Boundary(
    id="B-4",
    question="let the subject write for the first time, on the copy; it is given no way to production",
    irrevocable="",
)
_B5 = Boundary(
    id="B-5",
    question="destroy the copy now (or hold it for some minutes to look at it)",
    irrevocable="the copy, its roles and its secrets are gone for good",
    default="proceed",
)

STEPS: tuple[Step, ...] = (
    Step(id="C-01", does="preflight: disk, names, protected snapshot, tools and versions, secrets",
         gates=("G-01", "G-02", "G-03"), boundary=_B1),
    Step(id="C-02", does="run folder 0700, rehearsal-only secrets 0600", gates=("G-04",)),
    Step(id="C-03", does="read-only copy of the source, hashed while it streams", gates=("G-05", "G-06"), boundary=_B2),
    Step(id="C-04", does="isolated network and PostgreSQL", gates=("G-07",), boundary=_B3),
    Step(id="C-05", does="restore", gates=("G-08",)),
    Step(id="C-06", does="roles and privilege matrix", gates=("G-09",)),
    Step(id="C-07", does="identity of the copy", gates=("G-10",)),
    Step(id="C-08", does="harness context: throwaway interpreter, pinned driver", gates=("G-11", "G-12")),
    Step(id="C-09", does="harness, pack and subject in place", gates=("G-13",)),
    Step(id="C-10", does="scenarios", gates=(), boundary=_B4),
    Step(id="C-11", does="verification battery",
         gates=("G-14", "G-15", "G-16", "G-17", "G-18", "G-19", "G-20", "G-21", "G-22")),
    Step(id="C-12", does="artefacts gathered and scanned, first seal", gates=("G-23",)),
    Step(id="C-13", does="teardown, closing gates, net-zero",
         gates=("G-24", "G-25", "N-1", "N-2", "N-3", "N-4", "N-5", "N-6", "N-7"), boundary=_B5),
)  # fmt: skip

_NO_CONTAINERS = (
    "the embedded environment makes no {what}: the cluster's folders, processes and sockets are in N-7"
)
_NO_SOURCE = "a dump file has no living source"
_NOTHING_PROTECTED = "the plan protects no object under [protect]"


def not_applicable(config: RunConfig) -> dict[str, str]:
    """Return the gates that do not apply to this kind of plan, each with its reason."""
    found: dict[str, str] = {}
    if config.environment.kind == "embedded":
        for gate, what in (("N-1", "container"), ("N-2", "volume"), ("N-3", "network")):
            found[gate] = _NO_CONTAINERS.format(what=what)
    if config.source.kind == "dump_file":
        for gate in ("G-05", "G-06", "G-10", "G-21", "G-25"):
            found[gate] = _NO_SOURCE
    if config.source.kind != "demo" and config.protect.names_nothing:
        for gate in ("G-03", "G-12", "G-24"):
            found[gate] = _NOTHING_PROTECTED
        if config.source.kind == "dump_file":
            found["N-6"] = _NOTHING_PROTECTED
    return found


def cannot_claim(config: RunConfig) -> tuple[str, ...]:
    """Return what the evidence of this kind of plan does not show (design section 10)."""
    claims = [
        "Id, start time and system_identifier show that the source was not restarted or replaced; that no row "
        "changed there is shown by the read-only session and the engine's own statements, not by counts",
    ]
    if config.environment.kind == "embedded":
        claims.append(
            "embedded PostgreSQL is a separate cluster, not a sandbox: it shares this machine's kernel and files"
        )
    claims.append(
        "the copy is loaded with fsync and full_page_writes off; both are on again before the first scenario, and "
        "max_wal_size, wal_level, max_connections, shared memory and what is logged stay the environment's"
    )
    if config.environment.kind == "docker":
        claims.append(
            "containers share their engine's kernel; the probe tried the addresses and names that the engine and "
            "the plan name, from inside the harness's container, and no others"
        )
    if config.source.kind == "dump_file":
        claims.append("the dump's completeness is proven only against the manifest beside it")
        claims.append("a dump file has no roles: the privileges of its source were not compared")
    claims += sampling_claims(config)
    if config.source.kind != "demo" and config.protect.names_nothing:
        claims.append("no neighbour was protected by name, so nothing is said about neighbours")
    return tuple(claims)


def steps(config: RunConfig) -> tuple[Step, ...]:
    """Return the steps, with B-2 asking about what this plan really touches."""
    found = STEPS
    if config.source.kind == "dump_file":
        found = tuple(replace(step, boundary=_B2_FILE) if step.boundary is _B2 else step for step in found)
    if config.takes_all:
        return found
    own = tuple(gate.id for gate in SAMPLE_GATES)
    return tuple(_with_sample(step, own) for step in found)


def _with_sample(step: Step, gates: tuple[str, ...]) -> Step:
    if step.boundary is _B2:
        return replace(step, boundary=_B2_SAMPLE)
    return replace(step, gates=(*step.gates, *gates)) if step.id == "C-05" else step


def dry_run(
    config: RunConfig,
    *,
    scenarios: Sequence[str],
    supervise: Literal["boundary", "step", "scenario"] = "boundary",
    rewound: Sequence[str] = (),
    kept: KeptCopy | None = None,
) -> Plan:
    """Return the plan for one configuration and the scenarios of its pack, before some of which the copy is rewound.

    `kept` is the copy of an earlier run that is taken in the place of a new one.
    """
    kind = copy_kind(config, kept)
    gates = with_kept_gates(GATES if config.takes_all else with_sample_gates(GATES), kind)
    words = f"{sampling_words(config)}{reuse_words(kind, kept)}{rewinding_words(rewound)}"
    unasked = not_applicable_to_kept(kind, nothing_protected=config.protect.names_nothing)
    return Plan(
        kind="dry-run",
        title=f"rehearsal on an isolated copy{words}",
        steps=with_rewinds(with_reuse(steps(config), config, kept), rewound),
        gates=with_rewind_gates(gates) if rewound else gates,
        scenario_step="C-10",
        scenarios=tuple(scenarios),
        not_applicable={**not_applicable(config), **unasked},
        supervise=supervise,
        rewound=tuple(rewound),
        copy=kind,
        kept_sha256=kept.sha256 if kept is not None else "",
    )
