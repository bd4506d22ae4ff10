"""What a SQLSTATE means for a phase."""

from __future__ import annotations

import psycopg
import pytest
from cutter_agent.errors import (
    IdempotencyResume,
    PhaseStop,
    Reaction,
    TransientFailure,
    as_phase_error,
    classify,
)
from fakes import server_error


@pytest.mark.parametrize(
    ("sqlstate", "reaction"),
    [
        ("42501", Reaction.STOP),
        ("23505", Reaction.RESUME),
        ("40001", Reaction.RETRY),
        ("40P01", Reaction.RETRY),
        ("08006", Reaction.RETRY),
        ("08P01", Reaction.RETRY),
        ("23503", Reaction.STOP),
        ("22003", Reaction.STOP),
        ("57P01", Reaction.STOP),
        ("XX000", Reaction.STOP),
    ],
)
def test_reactions(sqlstate: str, reaction: Reaction) -> None:
    """Every SQLSTATE has the reaction of the design."""
    assert classify(sqlstate) is reaction


def test_no_sqlstate_stops() -> None:
    """An error without a SQLSTATE stops."""
    assert classify(None) is Reaction.STOP


def test_lost_connection_is_tried_again() -> None:
    """A lost connection without a SQLSTATE is transient."""
    assert classify(None, connection_lost=True) is Reaction.RETRY


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [("42501", PhaseStop), ("23505", IdempotencyResume), ("40001", TransientFailure)],
)
def test_errors_become_ours(sqlstate: str, expected: type[Exception]) -> None:
    """A server's error becomes the class that its SQLSTATE asks for, and names it."""
    made = as_phase_error(server_error(sqlstate))
    assert type(made) is expected
    assert str(made) == f"{sqlstate}: the server's words"


def test_detail_is_left_out() -> None:
    """What follows the first line of a message is not carried over."""
    made = as_phase_error(psycopg.errors.UniqueViolation("duplicate key\nDETAIL: Key (a)=(b)"))
    assert "DETAIL" not in str(made)


def test_operational_error_without_sqlstate_is_transient() -> None:
    """A connection that broke is transient."""
    made = as_phase_error(psycopg.OperationalError("server closed the connection"))
    assert isinstance(made, TransientFailure)
