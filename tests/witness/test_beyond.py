"""The whole database on real PostgreSQL: what was harmed shows in a sentence, and what was taken back leaves none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import psycopg
import pytest

from console.model.migration_facts import BeyondAfter, OwnedElsewhere
from console.witness.beyond import Before, read_after, read_bare_schema, read_before, read_owned_elsewhere
from console.witness.database_changes import changes
from console.witness.schema_state import read_columns, read_values
from console.witness.whole_database import read_whole_database

Engine = psycopg.Connection[Any]
PASSWORD = "not-the-real-one-" + "7" * 12
BUILT = """
CREATE ROLE beyond_owner LOGIN;
CREATE ROLE beyond_app LOGIN;
GRANT ALL ON SCHEMA public TO beyond_owner;
CREATE SCHEMA other;
CREATE TABLE public.t (a integer PRIMARY KEY, b text NOT NULL DEFAULT 'x', j jsonb, n numeric, CHECK (a > 0));
CREATE TABLE public.u (a integer REFERENCES public.t, c text);
CREATE UNIQUE INDEX t_b ON public.t (b);
CREATE TABLE other.w (a integer);
CREATE TABLE other.x (a integer, b text);
CREATE FUNCTION public.f(a integer DEFAULT 1) RETURNS integer RETURN a + 1;
CREATE FUNCTION public.g(a integer) RETURNS text LANGUAGE sql AS 'SELECT a::text';
CREATE FUNCTION public.h() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION public.e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE TRIGGER t_h BEFORE UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.h();
CREATE TYPE public.mood AS ENUM ('low', 'high');
CREATE DOMAIN public.small AS integer CHECK (VALUE < 9);
CREATE VIEW public.v AS SELECT a, b FROM public.t;
CREATE RULE u_rule AS ON DELETE TO public.u DO ALSO NOTHING;
CREATE MATERIALIZED VIEW public.m AS SELECT a FROM public.t;
CREATE SEQUENCE public.s;
ALTER TABLE public.u OWNER TO beyond_owner;
CREATE POLICY p ON public.t USING (a > 1);
CREATE PUBLICATION pub FOR TABLE public.t;
CREATE FOREIGN DATA WRAPPER wrapper;
CREATE SERVER far FOREIGN DATA WRAPPER wrapper;
CREATE STATISTICS public.t_stats ON a, b FROM public.t;
CREATE TEXT SEARCH CONFIGURATION public.words (COPY = pg_catalog.simple);
COMMENT ON FUNCTION public.g(integer) IS 'before';
COMMENT ON SCHEMA other IS 'before';
INSERT INTO public.t (a, b, j, n) VALUES (1, 'one', NULL, 1.0), (2, 'two', '{}', 2.0), (3, 'three', '"x"', 3.0);
INSERT INTO public.u VALUES (1, NULL), (2, '');
SELECT lo_from_bytea(50001, 'large'), lo_from_bytea(50002, 'larger');
REFRESH MATERIALIZED VIEW public.m;
"""

HARM: Mapping[str, tuple[str, str]] = {
    "replica identity": ("ALTER TABLE t REPLICA IDENTITY FULL", "pg_class public.t: relreplident d, then f"),
    "clustered index": ("ALTER TABLE t CLUSTER ON t_b", "pg_index public.t_b: indisclustered false, then true"),
    "trigger": ("ALTER TABLE t DISABLE TRIGGER t_h", "pg_trigger t_h on public.t: tgenabled O, then D"),
    "foreign key": ("ALTER TABLE u DISABLE TRIGGER ALL",
                    'pg_trigger "RI_ConstraintTrigger_c" on public.u: tgenabled O, then D'),
    "rule": ("ALTER TABLE u DISABLE RULE u_rule", "pg_rewrite u_rule on public.u: ev_enabled O, then D"),
    "statistics": ("ALTER TABLE t ALTER b SET STATISTICS 7", "pg_attribute public.t.b: attstattarget"),
    "storage": ("ALTER TABLE t ALTER j SET STORAGE EXTERNAL", "pg_attribute public.t.j: attstorage x, then e"),
    "TOAST": ("ALTER TABLE t SET (toast.autovacuum_enabled = false)",
              "pg_class public.t: TOAST options nothing, then autovacuum_enabled=false"),
    "row security": ("ALTER TABLE u ENABLE ROW LEVEL SECURITY",
                     "pg_class public.u: relrowsecurity false, then true"),
    "policy": ("ALTER POLICY p ON t TO beyond_app", 'pg_policy p on public.t: polroles ["0"], then ["beyond_app"]'),
    "grant elsewhere": ("GRANT SELECT ON other.w TO PUBLIC", "pg_class other.w: acl"),
    "function": ("REVOKE EXECUTE ON FUNCTION g FROM PUBLIC", "pg_proc public.g(integer): acl"),
    "definer": ("ALTER FUNCTION h() SECURITY DEFINER", "pg_proc public.h(): prosecdef false, then true"),
    "type": ("REVOKE USAGE ON TYPE mood FROM PUBLIC", "pg_type public.mood: acl"),
    "language": ("REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC", "pg_language plpgsql: acl"),
    "default privileges": ("ALTER DEFAULT PRIVILEGES FOR ROLE beyond_owner GRANT SELECT ON TABLES TO beyond_app",
                           "+ pg_default_acl for role beyond_owner on tables"),
    "column's grant": ("GRANT UPDATE (b) ON t TO beyond_app", "pg_attribute public.t.b: attacl nothing, then"),
    "owner": ("ALTER FUNCTION e() OWNER TO beyond_owner", "pg_proc public.e(): acl"),
    "comment on a function": ("COMMENT ON FUNCTION g(integer) IS 'after'",
                              "pg_description public.g(integer): description before, then after"),
    "comment on a schema": ("COMMENT ON SCHEMA other IS NULL", "- pg_description other"),
    "large object": ("SELECT lo_put(50001, 0, 'LARGE')", "large object 50001: content"),
    "new large object": ("SELECT lo_create(50003)", "+ pg_largeobject_metadata 50003"),
    "large object's grant": ("GRANT SELECT ON LARGE OBJECT 50002 TO PUBLIC", "pg_largeobject_metadata 50002: acl"),
    "publication": ("ALTER PUBLICATION pub ADD TABLE u", "+ pg_publication_rel public.u in publication pub"),
    "event trigger": ("CREATE EVENT TRIGGER ev ON ddl_command_end EXECUTE FUNCTION e()", "+ pg_event_trigger ev"),
    "cast": ("CREATE CAST (mood AS text) WITH INOUT AS ASSIGNMENT", "+ pg_cast (public.mood AS pg_catalog.text)"),
    "extended statistics": ("DROP STATISTICS t_stats", "- pg_statistic_ext public.t_stats"),
    "text search": ("ALTER TEXT SEARCH CONFIGURATION words DROP MAPPING FOR word", "- pg_ts_config_map public.words."),
    "server": (f"ALTER SERVER far OPTIONS (ADD password '{PASSWORD}')", "pg_foreign_server far: options' digest"),
    "user mapping": (f"CREATE USER MAPPING FOR beyond_app SERVER far OPTIONS (password '{PASSWORD}')",
                     "+ pg_user_mapping beyond_app on server far"),
    "database": ("ALTER DATABASE beyond SET work_mem = '9MB'", '+ pg_db_role_setting beyond.0'),
    "database's grant": ("GRANT CREATE ON DATABASE beyond TO PUBLIC", "pg_database beyond: acl"),
    "database's limit": ("ALTER DATABASE beyond CONNECTION LIMIT 3", "pg_database beyond: datconnlimit -1, then 3"),
    "role's setting": ("ALTER ROLE beyond_app SET work_mem = '9MB'", "+ pg_db_role_setting 0.beyond_app"),
    "role's password": (f"ALTER ROLE beyond_app PASSWORD '{PASSWORD}'", "pg_authid beyond_app: password's digest"),
    "membership": ("GRANT beyond_owner TO beyond_app", "+ pg_auth_members"),
    "sequence": ("ALTER SEQUENCE s CACHE 7", "pg_sequence public.s: seqcache 1, then 7"),
    "owned sequence": ("ALTER SEQUENCE s OWNED BY t.a", "+ depends sequence public.s"),
    "view": ("ALTER VIEW v SET (security_barrier = true)", "pg_class public.v: reloptions"),
    "enum": ("ALTER TYPE mood ADD VALUE 'mid' BEFORE 'high'",
             "pg_type public.mood: labels 'low', 'high', then 'low', 'mid', 'high'"),
    "domain": ("ALTER DOMAIN small SET NOT NULL", "pg_type public.small: typnotnull false, then true"),
    "constraint": ("ALTER TABLE u ADD CHECK (a > 0) NOT VALID", "+ pg_constraint u_a_check on public.u"),
    "order of columns": ("ALTER TABLE other.x DROP a; ALTER TABLE other.x ADD a integer",
                         "pg_attribute other.x.a: attnum 1, then 2"),
    "unlogged": ("ALTER TABLE other.w SET UNLOGGED", "pg_class other.w: relpersistence p, then u"),
    "extension": ("ALTER EXTENSION plpgsql ADD FUNCTION g(integer)", "+ depends function public.g(integer)"),
    "schema public": ("GRANT CREATE ON SCHEMA public TO PUBLIC", "pg_namespace public: acl"),
    "PostgreSQL's own": ("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC",
                         "pg_proc rows that every PostgreSQL has: digest"),
    "pg_catalog's view": ("GRANT SELECT ON pg_catalog.pg_authid TO beyond_app",
                          "pg_class rows that every PostgreSQL has: digest"),
}  # fmt: skip
"""What M-1 to M-7 may not see: the statement, and what the sentence about it begins with and holds."""

THERE_AND_BACK: Mapping[str, tuple[str, str]] = {
    "column": ("ALTER TABLE t ADD z text DEFAULT 'z'", "ALTER TABLE t DROP z"),
    "type": ("ALTER TABLE t ALTER n TYPE text", "ALTER TABLE t ALTER n TYPE numeric USING n::numeric"),
    "not null": ("ALTER TABLE t ALTER n SET NOT NULL", "ALTER TABLE t ALTER n DROP NOT NULL"),
    "table": ("CREATE TABLE k (a integer REFERENCES t)", "DROP TABLE k"),
    "index": ("CREATE INDEX t_n ON t (n)", "DROP INDEX t_n"),
    "index anew": ("DROP INDEX t_b", "CREATE UNIQUE INDEX t_b ON t (b)"),
    "grants": ("GRANT ALL ON other.w TO PUBLIC", "REVOKE ALL ON other.w FROM PUBLIC"),
    "grant of a column": ("GRANT SELECT (c) ON u TO beyond_app", "REVOKE SELECT (c) ON u FROM beyond_app"),
    "grant of a function": ("GRANT EXECUTE ON FUNCTION g TO beyond_app",
                            "REVOKE EXECUTE ON FUNCTION g FROM beyond_app"),
    "grant of a database": ("GRANT CREATE ON DATABASE beyond TO beyond_app",
                            "REVOKE CREATE ON DATABASE beyond FROM beyond_app"),
    "foreign key": ("ALTER TABLE u DROP CONSTRAINT u_a_fkey",
                    "ALTER TABLE u ADD CONSTRAINT u_a_fkey FOREIGN KEY (a) REFERENCES t"),
    "trigger": ("DROP TRIGGER t_h ON t",
                "CREATE TRIGGER t_h BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION h()"),
    "name": ("ALTER TABLE u RENAME c TO d", "ALTER TABLE u RENAME d TO c"),
    "view": ("DROP VIEW v", "CREATE VIEW v AS SELECT a, b FROM t"),
    "comment": ("COMMENT ON TABLE t IS 'x'", "COMMENT ON TABLE t IS NULL"),
    "enum": ("DROP TYPE mood", "CREATE TYPE mood AS ENUM ('low', 'high')"),
    "setting": ("ALTER ROLE beyond_app SET work_mem = '9MB'", "ALTER ROLE beyond_app RESET work_mem"),
    "rows": ("UPDATE t SET b = b || '!'", "UPDATE t SET b = rtrim(b, '!')"),
    "large object": ("SELECT lo_create(50009)", "SELECT lo_unlink(50009)"),
    "rewrite": ("CREATE TEMP TABLE mine (a integer)", "DROP TABLE mine"),
    "upkeep": ("REFRESH MATERIALIZED VIEW m", "ANALYZE"),
}  # fmt: skip
"""What is harmless once it was taken back."""


class Place(NamedTuple):
    """A database of its own, and what it was before."""

    conn: Engine
    before: Before


@pytest.fixture(scope="module")
def place(production: Any) -> Iterator[Place]:
    """Yield a superuser's session in a database with one of everything; database and roles are gone afterwards."""
    with production.connect("postgres") as admin:
        admin.execute("CREATE DATABASE beyond")
        try:
            with production.connect("beyond") as conn:
                conn.execute(BUILT)
                yield Place(conn=conn, before=read_before(conn))
        finally:
            admin.execute("DROP DATABASE beyond WITH (FORCE)")
            admin.execute("DROP ROLE IF EXISTS beyond_app, beyond_owner")


@pytest.fixture(scope="module")
def harmed(place: Place) -> BeyondAfter:
    """Return what is found after all of the harm, which is rolled back."""
    with place.conn.transaction(force_rollback=True):
        for statement, _says in HARM.values():
            place.conn.execute(statement.encode())
        return read_after(place.conn, place.before, None)


@pytest.mark.parametrize("harm", HARM)
def test_harm_shows(harmed: BeyondAfter, harm: str) -> None:
    """A property of the database that a migration leaves changed is told by no sentence."""
    what, _colon, how = HARM[harm][1].partition(": ")
    assert any(one.startswith(what) and how in one for one in harmed.changes), [
        one for one in harmed.changes if one.startswith(what.split()[0])
    ]


def test_no_secret_is_told(harmed: BeyondAfter) -> None:
    """A password in an option of a server or a mapping, or a role's verifier, stands in a sentence."""
    told = "\n".join(harmed.changes)
    assert PASSWORD not in told
    assert "SCRAM-SHA-256" not in told


def test_what_was_taken_back_leaves_nothing(place: Place) -> None:
    """A harmless way there and back leaves a difference, by an oid, a dropped column or a number of upkeep."""
    for there, back in THERE_AND_BACK.values():
        place.conn.execute(there.encode())
        place.conn.execute(back.encode())
    place.conn.execute("VACUUM (FULL, ANALYZE)")
    after = read_after(place.conn, place.before, None)
    assert (after.changes, after.values, after.unlisted) == ((), {}, 0)
    assert after.digests == place.before.fact().digests


VALUES = {
    "NULL and null": ("UPDATE t SET j = 'null' WHERE a = 1", "public.t"),
    "NULL and an empty text": ("UPDATE u SET c = '' WHERE a = 1", "public.u"),
    "digits behind the point": ("UPDATE t SET n = 1.00 WHERE a = 1", "public.t"),
    "columns exchanged": ("UPDATE t SET b = 'three' WHERE a = 1; UPDATE t SET b = 'one' WHERE a = 3", "public.t"),
    "a view's rows": ("INSERT INTO t VALUES (9, 'nine'); REFRESH MATERIALIZED VIEW m; DELETE FROM t WHERE a = 9",
                      "public.m"),
}  # fmt: skip


@pytest.mark.parametrize("change", VALUES)
def test_values_are_compared_as_text(place: Place, change: str) -> None:
    """Two values that print unlike one another pass for the same."""
    statement, table = VALUES[change]
    with place.conn.transaction(force_rollback=True):
        place.conn.execute("ALTER TABLE t DISABLE TRIGGER ALL; DROP INDEX t_b")
        place.conn.execute(statement.encode())
        found = read_values(place.conn, place.before.columns)
    assert {name for name, total in found.items() if place.before.values[name] != total} == {table}


def test_other_values_are_told(place: Place) -> None:
    """A table with other values is not told, by its own reading or by sums that are known."""
    with place.conn.transaction(force_rollback=True):
        place.conn.execute("UPDATE u SET c = 'c'")
        told = {"public.u": "has other values in the columns that it had"}
        assert read_after(place.conn, place.before, None).values == told
        known = read_values(place.conn, read_columns(place.conn))
        assert read_after(place.conn, place.before, None, known).values == told


def test_settings_hide_no_digit(place: Place) -> None:
    """A database that prints fewer digits of a float hides that a value became another one."""
    with place.conn.transaction(force_rollback=True):
        place.conn.execute(
            "CREATE TABLE floats AS SELECT 1.5::float8 AS f; SET LOCAL extra_float_digits = -15"
        )
        before = read_before(place.conn)
        place.conn.execute("UPDATE floats SET f = 1.5000001")
        place.conn.execute("SET LOCAL extra_float_digits = -15")
        assert "public.floats" in read_after(place.conn, before, None).values


def test_a_hostile_name_hides_nothing(place: Place) -> None:
    """An object whose name looks like a temporary one's, or like a numbered one's, is left out."""
    with place.conn.transaction(force_rollback=True):
        place.conn.execute(
            'CREATE PUBLICATION "pg_temp.x"; CREATE TABLE "pg_toast.y" (a integer);'
            "CREATE TYPE pair AS ENUM ('a', 'a (2)')"
        )
        told = read_after(place.conn, place.before, None).changes
        assert {
            '+ pg_publication "pg_temp.x"', '+ pg_class public."pg_toast.y"', "+ pg_enum public.pair.a",
            "+ pg_enum public.pair.a (2)",
        } <= set(told)  # fmt: skip
        place.conn.execute("CREATE TEMP TABLE passing (a integer PRIMARY KEY, b text CHECK (b <> ''))")
        assert read_after(place.conn, place.before, None).changes == told


def test_new_columns_are_no_other_values(place: Place) -> None:
    """A column that was added counts as a change of those before, or one that is gone does not."""
    with place.conn.transaction(force_rollback=True):
        place.conn.execute("ALTER TABLE t ADD z text DEFAULT 'z'; ALTER TABLE u DROP c; DROP TABLE other.w")
        found = read_after(place.conn, place.before, None).values
    assert found == {"public.u": "lost c", "other.w": "is gone, or has no rows of its own any more"}


def test_what_another_role_owns_is_told(place: Place) -> None:
    """What a migration changes of an object that the role does not own in the source is not told as such."""
    with place.conn.transaction(force_rollback=True):
        elsewhere = read_owned_elsewhere(place.conn, "beyond_owner")
        assert {"public.t", "other.w", "public.t_b"} <= set(elsewhere.relations)
        assert "public.u" not in elsewhere.relations
        assert {"CREATE in other", "CREATE in the database", "pg_proc public.g(integer)"} <= set(
            elsewhere.objects
        )
        assert "CREATE in public" not in elsewhere.objects
        place.conn.execute("ALTER TABLE t ADD z text; ALTER TABLE u ADD z text")
        assert read_after(place.conn, place.before, elsewhere).not_owned == ("pg_class public.t",)
        place.conn.execute("GRANT beyond_owner TO beyond_app")
        assert "public.u" not in read_owned_elsewhere(place.conn, "beyond_app").relations
        assert "public.u" in read_owned_elsewhere(place.conn, "nobody there").relations


@pytest.mark.parametrize(
    ("statement", "not_owned"),
    [
        ("ALTER TABLE u ADD z text", ()),
        ("ALTER TABLE t ADD z text", ("pg_class public.t",)),
        ("CREATE INDEX ON t (n)", ("pg_class public.t",)),
        ("ALTER FUNCTION g(integer) COST 7", ("pg_proc public.g(integer)",)),
        ("CREATE TABLE other.k (a integer)", ("CREATE in other",)),
        ("CREATE TABLE k (a integer)", ()),
        ("CREATE SCHEMA another", ("CREATE in the database",)),
        ("CREATE PUBLICATION more", ("CREATE in the database",)),
        ("COMMENT ON COLUMN t.b IS 'x'", ("pg_class public.t",)),
        ("COMMENT ON COLUMN u.c IS 'x'", ()),
        ("COMMENT ON FUNCTION g(integer) IS 'x'", ("pg_proc public.g(integer)",)),
        ("SELECT lo_put(50001, 0, 'x')", ("pg_largeobject_metadata 50001",)),
        ("ALTER DATABASE beyond SET work_mem = '9MB'", ("pg_database beyond",)),
        ("ALTER ROLE beyond_owner SET work_mem = '9MB'", ()),
        ("ALTER TABLE u ADD FOREIGN KEY (a) REFERENCES t", ("pg_class public.t",)),
        ("ALTER TYPE mood ADD VALUE 'x'", ("pg_type public.mood",)),
        ("CREATE POLICY q ON t", ("pg_class public.t",)),
    ],
)
def test_what_it_touches_of_others(place: Place, statement: str, not_owned: tuple[str, ...]) -> None:
    """A migration that only succeeds because the copy's owner owns everything is not told from one that may."""
    with place.conn.transaction(force_rollback=True):
        elsewhere: OwnedElsewhere = read_owned_elsewhere(place.conn, "beyond_owner")
        place.conn.execute(statement.encode())
        found = changes(place.before.whole, read_whole_database(place.conn))
        touched = {it for one in found for it in one.touches}
        assert tuple(sorted(touched & set(elsewhere.objects))) == not_owned


@pytest.mark.parametrize(
    ("statement", "own_session", "project"),
    [
        ("SELECT 1", "public", "public"),
        ("GRANT CREATE ON SCHEMA other TO beyond_owner", "public", ""),
        ("ALTER ROLE beyond_owner SET search_path = other", "", ""),
        ("ALTER DATABASE beyond SET search_path = other", "", ""),
        ("ALTER ROLE beyond_app SET search_path = other", "public", "public"),
        ("ALTER ROLE beyond_owner SET work_mem = '9MB'", "public", "public"),
        ("CREATE SCHEMA beyond_owner", "", ""),
    ],
)
def test_where_names_without_a_schema_lead(
    place: Place, statement: str, own_session: str, project: str
) -> None:
    """A name is looked for in public where another schema is the first one of the path, or nowhere."""
    with place.conn.transaction(force_rollback=True):
        place.conn.execute(statement.encode())
        elsewhere = read_owned_elsewhere(place.conn, "beyond_owner")
        assert read_bare_schema(place.conn, "beyond_owner", elsewhere, own_session=True) == own_session
        assert read_bare_schema(place.conn, "beyond_owner", elsewhere, own_session=False) == project
