"""The engine's processes: a watchdog that waits, and its child that runs.

Both live in a session of their own and survive the terminal that started them. The watchdog is the
engine's parent and the reaper of every orphan below it; when the engine dies before the run has
ended, it finishes the teardown from the receipts. Neither ever waits for a screen.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

import msgspec

from console.environments.process import (
    CLEAN_ENVIRONMENT,
    process_identity,
    stay,
    take_no_signals_over,
)
from console.errors import JournalBroken, RunsFolderError
from console.runs import LOG_FILE
from console.secrets import SecretRegistry, learn_all

_YOUNG_OBJECTS = 20_000
"""How many objects are made before Python looks for garbage among them: a fact alone is thousands."""

_TYPED = "--typed-on-stdin"
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36
_KEPT_VARIABLES = (
    "HOME",
    "XDG_CACHE_HOME",
    "DRYDOCK_CACHE_DIR",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "CREDENTIALS_DIRECTORY",
    "SSH_AUTH_SOCK",
    "PYTHON_KEYRING_BACKEND",
)


def start_engine(folder: Path, typed: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start the engine of the run in `folder` (which holds order.json), detached from this terminal.

    `typed` are secrets that the operator typed: they go through a pipe and are kept in memory alone.
    """
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        log = os.open(folder / LOG_FILE, flags, 0o600)
    except OSError as wrong:
        raise RunsFolderError(
            f"{folder} cannot be written: {wrong.strerror}", remedy="name another --runs-dir"
        ) from wrong
    try:
        engine = subprocess.Popen(
            [sys.executable, "-I", "-m", "console.engine.worker", str(folder), *([_TYPED] if typed else [])],
            stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**CLEAN_ENVIRONMENT, **kept},
            start_new_session=True,
        )
    finally:
        os.close(log)
    if engine.stdin is not None:
        with contextlib.suppress(BrokenPipeError), engine.stdin:
            engine.stdin.write(msgspec.json.encode(dict(typed or {})))
    return engine


def _typed(arguments: list[str]) -> SecretRegistry:
    """Return a registry with what the operator typed, read to its end from the pipe that stdin is then."""
    registry = SecretRegistry()
    if _TYPED in arguments:
        with os.fdopen(os.dup(0), "rb") as given:
            learn_all(registry, msgspec.json.decode(given.read(), type=dict[str, str]).items())
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    return registry


def _harden() -> None:
    """No core dumps, no ptrace by others of the same user, orphans come to us (prctl(2))."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.umask(0o077)


def main(arguments: list[str]) -> int:
    """Run the watchdog and, as its child, the engine of one run; the exit code is the run's.

    Both have all their code before they part: it is loaded once, and an installation that changes during the
    run changes neither.
    """
    folder = Path(arguments[0])
    _harden()
    take_no_signals_over()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        stay(number)
    registry = _typed(arguments)
    gc.disable()
    importlib.import_module("console.engine.rehearse")
    gc.freeze()  # code is never garbage: neither process looks through it again
    gc.set_threshold(_YOUNG_OBJECTS)
    gc.enable()
    child = os.fork()
    if child == 0:
        os._exit(_engine_process(folder, registry))
    return _watch(folder, child, registry)


def _engine_process(folder: Path, registry: SecretRegistry) -> int:
    from console.engine.rehearse import run_engine
    from console.engine.unrecorded import EXIT_CANNOT_WRITE, cannot_write, say

    _harden()
    try:
        return run_engine(folder, watchdog=process_identity(os.getppid()) or "", registry=registry)
    except BaseException as broken:  # noqa: BLE001 - the process ends here; the watchdog takes the run over
        if isinstance(broken, JournalBroken | BlockingIOError) or cannot_write(broken):
            say(f"the engine of {folder.name} ends: {broken}")
            return EXIT_CANNOT_WRITE
        with contextlib.suppress(OSError):
            traceback.print_exc()
        return 70


def _watch(folder: Path, child: int, registry: SecretRegistry) -> int:
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            break
    from console.engine.rehearse import has_ended, seal_unsealed, take_over

    exit_code = has_ended(folder)
    if exit_code is not None:
        return seal_unsealed(folder, exit_code)
    from console.engine.unrecorded import EXIT_CANNOT_WRITE, say

    why = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == EXIT_CANNOT_WRITE:
        why = "a journal that it could not write"
    try:
        return take_over(folder, by=f"the watchdog; the engine ended with {why}", registry=registry)
    except BlockingIOError:
        say(f"another process has the run {folder.name}; it is left alone")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
