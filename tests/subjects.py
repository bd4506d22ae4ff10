"""Altered copies of the cutter's subject and pack, under names that say nothing."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from fix_runs import Drydock

from console.settings import data_folder
from console.subjects import materialise

PACK = data_folder("scenarios") / "cutter_dry_run"
REFERENCE = PACK / "subject"
SEEDS_DEFECT = PACK / "known_bad" / "find_leaves_transaction_open"
KNOWN_BAD = {path.parent.name: path.parent for path in sorted(PACK.glob("known_bad/*/subject.toml"))}
VARIANTS = {path.parent.name: path.parent for path in sorted(PACK.glob("variants/*/subject.toml"))}
PACKAGE = "cutter_agent"

Change = tuple[str, str, str]
"""A file, a text that occurs once in it, and what stands there instead."""


def random_copy(drydock: Drydock, folder: Path) -> Path:
    """Return a plain copy of a subject under a random name, irrelevant bytes of every module changed."""
    into = drydock.root / f"{secrets.token_hex(4)}-{secrets.token_hex(2)}"
    materialise(folder, into)
    for module in sorted((into / PACKAGE).glob("*.py")):
        text = module.read_text("utf-8")
        module.write_text(f"{text}\n\n# {secrets.token_hex(6)}\n", "utf-8")
    readable(into)
    return into


def changed_subject(drydock: Drydock, *changes: Change) -> Path:
    """Return a copy of the reference subject with changes."""
    into = drydock.root / f"subject-{secrets.token_hex(4)}"
    materialise(REFERENCE, into)
    apply(into, changes)
    readable(into)
    return into


def changed_pack(drydock: Drydock, *changes: Change) -> Path:
    """Return a copy of the cutter's pack with changes."""
    into = drydock.root / f"pack-{secrets.token_hex(4)}"
    shutil.copytree(PACK, into, ignore=shutil.ignore_patterns("__pycache__", "known_bad", "variants"))
    apply(into, changes)
    return into


def apply(folder: Path, changes: Iterable[Change]) -> None:
    """Make each change; its text must occur exactly once."""
    for file, find, replace in changes:
        path = folder / file
        text = path.read_text("utf-8")
        assert text.count(find) == 1, f"{file}: {find!r} occurs {text.count(find)} times"
        path.write_text(text.replace(find, replace), "utf-8")


def readable(folder: Path) -> None:
    """Let every user read a copy: an ordinary user rehearses it as well."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


_RETURNS = "return PhaseResult(phase=Phase.SWEEP, entry_id=entry_id, replayed=False)"
_BEGINS = 'if adapter.find("sweep_log", entry_id=entry_id) is not None:'
_ENTRY = "def _entry(adapter: RealPostgresAdapter, entry_id: UUID) -> Row:"


def sweep_with(drydock: Drydock, code: str, *, first: bool = False) -> Path:
    """Return the reference subject whose SWEEP ends (or begins) with `code`, which knows `adapter`."""
    body = "".join(f"    {line}\n" if line else "\n" for line in code.strip("\n").split("\n"))
    place = _BEGINS if first else _RETURNS
    return changed_subject(
        drydock,
        ("cutter_agent/phases.py", place, f"_more(adapter)\n        {place}"),
        ("cutter_agent/phases.py", _ENTRY, f"def _more(adapter: Any) -> None:\n{body}\n\n{_ENTRY}"),
    )
