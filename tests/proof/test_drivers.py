"""The live adapter's providers, psycopg 3 and psycopg2 behind its facade, held to the same words on a real server."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from targets import PACK, VERIFIER, WRITER, Target, another

from console.harness.rollback_only import NotRollbackOnly, RollbackOnly

DRIVERS = ("psycopg3_provider", "psycopg2_provider")
COUNT = "SELECT count(*) FROM public.information_unit"
INSERT = "INSERT INTO public.verify_result (result_id, change_set_id, outcome, verified_at) VALUES (%s, %s, %s, now())"
CREATE = "SELECT public.fn_iu_create(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
VALUES = ("iu:x", "note", "x", "", "{}", "test", "test", None, "x")
LIMITS = {"statement_timeout": 5000, "lock_timeout": 1000}


@pytest.fixture(scope="module")
def target(template: Target) -> Target:
    """A database of its own."""
    return another(template, "drivers")


@pytest.fixture(params=DRIVERS)
def provider(
    request: pytest.FixtureRequest, target: Target, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Any]:
    """One driver's provider, on the target."""
    monkeypatch.syspath_prepend(str(PACK / "subject"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    from live_cutter import provider as providers

    env = {
        "DOT_CUTTER_DB_HOST": str(target.cluster.socket_folder), "DOT_CUTTER_DB_PORT": "5432",
        "DOT_CUTTER_DB_NAME": target.name, "DOT_CUTTER_DB_SSLMODE": "disable",
        "DOT_CUTTER_EXEC_DB_USER": WRITER, "DOT_CUTTER_VERIFY_DB_USER": VERIFIER,
        "DOT_CUTTER_EXEC_DB_PASSWORD": (target.folder / WRITER).read_text().strip(),
        "DOT_CUTTER_VERIFY_DB_PASSWORD": (target.folder / VERIFIER).read_text().strip(),
    }  # fmt: skip
    found: Callable[[str], Any] = getattr(providers, request.param)(env)
    return found


def sent_in(connection: Any, *sent: tuple[str, Any], then: Exception | None = None) -> None:
    """Send some texts in a transaction that can only roll back, and end it with an exception."""
    with RollbackOnly(connection, allowed=(CREATE, INSERT), limits_ms=LIMITS) as transaction:
        for statement, values in sent:
            transaction.execute(statement, values)
        if then is not None:
            raise then


def test_a_connection_is_the_principals_with_autocommit(provider: Callable[[str], Any]) -> None:
    """A driver connects as somebody else, begins a transaction by itself, or does not close."""
    for principal in (WRITER, VERIFIER):
        connection = provider(principal)
        [(user, stamp)] = connection.execute("SELECT current_user, now()").fetchall()
        [(later,)] = connection.execute("SELECT now()").fetchall()
        assert (user, connection.autocommit, later > stamp) == (principal, True, True)
        connection.close()
        assert connection.closed


def test_a_transaction_only_rolls_back(provider: Callable[[str], Any], target: Target) -> None:
    """The row is not seen inside, or is still there afterwards; a setting of the function outlives it."""
    before = target.digest()
    transaction = RollbackOnly(provider(WRITER), allowed=(COUNT, CREATE), limits_ms=LIMITS)
    with transaction:
        [(first,)] = transaction.execute(COUNT).fetchall()
        transaction.execute(CREATE, VALUES)
        [(second,)] = transaction.execute(COUNT).fetchall()
    assert (second - first, transaction.settings_changed, target.digest()) == (1, [], before)


def test_an_exception_inside_rolls_back(provider: Callable[[str], Any], target: Target) -> None:
    """An exception between BEGIN and ROLLBACK leaves the row, or is swallowed."""
    before = target.digest()
    connection = provider(WRITER)
    with pytest.raises(KeyError):
        sent_in(connection, (CREATE, VALUES), then=KeyError("x"))
    assert (connection.closed, target.digest()) == (True, before)


def test_a_text_that_was_not_named_is_not_sent(provider: Callable[[str], Any], target: Target) -> None:
    """COMMIT, or any other text, goes through."""
    before = target.digest()
    with pytest.raises(NotRollbackOnly):
        sent_in(provider(WRITER), (CREATE, VALUES), ("COMMIT", None))
    assert target.digest() == before


def test_a_refusal_of_the_server_is_told(provider: Callable[[str], Any]) -> None:
    """What a role may not do is done, or its SQLSTATE is lost."""
    with pytest.raises(Exception, match="permission denied") as refused:
        sent_in(provider(WRITER), (INSERT, (None, None, "x")))
    states = {getattr(refused.value, name, None) for name in ("sqlstate", "pgcode")}
    assert "42501" in states


def test_autocommit_off_is_refused(target: Target) -> None:
    """A connection whose driver begins by itself is used."""
    with target.connect() as connection:
        connection.autocommit = False
        with (
            pytest.raises(NotRollbackOnly, match="autocommit off"),
            RollbackOnly(connection, allowed=(), limits_ms={}),
        ):
            pass
        assert connection.closed
