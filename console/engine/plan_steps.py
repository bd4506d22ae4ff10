"""What is done in each step of each kind of plan, and what each cannot claim: tables, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from console.engine.closing import tear_down
from console.engine.copying import copy_source, provision, restore
from console.engine.grounding import identify_copy, make_roles, place_harness
from console.engine.keeping import keep_and_make_roles
from console.engine.migrating import prepare_migrations, run_migration, verify_migrations
from console.engine.preflight import check_beforehand, stage_secrets
from console.engine.proving import check_before_proof, connect_and_reach, find_hazards, place_and_refuse
from console.engine.proving_transaction import certify, run_and_roll_back, verify_proof
from console.engine.rehearsal import Rehearsal
from console.engine.rehearsing import prepare_scenarios
from console.engine.reusing import copy_or_take, provision_or_lay_out, restore_or_count
from console.engine.rewinding import make_rewindable_context, run_scenario_on_its_copy, verify_rewound
from console.engine.verifying import gather
from console.plans import dry_run, migration, proof

Work = Callable[[Rehearsal], None]

DRY_RUN: dict[str, Work] = {
    "C-01": check_beforehand,
    "C-02": stage_secrets,
    "C-03": copy_or_take,
    "C-04": provision_or_lay_out,
    "C-05": restore_or_count,
    "C-06": keep_and_make_roles,
    "C-07": identify_copy,
    "C-08": make_rewindable_context,
    "C-09": place_harness,
    "C-10": prepare_scenarios,
    "C-11": verify_rewound,
    "C-12": gather,
    "C-13": tear_down,
}
PROOF: dict[str, Work] = {
    "C-01": check_before_proof,
    "C-02": place_and_refuse,
    "C-03": connect_and_reach,
    "C-04": find_hazards,
    "C-05": run_and_roll_back,
    "C-06": certify,
    "C-07": verify_proof,
    "C-08": gather,
    "C-09": tear_down,
}
MIGRATION: dict[str, Work] = {
    **DRY_RUN,
    "C-03": copy_source,
    "C-04": provision,
    "C-05": restore,
    "C-06": make_roles,
    "C-10": prepare_migrations,
    "C-11": verify_migrations,
}

STEPS = {"dry-run": DRY_RUN, "proof": PROOF, "migration": MIGRATION}
SCENARIOS: dict[str, Callable[[Rehearsal, str], None]] = {
    "dry-run": run_scenario_on_its_copy,
    "migration": run_migration,
}
CLAIMS = {"dry-run": dry_run.cannot_claim, "proof": proof.cannot_claim, "migration": migration.cannot_claim}
