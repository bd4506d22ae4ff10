"""What a source has beside its dump, on real PostgreSQL: read, given to a copy, and read back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest

from console.model.beside_facts import Beside, Publication
from console.secrets import scram_verifier
from console.witness.beside import UNTIMED, begun_with, give, read_beside, source_fact

Connection = psycopg.Connection[Any]
SECRET = "not-the-real-one-" + "8" * 12
TABLES = """
CREATE ROLE beside_owner LOGIN;
CREATE SCHEMA "odd % {schema}" AUTHORIZATION beside_owner;
CREATE TABLE "odd % {schema}".t (a integer PRIMARY KEY, "b,c" text);
CREATE TABLE public.plain (a integer);
ALTER TABLE "odd % {schema}".t OWNER TO beside_owner;
ALTER TABLE public.plain OWNER TO beside_owner;
GRANT CREATE ON DATABASE beside TO beside_owner;
"""
WORDS = f"""
ALTER ROLE ALL SET work_mem = '1MB';
ALTER DATABASE beside SET work_mem = '2MB';
ALTER DATABASE beside SET statement_timeout = '7s';
ALTER DATABASE beside SET log_statement = 'none';
ALTER DATABASE beside SET app.secret = '{SECRET}=1';
ALTER ROLE beside_owner SET statement_timeout = '300ms';
ALTER ROLE beside_owner SET search_path = "odd % {{schema}}", public;
ALTER ROLE beside_owner IN DATABASE beside SET lock_timeout = '1s';
ALTER ROLE beside_owner IN DATABASE postgres SET lock_timeout = '9s';
ALTER ROLE beside_owner CONNECTION LIMIT 5;
CREATE PUBLICATION every FOR ALL TABLES WITH (publish = 'insert');
CREATE PUBLICATION nothing;
CREATE PUBLICATION part FOR TABLE "odd % {{schema}}".t (a, "b,c") WHERE (a > 1), TABLE plain;
CREATE PUBLICATION whole FOR TABLES IN SCHEMA "odd % {{schema}}" WITH (publish_via_partition_root = true);
ALTER PUBLICATION part OWNER TO beside_owner;
"""
TAKEN_AWAY = """
ALTER ROLE ALL RESET work_mem;
ALTER DATABASE beside RESET ALL;
ALTER ROLE beside_owner RESET ALL;
ALTER ROLE beside_owner IN DATABASE beside RESET ALL;
ALTER ROLE beside_owner CONNECTION LIMIT -1;
DROP PUBLICATION IF EXISTS every, nothing, part, whole;
"""


@pytest.fixture
def place(production: Any) -> Iterator[Connection]:
    """Yield a superuser's session in a database of its own; database, role and settings are gone afterwards."""
    with production.connect("postgres") as admin:
        admin.execute("CREATE DATABASE beside")
        try:
            with production.connect("beside") as conn:
                conn.execute(TABLES)
                yield conn
        finally:
            admin.execute("ALTER ROLE ALL RESET work_mem")
            admin.execute("DROP DATABASE beside WITH (FORCE)")
            admin.execute("DROP ROLE beside_owner")


def told(place: Connection) -> Beside:
    """Return what is read once the source's words are said."""
    place.execute(WORDS.encode())
    return read_beside(place, "beside_owner")


def test_the_nearest_setting_wins(place: Connection) -> None:
    """A setting of the role or the database is overlooked, or another one than the server's choice is taken."""
    found = told(place)
    assert found.settings == {
        "app.secret": f"{SECRET}=1", "lock_timeout": "1s", "log_statement": "none",
        "search_path": '"odd % {schema}", public', "statement_timeout": "300ms", "work_mem": "2MB",
    }  # fmt: skip
    assert (found.connection_limit, sorted(found.publications)) == (5, ["every", "nothing", "part", "whole"])
    assert [name for name, one in found.publications.items() if one.owned] == ["part"]
    assert read_beside(place, "nobody there").connection_limit == -1


def test_the_copy_is_given_it_and_asked_again(place: Connection) -> None:
    """A setting or a publication is not given as it is in the source, or a session of another role begins with it."""
    wanted = told(place)
    place.execute(TAKEN_AWAY)
    assert read_beside(place, "beside_owner") == msgspec.structs.replace(
        wanted, settings={}, connection_limit=-1, publications={}
    )
    assert {"beside_owner", "postgres"} <= set(wanted.roles)
    given = give(place, wanted, role="beside_owner", database="beside")
    source = source_fact(wanted)
    assert (given.settings, given.publications) == (source.settings, source.publications)
    assert (given.connection_limit, given.refused) == (5, {})
    assert source.witnessed == ("log_statement",)
    assert "log_statement" not in read_beside(place, "beside_owner").settings
    assert read_beside(place, "another role").settings == {}
    assert SECRET not in f"{source}{given}"


def test_a_setting_that_no_session_begins_with_is_not_given(place: Connection, production: Any) -> None:
    """A role or a tablespace that the copy lacks is told as given, though sessions begin without it."""
    settings = {
        "app.secret": SECRET, "default_tablespace": "fast", "role": "beside_gone", "search_path": "a, b",
        "statement_timeout": "1ms",
    }  # fmt: skip
    wanted = Beside(settings=settings, connection_limit=-1, publications={}, roles=())
    given = give(place, wanted, role="beside_owner", database="beside")
    place.execute(f"ALTER ROLE beside_owner PASSWORD '{scram_verifier(production.password)}'".encode())
    with production.cluster.connect(
        password=production.password, user="beside_owner", database="beside", options=UNTIMED
    ) as conn:
        found = begun_with(conn, wanted, given)
    assert found.settings == ("app.secret", "search_path", "statement_timeout")
    assert {"the setting default_tablespace", "the setting role"} == found.refused.keys()
    assert SECRET not in f"{found}"


def test_what_the_copy_refuses_is_told_without_a_value(place: Connection) -> None:
    """What the copy's server refuses counts as given, stops the rest, or is told with its value."""
    wanted = Beside(
        settings={"work_mem": f"{SECRET}", "lock_timeout": "1s"}, connection_limit=-1,
        publications={
            "gone": Publication(publishes="FOR TABLE ONLY public.gone WITH (publish = 'insert')", owned=True),
            "more": Publication(publishes="FOR ALL TABLES; DROP TABLE public.plain", owned=False),
        },
        roles=(),
    )  # fmt: skip
    given = give(place, wanted, role="beside_owner", database="beside")
    assert (given.settings, given.publications) == (("lock_timeout",), ())
    assert given.refused == {
        "the setting work_mem": "(SQLSTATE 22023)",
        "the publication gone": 'relation "public.gone" does not exist (SQLSTATE 42P01)',
        "the publication more": "what it publishes is no one statement",
    }
    assert place.execute("SELECT count(*) FROM public.plain").fetchone() == (0,)
