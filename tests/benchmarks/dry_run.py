"""How long the whole demo takes, and how much of it is PostgreSQL's own work.

``python -m tests.benchmarks.dry_run [--runs N] [--major 16] [--json FILE]`` runs the demo N times through
the installed command and prints medians. Nothing here is asserted in a test: the figures are the
machine's, and the machine is described beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from console.journal import read_journal
from console.model.run_state import RunState, fold


def one_run(folder: Path, major: int) -> tuple[float, RunState]:
    """Run the demo once: wall seconds and the folded journal."""
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
    done = subprocess.run(
        [sys.executable, "-m", "console", *words],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    wall_s = time.monotonic() - began
    return wall_s, fold(read_journal(Path(json.loads(done.stdout)["evidence"]) / "journal.jsonl"))


def measure(runs: int, major: int) -> dict[str, object]:
    """Return medians over `runs` runs after one warm-up."""
    with tempfile.TemporaryDirectory(prefix="drydock-bench-") as made:
        found = [one_run(Path(made), major) for _number in range(runs + 1)][1:]
    walls = [wall_s for wall_s, _state in found]
    states = [state for _wall_s, state in found]
    cpu = [state.notes["cpu"] for state in states]
    steps = {
        step: statistics.median(state.steps_finished[step].duration_ms for state in states)
        for step in states[0].steps_finished
    }
    return {
        "machine": f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}",
        "major": major,
        "runs": runs,
        "wall_s": {"min": min(walls), "median": statistics.median(walls), "max": max(walls)},
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
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = measure(options.runs, options.major)
    print(json.dumps(found, indent=1))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
