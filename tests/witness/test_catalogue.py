"""The catalogue's readers on real PostgreSQL: the demo equals the frozen files, and each damage shows."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from console.model.catalogue import Grant, Inventory, Manifest, Privileges
from console.sql import EngineConnection, Ran
from console.witness.catalogue import (
    count_rows,
    read_identity,
    read_inventory,
    read_manifest,
    read_privileges,
    read_sequences,
)

FROZEN = Path(__file__).resolve().parents[2] / "scenarios" / "cutter_dry_run" / "frozen"
INVENTORY = msgspec.json.decode((FROZEN / "inventory.json").read_bytes(), type=Inventory)
PRIVILEGES = msgspec.json.decode((FROZEN / "privileges.json").read_bytes(), type=Privileges)
TABLES = tuple(sorted(INVENTORY.tables))
VIEWS = (*(f"ro_{name}" for name in TABLES), "ro_cutter_summary")
ROLES = ("cutter_exec", "cutter_verify", "cutter_ro")

Demo = psycopg.Connection[Any]


def inventory(conn: Demo) -> Inventory:
    """Read the pack's tables."""
    return read_inventory(conn, "public", TABLES)


def privileges(conn: Demo) -> Privileges:
    """Read the pack's roles."""
    return read_privileges(
        conn, roles=ROLES, relations=[*TABLES, *VIEWS], schema="public", database="directus"
    )


def test_the_demo_is_what_the_pack_froze(demo: Demo) -> None:
    """The demo production's tables, roles and grants equal the committed files on both versions."""
    assert inventory(demo) == INVENTORY
    assert privileges(demo) == PRIVILEGES


def test_the_frozen_files_hold_the_designs_numbers() -> None:
    """Twelve tables, 33 table privileges, 3 column UPDATEs and 13 views; and none may be passed on."""
    kinds = [grant.kind for grant in PRIVILEGES.grants]
    assert len(INVENTORY.tables) == 12
    assert (kinds.count("table"), kinds.count("column"), kinds.count("view")) == (33, 3, 13)
    assert not any(grant.grantable for grant in PRIVILEGES.grants)
    assert PRIVILEGES.roles["cutter_exec"].settings == ("default_transaction_isolation=repeatable read",)
    for table in INVENTORY.tables.values():
        assert (table.checks, table.triggers, table.rules, table.enums, table.indexes) == ((), (), (), (), ())
        assert not any(column.default or column.identity for column in table.columns)


def test_the_frozen_tables_are_the_packs() -> None:
    """The pack file, where there is one, names exactly the frozen tables."""
    file = FROZEN.parent / "pack.toml"
    if file.is_file():
        assert sorted(tomllib.loads(file.read_text(encoding="utf-8"))["tables"]) == list(TABLES)


BROKEN_TABLES = {
    "columns": "ALTER TABLE cut_policy DROP COLUMN rule CASCADE",
    "type": "DROP VIEW ro_sweep_log; ALTER TABLE sweep_log ALTER COLUMN dependencies_seen TYPE bigint",
    "default": "ALTER TABLE decision_backlog_entry ALTER COLUMN priority SET DEFAULT 0",
    "not null": "ALTER TABLE sweep_log ALTER COLUMN outcome DROP NOT NULL",
    "keys": "ALTER TABLE sweep_log DROP CONSTRAINT sweep_log_pkey",
    "unique": "ALTER TABLE decision_backlog_entry ADD UNIQUE (idempotency_key)",
    "checks": "ALTER TABLE verify_result ADD CHECK (outcome <> '')",
    "indexes": "CREATE UNIQUE INDEX sneaky ON decision_backlog_entry (idempotency_key)",
    "triggers": (
        "CREATE TRIGGER t BEFORE INSERT ON sweep_log FOR EACH ROW EXECUTE FUNCTION directus_settings_touch()"
    ),
    "rules": "CREATE RULE r AS ON INSERT TO sweep_log DO ALSO NOTIFY heard",
    "gone": "DROP TABLE cut_policy CASCADE",
}


@pytest.mark.parametrize("damage", BROKEN_TABLES.values(), ids=BROKEN_TABLES.keys())
def test_a_damaged_table_differs_from_the_frozen_one(demo: Demo, damage: str) -> None:
    """One column, key, check, index, trigger or rule more or less makes the inventory another."""
    demo.execute(damage.encode())
    assert inventory(demo) != INVENTORY


def test_an_enum_column_is_named(demo: Demo) -> None:
    """A column that became an enum, or an array of one, lists the type's name with its schema."""
    demo.execute("CREATE TYPE public.mood AS ENUM ('good', 'bad')")
    demo.execute("ALTER TABLE cut_policy ADD COLUMN moods public.mood[]")
    assert inventory(demo).tables["cut_policy"].enums == ("public.mood",)


STRAY_PRIVILEGES = {
    "table": ("GRANT DELETE ON sweep_log TO cutter_exec", "table", "DELETE"),
    "elsewhere": ("GRANT SELECT ON directus_users TO cutter_ro", "table", "SELECT"),
    "column": ("GRANT UPDATE (outcome) ON sweep_log TO cutter_verify", "column", "UPDATE"),
    "insert column": ("GRANT INSERT (outcome) ON sweep_log TO cutter_verify", "column", "INSERT"),
    "sequence": ("GRANT USAGE ON SEQUENCE directus_activity_id_seq TO cutter_exec", "sequence", "USAGE"),
    "schema": ("GRANT CREATE ON SCHEMA public TO cutter_exec", "schema", "CREATE"),
    "database": ("GRANT TEMPORARY ON DATABASE directus TO cutter_exec", "database", "TEMPORARY"),
    "function": ("GRANT EXECUTE ON FUNCTION directus_settings_touch() TO cutter_exec", "function", "EXECUTE"),
    "owner": ("ALTER TABLE sweep_log OWNER TO cutter_exec", "table", "TRUNCATE"),
}


@pytest.mark.parametrize(
    ("stray", "kind", "privilege"), STRAY_PRIVILEGES.values(), ids=STRAY_PRIVILEGES.keys()
)
def test_a_stray_grant_is_read(demo: Demo, stray: str, kind: str, privilege: str) -> None:
    """A privilege given to a pack's role on any kind of object is among the grants read."""
    demo.execute(stray.encode())
    more = set(privileges(demo).grants) - set(PRIVILEGES.grants)
    assert any((grant.kind, grant.privilege) == (kind, privilege) for grant in more)


def test_a_grant_to_public_is_read_apart(demo: Demo) -> None:
    """A grant to PUBLIC on one of the pack's tables stands under public, not under a role."""
    demo.execute("GRANT INSERT ON sweep_log TO PUBLIC")
    found = privileges(demo)
    assert found.grants == PRIVILEGES.grants
    stray = Grant(grantee="PUBLIC", kind="table", object="public.sweep_log", privilege="INSERT")
    assert set(found.public) - set(PRIVILEGES.public) == {stray}


def test_the_databases_built_in_acl_is_read(demo: Demo) -> None:
    """A database without any ACL still shows what PUBLIC may do there by default."""
    demo.execute("UPDATE pg_database SET datacl = NULL WHERE datname = 'directus'")
    assert {grant.privilege for grant in privileges(demo).public if grant.kind == "database"} == {
        "CONNECT",
        "TEMPORARY",
    }


ROLE_CHANGES = {
    "connection_limit": ("ALTER ROLE cutter_exec CONNECTION LIMIT 9", 9),
    "superuser": ("ALTER ROLE cutter_exec SUPERUSER", True),
    "bypassrls": ("ALTER ROLE cutter_exec BYPASSRLS", True),
    "createdb": ("ALTER ROLE cutter_exec CREATEDB", True),
    "createrole": ("ALTER ROLE cutter_exec CREATEROLE", True),
    "replication": ("ALTER ROLE cutter_exec REPLICATION", True),
    "inherit": ("ALTER ROLE cutter_exec NOINHERIT", False),
    "login": ("ALTER ROLE cutter_exec NOLOGIN", False),
    "settings": ("ALTER ROLE cutter_exec RESET default_transaction_isolation", ()),
    "database_settings": (
        "ALTER ROLE cutter_exec IN DATABASE directus SET search_path = evil, public",
        ("search_path=evil, public",),
    ),
    "member_of": ("GRANT directus TO cutter_exec WITH ADMIN OPTION", ("directus WITH ADMIN OPTION",)),
}


@pytest.mark.parametrize("attribute", ROLE_CHANGES)
def test_a_roles_attribute_is_read(demo: Demo, attribute: str) -> None:
    """Each attribute of a role, its settings and its memberships are read as they are."""
    change, expected = ROLE_CHANGES[attribute]
    demo.execute(change.encode())
    found = privileges(demo).roles["cutter_exec"]
    assert getattr(found, attribute) == expected
    assert found != PRIVILEGES.roles["cutter_exec"]


BROKEN_COPIES = {
    "rows": "DELETE FROM directus_revisions WHERE id = 1 OR parent = 1",
    "constraints": "ALTER TABLE directus_files DROP CONSTRAINT directus_files_folder_fkey",
    "indexes": "DROP INDEX directus_activity_item",
    "triggers": "ALTER TABLE directus_settings DISABLE TRIGGER directus_settings_touched",
    "views": "CREATE OR REPLACE VIEW ro_sweep_log AS SELECT * FROM sweep_log WHERE outcome <> ''",
    "functions": "ALTER FUNCTION directus_settings_touch() SECURITY DEFINER",
    "extensions": "DROP EXTENSION plpgsql CASCADE",
    "sequences": "ALTER SEQUENCE directus_activity_id_seq RESTART",
}


@pytest.mark.parametrize("part", BROKEN_COPIES)
def test_a_damaged_copy_differs_from_its_manifest(demo: Demo, part: str) -> None:
    """A lost row, constraint, index, trigger, function or extension, and a moved sequence, show."""
    before = read_manifest(demo)
    demo.execute(BROKEN_COPIES[part].encode())
    assert getattr(read_manifest(demo), part) != getattr(before, part)


REPRINTED = {
    "check": (
        "ALTER TABLE directus_users DROP CONSTRAINT directus_users_status_known",
        "ALTER TABLE directus_users ADD CONSTRAINT directus_users_status_known {}",
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'directus_users_status_known'",
    ),
    "view": (
        "DROP VIEW sample",
        "CREATE VIEW sample AS {}",
        "SELECT pg_get_viewdef('sample'::regclass)",
    ),
    "index": (
        "DROP INDEX sample_index",
        "{}",
        "SELECT pg_get_indexdef('sample_index'::regclass)",
    ),
}


@pytest.mark.parametrize("part", REPRINTED)
def test_a_definition_read_back_is_the_same(demo: Demo, part: str) -> None:
    """A check, view or index made again from its printed text, as a restore does, is no difference."""
    demo.execute(
        "CREATE VIEW sample AS SELECT id FROM directus_users WHERE status IN ('x, y', 'it''s ]', 'z')"
    )
    demo.execute("CREATE INDEX sample_index ON directus_users (id) WHERE status IN ('a', 'b')")
    before = read_manifest(demo)
    drop, create, printed = REPRINTED[part]
    [(text,)] = demo.execute(printed.encode()).fetchall()
    demo.execute(drop.encode())
    demo.execute(create.format(text).encode())
    [(again,)] = demo.execute(printed.encode()).fetchall()
    assert again != text
    assert read_manifest(demo) == before


QUIET_DAMAGES = {
    "a foreign key not valid": (
        "ALTER TABLE directus_files ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES directus_users NOT VALID"
    ),
    "a default lost": "ALTER TABLE directus_users ALTER COLUMN status DROP DEFAULT",
    "not null lost": "ALTER TABLE directus_users ALTER COLUMN status DROP NOT NULL",
    "identity lost": "ALTER TABLE directus_versions ALTER COLUMN id DROP IDENTITY",
    "row security on": "ALTER TABLE directus_users ENABLE ROW LEVEL SECURITY",
    "a check's list": (
        "ALTER TABLE directus_users DROP CONSTRAINT directus_users_status_known;"
        "ALTER TABLE directus_users ADD CONSTRAINT directus_users_status_known"
        " CHECK (status IN ('active', 'invited', 'suspended', 'root'))"
    ),
    "a policy": "CREATE POLICY p ON directus_users USING (status = 'active')",
}


@pytest.mark.parametrize("damage", QUIET_DAMAGES.values(), ids=QUIET_DAMAGES.keys())
def test_what_one_statement_of_a_dump_restores_is_in_the_manifest(demo: Demo, damage: str) -> None:
    """A statement of the dump that failed alone shows among the constraints."""
    before = read_manifest(demo)
    demo.execute(damage.encode())
    assert read_manifest(demo).constraints != before.constraints


def test_an_empty_materialized_view_is_told_from_a_filled_one(demo: Demo) -> None:
    """A materialized view that was never filled is no error, has no count and says so."""
    demo.execute("CREATE MATERIALIZED VIEW mat AS SELECT 1 AS one WITH NO DATA")
    empty = read_manifest(demo)
    demo.execute("REFRESH MATERIALIZED VIEW mat")
    filled = read_manifest(demo)
    assert (empty.rows.get("public.mat"), filled.rows.get("public.mat")) == (None, 1)
    assert empty.views != filled.views


def test_an_invalid_index_says_so(demo: Demo) -> None:
    """An index that PostgreSQL does not trust is not the same index."""
    demo.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sweep_log_pkey'::regclass")
    [found] = [one for one in read_manifest(demo).indexes if "sweep_log_pkey" in one]
    assert found.endswith("(sweep_id) (invalid)")


def test_the_manifest_is_json_and_comes_back(demo: Demo) -> None:
    """A manifest written to a file beside a dump reads back as the same value."""
    found = read_manifest(demo)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Manifest) == found
    assert found.rows["public.directus_activity"] == 700
    assert found.sequences["public.directus_activity_id_seq"] == "700,true"


def test_a_sequence_never_called_differs_from_one_called_once(demo: Demo) -> None:
    """1,false and 1,true are told apart, though last_value is the same."""
    demo.execute("CREATE SEQUENCE fresh")
    assert read_sequences(demo)["public.fresh"] == "1,false"
    demo.execute("SELECT nextval('fresh')")
    assert read_sequences(demo)["public.fresh"] == "1,true"


def test_rows_are_counted_exactly(demo: Demo) -> None:
    """A count follows one inserted row, also for a table whose name needs quotes."""
    demo.execute('CREATE TABLE public."Odd ""name" (x integer)')
    demo.execute('INSERT INTO public."Odd ""name" VALUES (1)')
    assert count_rows(demo, "public", ['Odd "name', "cut_policy"]) == {'Odd "name': 1, "cut_policy": 0}


def test_a_policy_cannot_hide_rows_from_a_count(demo: Demo) -> None:
    """A reader that a policy would give fewer rows gets an error and no smaller number."""
    demo.execute("ALTER TABLE cut_policy ENABLE ROW LEVEL SECURITY")
    demo.execute("SET LOCAL ROLE cutter_exec")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        count_rows(demo, "public", ["cut_policy"])


def test_a_planted_function_is_not_called(demo: Demo) -> None:
    """A search_path that puts a hostile schema first changes nothing that the readers see or run."""
    demo.execute("CREATE SCHEMA evil")
    demo.execute(
        "CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE EXCEPTION 'called'; END $$"
    )
    demo.execute("CREATE TABLE evil.pg_class (x integer)")
    demo.execute("SET LOCAL search_path = evil, pg_catalog, public")
    assert inventory(demo) == INVENTORY
    assert privileges(demo) == PRIVILEGES
    assert read_identity(demo).server_version_num // 10000 in (16, 18)
    [(path,)] = demo.execute("SHOW search_path").fetchall()
    assert path == "evil, pg_catalog, public"


def test_the_identity_is_the_clusters(production: Any) -> None:
    """Identifier, start and version belong to the server asked, and a read-only session says so."""
    with production.connect() as conn:
        found = read_identity(conn)
        conn.execute("SET default_transaction_read_only = on")
        assert read_identity(conn).read_only
        [(identifier,)] = conn.execute("SELECT system_identifier::text FROM pg_control_system()").fetchall()
    assert (found.system_identifier, found.read_only) == (identifier, False)
    assert found.started_at.endswith("Z")
    assert found.database_size_bytes > 1_000_000


def test_the_observer_hears_every_statement(production: Any) -> None:
    """Each named statement reaches the observer with its file's digest, a refused one with its SQLSTATE."""
    heard: list[Ran] = []
    with EngineConnection.connect(
        host=str(production.cluster.socket_folder), user="postgres", password=production.password,
        dbname="directus", autocommit=True,
    ) as conn:  # fmt: skip
        conn.observer = heard.append
        read_identity(conn)
        with pytest.raises(psycopg.errors.UndefinedTable):
            count_rows(conn, "public", ["none_such"])
    names = [ran.name for ran in heard]
    assert names[:3] == ["catalogue/session_pins", "catalogue/pin_session", "catalogue/identity"]
    assert (heard[-1].name, heard[-1].sqlstate) == ("catalogue/count_many", "42P01")
    assert all(len(ran.sha256) == 64 and ran.pid > 0 for ran in heard)
