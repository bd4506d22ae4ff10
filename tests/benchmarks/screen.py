"""How fast the screen is, beside baselines: `python -m tests.benchmarks.screen flood|million|start [--json FILE]`.

flood: 50 000 statements a second for ten seconds, beside the same keys on a quiet run. million: a recorded trace
of a million beside one of a thousand. start: `drydock --help` and `status` beside `python -c pass`, and the first
paint beside that of a trivial Textual app. Medians; nothing here is asserted in a test. The machine and its load
stand beside the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS), str(TESTS / "tui"), str(TESTS / "benchmarks")]

import msgspec  # noqa: E402
from figures import tell  # noqa: E402
from fix_journals import RUN, begun, passed  # noqa: E402
from fix_screens import statement, write_large_trace  # noqa: E402
from screen_pty import Pty  # noqa: E402

from console.evidence.sealed import FINAL_SEAL, signature_of  # noqa: E402
from console.model.trace import BlockSeal  # noqa: E402
from console.trace_log import read_trace  # noqa: E402

OPEN = (
    "import sys; from pathlib import Path; from console.cli.attach import open_screen; "
    "sys.exit(open_screen(Path(sys.argv[1]), observe=True))"
)
TRIVIAL = (
    "import sys; from textual.app import App; from textual.widgets import Static\n"
    "class Trivial(App):\n    def compose(self):\n        yield Static('trivial app')\nTrivial().run()"
)
LARGE, SMALL = (160, 48), (80, 24)
RATE, FLOOD_S, SLICE_S = 50_000, 10.0, 0.1
KEYS_EVERY_S = 0.13


def screen_on(folder: Path, size: tuple[int, int]) -> Pty:
    """Open the screen of a run."""
    return Pty([sys.executable, "-c", OPEN, str(folder)], size)


def new_run(place: Path, *, ended: bool) -> tuple[Path, Callable[[], None]]:
    """Write a run's journal and an empty trace; the second value lets its journal go."""
    writer = (passed() if ended else begun()).write(place)
    folder = place / RUN
    for name in ("trace.jsonl", "trace.idx"):
        (folder / name).touch()
    if ended:
        writer.close()
    return folder, (lambda: None) if ended else writer.close


class Producer(threading.Thread):
    """Appends sealed blocks of statements at a steady rate, as the engine would; a process of its own runs it."""

    def __init__(self, folder: Path, count: int, rate: int = RATE) -> None:
        super().__init__(daemon=True)
        self.folder, self.count, self.rate, self.took_s, self.ended_at = folder, count, rate, 0.0, 0.0

    def run(self) -> None:
        """Write everything, a tenth of a second at a time."""
        words = ["produce", str(self.folder), str(self.count), str(self.rate)]
        said = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.screen", *words],
            capture_output=True, text=True, check=True, cwd=TESTS.parent,
        )  # fmt: skip
        self.took_s, self.ended_at = map(float, said.stdout.split())


def produce(folder: Path, count: int, rate: int) -> tuple[float, float]:
    """Append `count` statements at `rate` a second; return its seconds and its end by the monotonic clock."""
    line = msgspec.json.encode(statement(1)) + b"\n"
    a_slice = int(rate * SLICE_S)
    previous, at, block, began = "0" * 64, 0, 0, time.monotonic()
    with (
        (folder / "trace.jsonl").open("ab", buffering=0) as lines,
        (folder / "trace.idx").open("ab", buffering=0) as index,
    ):
        for first in range(0, count, a_slice):
            body = line * a_slice
            offsets = struct.pack(f"<{a_slice}Q", *range(at, at + len(body), len(line)))
            previous = hashlib.sha256(previous.encode("ascii") + body).hexdigest()
            seal = msgspec.json.encode(BlockSeal(records=a_slice, block=block, sha256=previous)) + b"\n"
            lines.write(body + seal)
            index.write(offsets)
            at, block = at + len(body) + len(seal), block + 1
            time.sleep(max(0.0, began + (first + a_slice) / rate - time.monotonic()))
    ended = time.monotonic()
    return ended - began, ended


def key_times(screen: Pty, until: Callable[[], bool]) -> list[float]:
    """Press 1 and 2 in turn and return how long each took until its pane's title was painted, in ms."""
    found: list[float] = []
    while not until():
        for key, title in ((b"1", "▌1 Gates"), (b"2", "▌2 Trace")):
            screen.forget()
            pressed = screen.press(key)
            found.append((screen.wait_for(title, since=pressed) - pressed) * 1000)
            time.sleep(KEYS_EVERY_S)
    return found


def flood_once(count: int) -> tuple[list[float], dict[str, float]]:
    """Watch one run at 160x48 while `count` statements come (0: a quiet run for as long): keys in ms, and the rest."""
    with tempfile.TemporaryDirectory(prefix="drydock-bench-") as made:
        folder, let_go = new_run(Path(made), ended=False)
        screen = screen_on(folder, LARGE)
        try:
            screen.wait_for("2 Trace")
            producer = Producer(folder, count)
            before, began = screen.written_bytes, time.monotonic()
            if count:
                producer.start()
            times = key_times(screen, lambda: time.monotonic() - began > FLOOD_S and not producer.is_alive())
            took_s, written = time.monotonic() - began, screen.written_bytes - before
            found = {"terminal_kb_s": written / took_s / 1000, "memory_mb": screen.peak_mb}
            if count:
                screen.wait_for(f"of {count:,}")
                whole = sum(1 for _record in read_trace(folder / "trace.jsonl"))
                found |= {"rate_s": count / producer.took_s, "missing": count - whole}
            return times, found
        finally:
            screen.close()
            let_go()


def flood(runs: int) -> dict[str, dict[str, float]]:
    """Return medians with and without the producer, in turn; the keys of all runs are one sample."""
    keys: dict[str, list[float]] = {"flood": [], "quiet run": []}
    rest: dict[str, list[dict[str, float]]] = {"flood": [], "quiet run": []}
    for _run in range(runs):
        for name, count in (("flood", int(RATE * FLOOD_S)), ("quiet run", 0)):
            times, found = flood_once(count)
            keys[name] += times
            rest[name].append(found)
    return {name: _of_keys(keys[name]) | _medians(rest[name]) for name in keys}


def _of_keys(times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    at = {f"key_to_paint_p{percent}_ms": round(cuts[percent - 1], 1) for percent in (50, 95, 99)}
    return at | {"keys": len(times)}


def million_once(count: int) -> dict[str, float]:
    """Open a recorded trace: its first screen, both jumps, a search and a filter."""
    with tempfile.TemporaryDirectory(prefix="drydock-bench-") as made:
        folder, _let_go = new_run(Path(made), ended=True)
        write_large_trace(folder, count, needle_at=count * 9 // 10)
        gates_ms = _gates_ms(Path(made))
        screen = screen_on(folder, SMALL)
        try:
            screen.wait_for("1 Gates")
            time.sleep(1.0)
            found = {"gates_ms": gates_ms}
            for name, keys, shown in (
                ("first_screen_ms", b"2", "▌2 Trace"),
                ("to_end_ms", b"G", f"{count:,} of {count:,}"),
                ("to_top_ms", b"g", f" 1 of {count:,}"),
                ("failure_ms", b"e", "at failed statement"),
                ("to_top_again_ms", b"g", f" 1 of {count:,}"),
                ("search_ms", b"/needle\r", "at “needle”"),
                ("filter_ms", b"ferrors\r", " 1 of 1"),
            ):
                pressed = screen.press(keys)
                found[name] = (screen.wait_for(shown, since=pressed) - pressed) * 1000
                time.sleep(0.4)
            return found | {"memory_mb": screen.peak_mb}
        finally:
            screen.close()


def _gates_ms(runs: Path) -> float:
    """Return how long it takes from the key that opens a run in the list of runs to its gates on the screen."""
    screen = Pty([str(Path(sys.executable).with_name("drydock")), "browse", "--runs-dir", str(runs)], SMALL)
    try:
        screen.wait_for("Runs: 1 of 1")
        time.sleep(1.0)
        screen.forget()
        pressed = screen.press(b"\r")
        return (screen.wait_for("1 Gates", since=pressed) - pressed) * 1000
    finally:
        screen.close()


def million(runs: int) -> dict[str, dict[str, float]]:
    """Return medians for a million and for a thousand statements."""
    return {name: medians(lambda size=size: million_once(size), runs)  # type: ignore[misc]
            for name, size in (("1,000,000", 1_000_000), ("1,000", 1_000))}  # fmt: skip


def command_ms(*argv: str) -> float:
    """Return how long a command takes."""
    began = time.monotonic()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return (time.monotonic() - began) * 1000


def paint_ms(argv: list[str], shown: str) -> float:
    """Return how long a program takes from its start to its first paint."""
    screen = Pty(argv, SMALL)
    try:
        return (screen.wait_for(shown) - screen.began) * 1000
    finally:
        screen.close()


def start(runs: int) -> dict[str, dict[str, float]]:
    """Return medians of starting things, in turn so that the machine's moods fall on all of them."""
    with tempfile.TemporaryDirectory(prefix="drydock-bench-") as made:
        folder, _let_go = new_run(Path(made), ended=True)
        (folder / FINAL_SEAL).touch()
        signature_of(folder / FINAL_SEAL).touch()
        drydock = str(Path(sys.executable).with_name("drydock"))
        browse = [drydock, "browse", folder.name, "--runs-dir", made]

        def once() -> dict[str, float]:
            return {
                "drydock --help": command_ms(drydock, "--help"),
                "drydock status": command_ms(drydock, "status", folder.name, "--runs-dir", made),
                "python -c pass": command_ms(sys.executable, "-c", "pass"),
                "browse, first paint": paint_ms(browse, "1 Gates"),
                "trivial Textual app": paint_ms([sys.executable, "-c", TRIVIAL], "trivial app"),
            }

        return {"ms": medians(once, runs * 5)}


def medians(measure: Callable[[], dict[str, float]], runs: int) -> dict[str, float]:
    """Return the median of each figure over some runs."""
    return _medians([measure() for _run in range(runs)])


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(one[name] for one in found), 1) for name in found[0]}


def table(found: dict[str, dict[str, float]]) -> str:
    """Return the figures as lines, one a figure and one column a case."""
    names = list(dict.fromkeys(name for case in found.values() for name in case))
    head = f"{'':<24}" + "".join(f"{case:>16}" for case in found)
    rows = [f"{name:<24}" + "".join(f"{case.get(name, ''):>16}" for case in found.values()) for name in names]
    return "\n".join([head, *rows])


MEASURES = {"flood": flood, "million": million, "start": start}


def main() -> None:
    """Print the table and, where asked, write it as JSON."""
    if sys.argv[1:2] == ["produce"]:
        print(*produce(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = MEASURES[options.what](options.runs)
    shown = f"{table(found)}\nmedians of {options.runs} runs"
    tell({"runs": options.runs, options.what: found}, options.json, shown=shown)


if __name__ == "__main__":
    main()
