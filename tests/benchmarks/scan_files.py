"""How fast the leak scan is beside ``rg -F`` on the same needles and bytes, and that its memory stays constant.

``python -m tests.benchmarks.scan_files [--megabytes N] [--repeat N] [--json FILE]`` needs ripgrep (Debian's package)
and prints medians of interleaved repetitions, rg on one thread; wall time, and processor time beside it, for the scan
looks ahead with two. Each repetition has passwords of its own, for rg is three times as fast with some as with others.
Before that both must find the same planted lines. Nothing here is asserted in a test.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from figures import options, tell

from console.evidence.needles import Needles
from console.evidence.scan import scan_files
from console.secrets import make_password

LINE = b'{"w":"client","n":%d,"sql":"INSERT INTO public.t (a, b) VALUES ($1, $2)","at":%d.%d,"key":"%s"}\n'


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return how long something took, and its processor time with that of its programs, in seconds."""
    before = os.times()
    began = time.monotonic()
    work()
    took = time.monotonic() - began
    after = os.times()
    return took, sum(after[:4]) - sum(before[:4])


def write_log(path: Path, megabytes: int, planted: list[str]) -> None:
    """Write lines as a log has them, and each planted text once."""
    number = random.Random(11)
    with path.open("wb") as file:
        size = n = 0
        while size < megabytes << 20:
            line = LINE % (n, n * 7, number.randrange(10**9), b"%032x" % number.getrandbits(128))
            size += file.write(line)
            n += 1
            if planted and n % 1000 == 0:
                size += file.write(b"leak " + planted.pop().encode() + b"\n")


def measure(megabytes: int, repeat: int) -> dict[str, Any]:
    """Return medians for several numbers of secrets, the ratios, and the growth of memory."""
    if shutil.which("rg") is None:
        sys.exit("ripgrep is not installed: apt-get install ripgrep")
    rows = []
    with tempfile.TemporaryDirectory(prefix="drydock-bench-", dir="/var/tmp") as made:
        clean = Path(made) / "clean.log"
        write_log(clean, megabytes, [])
        for secrets in (2, 4, 6, 8, 10, 40, 58):
            rows.append(_row(Path(made), clean, secrets, repeat))
        large = Path(made) / "large.log"
        write_log(large, 4 * megabytes, [])
        scan_files([clean], {"s": make_password()}, root=Path(made))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        known = {f"s{number}": make_password() for number in range(4)}
        scan_files([large], known, root=Path(made))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "megabytes": megabytes, "repetitions": repeat, "rows": rows,
        "memory_grown_over_four_times_the_bytes_kb": grown,
    }  # fmt: skip


def _row(place: Path, clean: Path, secrets: int, repeat: int) -> dict[str, Any]:
    times: dict[str, list[tuple[float, float]]] = {"drydock": [], "rg -F": []}
    for _number in range(repeat):
        known = {f"s{number}": make_password() for number in range(secrets)}
        rg = [*_same_lines(place, known), str(clean)]
        times["drydock"].append(timed(partial(scan_files, [clean], known, root=place)))
        times["rg -F"].append(timed(partial(subprocess.run, rg, capture_output=True, check=False)))
    wall, processor = (
        {name: [one[which] for one in found] for name, found in times.items()} for which in (0, 1)
    )
    size = clean.stat().st_size
    return {
        "secrets": secrets, "needles": len(Needles(known)._needles),
        "megabytes_per_second": {name: round(size / statistics.median(took) / 1e6) for name, took in wall.items()},
        "speed_of_rg": _ratios(wall), "speed_of_rg_in_processor_time": _ratios(processor),
    }  # fmt: skip


def _ratios(times: dict[str, list[float]]) -> dict[str, float]:
    ratios = sorted(rg / own for own, rg in zip(times["drydock"], times["rg -F"], strict=True))
    return {
        "median": round(statistics.median(ratios), 2), "from": round(ratios[0], 2), "to": round(ratios[-1], 2)
    }  # fmt: skip


def _same_lines(place: Path, known: dict[str, str]) -> list[str]:
    """Return rg's command for these secrets, which finds the same planted lines."""
    texts = sorted({needle.decode() for needle, _form, _name in Needles(known)._needles})
    patterns = place / "patterns"
    patterns.write_text("\n".join(texts) + "\n")
    leaky = place / "leaky.log"
    write_log(leaky, 8, list(known.values()))
    rg = ["rg", "-F", "-j1", "-a", "-c", "-f", str(patterns)]
    counted = subprocess.run([*rg, str(leaky)], capture_output=True, text=True, check=True).stdout.strip()
    assert int(counted) == len(scan_files([leaky], known, root=place).found) == len(known)
    return rg


def table(found: dict[str, Any]) -> str:
    """Return one line for each number of needles."""
    lines = [
        f"{found['megabytes']} MB, medians of {found['repetitions']}, each with passwords of its own (from, to)",
        f"{'needles':>8} {'drydock MB/s':>13} {'rg -F MB/s':>11} {'wall time, times rg':>22} {'processor time':>22}",
    ]
    for row in found["rows"]:
        speed = row["megabytes_per_second"]
        ratios = [
            f"{one['median']:.2f} ({one['from']:.2f}, {one['to']:.2f})"
            for one in (row["speed_of_rg"], row["speed_of_rg_in_processor_time"])
        ]
        lines.append(
            f"{row['needles']:>8} {speed['drydock']:>13} {speed['rg -F']:>11} {ratios[0]:>22} {ratios[1]:>22}"
        )
    grown = found["memory_grown_over_four_times_the_bytes_kb"]
    return "\n".join([*lines, f"memory grown over four times the bytes: {grown} kB"])


def main() -> None:
    """Print the table and, where asked, write it as JSON."""
    given = options(megabytes=512, repeat=5)
    found = measure(given.megabytes, given.repeat)
    tell(found, given.json, shown=table(found))


if __name__ == "__main__":
    main()
