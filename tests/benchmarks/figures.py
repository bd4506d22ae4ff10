"""What the benchmarks share: the machine in words, medians of shuffled repetitions, and a table with its JSON file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def machine() -> dict[str, object]:
    """Describe where a figure comes from, its load when it was asked included."""
    said = f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}"
    return {"machine": said, "load": os.getloadavg()[0]}


def shuffled(ways: Mapping[str, Callable[[], float]], repeat: int) -> dict[str, float]:
    """Return each way's median of `repeat` turns; every turn takes all ways in an order of its own."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways)
    chance = random.Random(11)
    for _number in range(repeat):
        chance.shuffle(order)
        for name in order:
            found[name].append(ways[name]())
    return {name: statistics.median(times) for name, times in found.items()}


def options(**numbers: int) -> argparse.Namespace:
    """Read the benchmark's words: each number as an option, and --json."""
    parser = argparse.ArgumentParser()
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def tell(found: Mapping[str, Any], path: Path | None) -> None:
    """Print what was found, with the machine, and write it where asked."""
    text = json.dumps({**machine(), **found}, indent=1)
    print(text)
    if path:
        path.write_text(text + "\n", encoding="utf-8")
