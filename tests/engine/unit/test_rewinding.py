"""What the way back to the prepared copy decides by itself: whose fault a session is, and when a copy is given up."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from console.engine import copy_database, rewinding
from console.engine.long_steps import unless_aborted
from console.errors import AbortRequested, StepFailed
from console.model.trace import ServerLine


def run_of(*roles: str, asked: bool = False) -> Any:
    """Return as much of a run as is looked at."""

    def raise_if_requested() -> None:
        if asked:
            raise AbortRequested("the operator asked")

    return SimpleNamespace(
        loaded=SimpleNamespace(privileges=SimpleNamespace(roles=dict.fromkeys(roles))),
        recorder=SimpleNamespace(raise_if_requested=raise_if_requested), database="directus",
    )  # fmt: skip


def line(**words: Any) -> ServerLine:
    """Return one line of the server's log."""
    known: dict[str, Any] = {
        "at": 1.0, "pid": 7, "session": "s", "line": 1, "user": "writer", "database": "directus", "application": "",
        "kind": "statement", "severity": "LOG", "sql": "SELECT 1",
    }  # fmt: skip
    return ServerLine(**{**known, **words})


def test_whose_fault_it_is() -> None:
    """A role of the subject's among them is the subject's fault; an operator's own session is the environment's."""
    assert rewinding._fault_of(run_of("writer"), ["postgres", "writer"]) == "subject"
    assert rewinding._fault_of(run_of("writer"), ["postgres"]) == "environment"


def test_an_abort_ends_a_long_copy() -> None:
    """What the server is asked to make is cancelled until it gives up, and the abort is what is told."""
    cancelled = threading.Event()

    def work() -> None:
        assert cancelled.wait(30)
        raise psycopg.errors.QueryCanceled("cancelled")

    connection: Any = SimpleNamespace(cancel_safe=cancelled.set)
    with pytest.raises(AbortRequested):
        unless_aborted(run_of(asked=True).recorder, connection, work)
    assert cancelled.is_set()


def test_what_the_server_refuses_comes_through() -> None:
    """Without an abort the server's own refusal leaves, and nothing is cancelled."""

    def work() -> None:
        raise psycopg.errors.DiskFull("no room")

    with pytest.raises(StepFailed) as failed, copy_database.answered("it", in_use="subject"):
        unless_aborted(run_of().recorder, SimpleNamespace(), work)  # type: ignore[arg-type]
    assert (failed.value.cause, failed.value.gate) == ("environment", "G-27")
    with pytest.raises(StepFailed) as failed, copy_database.answered("it", in_use="subject"):
        raise psycopg.errors.ObjectInUse("is being accessed by other users")
    assert (failed.value.cause, failed.value.gate) == ("subject", "G-27")


def test_the_end_of_a_session_is_no_visit() -> None:
    """Only what a user does counts: neither the server's own lines nor the end of a session that was gone."""
    came = rewinding._visits(
        [line(), line(user=""), line(kind="disconnection"), line(kind="connection", sql="")]
    )
    assert [one.kind for one in came] == ["statement", "connection"]
    assert rewinding._visitors(came) == ("backend 7 (writer): SELECT 1", "backend 7 (writer): connection")
    assert rewinding._visitors([line(sql="SELECT '\x1b[2J'")])[0].isprintable()


def test_the_template_never_has_the_copys_name() -> None:
    """A source whose database is called like the template gets a template of another name."""
    assert copy_database.template_name(run_of()) == "drydock_prepared"
    assert copy_database.template_name(SimpleNamespace(database="drydock_prepared")) == "drydock_prepared_too"  # type: ignore[arg-type]
