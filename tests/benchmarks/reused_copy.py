"""What a second rehearsal costs on the copy that the first one kept, beside the first one's dump and restore.

``python -m tests.benchmarks.reused_copy [--megabytes 1000] [--repeat 3] [--major 16] [--json FILE]`` fills a source
with 40 tables, drafts a plan from it with ``drydock init``, rehearses once with ``--reuse-copy``, and then again on
what was kept. Of the first stand dump, hash, new server and restore until the server is durable, and what keeping cost
on top; of the others the files laid out, the whole step C-04 with an identity, a password and a started server, C-03 to
C-05 with every kept file hashed beside that, every row counted and the copy searched, and the whole run. Every run must
PASS. Kept in /dev/shm, or where DRYDOCK_KEPT_DIR says: the benchmark's rows need no encryption, and its plan says
so. The work folder is DRYDOCK_WORK_DIR's: on the same btrfs or XFS blocks are shared. Medians.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import copy_and_restore as copying
from figures import options, tell

from console.journal import read_journal
from console.model.kept_words import KEPT_NOTE, TAKEN_NOTE
from console.model.run_state import RunState, fold

STEPS = ("C-03", "C-04", "C-05")


def rehearsed(place: Path, plan: Path, major: int) -> tuple[RunState, float, float]:
    """Rehearse; return the folded journal, the seconds until the copy was durable, and those of the whole run."""
    began = time.monotonic()
    said = copying.drydock(
        place, "run", str(plan), "--headless", "--approve", "all", "--json", "--runs-dir", str(place / "runs"),
        "--pg-major", str(major), "--reuse-copy",
    )  # fmt: skip
    whole_s = time.monotonic() - began
    told = json.loads(said)
    assert (told["verdict"], told["closure"]) == ("PASS", "CLEAN"), told
    entries = list(read_journal(Path(told["evidence"]) / "journal.jsonl"))
    state = fold(entries)
    if state.created is not None and state.created.copy == "reused":
        return state, 0.0, whole_s
    return state, copying.copied_s(entries) + state.steps_finished["C-04"].duration_ms / 1000, whole_s


def measure(megabytes: int, repeat: int, major: int) -> dict[str, Any]:
    """Return what the runs took, and each part's share of the first copy."""
    place = Path(tempfile.mkdtemp(prefix="ddb-", dir="/var/tmp"))
    named = os.environ.get("DRYDOCK_KEPT_DIR", "")
    kept = Path(tempfile.mkdtemp(prefix="ddb-", dir=named or "/dev/shm"))
    os.environ["DRYDOCK_KEPT_DIR"] = str(kept)
    try:
        place.chmod(0o711)
        with copying.source(place, megabytes, major=major) as made:
            plan = copying.drafted(place, made)
            if named:
                plan.write_text(
                    f"{plan.read_text('utf-8')}\n[reuse]\ncopy = true\nencrypted = true\n", "utf-8"
                )
            first, copy_s, first_s = rehearsed(place, plan, major)
            assert first.notes[KEPT_NOTE]["size_bytes"] > 0
            later = [rehearsed(place, plan, major) for _turn in range(repeat)]
    finally:
        for one in sorted(kept.glob("kept-*")):
            copying.drydock(place, "kept", "remove", "--folder", str(kept), one.name)
        shutil.rmtree(kept)
        shutil.rmtree(place)
    taken = [state.notes[TAKEN_NOTE] for state, _none, _whole_s in later]
    steps = [[state.steps_finished[step].duration_ms for step in STEPS] for state, _none, _whole_s in later]
    parts = {
        "laid_out_s": statistics.median(one["took_ms"] for one in taken) / 1000,
        "new_server_s": statistics.median(one[1] for one in steps) / 1000,
        "c03_to_c05_s": statistics.median(map(sum, steps)) / 1000,
    }
    return {
        "megabytes": made.megabytes, "major": major, "first_copy_s": round(copy_s, 2), "first_run_s": round(first_s, 2),
        "keeping_s": first.notes[KEPT_NOTE]["took_ms"] / 1000,
        "first_c03_to_c05_s": sum(first.steps_finished[step].duration_ms for step in STEPS) / 1000,
        **parts, "later_run_s": round(statistics.median(whole_s for _state, _none, whole_s in later), 2),
        "shared": taken[0]["shared"],
        **{name.removesuffix("_s") + "_share": round(value / copy_s, 3) for name, value in parts.items()},
    }  # fmt: skip


if __name__ == "__main__":
    given = options(megabytes=1000, repeat=3, major=16)
    tell(measure(given.megabytes, given.repeat, given.major), given.json)
