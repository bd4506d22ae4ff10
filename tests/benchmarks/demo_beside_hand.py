"""What the whole demo costs beside the same work done by hand with PostgreSQL's own programs.

``python -m tests.benchmarks.demo_beside_hand [--rounds 3] [--rows 60000] [--json FILE]`` takes turns, each round in the
other order: ``drydock run --headless --approve all`` and ``demo_by_hand.sh``: the same dump, initdb, restore,
interpreter, phases and removal and knows nothing of gates. Both leave 15 rows. Prints the ratio of the medians (the
target is 1.25), and where the rest goes: Drydock's steps from its journal beside the script's parts. Wall time.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from docker_dry_run import driver_folder
from figures import options, tell

from console.environments.owner import initdb_uid
from console.environments.programs import find_programs, reachable_programs
from console.journal import read_journal
from console.model.event import Entry, StepFinished, StepStarted

HERE = Path(__file__).resolve().parent
TARGET = 1.25
MAJOR = 16
ROWS_LEFT = 15
BESIDE = {
    "C-01": ("production",), "C-03": ("dump",), "C-04": ("cluster",), "C-05": ("restore",), "C-06": (),
    "C-08": ("interpreter",), "C-10": ("phases",), "C-13": ("removal",),
}  # fmt: skip
"""Parts of the script that do what a step does; nobody does the other steps by hand."""


def drydock(place: Path, subject: Path) -> tuple[float, dict[str, float]]:
    """Run the demo: wall seconds, and milliseconds by step."""
    words = [
        "run",
        "--headless",
        "--approve",
        "all",
        "--json",
        "--runs-dir",
        str(place / "runs"),
        "--pg-major",
    ]
    began, began_at = time.monotonic(), time.time()
    done = subprocess.run(
        [sys.executable, "-m", "console", *words, str(MAJOR), "--subject", str(subject)],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    took_s, ended_at = time.monotonic() - began, time.time()
    if done.returncode:
        raise SystemExit(f"drydock ended with {done.returncode}:\n{done.stderr[-4000:]}")
    told = json.loads(done.stdout)
    assert (told["verdict"], told["closure"], told["rows_total"]) == ("PASS", "CLEAN", ROWS_LEFT), told
    return took_s, parts(read_journal(Path(told["evidence"]) / "journal.jsonl"), began_at, ended_at)


def parts(entries: list[Entry], began_at: float, ended_at: float) -> dict[str, float]:
    """Return milliseconds by step, by the times of its first and last entry, and what lies around the steps."""
    found: dict[str, float] = {}
    step, since = "start", began_at
    for entry in entries:
        at = datetime.fromisoformat(entry.at).timestamp()
        found[step] = found.get(step, 0.0) + (at - since) * 1000
        since = at
        if isinstance(entry.event, StepStarted):
            step = entry.event.step
        elif step == "start" or isinstance(entry.event, StepFinished):
            step = "gates, boundaries"
    found["seal, end"] = (ended_at - since) * 1000
    return found


def by_hand(place: Path, programs: Path, driver: Path, rows: int) -> tuple[float, dict[str, float]]:
    """Do the same by hand: wall seconds, and milliseconds by part."""
    uid = [str(initdb_uid())] if os.geteuid() == 0 else []
    words = [str(programs), str(place), sys.executable, str(driver), str(rows), *uid]
    began = time.monotonic()
    done = subprocess.run(
        [str(HERE / "demo_by_hand.sh"), *words],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    took_s = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"the script ended with {done.returncode}:\n{done.stdout}\n{done.stderr[-4000:]}")
    *parts, left = done.stdout.split("\n")[:-1]
    assert int(left) == ROWS_LEFT, done.stdout
    assert not (place / "by-hand").exists()
    return took_s, {name: float(ms) for name, ms in (part.split(" ") for part in parts)}


def measure(rounds: int, rows: int) -> dict[str, Any]:
    """Return both medians, their ratio, and the medians of steps and parts, after one round that does not count."""
    place = Path(tempfile.mkdtemp(prefix="ddb-", dir="/var/tmp"))
    try:
        place.chmod(0o711)
        found = reachable_programs(
            find_programs(MAJOR), uid=initdb_uid() if os.geteuid() == 0 else None, folder=place
        )
        (place / "driver").mkdir()
        driver = driver_folder(place / "driver")
        # A copy outside the repository: somebody may commit there meanwhile, which N-5 would see.
        subject = shutil.copytree(
            HERE.parents[1] / "scenarios/cutter_dry_run/subject", place / "subject",
            ignore=shutil.ignore_patterns("__pycache__", ".*_cache"),
        )  # fmt: skip
        walls: dict[str, list[float]] = {"drydock": [], "by hand": []}
        parts_of: dict[str, list[dict[str, float]]] = {"drydock": [], "by hand": []}
        for number in range(rounds + 1):
            for name in ("drydock", "by hand") if number % 2 else ("by hand", "drydock"):
                took_s, told = (
                    drydock(place, subject)
                    if name == "drydock"
                    else by_hand(place, found.root / "bin", driver, rows)
                )
                walls[name].append(took_s)
                parts_of[name].append(told)
    finally:
        shutil.rmtree(place)
    kept = {name: took[1:] for name, took in walls.items()}
    medians = {name: statistics.median(took) for name, took in kept.items()}
    return {
        "rounds": rounds, "wall_s": {name: [round(one, 2) for one in took] for name, took in kept.items()},
        "median_s": {name: round(took, 2) for name, took in medians.items()},
        "ratio": round(medians["drydock"] / medians["by hand"], 2), "target": TARGET,
        "parts_ms": {
            name: {part: round(statistics.median(one[part] for one in told[1:])) for part in told[-1]}
            for name, told in parts_of.items()
        },
    }  # fmt: skip


def table(found: dict[str, Any]) -> str:
    """Return where the time goes, a line a step: ours, by hand, the difference."""
    steps, hand = found["parts_ms"]["drydock"], found["parts_ms"]["by hand"]
    rows = [f"{'step':<20}{'drydock':>10}{'by hand':>10}{'more':>10}  by hand it is"]
    for step, ms in steps.items():
        beside = BESIDE.get(step, ())
        theirs = sum(hand[part] for part in beside)
        rows.append(f"{step:<20}{ms:>10}{theirs:>10}{ms - theirs:>10}  {', '.join(beside) or 'not done'}")
    return "\n".join(rows)


if __name__ == "__main__":
    given = options(rounds=3, rows=60_000)
    told = measure(given.rounds, given.rows)
    tell(told, given.json, shown=table(told))
