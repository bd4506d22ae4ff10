"""The engine's side of the harness's protocol: JSON lines out and in, over whatever carries them.

Believes nothing that it hears: every reply is a claim. A harness that says nothing in time, says nonsense or
ends early is ended and reported, never waited for.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from console.errors import Cause, StepFailed
from console.model.protocols import Abort

_Said = TypeVar("_Said")

POLL_S = 0.2
_LINE_LIMIT_BYTES = 8 << 20


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the harness claims about one attempt."""

    name: str
    outcome: str
    type: str = ""
    module: str = ""
    message: str = ""
    sqlstate: str = ""
    frames: tuple[str, ...] = ()
    told: dict[str, Any] = {}


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The harness's first words."""

    ready: bool = False
    pid: int = 0
    python: str = ""
    driver: str = ""
    scenarios: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    failed: str = ""
    whose: str = ""


class _Reply(msgspec.Struct, frozen=True, kw_only=True):
    scenario: str = ""
    attempts: tuple[Report, ...] = ()
    failed: str = ""
    whose: str = ""
    checkpoint: str = ""
    learned: bool = False


class HarnessTalk(ABC):
    """A running harness. Use `greet` once, `run` per scenario, `end` at the end (idempotent)."""

    def __init__(self) -> None:
        self._received = b""

    @abstractmethod
    def end(self) -> None:
        """End the harness: asked first, then by force; what it left behind is the teardown's."""

    @abstractmethod
    def _write(self, data: bytes) -> None:
        """Send bytes to the harness's stdin. Raises OSError when it is gone."""

    @abstractmethod
    def _read(self, timeout_s: float) -> bytes | None:
        """Return what it said within the time, None for nothing, empty when it will say no more."""

    @abstractmethod
    def _exit_code(self) -> int | None:
        """Return the code that the harness ended with, None while nobody knows."""

    def greet(self, context: Mapping[str, Any], *, timeout_s: float, abort: Abort) -> Ready:
        """Hand over the context (passwords included, through the pipe) and return the answer.

        Raises StepFailed with the harness's own sentence when pack or subject cannot be loaded.
        """
        raw = self._ask(context, timeout_s=timeout_s, abort=abort)
        said = self._decode(raw, Ready)
        if not said.ready:
            causes: dict[str, Cause] = {"subject": "subject", "pack": "drydock", "harness": "environment"}
            reason = f"the harness cannot start: {said.failed or 'it does not say why'}"
            raise StepFailed(reason, cause=causes.get(said.whose, "environment"), gate="G-13")
        return said

    def give(self, passwords: Mapping[str, str], *, timeout_s: float, abort: Abort) -> None:
        """Hand over passwords, through the pipe that was inherited; nothing had any of them before."""
        reply = self._decode(self._ask({"passwords": passwords}, timeout_s=timeout_s, abort=abort), _Reply)
        if not reply.learned:
            raise StepFailed("the harness did not take the credentials", cause="subject")

    def run(
        self, scenario: str, *, timeout_s: float, abort: Abort, meanwhile: Callable[[], object],
        at_checkpoint: Callable[[str], object] | None = None, poll_s: float = POLL_S,
        faults: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[Report, ...]:  # fmt: skip
        """Run one scenario and return what the harness claims of its attempts.

        `meanwhile` is called every `poll_s` until the answer is there, `at_checkpoint` whenever the
        pack waits for the engine to look; the pack goes on when it returns. `faults` say where attempts must fail.
        """
        request: Mapping[str, Any] = {"scenario": scenario, **({"faults": list(faults)} if faults else {})}
        while True:
            reply = self._decode(
                self._ask(request, timeout_s=timeout_s, abort=abort, meanwhile=meanwhile, poll_s=poll_s),
                _Reply,
            )
            if not reply.checkpoint or at_checkpoint is None:
                break
            at_checkpoint(reply.checkpoint)
            request = {"go": True}
        if reply.failed:
            cause: Cause = "subject" if reply.whose == "subject" else "drydock"
            raise StepFailed(f"scenario {scenario}: {reply.failed}", cause=cause)
        if reply.scenario != scenario:
            raise StepFailed(
                f"the harness answered {reply.scenario!r} when asked for {scenario}", cause="subject"
            )
        return reply.attempts

    def _ask(
        self,
        request: Mapping[str, Any],
        *,
        timeout_s: float,
        abort: Abort,
        meanwhile: Callable[[], object] = lambda: None,
        poll_s: float = POLL_S,
    ) -> bytes:
        try:
            self._write(msgspec.json.encode(request) + b"\n")
        except OSError as wrong:
            raise self._ended("before it was asked") from wrong
        return self._read_line(timeout_s, abort, meanwhile, poll_s)

    def _read_line(
        self, timeout_s: float, abort: Abort, meanwhile: Callable[[], object], poll_s: float = POLL_S
    ) -> bytes:
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._received:
            abort.raise_if_requested()
            meanwhile()
            if time.monotonic() > deadline:
                raise self._silent(timeout_s)
            if len(self._received) > _LINE_LIMIT_BYTES:
                raise StepFailed(f"the harness said more than {_LINE_LIMIT_BYTES} bytes", cause="subject")
            part = self._read(poll_s)
            if part == b"":
                raise self._ended("before it answered")
            self._received += part or b""
        line, _newline, self._received = self._received.partition(b"\n")
        return line

    def _silent(self, timeout_s: float) -> StepFailed:
        return StepFailed(f"the harness said nothing for {timeout_s:.0f} s", cause="subject")

    def _ended(self, when: str) -> StepFailed:
        code = self._exit_code()
        said = f"the harness ended {when}" + (f" with {code}" if code is not None else "")
        return StepFailed(said, cause="subject")

    def _decode(self, raw: bytes, shape: type[_Said]) -> _Said:
        try:
            return msgspec.json.decode(raw, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise StepFailed(f"the harness answered nonsense: {wrong}", cause="subject") from wrong
