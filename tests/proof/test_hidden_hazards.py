"""Every hidden way from a statement to a sequence, another server or a file, planted in a real catalogue of 16 and 18."""

# ruff: noqa: E501 - one case a line reads better than three

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from targets import Target, another

from console.witness.hazards import reached_by

MOVES = "moves a sequence"
CALL = "SELECT public.f()"
BASE = (
    "CREATE SEQUENCE public.s",
    "CREATE TABLE public.made (id bigint, note text)",
    "CREATE FUNCTION public.moves() RETURNS bigint LANGUAGE sql AS $$SELECT nextval('public.s')$$",
    "CREATE VIEW public.hidden AS SELECT public.moves() AS n",
    "CREATE DOMAIN public.checked AS bigint CHECK (public.moves() > 0)",
    "CREATE DOMAIN public.numbered AS bigint DEFAULT public.moves()",
)
"""What each case finds in the database; nothing in it is called by its name where it should be found."""


def body(line: str, declared: str = "", returns: str = "bigint", arguments: str = "") -> str:
    """Return public.f in PL/pgSQL."""
    ends = {"bigint": "RETURN 1;", "void": "", "trigger": "RETURN NEW;"}.get(returns, "")
    return (
        f"CREATE FUNCTION public.f({arguments}) RETURNS {returns} LANGUAGE plpgsql AS "
        f"$f$DECLARE {declared} BEGIN {line} {ends} END$f$"
    )


LOOKED_AT = "(SELECT h.n FROM public.hidden AS h)"
"""An expression that names no function: a view stands between."""

IN_PLPGSQL: dict[str, tuple[str, str, str]] = {
    "a parameter of RAISE": (f"RAISE NOTICE '%', {LOOKED_AT};", "", "bigint"),
    "an option of RAISE": (f"RAISE NOTICE 'x' USING HINT = {LOOKED_AT}::text;", "", "bigint"),
    "ASSERT": (f"ASSERT {LOOKED_AT} > 0;", "", "bigint"),
    "the words of ASSERT": (f"ASSERT true, {LOOKED_AT}::text;", "", "bigint"),
    "IF": (f"IF {LOOKED_AT} > 0 THEN NULL; END IF;", "", "bigint"),
    "ELSIF": (f"IF false THEN NULL; ELSIF {LOOKED_AT} > 0 THEN NULL; END IF;", "", "bigint"),
    "CASE": (f"CASE {LOOKED_AT} WHEN 1 THEN NULL; ELSE NULL; END CASE;", "", "bigint"),
    "WHEN": (f"CASE 1 WHEN {LOOKED_AT} THEN NULL; ELSE NULL; END CASE;", "", "bigint"),
    "WHILE": (f"WHILE {LOOKED_AT} < 0 LOOP NULL; END LOOP;", "", "bigint"),
    "EXIT WHEN": (f"LOOP EXIT WHEN {LOOKED_AT} > 0; END LOOP;", "", "bigint"),
    "CONTINUE WHEN": (f"FOR i IN 1..1 LOOP CONTINUE WHEN {LOOKED_AT} > 0; END LOOP;", "", "bigint"),
    "a loop's lower bound": (f"FOR i IN {LOOKED_AT}..1 LOOP NULL; END LOOP;", "", "bigint"),
    "a loop's upper bound": (f"FOR i IN 1..{LOOKED_AT} LOOP NULL; END LOOP;", "", "bigint"),
    "a loop's step": (f"FOR i IN 1..2 BY {LOOKED_AT} LOOP NULL; END LOOP;", "", "bigint"),
    "a loop over a query": ("FOR r IN SELECT h.n FROM public.hidden AS h LOOP NULL; END LOOP;", "r record;", "bigint"),
    "FOREACH": (f"FOREACH i IN ARRAY ARRAY[{LOOKED_AT}] LOOP NULL; END LOOP;", "i bigint;", "bigint"),
    "RETURN": (f"RETURN {LOOKED_AT};", "", "bigint"),
    "RETURN NEXT": (f"RETURN NEXT {LOOKED_AT};", "", "SETOF bigint"),
    "RETURN QUERY": ("RETURN QUERY SELECT h.n FROM public.hidden AS h;", "", "SETOF bigint"),
    "a variable's default": ("", f"v bigint := {LOOKED_AT};", "bigint"),
    "a constant": ("", f"v CONSTANT bigint := {LOOKED_AT};", "bigint"),
    "a record's default": ("", f"v public.made := ROW({LOOKED_AT}, 'x');", "bigint"),
    "a cursor": ("OPEN c;", "c CURSOR FOR SELECT h.n FROM public.hidden AS h;", "bigint"),
    "an argument of a cursor": (f"OPEN c({LOOKED_AT});", "c CURSOR (a bigint) FOR SELECT a;", "bigint"),
    "a named argument of a cursor": (f"OPEN c(a := {LOOKED_AT});", "c CURSOR (a bigint) FOR SELECT a;", "bigint"),
    "OPEN FOR": ("OPEN c FOR SELECT h.n FROM public.hidden AS h;", "c refcursor;", "bigint"),
    "a loop over a cursor": (f"FOR r IN c({LOOKED_AT}) LOOP NULL; END LOOP;", "c CURSOR (a bigint) FOR SELECT a;", "bigint"),
    "FETCH": (f"OPEN c; FETCH RELATIVE {LOOKED_AT} FROM c INTO v;", "v bigint; c CURSOR FOR SELECT 1;", "bigint"),
    "an assignment": (f"v := {LOOKED_AT};", "v bigint;", "bigint"),
    "a subscript": (f"v[{LOOKED_AT}] := 1;", "v bigint[];", "bigint"),
    "a field": (f"v.id := {LOOKED_AT};", "v public.made;", "bigint"),
    "SELECT INTO": ("SELECT h.n INTO v FROM public.hidden AS h;", "v bigint;", "bigint"),
    "PERFORM": ("PERFORM h.n FROM public.hidden AS h;", "", "bigint"),
    "a block in a block": (f"DECLARE v bigint := {LOOKED_AT}; BEGIN NULL; END;", "", "bigint"),
    "a handler": (f"BEGIN NULL; EXCEPTION WHEN others THEN v := {LOOKED_AT}; END;", "v bigint;", "bigint"),
    "RAISE behind a string that looks like a comment": (f"RAISE NOTICE '-- %', {LOOKED_AT};", "", "bigint"),
    "a variable of a domain with a check": ("v := 1;", "v public.checked;", "bigint"),
    "a variable of a domain with a default": ("NULL;", "v public.numbered;", "bigint"),
    "a variable in a domain's array": ("v := ARRAY[1];", "v public.checked[];", "bigint"),
    "a result of a domain": ("RETURN 1;", "", "public.checked"),
    "an argument of a domain": ("NULL;", "", "bigint"),
    "a column's type": ("v := 1;", "v public.typed.id%TYPE;", "bigint"),
    "a row's type": ("v.id := 1;", "v public.typed%ROWTYPE;", "bigint"),
}  # fmt: skip
TYPED = "CREATE TABLE public.typed (id public.checked)"
OWN_TYPE = "CREATE TYPE public.pair AS (a integer, b integer)"
SAME = "CREATE FUNCTION public.same({0}, {0}) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN public.moves() > 0; END$$"

ELSEWHERE: dict[str, tuple[tuple[str, ...], str, str]] = {
    "a domain's default": (("ALTER TABLE public.made ADD u public.numbered", "ALTER TABLE public.made ALTER u DROP DEFAULT"), "INSERT INTO public.made (note) VALUES (%s)", MOVES),
    "a domain over a domain": (("CREATE DOMAIN public.over AS public.checked", "CREATE TABLE public.t (v public.over)"), "INSERT INTO public.t VALUES (1)", MOVES),
    "a cast to a domain": ((), "SELECT 1::public.checked", MOVES),
    "a cast in a call's shape": ((), "SELECT public.checked(1)", MOVES),
    "an argument's type": (("CREATE FUNCTION public.f(a public.checked) RETURNS integer LANGUAGE sql AS 'SELECT 1'",), "SELECT public.f(1)", MOVES),
    "a result's type": (("CREATE FUNCTION public.f() RETURNS public.checked LANGUAGE sql AS 'SELECT 1::bigint'",), CALL, MOVES),
    "a column of a result": (("CREATE FUNCTION public.f(OUT a public.checked, OUT b integer) LANGUAGE plpgsql AS 'BEGIN a := 1; END'",), CALL, MOVES),
    "a call by a dot": (("CREATE FUNCTION public.follows(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT public.moves()'",), "SELECT (1::bigint).follows", MOVES),
    "nextval by a dot": ((), "SELECT ('public.s'::regclass).nextval", MOVES),
    "a row's function by a dot": (("CREATE FUNCTION public.follows(public.made) RETURNS bigint LANGUAGE sql AS 'SELECT public.moves()'",), "SELECT m.follows FROM public.made AS m", MOVES),
    "a generated column": (("CREATE FUNCTION public.steady(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN public.moves(); END$$", "CREATE TABLE public.t (a bigint, b bigint GENERATED ALWAYS AS (public.steady(a)) STORED)"), "INSERT INTO public.t (a) VALUES (1)", MOVES),
    "an index's expression": (("CREATE FUNCTION public.steady(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN public.moves(); END$$", "CREATE INDEX ON public.made (public.steady(id))"), "INSERT INTO public.made (id) VALUES (1)", MOVES),
    "an index's condition": (("CREATE FUNCTION public.steady(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN public.moves(); END$$", "CREATE INDEX ON public.made (id) WHERE public.steady(id) > 0"), "UPDATE public.made SET note = 'x'", MOVES),
    "a partition's key": (("CREATE FUNCTION public.steady(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN public.moves(); END$$", "CREATE TABLE public.t (a bigint) PARTITION BY RANGE (public.steady(a))"), "INSERT INTO public.t VALUES (1)", MOVES),
    "a check": (("ALTER TABLE public.made ADD CHECK (public.moves() > 0)",), "UPDATE public.made SET note = 'x'", MOVES),
    "a policy": (("ALTER TABLE public.made ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON public.made USING (public.moves() > 0)"), "SELECT id FROM public.made", MOVES),
    "a policy's check": (("ALTER TABLE public.made ENABLE ROW LEVEL SECURITY", "CREATE POLICY p ON public.made FOR INSERT WITH CHECK (public.moves() > 0)"), "INSERT INTO public.made (id) VALUES (1)", MOVES),
    "a view's default": (("CREATE VIEW public.v AS SELECT * FROM public.made", "ALTER VIEW public.v ALTER id SET DEFAULT public.moves()"), "INSERT INTO public.v (note) VALUES ('x')", MOVES),
    "a trigger in place of a view": (("CREATE VIEW public.v AS SELECT 1 AS a", body("PERFORM public.moves();", returns="trigger"), "CREATE TRIGGER t INSTEAD OF INSERT ON public.v FOR EACH ROW EXECUTE FUNCTION public.f()"), "INSERT INTO public.v VALUES (1)", MOVES),
    "a rule in place of an insert": (("CREATE RULE r AS ON INSERT TO public.made DO INSTEAD SELECT public.moves()",), "INSERT INTO public.made (id) VALUES (1)", "the rule r rewrites INSERT"),
    "a trigger of a partition": (("CREATE TABLE public.t (a bigint) PARTITION BY LIST (a)", "CREATE TABLE public.t1 PARTITION OF public.t FOR VALUES IN (1)", body("PERFORM public.moves();", returns="trigger"), "CREATE TRIGGER t BEFORE INSERT ON public.t1 FOR EACH ROW EXECUTE FUNCTION public.f()"), "INSERT INTO public.t VALUES (1)", MOVES),
    "a partition that is elsewhere": (("CREATE FOREIGN DATA WRAPPER w", "CREATE SERVER x FOREIGN DATA WRAPPER w", "CREATE TABLE public.t (a bigint) PARTITION BY LIST (a)", "CREATE FOREIGN TABLE public.t1 PARTITION OF public.t FOR VALUES IN (1) SERVER x"), "INSERT INTO public.t VALUES (1)", "is a foreign table"),
    "an own operator": ((SAME.format("bigint"), "CREATE OPERATOR public.=== (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = public.same)"), "SELECT 1::bigint OPERATOR(public.===) 2::bigint", MOVES),
    "an own equals, of IN": ((OWN_TYPE, SAME.format("public.pair"), "CREATE OPERATOR public.= (LEFTARG = public.pair, RIGHTARG = public.pair, FUNCTION = public.same)", "CREATE TABLE public.t (p public.pair)"), "SELECT 1 FROM public.t WHERE p IN (SELECT p FROM public.t)", MOVES),
    "an own equals, of USING": ((OWN_TYPE, SAME.format("public.pair"), "CREATE OPERATOR public.= (LEFTARG = public.pair, RIGHTARG = public.pair, FUNCTION = public.same)", "CREATE TABLE public.t (p public.pair)"), "SELECT 1 FROM public.t JOIN public.t AS u USING (p)", MOVES),
    "an own equals, of NULLIF": ((SAME.format("point"), "CREATE OPERATOR public.= (LEFTARG = point, RIGHTARG = point, FUNCTION = public.same)"), "SELECT NULLIF('(1,1)'::point, '(2,2)'::point)", MOVES),
    "an own equals, of CASE": ((SAME.format("point"), "CREATE OPERATOR public.= (LEFTARG = point, RIGHTARG = point, FUNCTION = public.same)"), "SELECT CASE '(1,1)'::point WHEN '(2,2)'::point THEN 1 END", MOVES),
    "an own order, of BETWEEN": ((SAME.format("point"), "CREATE OPERATOR public.>= (LEFTARG = point, RIGHTARG = point, FUNCTION = public.same)", "CREATE OPERATOR public.<= (LEFTARG = point, RIGHTARG = point, FUNCTION = public.same)"), "SELECT '(1,1)'::point BETWEEN '(2,2)'::point AND '(3,3)'::point", MOVES),
    "an own operator class of arrays": (("CREATE FUNCTION public.compared(anyarray, anyarray) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN public.moves(); END$$", "CREATE OPERATOR CLASS public.mine FOR TYPE anyarray USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 public.compared(anyarray, anyarray)", "CREATE TABLE public.t (a integer[])", "CREATE INDEX ON public.t (a public.mine)"), "INSERT INTO public.t VALUES ('{1}')", MOVES),
    "an own cast": (("CREATE FUNCTION public.as_number(text) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RETURN public.moves(); END$$", "CREATE CAST (text AS bigint) WITH FUNCTION public.as_number(text) AS ASSIGNMENT"), "INSERT INTO public.made (id) SELECT note FROM public.made", MOVES),
    "an own cast of a result": (("CREATE FUNCTION public.as_point(text) RETURNS point LANGUAGE plpgsql AS $$BEGIN PERFORM public.moves(); RETURN '(1,1)'; END$$", "CREATE CAST (text AS point) WITH FUNCTION public.as_point(text) AS IMPLICIT"), "SELECT sqrt(2), diagonal(box(note, note)) FROM public.made", MOVES),
    "an operator that is nextval": (("CREATE FUNCTION public.quiet(regclass) RETURNS bigint LANGUAGE internal AS 'nextval_oid'", "CREATE OPERATOR public.## (RIGHTARG = regclass, FUNCTION = public.quiet)"), "SELECT OPERATOR(public.##) 'public.s'::regclass", "quiet"),
    "a cast that is nextval": (("CREATE FUNCTION public.quiet(regclass) RETURNS bigint LANGUAGE internal AS 'nextval_oid'", "CREATE TYPE public.kind AS (a regclass)", "CREATE FUNCTION public.kept(public.kind) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN public.quiet(($1).a); END'", "CREATE CAST (public.kind AS bigint) WITH FUNCTION public.kept(public.kind) AS IMPLICIT"), "SELECT 1 + ROW('public.s')::public.kind", "quiet"),
    "one who acts for its owner": (("CREATE FUNCTION public.f() RETURNS bigint SECURITY DEFINER LANGUAGE plpgsql AS $$BEGIN RETURN public.moves(); END$$",), CALL, MOVES),
    "an aggregate": (("CREATE FUNCTION public.adds(bigint, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT public.moves()'", "CREATE AGGREGATE public.total(bigint) (SFUNC = public.adds, STYPE = bigint)"), "SELECT public.total(id) FROM public.made", MOVES),
    "a large object's function": ((body("PERFORM lo_create(0);"),), CALL, "files or large objects"),
    "a large object by bytes": ((body("PERFORM lo_from_bytea(0, 'x');"),), CALL, "files or large objects"),
    "a large object written": ((body("PERFORM lowrite(1, 'x');"),), CALL, "leave nothing"),
    "a file of the server": ((body("PERFORM pg_read_file('x');"),), CALL, "files or large objects"),
    "a message to others at once": ((body("PERFORM pg_logical_emit_message(false, 'a', 'b');"),), CALL, "acts on the server"),
    "a slot": ((body("PERFORM pg_create_logical_replication_slot('a', 'pgoutput');"),), CALL, "not known to leave nothing"),
    "a snapshot for others": ((body("PERFORM pg_export_snapshot();"),), CALL, "not known to leave nothing"),
    "statistics set back": ((body("PERFORM pg_stat_reset();"),), CALL, "not known to leave nothing"),
    "a prepared statement": ((body("PREPARE x AS SELECT 1;"),), CALL, "PREPARE"),
    "a listener": ((body("LISTEN x;"),), CALL, "LISTEN"),
    "a library": ((body("LOAD 'x';"),), CALL, "LOAD"),
    "a temporary table": ((body("CREATE TEMP TABLE x (a integer);"),), CALL, "CREATE TABLE"),
    "a refreshed view": (("CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS a", body("REFRESH MATERIALIZED VIEW public.m;"),), CALL, "REFRESH"),
    "TRUNCATE": ((body("TRUNCATE public.made RESTART IDENTITY;"),), CALL, "TRUNCATE"),
    "a block of code": ((body("DO 'BEGIN NULL; END';"),), CALL, "runs code that is a text"),
    "a setting that is kept": ((body("ALTER SYSTEM SET work_mem = '1MB';"),), CALL, "ALTER SYSTEM"),
    "a text that makes rows": ((body("PERFORM table_to_xml('public.hidden', true, true, '');"),), CALL, "not known to leave nothing"),
    "a value that is checked by name": ((body("PERFORM pg_input_is_valid('1', 'public.checked');"),), CALL, "not known to leave nothing"),
    "a query text returned": ((body("RETURN QUERY EXECUTE 'SELECT 1::bigint';", returns="SETOF bigint"),), CALL, "made at run time"),
    "a cursor for a text": ((body("OPEN c FOR EXECUTE 'SELECT 1';", "c refcursor;"),), CALL, "made at run time"),
    "a function behind a quoted name": (('CREATE FUNCTION public."my way"() RETURNS bigint LANGUAGE sql AS \'SELECT public.moves()\'', body('RAISE NOTICE \'--%\', public."my way"();')), CALL, MOVES),
    "a default of a partition's parent": (("CREATE TABLE public.t (a bigint DEFAULT public.moves(), b integer) PARTITION BY LIST (b)",), "INSERT INTO public.t (b) VALUES (1)", MOVES),
    "MERGE": ((), "MERGE INTO public.numbering AS t USING public.made AS m ON false WHEN NOT MATCHED THEN INSERT (note) VALUES ('x')", MOVES),
    "a row of a default": ((), "UPDATE public.numbering SET id = DEFAULT", MOVES),
    "SET DEFAULT of a key": (("CREATE TABLE public.up (id bigint PRIMARY KEY)", "CREATE TABLE public.down (id bigint DEFAULT public.moves() REFERENCES public.up ON DELETE SET DEFAULT)"), "DELETE FROM public.up", MOVES),
    "a set-returning function in FROM": (("CREATE FUNCTION public.rows_of() RETURNS SETOF bigint LANGUAGE sql AS 'SELECT public.moves()'",), "SELECT * FROM public.rows_of() AS r", MOVES),
    "a function in ROWS FROM": ((), "SELECT * FROM ROWS FROM (public.moves()) AS r", MOVES),
    "a write in WITH": ((), "WITH x AS (INSERT INTO public.numbering (note) VALUES ('x') RETURNING id) SELECT * FROM x", MOVES),
    "LIMIT": ((), "SELECT 1 LIMIT public.moves()", MOVES),
    "a window": ((), "SELECT count(*) OVER (ORDER BY public.moves()) FROM public.made", MOVES),
    "a filter": ((), "SELECT count(*) FILTER (WHERE public.moves() > 0) FROM public.made", MOVES),
    "a lateral view": ((), "SELECT 1 FROM public.made, LATERAL (SELECT n FROM public.hidden) AS h", MOVES),
    "an SQL body that returns": (("CREATE FUNCTION public.f() RETURNS bigint LANGUAGE sql RETURN public.moves()",), CALL, MOVES),
    "an SQL body of two statements": (("CREATE FUNCTION public.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT n FROM public.hidden; END",), CALL, MOVES),
    "a procedure's COMMIT in SQL": (("CREATE PROCEDURE public.keep() LANGUAGE plpgsql AS 'BEGIN ROLLBACK; END'", body("CALL public.keep();")), CALL, "it would end the transaction"),
    "a table that others keep": (("CREATE ACCESS METHOD mine TYPE TABLE HANDLER heap_tableam_handler", "CREATE TABLE public.t (a bigint) USING mine"), "INSERT INTO public.t VALUES (1)", "access method"),
}  # fmt: skip
NUMBERING = "CREATE TABLE public.numbering (id bigint DEFAULT nextval('public.s'), note text)"


LOGIN = (
    "CREATE FUNCTION public.greets() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.moves(); END'",
    "CREATE EVENT TRIGGER greets ON login EXECUTE FUNCTION public.greets()",
)


@pytest.fixture(scope="module")
def connection(template: Target) -> Iterator[Any]:
    """A session in a database of its own; each test rolls back what it planted."""
    with another(template, "hidden", (*BASE, TYPED, NUMBERING)).connect() as opened:
        yield opened


@pytest.fixture(scope="module")
def everywhere(each_major: Target) -> Iterator[Any]:
    """The same on both major versions."""
    with another(each_major, "hidden_too", (*BASE, TYPED, NUMBERING)).connect() as opened:
        yield opened


def hazards(connection: Any, planted: tuple[str, ...], sent: str) -> list[str]:
    """Return what is said of a statement while something is planted."""
    with connection.transaction(force_rollback=True):
        for statement in planted:
            connection.execute(statement.encode())
        return [one.what for one in reached_by(connection, (sent,)).hazards]


@pytest.mark.parametrize("name", IN_PLPGSQL)
def test_every_expression_of_plpgsql_is_followed(name: str, connection: Any) -> None:
    """An expression, query or type in a PL/pgSQL body leads to a sequence and is not read."""
    line, declared, returns = IN_PLPGSQL[name]
    arguments = "a public.checked DEFAULT 1" if name == "an argument of a domain" else ""
    found = hazards(connection, (body(line, declared, returns, arguments),), CALL)
    assert any(MOVES in what for what in found), found


@pytest.mark.parametrize("name", ELSEWHERE)
def test_every_way_through_the_catalogue_is_followed(name: str, everywhere: Any) -> None:
    """Something that PostgreSQL does by itself, or for the statement, outlives a ROLLBACK and is not found."""
    planted, sent, says = ELSEWHERE[name]
    found = hazards(everywhere, planted, sent)
    assert any(says in what for what in found), found


def test_nothing_harmless_is_refused(everywhere: Any) -> None:
    """What surrounds the planted ways, or an own type, domain, operator or aggregate without one, is refused."""
    harmless = (
        "CREATE DOMAIN public.short AS text DEFAULT 'x' CHECK (length(VALUE) < 9)",
        "CREATE TYPE public.span AS RANGE (subtype = bigint)",
        "CREATE FUNCTION public.largest(bigint, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT greatest($1, $2)'",
        "CREATE AGGREGATE public.top(bigint) (SFUNC = public.largest, STYPE = bigint)",
        "CREATE TABLE public.calm (id bigint, word public.short, during public.span, EXCLUDE USING gist (during WITH &&))",
        "CREATE FUNCTION public.f() RETURNS public.short LANGUAGE plpgsql AS $f$DECLARE v public.calm; -- nextval('s')\n"
        "BEGIN /* lo_create(1) */ RAISE NOTICE 'x -- %', 1; RETURN 'x'; END$f$",
    )
    sent = "SELECT public.f(), (SELECT public.top(id) FROM public.calm WHERE during @> public.span(1, 2))"
    assert hazards(everywhere, harmless, sent) == []
    assert hazards(everywhere, harmless, "INSERT INTO public.calm (id) VALUES (%s)") == []


def test_a_trigger_of_a_login_is_followed(newest: Target) -> None:
    """Who only connects sets off what PostgreSQL 17 and later run at each login, and nobody says so."""
    with another(newest, "greeted", BASE).connect() as opened:
        found = hazards(opened, LOGIN, "SELECT 1")
    assert any(MOVES in what for what in found), found
