"""What a statement can reach in a real catalogue: each hazard found, and nothing harmless refused."""

# ruff: noqa: E501 - one case a line reads better than three

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from functions import SEQUENCE, planted
from targets import PACK, Target, another

from console.witness.hazard_rules import own_function_hazard
from console.witness.hazards import Hazard, reached_by, unaccepted

CALL = "SELECT public.fn_iu_create(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
FUNCTION = "CREATE FUNCTION public.f() RETURNS integer LANGUAGE {} AS $f${}$f$"
PLPGSQL = "BEGIN {} RETURN 1; END"
TABLE = "CREATE TABLE public.made (id integer, note text)"
C_FUNCTION = (
    "CREATE FUNCTION public.f() RETURNS integer LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'"
)
OTHER_NAME = "CREATE FUNCTION public.quiet(regclass) RETURNS bigint LANGUAGE internal AS 'nextval_oid'"
MOVING = SEQUENCE.split(";")[0]
NEXT = "nextval('public.unit_number')"
INSERT = "INSERT INTO public.made (note) VALUES (%s)"
WRAPPER = "CREATE FOREIGN DATA WRAPPER w"
FOREIGN = (
    WRAPPER,
    "CREATE SERVER s FOREIGN DATA WRAPPER w",
    "CREATE FOREIGN TABLE public.far (id integer) SERVER s",
)


def in_plpgsql(line: str) -> str:
    """Return a function in PL/pgSQL with one line."""
    return FUNCTION.format("plpgsql", PLPGSQL.format(line))


CASES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "nextval in SQL": ((MOVING, FUNCTION.format("sql", f"SELECT {NEXT}::integer")), "SELECT public.f()", "moves a sequence"),
    "nextval in a declaration": (
        (MOVING, FUNCTION.format("plpgsql", f"DECLARE n bigint := {NEXT}; BEGIN RETURN n; END")), "SELECT public.f()",
        "moves a sequence",
    ),
    "nextval in a loop's bound": (
        (MOVING, in_plpgsql(f"FOR i IN 1..{NEXT}::integer LOOP NULL; END LOOP;")), "SELECT public.f()", "moves a sequence"
    ),
    "nextval in RAISE of a handler": (
        (MOVING, in_plpgsql(f"BEGIN NULL; EXCEPTION WHEN others THEN RAISE NOTICE '%', {NEXT}; END;")),
        "SELECT public.f()", "moves a sequence",
    ),
    "nextval by another name": ((OTHER_NAME,), "SELECT public.quiet('x')", "cannot be analysed"),
    "a default": ((MOVING, TABLE, f"ALTER TABLE public.made ALTER id SET DEFAULT {NEXT}"), INSERT, "moves a sequence"),
    "an identity column": (
        (TABLE, "ALTER TABLE public.made ALTER id SET NOT NULL", "ALTER TABLE public.made ALTER id ADD GENERATED ALWAYS AS IDENTITY"),
        INSERT, "the identity column id of public.made moves a sequence",
    ),
    "a trigger through a view": (
        (MOVING, TABLE, "CREATE VIEW public.seen AS SELECT * FROM public.made",
         f"CREATE FUNCTION public.t() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN PERFORM {NEXT}; RETURN NEW; END$f$",
         "CREATE TRIGGER t AFTER INSERT ON public.made FOR EACH ROW EXECUTE FUNCTION public.t()"),
        "INSERT INTO public.seen (note) VALUES (%s)", "moves a sequence",
    ),
    "a trigger's condition": (
        (MOVING, TABLE, "CREATE FUNCTION public.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
         f"CREATE TRIGGER t AFTER INSERT ON public.made FOR EACH ROW WHEN ({NEXT} > 0) EXECUTE FUNCTION public.t()"),
        INSERT, "moves a sequence",
    ),
    "a rule": ((TABLE, "CREATE RULE r AS ON INSERT TO public.made DO ALSO NOTIFY x"), INSERT, "the rule r rewrites INSERT"),
    "a foreign table": (FOREIGN, "SELECT id FROM public.far", "is a foreign table"),
    "a cascade": (
        (MOVING, "CREATE TABLE public.up (id integer PRIMARY KEY)",
         "CREATE TABLE public.down (id integer REFERENCES public.up ON DELETE CASCADE)",
         f"CREATE FUNCTION public.t() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN PERFORM {NEXT}; RETURN OLD; END$f$",
         "CREATE TRIGGER t AFTER DELETE ON public.down FOR EACH ROW EXECUTE FUNCTION public.t()"),
        "DELETE FROM public.up WHERE id = %s", "moves a sequence",
    ),
    "COPY to a program": ((in_plpgsql("COPY public.unit_version TO PROGRAM 'cat';"),), "SELECT public.f()", "start a program"),
    "a large object": ((in_plpgsql("PERFORM lo_export(1, '/tmp/x');"),), "SELECT public.f()", "files or large objects"),
    "a lock of the session": ((in_plpgsql("PERFORM pg_advisory_lock(1);"),), "SELECT public.f()", "outlives the transaction"),
    "a query that is a text": (
        (in_plpgsql("PERFORM query_to_xml('SELECT 1', true, true, '');"),), "SELECT public.f()", "runs a query that is a text"
    ),
    "a signal": ((in_plpgsql("PERFORM pg_reload_conf();"),), "SELECT public.f()", "acts on the server"),
    "DDL": ((in_plpgsql("CREATE TABLE x (a integer);"),), "SELECT public.f()", "CREATE TABLE is not known to leave nothing"),
    "dynamic SQL": ((in_plpgsql("EXECUTE 'SELECT ' || 1;"),), "SELECT public.f()", "SQL that is made at run time (EXECUTE)"),
    "a dynamic loop": (
        (FUNCTION.format("plpgsql", "DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT 1' LOOP NULL; END LOOP; RETURN 1; END"),),
        "SELECT public.f()", "made at run time (FOR … IN EXECUTE)",
    ),
    "a function that nobody can read": ((C_FUNCTION,), "SELECT public.f()", "cannot be analysed: it is a function in language"),
    "an argument's default": (
        (MOVING, f"CREATE FUNCTION public.f(a bigint DEFAULT {NEXT}) RETURNS bigint LANGUAGE sql AS 'SELECT a'"),
        "SELECT public.f()", "moves a sequence",
    ),
    "a body of SQL's own": (
        (MOVING, f"CREATE FUNCTION public.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT {NEXT}; END"),
        "SELECT public.f()", "moves a sequence",
    ),
    "a domain's check": (
        (MOVING, f"CREATE DOMAIN public.d AS integer CHECK ({NEXT} > 0)", "CREATE TABLE public.made (id public.d, note text)"),
        INSERT, "moves a sequence",
    ),
    "the statement itself": ((MOVING,), f"SELECT {NEXT}", "moves a sequence"),
    "COMMIT": ((), "COMMIT", "ends a transaction"),
}  # fmt: skip


@pytest.fixture(scope="module")
def connection(template: Target) -> Iterator[Any]:
    """A session in a database of its own; each test rolls back what it planted."""
    with another(template, "hazards").connect() as opened:
        yield opened


@pytest.mark.parametrize("name", CASES)
def test_a_hazard_is_found(name: str, connection: Any) -> None:
    """A way in which something outlives a ROLLBACK is not found."""
    statements, sent, says = CASES[name]
    with connection.transaction(force_rollback=True):
        for statement in statements:
            connection.execute(statement.encode())
        found = reached_by(connection, (sent,)).hazards
    assert any(says in one.what for one in found), found


@pytest.mark.parametrize(
    "statement",
    [
        planted("PERFORM pg_notify('x', 'y');"),
        planted("NOTIFY x;"),
        planted("PERFORM currval('x'::regclass) WHERE false;"),
        planted(
            "BEGIN UPDATE public.unit_version SET ordinal = 2 WHERE false; EXCEPTION WHEN others THEN NULL; END;"
        ),
    ],
)
def test_what_a_rollback_undoes_is_no_hazard(statement: str, connection: Any) -> None:
    """A harmless statement refuses the proof."""
    with connection.transaction(force_rollback=True):
        connection.execute(statement.encode())
        assert reached_by(connection, (CALL,)).hazards == ()


def test_the_demo_is_read_whole(connection: Any) -> None:
    """The demo's function, its trigger's function or a table behind a foreign key is not reached."""
    reached = reached_by(connection, (CALL,))
    assert reached.hazards == ()
    assert "public.fn_iu_stamp()" in reached.functions
    assert reached.written == ("public.information_unit", "public.unit_version")
    assert PACK.name == "rollback_proof"


def test_an_update_without_defaults_moves_no_sequence(connection: Any) -> None:
    """An UPDATE that leaves an identity column alone refuses the proof, or one that asks for its default does not."""
    plain = "UPDATE public.directus_activity SET action = %s"
    assert reached_by(connection, (plain,)).hazards == ()
    asked = reached_by(connection, ("UPDATE public.directus_activity SET id = DEFAULT",)).hazards
    assert [one.name for one in asked] == [""]


def test_only_what_cannot_be_analysed_is_accepted() -> None:
    """A plan accepts a hazard that has no name, or by a part of one."""
    known = Hazard(what="moves a sequence", via="f")
    unread = Hazard(what="cannot be analysed", via="f", name="public.f(a text)")
    assert unaccepted((known, unread), ("public.f(a text)",)) == (known,)
    assert unaccepted((known, unread), ("public.f", "", "moves a sequence")) == (known, unread)


@pytest.mark.parametrize("major", [16, 18])
def test_an_unknown_function_of_postgresqls_own_is_a_hazard(major: int) -> None:
    """A function that no list has is taken for harmless."""
    assert own_function_hazard("pg_stat_reset", major) == "is not known to leave nothing after a ROLLBACK"
    assert own_function_hazard("gen_random_uuid", major) is None
    assert own_function_hazard("nextval", major) == "moves a sequence, and no ROLLBACK moves it back"
