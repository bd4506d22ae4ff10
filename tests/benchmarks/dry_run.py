"""How long the whole demo takes, and how much of it is PostgreSQL's own work.

``python -m tests.benchmarks.dry_run [--runs N] [--major 16] [--python FILE] [--json FILE]`` runs the demo N
times through the installed command (of another installation's interpreter, where one is named) and prints
medians. As root it also prints the processor time of PostgreSQL's programs beside Python's: every process of
the run, from the command to the last backend, as the kernel counts it. Nothing here is asserted in a test:
the figures are the machine's, and the machine is described beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from figures import tell
from processor_time import measured, seconds_by_owner

from console.journal import read_journal
from console.model.run_state import RunState, fold


@dataclass(frozen=True, kw_only=True)
class OneRun:
    """Wall seconds, the folded journal, and processor seconds by owner: empty without root."""

    wall_s: float
    state: RunState
    seconds: dict[str, float]


def one_run(folder: Path, major: int, python: str) -> OneRun:
    """Run the demo once."""
    words = [
        "run",
        "--headless",
        "--approve",
        "all",
        "--json",
        "--runs-dir",
        str(folder),
        "--pg-major",
        str(major),
    ]
    began = time.monotonic()
    command = [python, "-m", "console", *words]
    if os.geteuid() == 0:
        printed, tasks = measured(command, folder)
        seconds = seconds_by_owner(tasks)
    else:
        printed = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
        ).stdout
        seconds = {}
    wall_s = time.monotonic() - began
    journal = Path(json.loads(printed)["evidence"]) / "journal.jsonl"
    return OneRun(wall_s=wall_s, state=fold(read_journal(journal)), seconds=seconds)


def measure(runs: int, major: int, python: str) -> dict[str, object]:
    """Return medians over `runs` runs after one warm-up."""
    with tempfile.TemporaryDirectory(prefix="drydock-bench-") as made:
        found = [one_run(Path(made), major, python) for _number in range(runs + 1)][1:]
    walls = [one.wall_s for one in found]
    states = [one.state for one in found]
    cpu = [state.notes["cpu"] for state in states]
    steps = {
        step: statistics.median(state.steps_finished[step].duration_ms for state in states)
        for step in states[0].steps_finished
    }
    return {
        "major": major,
        "runs": runs,
        "wall_s": {"min": min(walls), "median": statistics.median(walls), "max": max(walls)},
        "processor_s": {
            owner: round(statistics.median(one.seconds[owner] for one in found), 3)
            for owner in found[0].seconds
        },
        "engine_cpu_s": statistics.median(one["engine_s"] for one in cpu),
        "programs_cpu_s": statistics.median(one["programs_s"] for one in cpu),
        "steps_ms": steps,
        "verdicts": sorted({state.ended.verdict for state in states if state.ended}),
    }


def main() -> None:
    """Print the table and, where asked, write it as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--major", type=int, default=16)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = measure(options.runs, options.major, options.python)
    tell(found, options.json)


if __name__ == "__main__":
    main()
