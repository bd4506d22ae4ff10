"""The logs that are kept: the copy's, the harness's and the client witness's claims, secrets taken out.

Reads files that the subject may have written or replaced: follows no link, opens no special file, and
keeps at most a stated number of bytes of each.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from console.engine.rehearsal import Rehearsal
from console.errors import StepFailed
from console.evidence.storage import exists_kept
from console.model.event import SecretRedacted
from console.model.text import one_line
from console.witness.client_numbers import lines_of, numbers_of

MOST_KEPT_BYTES = 64 << 20
CLIENT_LOG = "client.jsonl"
MOST_ENTRIES = 200_000
_NAME_CHARS = 200
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
        (work / "harness" / "trace" / "client.jsonl", CLIENT_LOG, "subject"),
    )
    wanting = [
        _keep(run, source, folder / name, origin)
        for source, name, origin in logs
        if not exists_kept(folder / name) and not (run.plan.kind == "proof" and origin == "server")
    ]
    return [sentence for sentence in wanting if sentence]


def written_by_the_subject(run: Rehearsal) -> list[Path]:
    """Return every regular file below the harness's folder that is not what the engine put there.

    And one file of ours with the names of all that lies there, and what links lead to: a name can hold a secret.
    Raises StepFailed (subject, G-22) for what cannot be searched, and for more entries than are.
    """
    home = run.places.work / "harness"
    found: list[Path] = []
    listing = run.places.scratch / "names-and-links"
    listing.parent.mkdir(mode=0o700, exist_ok=True)
    with listing.open("wb") as named:
        for path, link in _entries(home):
            named.write(os.fsencode(path.relative_to(home)) + b"\n")
            if link is None:
                found.append(path)
            else:
                named.write(link + b"\n")
    return [*sorted(found), listing] if listing.stat().st_size else []


def _entries(home: Path) -> Iterator[tuple[Path, bytes | None]]:
    """Yield what the subject could write: a regular file with None, all else with what a link leads to, or nothing."""
    ours = {home / name for name in ("interpreter", "pack", "subject", "socket", "harness.pyz")}
    waiting, count = [home] if home.is_dir() else [], 0
    while waiting:
        folder = waiting.pop()
        try:
            inside = [Path(entry.path) for entry in os.scandir(folder)]
            for path in inside:
                if path in ours:
                    continue
                mode = path.lstat().st_mode
                if stat.S_ISDIR(mode):
                    waiting.append(path)
                yield path, None if stat.S_ISREG(mode) else _leads_to(path, mode)
        except OSError as wrong:
            shown = one_line(str(folder.relative_to(home)), limit_chars=_NAME_CHARS)
            raise _unsearched(f"{shown} cannot be searched for secrets: {wrong.strerror}") from wrong
        count += len(inside)
        if count > MOST_ENTRIES:
            raise _unsearched(f"there are more than {MOST_ENTRIES} files and folders to search for secrets")


def _leads_to(path: Path, mode: int) -> bytes:
    return os.fsencode(path.readlink()) if stat.S_ISLNK(mode) else b""


def _unsearched(what: str) -> StepFailed:
    return StepFailed(f"of what the subject wrote, {what}", cause="subject", gate="G-22")


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
    if target.name == CLIENT_LOG:
        _add_numbers(numbers_of(source), target)
    for one in run.registry.take_redactions():
        run.recorder.record(
            SecretRedacted(secret=one.secret, origin=one.origin, form=one.form, position=one.position)
        )
    return ""


def _add_numbers(numbers: Path, target: Path) -> None:
    """Add as lines what a harness stored in numbers beside its lines, behind them and by statement."""
    with target.open("r+b") as kept:
        if kept.seek(0, os.SEEK_END):
            kept.seek(-1, os.SEEK_END)
            if kept.read(1) != b"\n":
                kept.write(b"\n")
        for line in lines_of(numbers):
            if kept.tell() > MOST_KEPT_BYTES:
                kept.write(_CUT.format(limit=MOST_KEPT_BYTES).encode())
                break
            kept.write(line)


def _copy_redacted(run: Rehearsal, given: BinaryIO, target: Path, origin: str) -> None:
    """Copy some lines at a time; a secret that a very long line cuts in two is found by the scan of the artefacts.

    NULs at the end are room that a harness had reserved for lines and was ended before it wrote them.
    """
    kept_bytes = 0
    with target.open("x", encoding="utf-8") as kept:
        os.fchmod(kept.fileno(), 0o600)
        while lines := given.read(_PIECE_BYTES) + given.readline(_LINE_BYTES):
            kept_bytes += len(lines)
            if kept_bytes > MOST_KEPT_BYTES:
                kept.write(_CUT.format(limit=MOST_KEPT_BYTES))
                break
            text = lines.rstrip(b"\0").decode("utf-8", "replace")
            if run.registry.secret_in(text) is not None:
                text = "\n".join(run.registry.redact(line, origin=origin) for line in text.split("\n"))
            kept.write(text)
