"""What the benchmarks share: the machine in words, medians of shuffled repetitions, and a table with its JSON file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 160


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


def tell(found: Mapping[str, Any], path: Path | None, *, shown: str | None = None) -> None:
    """Print the machine and what was found as a table, or as `shown`, and write it as JSON where asked."""
    kept = {**machine(), **found}
    if shown is None:
        table = Table("what", "figure")
        for what, figure in _rows(kept):
            table.add_row(Text(what), Text(figure))
        Console(width=_WIDTH).print(table)
    else:
        print(f"{kept['machine']}, load {kept['load']:.1f}\n{shown}")
    if path:
        path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _rows(found: Mapping[str, Any], *above: str) -> Iterator[tuple[str, str]]:
    """Yield each figure and where it stands; of rows in a list, their first figure is their name."""
    for name, value in found.items():
        where = (*above, str(name))
        if isinstance(value, Mapping):
            yield from _rows(value, *where)
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            for one in value:
                (key, first), *rest = one.items()
                yield from _rows(dict(rest), *where, f"{key} {first}")
        elif isinstance(value, float):
            yield ", ".join(where), f"{value:.4g}"
        elif isinstance(value, list | tuple):
            yield (
                ", ".join(where),
                " ".join(f"{one:.4g}" if isinstance(one, float) else str(one) for one in value),
            )
        else:
            yield ", ".join(where), str(value)
