"""The dump's lexer: what it refuses, at which line and in which words, and what it must let through."""

from __future__ import annotations

import io
import tracemalloc

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from console.sources import dump_lexer
from console.sources.dump_file import next_line
from console.sources.dump_lexer import DumpLexer, Refused
from console.sources.dump_rules import judge_of

HEAD = (
    b"--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\n"
    b"SET standard_conforming_strings = on;\n"
)
TAIL = b"\n--\n-- PostgreSQL database dump complete\n--\n\n"
FIRST_LINE = 7
EXTENSIONS = frozenset({"plpgsql", "vector"})


def lexed(text: bytes) -> bytes:
    """Return what psql would be given; raises Refused."""
    lexer = DumpLexer(judge_of(EXTENSIONS))
    given_bytes, passed = io.BytesIO(text), []
    while line := next_line(given_bytes, lexer):
        passed.append(lexer.feed(line))
    lexer.end()
    return b"".join(passed)


def refusal(body: bytes, *, head: bytes = HEAD, tail: bytes = TAIL) -> str:
    """Return the sentence with which a dump with this body is refused."""
    with pytest.raises(Refused) as wrong:
        lexed(head + body + tail)
    return str(wrong.value)


HOSTILE = {
    "shell": (rb"\! touch /tmp/canary", r"line 7: the meta-command \! touch /tmp/canary"),
    "copy-meta": (rb"\copy t from program 'id'", r"line 7: the meta-command \copy t from program 'id'"),
    "include": (rb"\i /etc/passwd", r"line 7: the meta-command \i /etc/passwd"),
    "connect": (rb"\connect postgres", r"line 7: the meta-command \connect postgres"),
    "behind-a-statement": (rb"CREATE TABLE t (a int); \! id", r"line 7: the meta-command \! id"),
    "within-a-statement": (b"CREATE TABLE t\n\\! id\n(a int);", r"line 8: the meta-command \! id"),
    "after-a-carriage-return": (b"-- quiet\r\\! id", r"line 7: the meta-command \! id"),
    "gexec": (rb"CREATE TABLE t (a int) \gexec", r"line 7: the meta-command \gexec"),
    "separator": (rb"CREATE TABLE t (a int)\; DO 1;", r"line 7: the meta-command \; DO 1;"),
    "unrestrict-backquote": (
        rb"\unrestrict `touch /tmp/canary`",
        r"the meta-command \unrestrict where no pg_dump",
    ),
    "unrestrict-in-a-comment": (rb"/* \unrestrict `id` */", r"the meta-command \unrestrict where no pg_dump"),
    "unrestrict-without-restrict": (rb"\unrestrict abc", "allowed once, at the end, with the key"),
    "restrict-late": (
        b"CREATE TABLE t (a int);\n\\restrict abc",
        r"line 8: the meta-command \restrict, allowed once",
    ),
    "variable": (b"COMMENT ON TABLE t IS :'HOME';", "psql would put a variable in place of :'HOME'"),
    "last-error": (
        b"CREATE TABLE t (a int DEFAULT :LAST_ERROR_MESSAGE);",
        "psql's variable LAST_ERROR_MESSAGE",
    ),
    "last-error-in-data": (
        b"COPY t (a) FROM stdin;\n:LAST_ERROR_MESSAGE\n\\.",
        "line 8: psql's variable LAST_ERROR_MESSAGE",
    ),
    "meta-in-data": (
        b"COPY t (a) FROM stdin;\n\\! touch /tmp/canary\n\\.",
        r"line 8: data with '\\!', which no pg_dump",
    ),
    "end-of-data-within": (
        b"COPY t (a) FROM stdin;\nx\\.y\n\\.",
        r"line 8: data with '\\.', which no pg_dump writes",
    ),
    "string-by-setting": (
        rb"COMMENT ON TABLE t IS 'a\' , ' \! id ';",
        r"line 7: a string with \', which ends in one",
    ),
    "nul": (b"CREATE TABLE t\0 (a int);", "line 7: a NUL byte"),
    "latin1": ("COMMENT ON TABLE t IS 'Grüße';".encode("latin-1"), "line 7: bytes that are not UTF-8"),
    "latin1-data": (
        b"COPY t (a) FROM stdin;\n\xfc\n\\.",
        "line 8: bytes that are not UTF-8; dump with --encoding=UTF8",
    ),
    "other-encoding": (b"SET client_encoding = 'SJIS';", "client_encoding must be utf8; dump again with it"),
    "escape-in-comment": (
        b"-- Name: \x1b]0;owned\x07; Type: TABLE",
        "line 7: a control character outside data and strings",
    ),
    "escape-in-block-comment": (b"/* one\n\x1b[2J */", "line 8: a control character in a comment"),
    "escape-in-name": (b'CREATE TABLE "a\x1b[2J" (a int);', "line 7: a control character in a name: a␛[2J"),
    "scs-off": (b"SET standard_conforming_strings = off;", "standard_conforming_strings must be on"),
    "scs-by-call": (
        b"SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false);",
        "set_config may only empty",
    ),
    "call-in-call": (b"SELECT pg_catalog.setval('s', evil(), true);", "a call within a call"),
    "function-call": (b"SELECT evil();", "select evil ( ): no query that pg_dump writes"),
    "create-role": (
        b"CREATE ROLE boss SUPERUSER;",
        "line 7: create role boss superuser: roles belong to the cluster",
    ),
    "create-user": (b"CREATE USER boss;", "create user boss: roles belong"),
    "alter-role": (b"ALTER ROLE directus SUPERUSER;", "alter role directus superuser: roles belong"),
    "membership": (b"GRANT postgres TO directus;", "grant postgres to directus: a membership of roles"),
    "set-role": (b"SET ROLE postgres;", "set role postgres: no setting that pg_dump makes"),
    "session-authorization": (b"SET SESSION AUTHORIZATION 'postgres';", "no setting that pg_dump makes"),
    "reset": (b"RESET ALL;", "reset all: no pg_dump writes it"),
    "alter-system": (b"ALTER SYSTEM SET log_statement = 'none';", "changes the server's configuration"),
    "event-trigger": (
        b"CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f();",
        "runs during Drydock's own",
    ),
    "load": (b"LOAD '/tmp/evil.so';", "load /tmp/evil.so: loads a library into the server"),
    "do": (b"DO $$ BEGIN PERFORM 1; END $$;", "an anonymous block runs whatever it likes"),
    "copy-program": (
        b"COPY t FROM PROGRAM 'id';",
        "line 7: copy t from program id: only COPY TABLE (columns) FROM stdin",
    ),
    "copy-file": (b"COPY t (a) FROM '/etc/passwd';", "only COPY TABLE (columns) FROM stdin is restored"),
    "copy-out": (b"COPY t TO '/tmp/canary';", "only COPY TABLE (columns) FROM stdin is restored"),
    "copy-query": (b"COPY (SELECT 1) TO PROGRAM 'id';", "only COPY TABLE (columns) FROM stdin is restored"),
    "copy-and-more": (
        b"COPY t (a) FROM stdin; CREATE TABLE u (a int);\n\\.",
        "something behind a COPY on the same line",
    ),
    "subscription": (
        b"CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p;",
        "would connect to another server",
    ),
    "foreign-server": (
        b"CREATE SERVER s FOREIGN DATA WRAPPER w;",
        "create server s foreign data wrapper w: would connect",
    ),
    "foreign-table": (b"CREATE FOREIGN TABLE f (a int) SERVER s;", "would reach outside the copy"),
    "user-mapping": (b"CREATE USER MAPPING FOR public SERVER s;", "would connect to another server"),
    "database": (b"CREATE DATABASE other;", "create database other: dump without --create"),
    "extension": (
        b"CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;",
        "has only plpgsql, vector; use --environment",
    ),
    "language": (b"CREATE LANGUAGE plpython3u;", "brings code that runs outside"),
    "call": (b"CALL evil();", "call evil ( ): no pg_dump writes it"),
    "after-the-end": (TAIL + b"CREATE TABLE t (a int);", "a statement behind the dump's last line"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_pg_dump_writes_is_refused(name: str) -> None:
    """A hostile body passes, or is refused in other words or at another line."""
    body, says = HOSTILE[name]
    assert says in refusal(body + b"\n")


CUT = {
    "in-copy": (b"COPY t (a) FROM stdin;\n1\n2", b"", "cut off in the data of a COPY that began at line 7"),
    "in-a-string": (b"COMMENT ON TABLE t IS 'long", b"", "cut off in a quoted string"),
    "in-a-function": (
        b"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $x$ SELECT 1;",
        b"",
        "cut off in a dollar-quoted",
    ),
    "in-a-comment": (b"/* one /* two */", b"", "cut off in a comment"),
    "in-a-statement": (b"CREATE TABLE t (a int", b"", "cut off in a statement"),
    "before-constraints": (
        b"CREATE TABLE t (a int);\n",
        b"",
        "the last line '-- PostgreSQL database dump complete' is missing",
    ),
}


@pytest.mark.parametrize("name", CUT)
def test_a_dump_that_was_cut_off_is_refused(name: str) -> None:
    """A dump without its end passes as whole."""
    body, tail, says = CUT[name]
    with pytest.raises(Refused) as wrong:
        lexed(HEAD + body + tail)
    assert says in str(wrong.value)
    assert wrong.value.truncated


def test_restrict_and_unrestrict_are_taken_out_and_nothing_else() -> None:
    """The two meta-commands of a real dump reach psql, or a line is moved or changed."""
    dump = b"--\n\\restrict aB3\n" + HEAD + b"CREATE TABLE t (a int);\n" + TAIL + b"\\unrestrict aB3\n"
    assert lexed(dump) == dump.replace(b"\\restrict aB3", b"").replace(b"\\unrestrict aB3", b"")


@pytest.mark.parametrize(
    ("ends", "says"),
    [(b"", "\\unrestrict is missing"), (b"\\unrestrict other\n", "with the key of \\restrict")],
)
def test_a_restriction_that_is_not_lifted_with_its_key_is_refused(ends: bytes, says: str) -> None:
    """A dump whose key does not come back passes."""
    with pytest.raises(Refused, match=r"unrestrict") as wrong:
        lexed(b"\\restrict aB3\n" + HEAD + TAIL + ends)
    assert says in str(wrong.value)


HARMLESS = (
    b'COPY public.t (a, "B c") FROM stdin;\n'
    b"\\\\! id\t\\N\n\\\\.\\n\\\\unrestrict `id`\t'$$ /* \"\n:USER \\t\n\\.\n",
    b"COPY public.t FROM stdin;\n\\.\n"
    b"CREATE TABLE t (a int[], b text DEFAULT 'x''y;' CHECK (a[1:2] IS NOT NULL));\n",
    b"CREATE FUNCTION public.f() RETURNS int LANGUAGE plpgsql AS $_$BEGIN\n\\! $$ ; ' -- \nEND$_$;\n",
    b"CREATE FUNCTION f() RETURNS int LANGUAGE sql "
    b"BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;\n",
    b"CREATE VIEW v AS SELECT E'a\\\\b' AS x, "
    b"'tab\\\\', U&'\\0041' AS u, 1::text AS y, $1$a$ ; $1$a$ AS z;\n",
    b"CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO u VALUES (1); INSERT INTO u VALUES (2));\n",
    "COMMENT ON TABLE public.t IS 'Điều 44 \x1b[2J \\! id';\n".encode(),
    b"CREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog;\nCOMMENT ON EXTENSION plpgsql IS 'x';\n",
    b"SELECT pg_catalog.setval('public.s', 12, true);\nGRANT SELECT ON TABLE public.t TO cutter_ro;\n",
    b"ALTER TABLE ONLY public.t\n"
    b"    ADD CONSTRAINT p PRIMARY KEY (a); /* a ; /* b */ \\! */\nCREATE INDEX i ON t (a);\n",
    b"INSERT INTO public.t VALUES (1, 'it''s; \\\\', E'\\\\');\n",
)


@pytest.mark.parametrize("body", HARMLESS)
def test_what_pg_dump_writes_is_passed_unchanged(body: bytes) -> None:
    """A body that pg_dump can write is refused or changed."""
    assert lexed(HEAD + body + TAIL) == HEAD + body + TAIL


def test_a_statement_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement without end is kept in memory."""
    monkeypatch.setattr(dump_lexer, "STATEMENT_LIMIT_BYTES", 4096)
    assert "a statement over 4096 bytes" in refusal(b"CREATE TABLE t (\n" + b"a int,\n" * 2000)


def test_a_line_of_data_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of data without end passes."""
    monkeypatch.setattr(dump_lexer, "DATA_LINE_LIMIT_BYTES", 3 << 20)
    assert f"line 8: a line of data over {3 << 20} bytes" in refusal(
        b"COPY t (a) FROM stdin;\n" + b"x" * (5 << 20) + b"\n\\.\n"
    )


def test_memory_stays_the_same_however_long_a_line_of_data_is() -> None:
    """A long line of data is held as a whole."""
    dump = io.BytesIO(HEAD + b"COPY t (a) FROM stdin;\n" + b"\\\\\xc3\xbc" * (8 << 20) + b"\n\\.\n" + TAIL)
    lexer = DumpLexer(judge_of(EXTENSIONS))
    tracemalloc.start()
    while line := next_line(dump, lexer):
        lexer.feed(line)
    lexer.end()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 12 << 20


@given(st.binary(min_size=1, max_size=60), st.integers(1, 7))
@example(b"LAST_ERROR_MESSAGE", 1)
def test_pieces_of_a_data_line_are_judged_as_the_whole(data: bytes, size: int) -> None:
    """Where a line of data is cut into pieces decides whether it is refused."""
    line = data.replace(b"\n", b"") + b"\n"
    assume(line != b"\\.\n")

    def outcome(pieces: list[bytes]) -> str:
        lexer = DumpLexer(judge_of(None))
        for text in [*HEAD.splitlines(keepends=True), b"COPY t (a) FROM stdin;\n"]:
            lexer.feed(text)
        try:
            for piece in pieces:
                lexer.feed(piece)
        except Refused as wrong:
            return wrong.what
        return ""

    pieces = [line[at : at + size] for at in range(0, len(line), size)]
    assert bool(outcome(pieces)) == bool(outcome([line]))
