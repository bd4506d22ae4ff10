"""The logs that are kept: the copy's, the harness's and the client witness's claims, secrets taken out.

Reads files that the subject may have written or replaced: follows no link, opens no special file, and
keeps at most a stated number of bytes of each.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from console.engine.rehearsal import Rehearsal
from console.evidence.storage import exists_kept
from console.model.event import SecretRedacted

MOST_KEPT_BYTES = 64 << 20
_PIECE_BYTES = 256 << 10
_LINE_BYTES = 1 << 20
_CUT = "\n[drydock: the rest was not kept: the file is larger than {limit} bytes]\n"


def gather_logs(run: Rehearsal) -> list[str]:
    """Copy each log into the evidence, once, every known secret taken out and recorded.

    Returns a sentence for each log that should be there and is not, or is no file of its own: somebody
    took it away. Needs no memory of the steps, so that a run that failed early or whose engine died
    keeps its logs too.
    """
    work, folder = run.places.work, run.places.artefacts
    logs = (
        (work / "copy" / "data" / "log" / "server.json", "server.jsonl", "server"),
        (work / "copy" / "startup.log", "startup.log", "server"),
        (work / "harness" / "harness.log", "harness.log", "subject"),
        (work / "harness" / "trace" / "client.jsonl", "client.jsonl", "subject"),
    )
    wanting = (
        _keep(run, source, folder / name, origin)
        for source, name, origin in logs
        if not exists_kept(folder / name) and not (run.plan.kind == "proof" and origin == "server")
    )
    return [sentence for sentence in wanting if sentence]


def written_by_the_subject(run: Rehearsal) -> list[Path]:
    """Return every regular file below the harness's folder that is not what the engine put there."""
    home = run.places.work / "harness"
    ours = {home / name for name in ("interpreter", "pack", "subject", "socket", "harness.pyz")}
    found: list[Path] = []
    for root, folders, files in os.walk(home):
        folders[:] = [name for name in folders if Path(root, name) not in ours]
        found += [path for name in files if (path := Path(root, name)) not in ours and _is_regular(path)]
    return sorted(found)


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _keep(run: Rehearsal, source: Path, target: Path, origin: str) -> str:
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as wrong:
        return f"the log {source.name} was not kept: {wrong.strerror}"
    with os.fdopen(descriptor, "rb") as given:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            return f"the log {source.name} was not kept: it is no file of its own"
        target.parent.mkdir(mode=0o700, exist_ok=True)
        _copy_redacted(run, given, target, origin)
    for one in run.registry.take_redactions():
        run.recorder.record(
            SecretRedacted(secret=one.secret, origin=one.origin, form=one.form, position=one.position)
        )
    return ""


def _copy_redacted(run: Rehearsal, given: BinaryIO, target: Path, origin: str) -> None:
    """Copy some lines at a time; a secret that a very long line cuts in two is found by the scan of the artefacts."""
    kept_bytes = 0
    with target.open("x", encoding="utf-8") as kept:
        os.fchmod(kept.fileno(), 0o600)
        while lines := given.read(_PIECE_BYTES) + given.readline(_LINE_BYTES):
            kept_bytes += len(lines)
            if kept_bytes > MOST_KEPT_BYTES:
                kept.write(_CUT.format(limit=MOST_KEPT_BYTES))
                break
            text = lines.decode("utf-8", "replace")
            if run.registry.secret_in(text) is not None:
                text = "\n".join(run.registry.redact(line, origin=origin) for line in text.split("\n"))
            kept.write(text)
