"""The engine's events without an engine: which are kept, and when nobody can say that all are there."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from console.environments import docker_watch
from console.environments.docker_objects import DockerObjects
from console.environments.docker_watch import NetworkWatch
from console.model.isolation_facts import NetworkMove

NETWORK, OURS, CARRIER, STRANGER = "net1", "c1", "c2", "c9"
MADE = {OURS: "copy", CARRIER: "carrier"}
AT = "2026-11-30T16:03:16.447033286Z"
AT_NS = 1_796_054_596_447_033_286


class Told:
    """A client whose events are put in by the test."""

    def __init__(self) -> None:
        self.events_given: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.client = self
        self.ended = False

    def info(self) -> dict[str, str]:
        """Return the engine's time."""
        return {"SystemTime": AT}

    @contextmanager
    def said(self, _what: str) -> Iterator[None]:
        """Let everything pass."""
        yield

    def events(self, **_words: Any) -> Told:
        """Return the stream."""
        return self

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.events_given.get, None)

    def close(self) -> None:
        """End the stream."""
        self.events_given.put(None)

    def move(self, network: str, container: str, how: str = "connect", kind: str = "bridge") -> None:
        """Let a container come to a network."""
        attributes = {"container": container, "type": kind}
        self.events_given.put(
            {"Type": "network", "Action": how, "Actor": {"ID": network, "Attributes": attributes}}
        )

    def mark(self, at_ns: int = AT_NS) -> None:
        """Let the engine tell that a file was read out of the carrier."""
        self.events_given.put(
            {"Type": "container", "Action": "archive-path", "Actor": {"ID": CARRIER}, "timeNano": at_ns}
        )


def watch(told: Told, touch: Any = None) -> NetworkWatch:
    """Return a watch over what the test tells."""
    return NetworkWatch(cast("DockerObjects", told), carrier=CARRIER, touch=touch or told.mark)


def test_moves_of_the_network_and_of_our_containers_are_kept() -> None:
    """A stranger in our network, or ours in another, is lost; or what is neither, or no network, is kept."""
    told = Told()
    found = watch(told)
    told.move(NETWORK, STRANGER)
    told.move("net2", OURS, "disconnect")
    told.move("net2", STRANGER)
    told.move("none", OURS, kind="null")
    moves, missing = found.moves(network=NETWORK, made=MADE)
    found.close()
    assert missing == ""
    assert moves == (
        NetworkMove(network=NETWORK, container=STRANGER, how="connect"),
        NetworkMove(network="net2", container=OURS, how="disconnect"),
    )


def test_an_older_mark_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark from before this moment is taken for the end of what happened until now."""
    monkeypatch.setattr(docker_watch, "_MARK_PATIENCE_S", 0.2)
    told = Told()
    found = watch(told, lambda: told.mark(AT_NS - 1))
    assert found.moves(network=NETWORK, made=MADE)[1] == "the engine told no event of ours within 0 s"
    found.close()


def test_an_ended_stream_is_remembered() -> None:
    """After a stream that ended by itself the events are taken for complete."""
    told = Told()
    found = watch(told)
    told.close()
    assert found.moves(network=NETWORK, made=MADE)[1] == "the engine ended its stream of events"
    assert found.moves(network=NETWORK, made=MADE)[1] == "the engine ended its stream of events"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (AT, AT_NS), ("2026-11-30T16:03:16Z", AT_NS - 447_033_286),
        ("2026-11-30T17:03:16.4+01:00", AT_NS - 47_033_286), ("2026-11-30T15:33:16-00:30", AT_NS - 447_033_286),
    ],
)  # fmt: skip
def test_the_engines_time_is_read_to_the_nanosecond(told: str, expected: int) -> None:
    """An engine's clock with fewer decimals, or with an offset, is another moment."""
    assert docker_watch._nanoseconds(told) == expected
