"""Kept copies as a run leaves them, with one file in them: a list of any age, for tests that need no server."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from console.kept import DATA_FOLDER, FORMAT, KeptFile, KeptList, kept_path, write_list

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FITS = "ab" * 32


def listed(
    *, run: str = "20261121-034512-7f3a", hours: float = 8, fits: str = FITS, format_: int = FORMAT
) -> KeptList:
    """Return the list of a copy that was kept an hour ago."""
    kept_at = NOW - timedelta(hours=1)
    return KeptList(
        format=format_, run=run, drydock="1", kept_at=kept_at, until=kept_at + timedelta(hours=hours),
        read_at=f"{run[:8]}T", fits=fits, source="connection /run/pg shop", source_identifier="1",
        system_identifier="2", protection="memory", folders=["base"],
        files={"base/1": KeptFile(size=1, sha256="cd" * 32)}, size_bytes=1, sha256="ef" * 32, facts={}, grantees=[],
    )  # fmt: skip


def keep(folder: Path, told: KeptList) -> Path:
    """Keep one file under a run's name."""
    path = kept_path(str(folder), told.run)
    path.mkdir(mode=0o700)
    (path / DATA_FOLDER / "base").mkdir(parents=True)
    (path / DATA_FOLDER / "base" / "1").write_bytes(b"x")
    write_list(path, told)
    return path


def keepers_below(root: Path) -> list[int]:
    """Return the processes that wait to end what runs below a folder kept."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"console.engine.keeper" in words and str(root).encode() in words[-2]:
                found.append(int(entry.name))
    return found
