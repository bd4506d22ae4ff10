"""The screen beside others: `python -m tests.benchmarks.screen_beside start|flood|jump [--runs 3] [--json FILE]`.

start: first paint of `drydock browse RUN` beside harlequin's and a trivial Textual app's. flood: statements come at
100 000 a second (--rate) for six seconds: how many of them the screen shows at the moment of the last one, how long
keys take, and how many lines a second Textual's RichLog can take in at all. jump: to the last line of a million-line
trace, in a program that is open (Drydock, toolong, less -N) and from its start (Drydock, less -N +G, and toolong, which
opens a file at its end); each one's last line is waited for by its text. harlequin and toolong are installed into a
throwaway folder from the package registry, or named with --harlequin and --toolong; less is Debian's. Medians of turns;
nothing here is asserted in a test.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS), str(TESTS / "tui"), str(TESTS / "benchmarks")]

from figures import shuffled, tell  # noqa: E402
from fix_screens import write_large_trace  # noqa: E402
from screen import KEYS_EVERY_S, LARGE, SMALL, TRIVIAL, Producer, key_times, new_run, screen_on  # noqa: E402
from screen_pty import Pty  # noqa: E402

FLOOD_S = 6.0
SETTLE_S = 2.0
LAST = "THE-LAST-LINE"
RICHLOG = """
import asyncio, sys, time
from textual.app import App
from textual.widgets import RichLog
LINE = ("12:34:54.500  cutter_exec  SELECT entry_id FROM public.decision_backlog_entry WHERE n = 1  250 us  1 row")
class Saturated(App):
    def compose(self):
        yield RichLog()
    def on_ready(self):
        self.run_worker(self.fill())
    async def fill(self):
        log, count, began = self.query_one(RichLog), 0, time.monotonic()
        while time.monotonic() - began < 4.0:
            for _number in range(100):
                log.write(LINE)
            count += 100
            await asyncio.sleep(0)
        self.exit(count / (time.monotonic() - began))
app = Saturated()
with open(sys.argv[1], "w") as told:
    told.write(str(app.run()))
"""


def elsewhere(program: Path, home: Path) -> list[str]:
    """Return the words that start another installation's program, with nothing of ours in its way."""
    return ["/usr/bin/env", "-u", "PYTHONPATH", f"HOME={home}", "TERM=xterm-256color", str(program)]


def installed(name: str, program: str, place: Path) -> Path:
    """Install a program from the registry into a virtual environment below `place`, and return its path."""
    folder = place / name
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", name], check=True)
    return folder / "bin" / program


def paint_ms(argv: list[str], *shown: str) -> float:
    """Return how long a program takes from its start until the last of `shown` stands on the screen."""
    screen = Pty(argv, SMALL)
    try:
        return (max(screen.wait_for(words) for words in shown) - screen.began) * 1000
    finally:
        screen.close()


def start(runs: int, given: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Return medians of first paints, and Drydock's share of each."""
    harlequin = Path(given.harlequin) if given.harlequin else installed("harlequin", "harlequin", place)
    folder, _let_go = new_run(place, ended=True)
    browse = [str(Path(sys.executable).with_name("drydock")), "browse", folder.name, "--runs-dir", str(place)]
    ways: dict[str, Callable[[], float]] = {
        "drydock browse": lambda: paint_ms(browse, "1 Gates"),
        "trivial Textual app": lambda: paint_ms([sys.executable, "-c", TRIVIAL], "trivial app"),
        "harlequin": lambda: paint_ms([*elsewhere(harlequin, place), "--no-download-tzdata"], "Catalog"),
    }
    for way in ways.values():
        way()
    return shares(shuffled(ways, runs * 5))


def shares(found: dict[str, float]) -> dict[str, Any]:
    """Return the figures in ms and Drydock's share of each other one."""
    ours = next(name for name in found if name.startswith("drydock"))
    return {
        "ms": {name: round(took, 1) for name, took in found.items()},
        "share": {name: round(found[ours] / took, 2) for name, took in found.items() if name != ours},
    }


def flood(runs: int, given: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Return the share shown at the last statement, the keys' times and RichLog's own rate."""
    shown: list[float] = []
    rates: list[float] = []
    keys: list[float] = []
    richlog: list[float] = []
    for number in range(runs):
        found = _flooded(place / str(number), given.rate)
        keys += found[0]
        shown.append(found[1])
        rates.append(found[2])
        richlog.append(_richlog_rate(place / "rate"))
    keys.sort()
    rate = sorted(rates)[len(rates) // 2]
    of_richlog = sorted(richlog)[len(richlog) // 2]
    return {
        "statements_per_s": round(rate), "shown_at_the_last": [round(one, 3) for one in shown], "keys": len(keys),
        "key_to_paint_ms": {f"p{part}": round(keys[len(keys) * part // 100], 1) for part in (50, 95, 99)},
        "richlog_lines_per_s": round(of_richlog), "times_richlog": round(rate / of_richlog, 1),
    }  # fmt: skip


def _flooded(place: Path, wanted: int) -> tuple[list[float], float, float]:
    """Watch one flood: the keys in ms, the share of the statements shown when the last was written, and the rate."""
    place.mkdir()
    folder, let_go = new_run(place, ended=False)
    screen = screen_on(folder, LARGE)
    try:
        screen.wait_for("2 Trace")
        producer = Producer(folder, int(wanted * FLOOD_S), wanted)
        producer.start()
        until = time.monotonic() + FLOOD_S - 1
        keys = key_times(screen, lambda: time.monotonic() > until)
        screen.forget()
        producer.join()
        time.sleep(KEYS_EVERY_S)
        counts = [
            int(said.replace(",", ""))
            for said in re.findall(r" of (\d+(?:,\d+)*)", screen.said_by(producer.ended_at))
        ]
        screen.wait_for(f"of {producer.count:,}")
        return keys, max(counts, default=0) / producer.count, producer.count / producer.took_s
    finally:
        screen.close()
        let_go()


def _richlog_rate(told: Path) -> float:
    """Return how many lines a second a RichLog takes in when nothing else is asked of it."""
    screen = Pty([sys.executable, "-c", RICHLOG, str(told)], LARGE)
    deadline = time.monotonic() + 60
    while not (told.exists() and told.read_text()):
        if time.monotonic() > deadline:
            raise TimeoutError("RichLog's app did not end")
        time.sleep(0.1)
    rate = float(told.read_text())
    screen.close()
    told.unlink()
    return rate


def jump(runs: int, given: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Return medians of the jumps to the last line, in open programs and from their start."""
    toolong = Path(given.toolong) if given.toolong else installed("toolong", "tl", place)
    less = shutil.which("less")
    if less is None:
        raise SystemExit("install less: apt-get install less")
    folder, _let_go = new_run(place, ended=True)
    write_large_trace(folder, given.lines, needle_at=given.lines - 1)
    lines = place / "lines.jsonl"
    shutil.copy(folder / "trace.jsonl", lines)
    with lines.open("a") as file:
        file.write(f"{LAST}\n")
    end = f"{given.lines:,} of {given.lines:,}"
    opened: dict[str, Callable[[], float]] = {
        "drydock": lambda: _jump_ms(lambda: screen_on(folder, SMALL), "1 Gates", b"2", b"G", end),
        "toolong": lambda: _jump_ms(
            lambda: Pty([*elsewhere(toolong, place), str(lines)], SMALL), "cutter_exec", b"G", b"g", LAST
        ),
        "less -N": lambda: _jump_ms(lambda: Pty([less, "-N", str(lines)], SMALL), "cutter_exec", b"", b"G", LAST),
    }  # fmt: skip
    started: dict[str, Callable[[], float]] = {
        "drydock, from its start": lambda: _started_ms(
            lambda: screen_on(folder, SMALL), "1 Gates", b"2G", end
        ),
        "toolong, from its start": lambda: paint_ms([*elsewhere(toolong, place), str(lines)], LAST),
        "less -N +G, from its start": lambda: paint_ms([less, "-N", "+G", str(lines)], LAST),
    }
    return {
        "lines": given.lines, "megabytes": round(lines.stat().st_size / 1e6),
        "open": shares(shuffled(opened, runs)), "from_the_start": shares(shuffled(started, runs)),
    }  # fmt: skip


def _jump_ms(open_it: Callable[[], Pty], shown: str, before: bytes, key: bytes, last: str) -> float:
    """Open a program, let it settle, press the key and return how long its last line took."""
    screen = open_it()
    try:
        screen.wait_for(shown)
        time.sleep(SETTLE_S)
        if before:
            screen.press(before)
            time.sleep(SETTLE_S)
        screen.forget()
        pressed = screen.press(key)
        return (screen.wait_for(last, since=pressed) - pressed) * 1000
    finally:
        screen.close()


def _started_ms(open_it: Callable[[], Pty], shown: str, keys: bytes, last: str) -> float:
    """Return how long it takes from the start of a program, keys pressed at its first paint, to its last line."""
    screen = open_it()
    try:
        screen.wait_for(shown)
        screen.press(keys)
        return (screen.wait_for(last) - screen.began) * 1000
    finally:
        screen.close()


MEASURES = {"start": start, "flood": flood, "jump": jump}


def main() -> None:
    """Print the figures and, where asked, write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=100_000, help="statements a second of the flood")
    parser.add_argument("--harlequin", help="an installed harlequin")
    parser.add_argument("--toolong", help="an installed tl")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drydock-bench-", dir="/var/tmp") as made:
        found = MEASURES[given.what](given.runs, given, Path(made))
    tell({given.what: found, "runs": given.runs}, given.json)


if __name__ == "__main__":
    main()
