"""What the operator approves: one digest over everything that decides what a run will do.

Recomputed whenever a boundary is answered, so that a byte that changed between showing and granting
arms the boundary again (design section 7).
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec

from console.engine.archive import harness_sha256
from console.environments.interpreter import driver_sha256
from console.environments.programs import Programs
from console.model.config import RunConfig
from console.packs import tree_sha256
from console.sql import tree_sha256 as sql_sha256
from console.subjects import subject_sha256


def digest_parts(
    *, plan_words: bytes, config: RunConfig, pack: Path, subject: Path, programs: Programs, scratch: Path
) -> dict[str, str]:
    """Return the sha256 of each part by name; `scratch` is a folder for a copy that is removed again."""
    return {
        "plan": hashlib.sha256(plan_words).hexdigest(),
        "config": hashlib.sha256(msgspec.json.encode(config, order="sorted")).hexdigest(),
        "pack": tree_sha256(pack),
        "subject": subject_sha256(subject, scratch),
        "sql": sql_sha256(),
        "harness": harness_sha256(),
        "driver": driver_sha256(),
        "programs": hashlib.sha256(_program_bytes(programs)).hexdigest(),
    }


def _program_bytes(programs: Programs) -> bytes:
    """Return version and sizes of the programs: their bytes would take longer than they tell."""
    names = ("postgres", "initdb", "pg_dump", "pg_restore")
    rows = [f"{name} {Path(programs.path(name)).stat().st_size}" for name in names]
    return "\n".join([programs.version, *rows]).encode()


def whole_digest(parts: dict[str, str]) -> str:
    """Return the one digest over all parts, in the order of their names."""
    lines = "".join(f"{parts[name]}  {name}\n" for name in sorted(parts))
    return hashlib.sha256(lines.encode()).hexdigest()


def remove_scratch(scratch: Path) -> None:
    """Remove the scratch folder with whatever a killed engine left in it."""
    shutil.rmtree(scratch, ignore_errors=True)
