"""What a rehearsal on a Docker engine costs beside the same work done by hand with docker and psql.

``python -m tests.benchmarks.docker_dry_run [--megabytes 1000] [--rounds 3] [--folder DIR] [--json FILE]`` starts an
engine of its own, fills a production container to about that size, and runs ``drydock run`` and
``docker_by_hand.sh`` in turns, each round in the other order. Prints a table, and the ratio of the medians (the
target is 1.10). Nothing here is asserted in a test: the figures are the machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "docker"), str(HERE.parent)]

from container_production import PACK, ContainerProduction, make_production  # noqa: E402
from docker_engine import Engine, started  # noqa: E402
from docker_images import Images, load_images  # noqa: E402
from figures import tell  # noqa: E402

from console.journal import read_journal  # noqa: E402
from console.model.run_state import fold  # noqa: E402

TARGET = 1.10
ROWS_FOR_A_MEGABYTE = 1_765
"""Rows of each of the demo's two large tables for one megabyte of database, measured at 816 MB."""


def driver_folder(folder: Path) -> Path:
    """Return a folder with psycopg for the images' Python, which is the one that runs this."""
    import psycopg

    site = Path(psycopg.__file__).parents[1]
    for name in ("psycopg", "psycopg_binary", "psycopg_binary.libs", "typing_extensions.py"):
        found = site / name
        if found.is_dir():
            shutil.copytree(found, folder / name)
        else:
            shutil.copy(found, folder / name)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def plan_file(folder: Path, engine: Engine, images: Images) -> Path:
    """Write the plan of the same rehearsal."""
    path = folder / "plan.toml"
    path.write_text(
        f'[source]\nkind = "container"\ncontainer = "postgres"\nendpoint = "{engine.address}"\n'
        'database = "directus"\nrole = "workflow_admin"\n'
        f'[environment]\nkind = "docker"\nendpoint = "{engine.address}"\nimage = "{images.postgres}"\n'
        f'harness_image = "{images.python}"\n',
        encoding="utf-8",
    )
    return path


def timed(words: list[str], **variables: str) -> tuple[float, str]:
    """Run a command: wall seconds and its stdout; raises with its words where it fails."""
    began = time.monotonic()
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )
    took_s = time.monotonic() - began
    if done.returncode:
        raise SystemExit(
            f"{words[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return took_s, done.stdout


def drydock(plan: Path, folder: Path) -> tuple[float, dict[str, int]]:
    """Rehearse once: wall seconds, and milliseconds by step."""
    # A copy outside the repository: somebody may commit there meanwhile, which N-5 would see.
    subject = folder / "subject"
    if not subject.exists():
        shutil.copytree(PACK / "subject", subject, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    words = ["run", str(plan), "--headless", "--approve", "all", "--json", "--runs-dir", str(folder / "runs")]
    words += ["--subject", str(subject)]
    took_s, said = timed([sys.executable, "-m", "console", *words])
    told = json.loads(said)
    assert (told["verdict"], told["closure"], told["rows_total"]) == ("PASS", "CLEAN", 15), told
    state = fold(read_journal(Path(told["evidence"]) / "journal.jsonl"))
    return took_s, {step: done.duration_ms for step, done in state.steps_finished.items()}


def by_hand(folder: Path, engine: Engine, images: Images, driver: Path) -> float:
    """Do the same by hand once: wall seconds."""
    words = ["postgres", images.postgres, images.python, str(folder), str(driver)]
    took_s, said = timed([str(HERE / "docker_by_hand.sh"), *words], DOCKER_HOST=engine.address)
    assert said.strip().splitlines()[-1] == "15", said
    return took_s


def measure(folder: Path, megabytes: int, rounds: int) -> dict[str, object]:
    """Return both medians, their ratio and what the machine is, after one round that does not count."""
    engine = started(folder / "engine", in_memory=False)
    try:
        images = load_images(engine)
        production: ContainerProduction = make_production(engine, rows=megabytes * ROWS_FOR_A_MEGABYTE)
        size = int(production.psql("SELECT pg_database_size('directus')"))
        (folder / "driver").mkdir()
        driver, plan = driver_folder(folder / "driver"), plan_file(folder, engine, images)
        walls: dict[str, list[float]] = {"drydock": [], "by hand": []}
        steps: list[dict[str, int]] = []
        for number in range(rounds + 1):
            for name in ("drydock", "by hand") if number % 2 else ("by hand", "drydock"):
                if name == "drydock":
                    took_s, told = drydock(plan, folder)
                    steps.append(told)
                else:
                    took_s = by_hand(folder, engine, images, driver)
                walls[name].append(took_s)
                print(f"round {number} {name:8} {took_s:8.1f} s", file=sys.stderr)
    finally:
        engine.remove()
    kept = {name: found[1:] or found for name, found in walls.items()}
    medians = {name: statistics.median(found) for name, found in kept.items()}
    return {
        "megabytes": round(size / 1e6), "rounds": rounds, "wall_s": kept, "median_s": medians,
        "ratio": medians["drydock"] / medians["by hand"], "target": TARGET,
        "steps_ms": {step: statistics.median(one[step] for one in steps) for step in steps[-1]},
    }  # fmt: skip


def main() -> None:
    """Print the table and, where asked, write everything as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ddb-", dir=options.folder) as made:
        found = measure(Path(made), options.megabytes, options.rounds)
    medians, walls = found["median_s"], found["wall_s"]
    assert isinstance(medians, dict) and isinstance(walls, dict)
    lines = [f"{found['megabytes']} MB"]
    for name, times in walls.items():
        lines.append(f"{name:8} median {medians[name]:8.1f} s   " + " ".join(f"{it:.1f}" for it in times))
    lines.append(f"ratio    {found['ratio']:.3f} (target {TARGET:.2f})")
    tell(found, options.json, shown="\n".join(lines))


if __name__ == "__main__":
    main()
