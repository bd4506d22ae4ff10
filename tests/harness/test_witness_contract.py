"""The client witness against the server's own log: the same statements, in the same order."""

from __future__ import annotations

import pytest
from harness_driver import Stage, client_by_backend, run, server_by_backend
from sample import PACK

from console.environments.cluster import Cluster

UNPATCH = """
import psycopg
from psycopg import _cursor_base, generators
from psycopg._connection_base import BaseConnection
from psycopg._cursor_base import BaseCursor
from psycopg.client_cursor import ClientCursorMixin
{owner}.{name} = {owner}.{name}.__wrapped__
"""


def test_every_way_of_sending_is_in_both_witnesses(stage: Stage) -> None:
    """Each statement that psycopg sent is what the server logged for that backend, in its order."""
    replies, trace, statements = run(stage, "WAYS")
    assert [(a["name"], a["outcome"], a["message"]) for a in replies[0]["attempts"] if a["message"]] == []
    assert trace.irregularities == []
    client = client_by_backend(statements)
    assert stage.cluster is not None
    assert client == server_by_backend(stage.cluster, "shopper", {session.pid for session in trace.sessions})
    assert len(client) == len(trace.sessions) == 15


def test_postgresql_18_logs_the_same(stage: Stage, cluster_18: Cluster) -> None:
    """On PostgreSQL 18 the two witnesses agree too."""
    stage.cluster = cluster_18
    _replies, trace, statements = run(stage, "WAYS", "RIVAL")
    backends = {session.pid for session in trace.sessions}
    assert client_by_backend(statements) == server_by_backend(cluster_18, "shopper", backends)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("BaseCursor", "_execute_send"),
        ("ClientCursorMixin", "_execute_send"),
        ("BaseCursor", "_send_prepare"),
        ("BaseCursor", "_send_query_prepared"),
        ("BaseConnection", "_exec_command"),
    ],
)
def test_a_path_left_untraced_makes_the_witnesses_differ(stage: Stage, owner: str, name: str) -> None:
    """A tracer that misses one of psycopg's paths does not pass the comparison."""
    stage.write(pack=PACK + UNPATCH.format(owner=owner, name=name))
    _replies, trace, statements = run(stage, "WAYS")
    backends = {session.pid for session in trace.sessions}
    assert stage.cluster is not None
    assert client_by_backend(statements) != server_by_backend(stage.cluster, "shopper", backends)
