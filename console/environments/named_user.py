"""Runs one program as a user whose name only that program can see.

initdb refuses a uid that /etc/passwd does not name. Started as root, this process gets a mount
namespace of its own in which a file of one line lies over /etc/passwd, becomes that user for good and
runs the program. Never touches the file itself or anything that another process sees.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from pathlib import Path
from typing import NoReturn

CANNOT = 96
"""The exit code when there can be no such namespace (no CAP_SYS_ADMIN): the program has not been run."""

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18


def named_command(uid: int, names: Path, argv: list[str]) -> list[str]:
    """Return the command, for root, that runs `argv` as `uid`; `names` is the file to see as /etc/passwd."""
    return [sys.executable, "-I", "-B", "-m", __name__, str(uid), str(names), *argv]


def passwd_line(uid: int) -> str:
    """Return the line that names `uid`, who has no password, no home and no shell."""
    return f"drydock:x:{uid}:{uid}::/:/bin/false\n"


def main(arguments: list[str]) -> int:
    """Become the user and run the program; returns only when that cannot be."""
    uid, names, argv = int(arguments[0]), arguments[1], arguments[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    alone = (
        libc.unshare(_CLONE_NEWNS) == 0 and libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) == 0
    )
    if alone and libc.mount(os.fsencode(names), b"/etc/passwd", None, _MS_BIND, None) == 0 and _is_named(uid):
        _run_as(uid, argv)
    return CANNOT


def _run_as(uid: int, argv: list[str]) -> NoReturn:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execv(argv[0], argv)  # noqa: S606 - the program takes this process's place and its receipt


def _is_named(uid: int) -> bool:
    """Tell whether the C library believes the file: a name service daemon may answer instead of it."""
    try:
        return pwd.getpwuid(uid).pw_uid == uid
    except KeyError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
