"""The harness as a process of its own: started with a clean environment, talked to in JSON lines.

The engine side of the protocol. Believes nothing that it hears: every reply is a claim. A harness
that says nothing in time, says nonsense or ends early is ended and reported, never waited for.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from console.environments.interpreter import Interpreter
from console.environments.process import Child, end_process, spawn
from console.errors import Cause, StepFailed
from console.model.protocols import Abort, Receipts

_Said = TypeVar("_Said")

_POLL_S = 0.2
_LINE_LIMIT_BYTES = 8 << 20
_END_PATIENCE_S = 5.0


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
    failed: str = ""
    whose: str = ""


class _Reply(msgspec.Struct, frozen=True, kw_only=True):
    scenario: str = ""
    attempts: tuple[Report, ...] = ()
    failed: str = ""
    whose: str = ""
    checkpoint: str = ""
    learned: bool = False


class HarnessProcess:
    """A running harness. Use `greet` once, `run` per scenario, `end` at the end (idempotent)."""

    def __init__(
        self,
        *,
        interpreter: Interpreter,
        archive: Path,
        log: Path,
        uid: int | None,
        receipts: Receipts,
        home: Path,
    ) -> None:
        with log.open("ab") as said:
            self._child: Child = spawn(
                [str(interpreter.python), "-I", "-B", str(archive)],
                name="harness", uid=uid, receipts=receipts, cwd=str(home),
                environment={**interpreter.environment, "HOME": str(home), "PYTHONHASHSEED": "0"},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
            )  # fmt: skip
        self._received = b""

    @property
    def identity(self) -> str:
        """Return the process's identity."""
        return self._child.identity

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
        at_checkpoint: Callable[[str], object] | None = None,
    ) -> tuple[Report, ...]:  # fmt: skip
        """Run one scenario and return what the harness claims of its attempts.

        `meanwhile` is called several times a second until the answer is there, `at_checkpoint` whenever the
        pack waits for the engine to look; the pack goes on when it returns.
        """
        request: Mapping[str, Any] = {"scenario": scenario}
        while True:
            reply = self._decode(
                self._ask(request, timeout_s=timeout_s, abort=abort, meanwhile=meanwhile), _Reply
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

    def end(self) -> None:
        """End the harness: asked first, then by force; what it left behind is the teardown's."""
        process = self._child.process
        with contextlib.suppress(OSError, ValueError):
            if process.stdin is not None:
                process.stdin.write(b'{"end": true}\n')
                process.stdin.close()
        try:
            process.wait(_END_PATIENCE_S)
        except subprocess.TimeoutExpired:
            end_process(self._child.identity, ask=signal.SIGKILL, patience_s=_END_PATIENCE_S)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _ask(
        self,
        request: Mapping[str, Any],
        *,
        timeout_s: float,
        abort: Abort,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> bytes:
        process = self._child.process
        assert process.stdin is not None
        try:
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            process.stdin.flush()
        except OSError as wrong:
            raise StepFailed(self._ended("before it was asked"), cause="subject") from wrong
        return self._read_line(timeout_s, abort, meanwhile)

    def _read_line(self, timeout_s: float, abort: Abort, meanwhile: Callable[[], object]) -> bytes:
        pipe = self._child.process.stdout
        assert pipe is not None
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while b"\n" not in self._received:
                abort.raise_if_requested()
                meanwhile()
                if time.monotonic() > deadline:
                    raise StepFailed(f"the harness said nothing for {timeout_s:.0f} s", cause="subject")
                if len(self._received) > _LINE_LIMIT_BYTES:
                    raise StepFailed(f"the harness said more than {_LINE_LIMIT_BYTES} bytes", cause="subject")
                if selector.select(_POLL_S):
                    part = os.read(pipe.fileno(), 1 << 16)
                    if not part:
                        raise StepFailed(self._ended("before it answered"), cause="subject")
                    self._received += part
        line, _newline, self._received = self._received.partition(b"\n")
        return line

    def _ended(self, when: str) -> str:
        code = self._child.process.poll()
        return f"the harness ended {when}" + (f" with {code}" if code is not None else "")

    def _decode(self, raw: bytes, shape: type[_Said]) -> _Said:
        try:
            return msgspec.json.decode(raw, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise StepFailed(f"the harness answered nonsense: {wrong}", cause="subject") from wrong
