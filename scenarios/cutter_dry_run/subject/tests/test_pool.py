"""The pool of one connection."""

from __future__ import annotations

import pytest
from cutter_agent.config import ConnectionConfig
from cutter_agent.errors import PoolExhausted
from cutter_agent.pool import _ConnPool
from cutter_agent.principals import Principal
from fakes import ENV, FakeDatabase


def pool_over(database: FakeDatabase) -> _ConnPool:
    """Return a pool of fake connections."""
    config = ConnectionConfig.from_env(Principal.EXEC, ENV)
    return _ConnPool(lambda: database.connect(config))  # type: ignore[arg-type, return-value]


def test_connects_only_when_asked() -> None:
    """A new pool has opened nothing."""
    database = FakeDatabase()
    pool_over(database)
    assert database.connections == []


def test_connection_is_used_again() -> None:
    """A released connection is lent again."""
    pool = pool_over(FakeDatabase())
    first = pool.acquire()
    pool.release(first)
    assert pool.acquire() is first


def test_second_lending_is_refused() -> None:
    """A lent connection is not lent twice."""
    pool = pool_over(FakeDatabase())
    pool.acquire()
    with pytest.raises(PoolExhausted):
        pool.acquire()


def test_closed_connection_is_replaced() -> None:
    """A connection that closed while it was lent is not lent again."""
    pool = pool_over(FakeDatabase())
    first = pool.acquire()
    first.close()
    pool.release(first)
    assert pool.acquire() is not first


def test_connection_that_closed_while_idle_is_replaced() -> None:
    """A connection that closed in the pool is not lent again."""
    pool = pool_over(FakeDatabase())
    first = pool.acquire()
    pool.release(first)
    first.close()
    assert pool.acquire() is not first


def test_close_closes_the_idle_connection() -> None:
    """Closing the pool closes its connection."""
    pool = pool_over(FakeDatabase())
    first = pool.acquire()
    pool.release(first)
    pool.close()
    assert first.closed
