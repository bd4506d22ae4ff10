"""The harness as a container's own first process: probed from, then run, talked to over the attached stream.

Owns the stream and the log that stderr goes into. Dies with its container, and so does all it started.
"""

from __future__ import annotations

import contextlib
import json
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker.errors
import requests.exceptions

from console.environments.docker_objects import DockerObjects
from console.environments.docker_stream import AttachedStream
from console.environments.harness_talk import HarnessTalk
from console.errors import StepFailed
from console.model.protocols import NeverAborted

_MOST_LOG_BYTES = 64 << 20
_PROBE_PATIENCE_S = 30.0
_END_PATIENCE_S = 5.0


class HarnessContainer(HarnessTalk):
    """A started container that waits for its probe, then for its program."""

    def __init__(
        self, given: Any, *, objects: DockerObjects, identity: str, log: Path, lost: Callable[[], str]
    ) -> None:
        """`lost` says what of the environment is gone or stands still, "" for nothing."""
        super().__init__()
        self._lost = lost
        self._objects = objects
        self._identity = identity
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._log = log.open("ab")
        self._logged_bytes = 0
        self._stream = AttachedStream(
            given, stdout=self._said.put, stderr=self._keep, ended=lambda: self._said.put(b"")
        )

    def ask(self, asked: dict[str, Any]) -> None:
        """Let the container try these targets."""
        try:
            self._write(json.dumps(asked).encode() + b"\n")
        except OSError as wrong:
            raise _came_to_nothing(wrong) from wrong

    def answer(self) -> dict[str, Any]:
        """Return what the container says of the targets that it tried."""
        try:
            raw = self._read_line(_PROBE_PATIENCE_S, NeverAborted(), lambda: None)
            return dict(json.loads(raw))
        except (StepFailed, ValueError) as wrong:
            raise _came_to_nothing(wrong) from wrong

    def become(self, argv: list[str]) -> None:
        """Let the container's process run the harness."""
        try:
            self._write(json.dumps(argv).encode() + b"\n")
        except OSError as wrong:
            raise self._ended("before it became the harness") from wrong

    def end(self) -> None:
        """End the harness: asked first, then the container is killed."""
        with contextlib.suppress(OSError):
            self._write(b'{"end": true}\n')
        if not self._stream.wait_for_end(_END_PATIENCE_S):
            with contextlib.suppress(
                docker.errors.DockerException, requests.exceptions.RequestException, OSError
            ):
                self._objects.client.kill(self._identity)
        self._stream.close()
        self._log.close()

    def _keep(self, data: bytes) -> None:
        self._logged_bytes += len(data)
        if self._logged_bytes <= _MOST_LOG_BYTES:
            with contextlib.suppress(ValueError):
                self._log.write(data)
                self._log.flush()

    def _write(self, data: bytes) -> None:
        self._stream.write(data)

    def _read(self, timeout_s: float) -> bytes | None:
        try:
            part = self._said.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if not part:
            self._said.put(b"")
        return part

    def _exit_code(self) -> int | None:
        found = self._objects.look("container", self._identity)
        if found is None or found["State"]["Running"]:
            return None
        return int(found["State"]["ExitCode"])

    def _silent(self, timeout_s: float) -> StepFailed:
        """A container that somebody paused, this one or the copy's, is silent without the subject's doing."""
        lost = self._lost()
        if lost:
            return StepFailed(f"the harness said nothing for {timeout_s:.0f} s: {lost}", cause="environment")
        return super()._silent(timeout_s)

    def _ended(self, when: str) -> StepFailed:
        """A stream that ends while the container runs, or one that somebody else ended, is not the subject's doing."""
        try:
            code = self._exit_code()
            lost = self._lost()
        except StepFailed as gone:
            return gone
        if code is None:
            return StepFailed(f"the way to the harness's container ended {when}", cause="environment")
        if lost:
            return StepFailed(f"the harness ended {when}: {lost}", cause="environment")
        return super()._ended(when)


def _came_to_nothing(wrong: Exception) -> StepFailed:
    reason = f"the probe from inside the harness's container came to nothing: {wrong}"
    return StepFailed(reason, cause="environment", gate="G-07")
