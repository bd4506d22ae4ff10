"""The engine's own events of the run's network and containers, from the first look at the isolation on.

Owns one stream and the thread that reads it. Chooses by exact ids, never by a filter; an end of the stream that
nobody asked for is remembered, and from then on nothing is said to be complete. Never judges.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

import docker.errors
import requests.exceptions
import urllib3.exceptions

from console.environments.docker_objects import DockerObjects
from console.errors import StepFailed
from console.model.isolation_facts import NetworkMove

_MARK = "archive-path"
"""What the engine says when a file is read out of a container: events before such a one of ours are all here."""
_MARK_PATIENCE_S = 20.0
_PAUSE_PATIENCE_S = 30.0
_NO_NETWORK = ("null", "host")
"""Kinds of network that are none: what goes there has no way to anybody, or is told by the container's own mode."""
_NS = 10**9
_BROKEN = (
    docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError,
    ValueError, AttributeError,
)  # fmt: skip
"""What the SDK raises when a stream breaks or is closed under its reader."""


class NetworkWatch:
    """What came to the network and left it since the watch began."""

    def __init__(
        self, objects: DockerObjects, *, carrier: str, touch: Callable[[], object],
        needed: Collection[str] = (), stands_still: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        """Begin; `touch` reads a file out of the container `carrier`, which the engine then tells of.

        `stands_still` is called once one of the `needed` containers, by full id, has been paused for a while.
        """
        self._objects = objects
        self._needed = frozenset(needed)
        self._stands_still = stands_still
        self._timers: dict[str, threading.Timer] = {}
        self._killed: set[str] = set()
        self._carrier = carrier
        self._touch = touch
        self._changed = threading.Condition()
        self._seen: list[Mapping[str, Any]] = []
        self._marked_ns = 0
        self._ended = ""
        self._closed = False
        began_ns = self._engine_time_ns()
        with objects.said("to tell its events"):
            self._stream = objects.client.events(since=began_ns // _NS, decode=True)
        threading.Thread(target=self._read, name="docker-events", daemon=True).start()

    def _engine_time_ns(self) -> int:
        """Return the engine's own clock, which its events are stamped with."""
        with self._objects.said("to tell its time"):
            told = str(self._objects.client.info()["SystemTime"])
        return _nanoseconds(told)

    def moves(self, *, network: str, made: Mapping[str, str]) -> tuple[tuple[NetworkMove, ...], str]:
        """Return every move of the run's network and of its containers up to now, and why some may be missing.

        `made` are all containers that the run ever made, name by id.
        """
        missing = self._await_mark()
        with self._changed:
            seen = list(self._seen)
        found = [
            NetworkMove(network=one["network"], container=one["container"], how=one["how"])
            for one in seen
            if one["network"] == network or (one["container"] in made and one["type"] not in _NO_NETWORK)
        ]
        return tuple(found), missing

    def was_killed(self, container: str) -> bool:
        """Tell whether somebody had a container, by full id, killed or stopped through the engine until now."""
        self._await_mark()
        with self._changed:
            return container in self._killed

    def _await_mark(self) -> str:
        """Wait until the engine has told all that happened before this moment; return why it has not."""
        try:
            now_ns = self._engine_time_ns()
            self._touch()
        except StepFailed as wrong:
            return wrong.reason
        with self._changed:
            there = self._changed.wait_for(
                lambda: self._ended or self._marked_ns >= now_ns, timeout=_MARK_PATIENCE_S
            )
            if self._ended:
                return self._ended
            return "" if there else f"the engine told no event of ours within {_MARK_PATIENCE_S:.0f} s"

    def close(self) -> None:
        """End the stream (idempotent)."""
        with self._changed:
            self._closed = True
            for timer in self._timers.values():
                timer.cancel()
        with contextlib.suppress(*_BROKEN):
            self._stream.close()

    def _read(self) -> None:
        why = "the engine ended its stream of events"
        try:
            for event in self._stream:
                self._take(event)
        except _BROKEN as wrong:
            why = f"{why}: {type(wrong).__name__}"
        finally:
            with self._changed:
                self._ended = why
                self._changed.notify_all()

    def _take(self, event: Mapping[str, Any]) -> None:
        actor = event.get("Actor") or {}
        kind, what = event.get("Type"), event.get("Action")
        attributes = actor.get("Attributes") or {}
        with self._changed:
            if kind == "network" and what in ("connect", "disconnect"):
                self._seen.append({
                    "network": str(actor.get("ID")), "container": str(attributes.get("container")), "how": what,
                    "type": attributes.get("type"),
                })  # fmt: skip
            elif kind == "container" and what == _MARK and actor.get("ID") == self._carrier:
                self._marked_ns = max(self._marked_ns, int(event.get("timeNano") or 0))
            elif kind == "container" and what == "kill":
                self._killed.add(str(actor.get("ID")))
            elif kind == "container" and what in ("pause", "unpause") and actor.get("ID") in self._needed:
                self._paused(str(actor["ID"]), still=what == "pause")
            self._changed.notify_all()

    def _paused(self, container: str, *, still: bool) -> None:
        """Whoever waits for a paused container waits for ever: a short pause (docker commit makes one) is let pass."""
        timer = self._timers.pop(container, None)
        if timer is not None:
            timer.cancel()
        if still and not self._closed:
            timer = threading.Timer(_PAUSE_PATIENCE_S, self._stands_still)
            timer.daemon = True
            self._timers[container] = timer
            timer.start()


def _nanoseconds(told: str) -> int:
    """Return an RFC 3339 time with up to nine decimals as nanoseconds since 1970."""
    digits = "".join(itertools.takewhile(str.isdigit, told[20:])) if told[19:20] == "." else ""
    offset = told[20 + len(digits) :] if digits else told[19:]
    moment = datetime.fromisoformat(f"{told[:19]}{offset.replace('Z', '+00:00')}")
    return int(moment.timestamp()) * _NS + int(digits.ljust(9, "0")[:9] or 0)
