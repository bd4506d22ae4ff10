"""What is said of a run whose journal does not tell its end: a full disk, a journal that does not verify.

Says it where the watchdog's words go (engine.log) and `drydock recover`'s (stderr). Never writes a journal.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from console.engine.conclude import EXIT_UNCLEAN
from console.errors import JournalBroken, UsageError
from console.evidence.seal import unseal
from console.evidence.sealed import EXIT_NOT_VERIFIED, code_once_sealed
from console.model.event import RunEnded
from console.model.run_state import RunState
from console.model.text import visible

EXIT_CANNOT_WRITE = 74
"""Of an engine that could not write its journal (EX_IOERR in sysexits.h); its watchdog takes the run over."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def say(sentence: str) -> None:
    """Write one sentence to stderr, which may be a log on the full disk."""
    with contextlib.suppress(OSError):
        sys.stderr.write(visible(f"drydock: {sentence}") + "\n")
        sys.stderr.flush()


def say_unrecorded(folder: Path, why: Exception, state: RunState, beyond: tuple[Path, ...] = ()) -> int:
    """Say what was done for a run whose end no journal tells, and what is left; return the exit code.

    `beyond` are the run's own folders, which are named where they are still there and never removed.
    """
    left = [f"{receipt.kind} {receipt.name}" for receipt in state.open_receipts]
    done = f"not everything was removed: {', '.join(left)}" if left else "what its receipts name was removed"
    if isinstance(why, JournalBroken):
        there = "".join(f"; {path} is still there" for path in beyond if os.path.lexists(path))
        say(f"the journal of {folder.name} does not verify: {why}; of its verified beginning {done}{there}")
        return EXIT_NOT_VERIFIED
    reason = why.strerror if isinstance(why, OSError) and why.strerror else str(why)
    say(
        f"the journal of {folder.name} cannot be written: {reason}; {done}, and its end is not recorded; "
        f"make room, then: drydock recover {folder.name}"
    )
    return EXIT_UNCLEAN


def say_unsealed(folder: Path, why: Exception, ended: RunEnded) -> int:
    """Say that a run's evidence has no seal and verifies nowhere; return the exit code, 4 before 5."""
    unseal(folder)
    reason = why.what if isinstance(why, UsageError) else str(why)
    say(
        f"the evidence of {folder.name} could not be sealed: {reason}; whatever its verdict, it does not verify; "
        f"mend that, then: drydock recover {folder.name}"
    )
    return code_once_sealed(folder, ended)


def say_not_sealable(folder: Path, why: OSError, exit_code: int) -> int:
    """Say that an ended run's folder takes no seal; return the exit code, 4 before 5."""
    say(
        f"the evidence of {folder.name} could not be sealed: {why.strerror}; whatever its verdict, it does not "
        f"verify; mend that, then: drydock recover {folder.name}"
    )
    return EXIT_UNCLEAN if exit_code == EXIT_UNCLEAN else EXIT_NOT_VERIFIED


def cannot_write(wrong: BaseException) -> bool:
    """Tell whether an exception is the file system's word that nothing more can be written."""
    return isinstance(wrong, OSError) and wrong.errno in (*NO_ROOM, errno.EROFS, errno.EIO)


@contextlib.contextmanager
def dying_unwritten() -> Iterator[None]:
    """End this engine at once when what happens inside cannot be recorded: its watchdog tears the run down."""
    try:
        yield
    except (OSError, JournalBroken):
        os._exit(EXIT_CANNOT_WRITE)
