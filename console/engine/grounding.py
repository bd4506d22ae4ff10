"""C-06 to C-09: roles and matrix, identity, the harness's interpreter, harness, pack and subject."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from console.engine.archive import build_harness
from console.engine.copying import OUTSIDE_LOG
from console.engine.migration_files import harness_words
from console.engine.preflight import site_digests
from console.engine.protecting import PROTECTED_BY, look_at_protected
from console.engine.rehearsal import Rehearsal, file_sha256
from console.environments.environment import OWNER_SECRET, HarnessPlace
from console.environments.harness_talk import Ready
from console.errors import PackError, StepFailed
from console.evidence.hardcode import hardcoded
from console.model.catalogue import Privileges
from console.model.facts import (
    Digests,
    Identifier,
    Probe,
    Probes,
    ScenariosPlanned,
)
from console.pack_code import overlooked
from console.packs import placed_sha256, tree_files
from console.plans.reusing import relations_of
from console.secrets import scram_verifier
from console.sql import EngineConnection, send
from console.subjects import materialise
from console.witness.catalogue import read_identity, read_privileges
from console.witness.privilege_matrix import groups_first, ungranted_cells
from console.witness.privileges import (
    function_grant_statements,
    grant_statements,
    probe_all,
    role_statements,
)


def make_roles(run: Rehearsal) -> None:
    """C-06: the frozen roles and the frozen matrix, then what the copy really grants and refuses."""
    frozen = run.loaded.privileges
    with run.the_environment().connect(run.database, options=OUTSIDE_LOG) as connection:
        for name in groups_first(frozen.roles):
            role = frozen.roles[name]
            verifier = scram_verifier(run.registry.value(name)) if role.login else None
            for statement in role_statements(name, role, verifier=verifier, database=run.database):
                send(connection, statement)
        for statement in grant_statements(frozen):
            send(connection, statement)
        for statement in function_grant_statements(connection, frozen):
            send(connection, statement)
    with run.the_environment().connect(run.database) as connection:
        run.recorder.fact("inventory.frozen", run.loaded.inventory, source="the pack's frozen/inventory.json")
        run.recorder.fact("privileges.frozen", frozen, source="the pack's frozen/privileges.json")
        run.recorder.fact(
            "privileges.copy", found_privileges(run, connection), source="aclexplode in the copy"
        )
        probes = deny_probes(run, connection)
    run.recorder.fact("privileges.probes", probes, source="each ungranted cell, tried and rolled back")


def found_privileges(run: Rehearsal, connection: EngineConnection) -> Privileges:
    """Return the roles and grants that the copy has now."""
    return read_privileges(
        connection, roles=sorted(run.loaded.privileges.roles), relations=relations_of(run.loaded),
        schema=run.loaded.pack.schema, database=run.database,
    )  # fmt: skip


def deny_probes(run: Rehearsal, connection: EngineConnection) -> Probes:
    """Try every cell that nobody granted, each undone at once and all in transactions that are rolled back."""
    tables, schema = run.loaded.inventory.tables, run.loaded.pack.schema
    answers = probe_all(connection, ungranted_cells(run.loaded.privileges, tables, schema), tables)
    return Probes(
        schema=schema,
        cells=tuple(
            Probe(
                role=cell.role, table=cell.table, privilege=cell.privilege, column=cell.column, sqlstate=sqlstate
            )
            for cell, sqlstate in answers.items()
        ),
    )  # fmt: skip


def identify_copy(run: Rehearsal) -> None:
    """C-07: the copy's own word on who it is."""
    with run.the_environment().connect(run.database) as connection:
        asked = read_identity(connection).system_identifier
    run.recorder.fact(
        "copy.asked", Identifier(system_identifier=asked), source="pg_control_system() of the copy"
    )


def make_context(run: Rehearsal) -> None:
    """C-08: harness, pack and subject laid out with a throwaway interpreter; nothing installed elsewhere."""
    scratch = run.places.scratch
    archive, subject = scratch / "harness.pyz", scratch / "subject"
    build_harness(archive)
    materialise(run.subject, subject)
    environment = run.the_environment()
    place = environment.make_harness_place(archive=archive, pack=run.loaded.folder, subject=subject)
    run.harness_place = place
    run.recorder.fact("site.after", Digests(digests=site_digests()), source="names, sizes and times of files")
    run.recorder.fact("protected.during", look_at_protected(run), source=PROTECTED_BY)


def place_harness(run: Rehearsal) -> None:
    """C-09: what is in place equals what was approved; then the harness starts and says hello."""
    place = run.harness_place
    assert place is not None and run.recorder.state.created is not None
    parts = run.recorder.state.created.parts
    planned = Digests(digests={name: parts[name] for name in ("harness", "pack", "subject")})
    found = Digests(
        digests={
            "harness": file_sha256(place.archive),
            "pack": placed_sha256(place.pack),
            "subject": placed_sha256(place.subject),
        }
    )
    run.recorder.fact("contents.planned", planned, source="the digest that B-1 showed")
    run.recorder.fact("contents.found", found, source="the files in the harness's place")
    run.recorder.fact("scenarios.planned", _planned(run), source="the pack's pack.toml")
    run.recorder.note("hardcode", _hardcoded(place))
    if planned != found:
        return
    environment = run.the_environment()
    harness = environment.start_harness(place, database=run.database)
    roles = [name for name, role in run.loaded.privileges.roles.items() if role.login]
    passwords = {name: run.registry.value(name) for name in roles}
    if run.plan.kind == "migration":
        passwords[run.loaded.pack.owner] = run.registry.value(OWNER_SECRET)
    context = environment.context(place, database=run.database, passwords=passwords)
    if run.plan.kind == "migration":
        context["migration"] = _migration_words(run, place)
    ready = harness.greet(context, timeout_s=run.loaded.pack.scenario_timeout_s, abort=run.recorder)
    _require_declared(run, ready)
    run.client = environment.client_trace(place)
    run.recorder.note("harness", msgspec.to_builtins(ready), origin="subject")


def _require_declared(run: Rehearsal, ready: Ready) -> None:
    """Refuse a scenario that pack.py registers and nobody judges: its declaration could not be read."""
    declared = {one.id for one in run.loaded.pack.scenario}
    unread = [name for name in ready.scenarios if name not in declared]
    if unread:
        reason = f"pack.py registers {', '.join(unread)}, and neither pack.toml nor a decorator in it declares that"
        raise StepFailed(reason, cause="drydock", gate="G-13")
    if unheeded := overlooked(run.loaded.folder / "pack.py", ready.declared):
        reason = (
            f"pack.py declares {', '.join(unheeded)} in a decorator that the engine did not read: write "
            "@scenario(...) by that name, or the declaration in pack.toml"
        )
        raise StepFailed(reason, cause="drydock", gate="G-13")


def _migration_words(run: Rehearsal, place: HarnessPlace) -> Mapping[str, object]:
    try:
        return harness_words(run.loaded, place.subject)
    except PackError as wrong:
        raise StepFailed(
            f"the migrations cannot be read: {wrong.what}", cause="subject", gate="G-13"
        ) from wrong


def _hardcoded(place: HarnessPlace) -> dict[str, object]:
    """Return what the report's hardcode row says: files searched, and each literal by place."""
    searched, findings = 0, []
    own = place.pack / "subject"
    for name, folder in (("pack", place.pack), ("subject", place.subject)):
        files = [path for path in tree_files(folder) if name == "subject" or not path.is_relative_to(own)]
        searched += len(files)
        findings += [f"{name}/{found}" for found in hardcoded(files, root=folder)]
    return {"files": searched, "findings": findings}


def _planned(run: Rehearsal) -> ScenariosPlanned:
    pack = run.loaded.pack
    return ScenariosPlanned(
        scenarios={scenario.id: scenario.rows for scenario in pack.scenario},
        tables=pack.tables,
        change_nothing=tuple(scenario.id for scenario in pack.scenario if scenario.kind != "happy"),
    )
