"""What an order means: its plan, and which folder its subject is; nothing is looked at."""

from __future__ import annotations

from pathlib import Path

from console.model.config import RunConfig, RunOrder
from console.model.plan import Plan
from console.model.rewinds import rewound_scenarios
from console.packs import LoadedPack
from console.plans.dry_run import dry_run
from console.plans.migration import migration
from console.plans.proof import proof


def plan_of(loaded: LoadedPack, order: RunOrder) -> Plan:
    """Return the plan of an order, by its kind."""
    config = order.config
    if config.plan == "proof":
        database = config.source.database or loaded.pack.database
        return proof(config, database=database, supervise=order.supervise)
    scenarios = [scenario.id for scenario in loaded.pack.scenario]
    if config.plan == "migration":
        return migration(config, scenarios=scenarios, supervise=order.supervise)
    rewound = rewound_scenarios(loaded.pack, asked=config.pack.rewind)
    return dry_run(config, scenarios=scenarios, supervise=order.supervise, rewound=rewound, kept=order.kept)


def subject_folder(loaded: LoadedPack, config: RunConfig) -> Path:
    """Return the folder of the subject: the configured one, else the pack's reference."""
    if config.subject.path:
        return Path(config.subject.path).resolve()
    return (loaded.folder / loaded.pack.subject.folder).resolve()
