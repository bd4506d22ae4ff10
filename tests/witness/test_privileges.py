"""The privilege matrix: every difference is a sentence, a recreated matrix is equal, and denials are real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from console.errors import PackError, StepFailed
from console.model.catalogue import Column, Grant, Inventory, Privileges, Role, Table
from console.secrets import scram_verifier
from console.sql import send
from console.witness.catalogue import read_privileges
from console.witness.privilege_matrix import (
    Cell,
    cell_name,
    differences,
    ungranted_cells,
    writable_columns,
)
from console.witness.privileges import (
    allowed_cells,
    grant_statements,
    list_setting,
    probe,
    role_statements,
)

FROZEN = Path(__file__).resolve().parents[2] / "scenarios" / "cutter_dry_run" / "frozen"
INVENTORY = msgspec.json.decode((FROZEN / "inventory.json").read_bytes(), type=Inventory)
PRIVILEGES = msgspec.json.decode((FROZEN / "privileges.json").read_bytes(), type=Privileges)
CELLS = ungranted_cells(PRIVILEGES, INVENTORY.tables, "public")

Demo = psycopg.Connection[Any]


def found(conn: Demo) -> Privileges:
    """Read the pack's roles as the engine does."""
    views = [f"ro_{name}" for name in INVENTORY.tables]
    return read_privileges(
        conn,
        roles=sorted(PRIVILEGES.roles),
        relations=[*INVENTORY.tables, *views],
        schema="public",
        database="directus",
    )


def test_the_frozen_matrix_does_not_differ_from_itself(demo: Demo) -> None:
    """Production as frozen has no difference."""
    assert differences(PRIVILEGES, found(demo)) == []


DAMAGES = {
    "GRANT DELETE ON sweep_log TO cutter_exec": [
        "cutter_exec has DELETE on table public.sweep_log, which the frozen matrix does not give"
    ],
    "REVOKE INSERT ON sweep_log FROM cutter_exec": ["cutter_exec lacks INSERT on table public.sweep_log"],
    "GRANT UPDATE (outcome) ON sweep_log TO cutter_verify": [
        "cutter_verify has UPDATE (outcome) on table public.sweep_log, which the frozen matrix does not give"
    ],
    "REVOKE UPDATE (status) ON decision_backlog_entry FROM cutter_exec": [
        "cutter_exec lacks UPDATE (status) on table public.decision_backlog_entry"
    ],
    "GRANT SELECT ON sweep_log TO cutter_exec WITH GRANT OPTION": [
        "cutter_exec may pass on SELECT on table public.sweep_log"
    ],
    "GRANT SELECT ON cut_policy TO PUBLIC": [
        "PUBLIC has SELECT on table public.cut_policy, which the frozen matrix does not give"
    ],
    "GRANT CREATE ON SCHEMA public TO PUBLIC": [
        "PUBLIC has CREATE on schema public, which the frozen matrix does not give"
    ],
    "GRANT TEMPORARY ON DATABASE directus TO PUBLIC": [
        "PUBLIC has TEMPORARY on database directus, which the frozen matrix does not give"
    ],
    "REVOKE SELECT ON ro_cut_policy FROM cutter_ro": ["cutter_ro lacks SELECT on view public.ro_cut_policy"],
    "ALTER ROLE cutter_exec CONNECTION LIMIT 3": ["role cutter_exec: connection limit is 3, frozen is 2"],
    "ALTER ROLE cutter_exec BYPASSRLS": ["role cutter_exec: bypassrls is on, frozen is off"],
    "ALTER ROLE cutter_exec RESET ALL": [
        "role cutter_exec: settings is none, frozen is default_transaction_isolation=repeatable read"
    ],
    "ALTER ROLE cutter_ro LOGIN": ["role cutter_ro: login is on, frozen is off"],
    "GRANT directus TO cutter_verify": ["role cutter_verify: member of is directus, frozen is none"],
    "ALTER ROLE cutter_ro RENAME TO cutter_read": ["role cutter_ro is missing"],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_a_sentence(demo: Demo, damage: str) -> None:
    """A grant, an attribute or a setting that is not the frozen one is named, and nothing else with it."""
    demo.execute(damage.encode())
    said = differences(PRIVILEGES, found(demo))
    assert said[: len(DAMAGES[damage])] == DAMAGES[damage]
    if "RENAME" not in damage:
        assert said == DAMAGES[damage]


@pytest.fixture
def copy(production: Any) -> Iterator[Demo]:
    """Yield a transaction without the pack's roles, as in a restored copy; rolled back at the end."""
    with production.connect() as conn:
        conn.execute("BEGIN")
        for role in PRIVILEGES.roles:
            conn.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
        conn.execute("UPDATE pg_database SET datacl = NULL WHERE datname = 'directus'")
        yield conn
        conn.execute("ROLLBACK")


def test_the_recreated_matrix_is_the_frozen_one(copy: Demo) -> None:
    """The statements made from the frozen file alone leave no difference, PUBLIC's included."""
    verifier = scram_verifier("rehearsal only")
    for name, role in PRIVILEGES.roles.items():
        for prepared in role_statements(
            name, role, verifier=verifier if role.login else None, database="directus"
        ):
            send(copy, prepared)
    assert "cutter_exec lacks INSERT on table public.sweep_log" in differences(PRIVILEGES, found(copy))
    for prepared in grant_statements(PRIVILEGES):
        send(copy, prepared)
    assert differences(PRIVILEGES, found(copy)) == []
    [(stored,)] = copy.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'cutter_exec'").fetchall()
    assert stored == verifier


def test_a_role_with_everything_is_recreated_as_it_was(copy: Demo) -> None:
    """Settings with lists and quotes, settings in a database and memberships come back the same."""
    role = Role(
        login=True,
        createdb=True,
        inherit=False,
        connection_limit=7,
        settings=("application_name=it's; DROP", 'search_path="$user", "Odd, name", public'),
        database_settings=("statement_timeout=5s",),
        member_of=("directus WITH ADMIN OPTION", "pg_monitor"),
    )
    for prepared in role_statements('Strange "role', role, verifier=None, database="directus"):
        send(copy, prepared)
    roles = read_privileges(
        copy, roles=['Strange "role'], relations=[], schema="public", database="directus"
    ).roles
    assert roles == {'Strange "role': role}


def test_a_clear_password_is_never_made_into_a_statement() -> None:
    """A role's password that is no SCRAM verifier is refused before any statement holds it."""
    with pytest.raises(PackError) as refused:
        role_statements("r", Role(login=True), verifier="hunter2", database="d")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "grant",
    [
        Grant(grantee="r", kind="function", object="public.f()", privilege="USAGE"),
        Grant(grantee="r", kind="function", object="public.f()", privilege="EXECUTE", grantable=True),
        Grant(grantee="r", kind="table", object="public.t", privilege="SELECT; DROP ROLE x"),
        Grant(grantee="r", kind="table", object="public.t", privilege="SELECT", grantable=True),
    ],
)
def test_a_grant_that_cannot_be_recreated_is_refused(grant: Grant) -> None:
    """A frozen grant of another kind, with another word or with a grant option is a pack error."""
    with pytest.raises(PackError, match="does not recreate"):
        grant_statements(Privileges(roles={}, grants=(grant,)))


def test_the_cells_are_all_that_is_not_granted() -> None:
    """Of 12 tables, 3 roles and 3 privileges exactly the granted cells are left out, updates by column."""
    whole = {(cell.role, cell.privilege, cell.table) for cell in CELLS if not cell.column}
    assert len([cell for cell in whole if cell[0] == "cutter_ro"]) == 36
    assert ("cutter_exec", "SELECT", "cut_policy") not in whole
    assert ("cutter_exec", "INSERT", "cut_policy") in whole
    assert ("cutter_verify", "SELECT", "sweep_log") in whole
    entry = {
        cell.column
        for cell in CELLS
        if (cell.role, cell.table, cell.privilege) == ("cutter_exec", "decision_backlog_entry", "UPDATE")
    }
    assert entry == {column.name for column in INVENTORY.tables["decision_backlog_entry"].columns} - {
        "status"
    }


def test_every_ungranted_cell_is_refused_by_the_server(demo: Demo) -> None:
    """In the demo as frozen no ungranted cell is allowed, and there are cells to try."""
    assert len(CELLS) > 80
    assert allowed_cells(demo, CELLS, INVENTORY.tables) == {}


HOLES = {
    "GRANT SELECT ON sweep_log TO cutter_verify": "cutter_verify SELECT public.sweep_log",
    "GRANT SELECT (outcome) ON sweep_log TO cutter_verify": "cutter_verify SELECT public.sweep_log",
    "GRANT INSERT ON verify_result TO cutter_exec": "cutter_exec INSERT public.verify_result",
    "GRANT INSERT (outcome) ON sweep_log TO cutter_verify": "cutter_verify INSERT public.sweep_log",
    "GRANT INSERT ON cut_policy TO cutter_ro": "cutter_ro INSERT public.cut_policy",
    "GRANT UPDATE (payload) ON decision_backlog_entry TO cutter_exec": (
        "cutter_exec UPDATE public.decision_backlog_entry(payload)"
    ),
    "GRANT UPDATE (outcome) ON sweep_log TO cutter_ro": "cutter_ro UPDATE public.sweep_log",
    "GRANT UPDATE ON sweep_log TO PUBLIC": "cutter_ro UPDATE public.sweep_log",
    "GRANT directus TO cutter_ro": "cutter_ro INSERT public.sweep_log",
    "ALTER ROLE cutter_ro SUPERUSER": "cutter_ro UPDATE public.sweep_log",
}


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_in_the_matrix_is_met_by_the_probe(demo: Demo, hole: str) -> None:
    """A privilege that is really there, however it got there, answers a probe with no refusal."""
    demo.execute(hole.encode())
    assert allowed_cells(demo, CELLS, INVENTORY.tables)[HOLES[hole]] == ""


def test_a_probe_changes_nothing(demo: Demo) -> None:
    """Allowed probes leave the role, the rows and the sequences as they were."""
    demo.execute(
        "CREATE TABLE public.odd (id serial, g integer GENERATED ALWAYS AS IDENTITY, word text NOT NULL)"
    )
    demo.execute("GRANT ALL ON public.odd TO cutter_exec; GRANT USAGE ON SEQUENCE odd_id_seq TO cutter_exec")
    for privilege in ("SELECT", "INSERT", "UPDATE"):
        cell = Cell(role="cutter_exec", schema="public", table="odd", privilege=privilege)
        assert probe(demo, cell, ["id", "g", "word"]) == ""
    assert demo.execute("SELECT count(*) FROM odd").fetchall() == [(0,)]
    assert demo.execute("SELECT is_called FROM odd_id_seq").fetchall() == [(False,)]
    assert demo.execute("SELECT current_user").fetchall() == [("postgres",)]


def test_another_error_is_no_refusal(demo: Demo) -> None:
    """A probe of a table that is not there answers 42P01, never 42501."""
    cell = Cell(role="cutter_exec", schema="public", table="none_such", privilege="SELECT")
    assert probe(demo, cell, ["x"]) == "42P01"


def test_a_role_that_cannot_be_taken_is_an_error(demo: Demo) -> None:
    """When the probe cannot act as the role, that refusal is not taken for the cell's."""
    demo.execute("CREATE ROLE bystander; SET SESSION AUTHORIZATION bystander")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        probe(demo, CELLS[0], ["x"])
    demo.execute("ROLLBACK; RESET SESSION AUTHORIZATION; BEGIN")


def test_a_table_without_columns_is_not_taken_for_refused(demo: Demo) -> None:
    """A probe with nothing to try says so."""
    cell = Cell(role="cutter_exec", schema="public", table="cut_policy", privilege="UPDATE")
    with pytest.raises(StepFailed, match="no column to probe"):
        probe(demo, cell, [])


def test_generated_columns_are_no_targets() -> None:
    """A generated column, which no statement may name, is left out of the probes."""
    table = Table(
        columns=(
            Column(name="a", type="text", not_null=False),
            Column(name="b", type="text", not_null=False, generated="s"),
        )
    )
    assert writable_columns(table) == ("a",)


def test_a_cell_that_membership_grants_is_not_probed() -> None:
    """A privilege through a known role or PUBLIC counts as granted, also over two memberships."""
    table = Table(columns=(Column(name="a", type="text", not_null=False),))
    privileges = Privileges(
        roles={
            "low": Role(login=True, member_of=("mid",)),
            "mid": Role(login=False, member_of=("top WITH ADMIN OPTION",)),
            "top": Role(login=False),
        },
        grants=(Grant(grantee="top", kind="table", object="s.t", privilege="UPDATE"),),
        public=(Grant(grantee="PUBLIC", kind="table", object="s.t", privilege="SELECT"),),
    )
    names = [cell_name(cell) for cell in ungranted_cells(privileges, {"t": table}, "s")]
    assert names == ["low INSERT s.t", "mid INSERT s.t", "top INSERT s.t"]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("public", ["public"]),
        ('"$user", public', ["$user", "public"]),
        ('"Odd, name",x', ["Odd, name", "x"]),
        ('"a""b"', ['a"b']),
        ('""', [""]),
    ],
)
def test_a_list_setting_is_parted_outside_quotes(value: str, names: list[str]) -> None:
    """A stored list of names is parted as PostgreSQL wrote it."""
    assert list_setting(value) == names
