"""Whether a subject can be imported, tried in a process of its own before a run exists.

Makes a throwaway interpreter in a temporary folder and removes it; the subject's code runs with a
clean environment, as another user where Drydock is root, and never in this process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from console.environments.interpreter import Interpreter, make_interpreter
from console.environments.owner import hand_over, lease_uid
from console.environments.process import CLEAN_ENVIRONMENT, end_process, look_at_processes, process_uid
from console.errors import PackError, PlanError, StepFailed, SubjectError
from console.model.text import one_line
from console.subjects import materialise

IMPORT_WAIT_S = 30
_IMPORTED = 93
"""The exit code that says that the import came to its end: a module that exits by itself says another one."""

_IMPORT = (
    "import os, sys; sys.path.insert(0, sys.argv[1]); __import__(sys.argv[2]); "
    f"sys.stderr.flush(); os._exit({_IMPORTED})"
)
_SAID_LIMIT_BYTES = 16 << 20
_TAIL_BYTES = 8192
_END_PATIENCE_S = 5.0
_PR_SET_CHILD_SUBREAPER = 36


def subject_imports(folder: Path, package: str, *, work: Path) -> None:
    """Return when the package can be imported; what it left running is ended. Throwaway files lie in `work`.

    Raises SubjectError with the interpreter's last words, the folder's name or the missing package, and
    PlanError when nothing can be made in `work`.
    """
    try:
        made = Path(tempfile.mkdtemp(prefix="drydock-check-", dir=work))
    except OSError as wrong:
        raise PlanError(
            f"the work folder {work} cannot be written: {wrong.strerror or wrong}",
            remedy="name another with --work-dir",
        ) from wrong
    try:
        copy = made / "subject"
        materialise(folder, copy)
        if not (copy / package / "__init__.py").is_file() and not (copy / f"{package}.py").is_file():
            raise SubjectError(
                f"the subject folder {folder} holds no package {package}",
                remedy="name the folder above the package",
            )
        _try(folder, made, copy, package)
    except PackError as wrong:
        raise SubjectError(wrong.what, remedy=wrong.remedy) from wrong
    except OSError as wrong:
        what = f"the subject folder {folder} cannot be copied: {wrong.strerror or wrong}"
        raise SubjectError(what, remedy="let its files be read, and make room in the work folder") from wrong
    finally:
        shutil.rmtree(made)


def _try(folder: Path, made: Path, copy: Path, package: str) -> None:
    lease = lease_uid()
    uid = lease.uid if lease is not None else None
    try:
        interpreter = make_interpreter(made / "interpreter", uid=uid)
    except StepFailed as failed:
        raise SubjectError(failed.reason, remedy="install drydock-console again") from failed
    if uid is not None:
        hand_over(copy, uid)
        made.chmod(0o711)
    said = made / "said"
    code = _imported(interpreter, [str(copy), package], said, uid)
    if code is None:
        raise SubjectError(
            f"importing {package} from {folder} took longer than {IMPORT_WAIT_S} s", remedy="mend the subject"
        )
    if code != _IMPORTED:
        with said.open("rb") as file:
            file.seek(max(0, said.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        last = lines[-1] if lines else f"the process ended with exit code {code}"
        raise SubjectError(
            f"the subject in {folder} cannot be imported: {one_line(last, limit_chars=300)}",
            remedy=f"mend it until `python -c 'import {package}'` works there with psycopg alone",
        )


def _imported(interpreter: Interpreter, words: list[str], said: Path, uid: int | None) -> int | None:
    """Import in a process of its own and return its exit code, None when the time was over."""
    known = frozenset(_orphans(uid))
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with said.open("wb") as stderr:
        child = subprocess.Popen(
            [str(interpreter.python), "-I", "-B", "-c", _IMPORT, *words],
            env={**CLEAN_ENVIRONMENT, **interpreter.environment}, cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=stderr, user=uid, group=uid,
            extra_groups=[] if uid is not None else None, start_new_session=True,
            preexec_fn=_say_little,
        )  # fmt: skip
    try:
        return child.wait(IMPORT_WAIT_S)
    except subprocess.TimeoutExpired:
        return None
    finally:
        child.kill()
        child.wait()
        _end_what_it_left(uid, known)
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _say_little() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SAID_LIMIT_BYTES, _SAID_LIMIT_BYTES))


def _end_what_it_left(uid: int | None, known: frozenset[str]) -> None:
    """End orphans of the import: they came to this process, and under root they have a user of their own.

    The children in `known` are this process's own business.
    """
    while found := [identity for identity in _orphans(uid) if identity not in known]:
        for identity in found:
            end_process(identity, ask=signal.SIGKILL, patience_s=_END_PATIENCE_S)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(int(identity.split(":", 1)[0]), os.WNOHANG)


def _orphans(uid: int | None) -> list[str]:
    """Return the identities of this process's living children and of what runs as `uid`."""
    return [
        seen.identity
        for seen in look_at_processes()
        if seen.parent == os.getpid() or (uid is not None and process_uid(seen.pid) == uid)
    ]
