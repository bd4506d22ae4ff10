"""The harness as a process of its own: started with a clean environment, talked to over pipes.

Owns the child and its pipes; the protocol is `harness_talk`'s.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from pathlib import Path

from console.environments.harness_talk import HarnessTalk
from console.environments.interpreter import Interpreter
from console.environments.process import Child, end_process, spawn
from console.model.protocols import Receipts

_END_PATIENCE_S = 5.0


class HarnessProcess(HarnessTalk):
    """A harness that is a child of the engine."""

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
        super().__init__()
        with log.open("ab") as said:
            self._child: Child = spawn(
                [str(interpreter.python), "-I", "-B", str(archive)],
                name="harness", uid=uid, receipts=receipts, cwd=str(home),
                environment={**interpreter.environment, "HOME": str(home), "PYTHONHASHSEED": "0"},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
            )  # fmt: skip

    @property
    def identity(self) -> str:
        """Return the process's identity."""
        return self._child.identity

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

    def _write(self, data: bytes) -> None:
        pipe = self._child.process.stdin
        assert pipe is not None
        if pipe.closed:
            raise BrokenPipeError("the harness was ended")
        pipe.write(data)
        pipe.flush()

    def _read(self, timeout_s: float) -> bytes | None:
        pipe = self._child.process.stdout
        assert pipe is not None
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            return os.read(pipe.fileno(), 1 << 16) if selector.select(timeout_s) else None

    def _exit_code(self) -> int | None:
        return self._child.process.poll()
