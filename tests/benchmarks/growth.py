"""What grows how: each piece of work at one, ten and a hundred times its size.

``python -m tests.benchmarks.growth [--repeat 3] [--rows 0] [--json FILE] [--svg FILE]`` makes runs with more and more
scenarios, folders with more and more runs, packs with more and more statements and databases with more and more tables
(with --rows 1: whole demos with more and more rows, which takes a minute), and takes medians. ``order`` is the exponent
from ten to a hundred times: 1 grows as its work does, 2 with its square, 0 not at all. Wall time; nothing is asserted.
"""

from __future__ import annotations

import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tui"))
sys.path.insert(0, str(Path(__file__).parent))

import psycopg
from figures import options, tell
from fix_journals import RUN, Story, passed
from fix_uids import own_uid
from growth_picture import picture
from msgspec.structs import replace
from screen import SMALL
from screen_pty import Pty
from verify_pack import make_pack

from console.environments.cluster import Cluster
from console.environments.programs import find_programs
from console.evidence.html import html
from console.evidence.junit import junit
from console.evidence.report import markdown
from console.evidence.summary import machine_report
from console.evidence.verification import Outside
from console.evidence.verify import verify
from console.gates.table import GATES
from console.journal import read_journal
from console.model.event import (
    FactRecorded,
    GateJudged,
    NoteRecorded,
    RowsCounted,
    RunCreated,
    ScenarioFinished,
)
from console.model.gate import Decoded, Facts, judge
from console.model.run_state import fold
from console.secrets import make_password
from console.witness.catalogue import read_manifest

DRYDOCK = str(Path(sys.executable).with_name("drydock"))
TIMES = (1, 10, 100)
OF_SCENARIOS = ("rows", "surface", "verbs")
"""Of these facts and notes a run has one a scenario."""
Way = tuple[str, Callable[[], object]]


def ms(work: Callable[[], object], repeat: int) -> float:
    """Return the median of some turns."""
    found = []
    for _turn in range(repeat):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found)


def told(*words: str) -> str:
    """Return what a command of drydock's says on stdout."""
    done = subprocess.run(
        [DRYDOCK, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode not in (0, 1, 5):  # 5: these runs were never sealed
        raise SystemExit(f"drydock {words[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


@contextmanager
def kept_runs(times: int, place: Path) -> Iterator[list[Way]]:
    """A folder of that many runs, five at once."""
    count = 5 * times
    for number in range(count):
        passed().write(
            place, f"20261121-{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}-7f3a"
        ).close()
    runs = ["--runs-dir", str(place)]

    def browse() -> None:
        screen = Pty([DRYDOCK, "browse", *runs], SMALL)
        try:
            screen.wait_for(f"Runs: 1 of {count}")
        finally:
            screen.close()

    assert len(json.loads(told("runs", "--json", *runs))) == count
    yield [
        ("drydock runs", lambda: told("runs", *runs)), ("drydock status", lambda: told("status", *runs)),
        ("drydock browse, all listed", browse),
    ]  # fmt: skip


def with_scenarios(times: int) -> Story:
    """Return the passing run with every scenario's events as many times over, each under a name of its own."""
    story = Story()
    for event in passed().events:
        if isinstance(event, RunCreated):
            words = (replace(one, id=_name(one.id, n)) for n in range(times) for one in event.scenarios)
            story.add(replace(event, scenarios=tuple(words)))
        elif isinstance(event, FactRecorded | NoteRecorded) and event.name.partition(".")[0] in OF_SCENARIOS:
            story.add(*(replace(event, name=_name(event.name, number)) for number in range(times)))
        elif isinstance(event, ScenarioFinished | RowsCounted | GateJudged) and event.scenario:
            story.add(*(replace(event, scenario=_name(event.scenario, number)) for number in range(times)))
        else:
            story.add(event)
    return story


def _name(name: str, number: int) -> str:
    return f"{name}x{number}" if number else name


@contextmanager
def scenarios(times: int, place: Path) -> Iterator[list[Way]]:
    """A run of 13 scenarios, as many times over."""
    with_scenarios(times).write(place).close()
    journal = place / RUN / "journal.jsonl"
    entries = read_journal(journal)
    state = fold(entries)
    assert len(state.scenarios) == 13 * times
    yield [
        ("journal read and checked", lambda: read_journal(journal)), ("journal folded", lambda: fold(entries)),
        ("report in Markdown", lambda: markdown(state)), ("summary as JSON", lambda: machine_report(state)),
        ("report in HTML", lambda: html(state, place / RUN)), ("JUnit file", lambda: junit(state)),
        ("G-15, G-17, G-19 after each", _asked_of(13 * times)),
    ]  # fmt: skip


def _asked_of(count: int) -> Callable[[], object]:
    """Return what asks the gates of the scenarios after each of that many, as an engine does."""
    tables = [f"t{number}" for number in range(12)]
    before = dict.fromkeys(tables, 0)
    facts: dict[str, Any] = {
        "scenarios.planned": {
            "scenarios": {f"S{n}": {} for n in range(count)},
            "change_nothing": [],
            "tables": tables,
        }
    }
    each = [gate for gate in GATES if gate.each_scenario]

    def ask() -> None:
        recorded, decoded = dict(facts), Decoded()
        for number in range(count):
            recorded[f"rows.S{number}"] = {"before": before, "after": before}
            recorded[f"surface.S{number}"] = {"statements": 9, "judged": 9, "refused": [], "unpaired": []}
            for gate in each:
                assert judge(gate, Facts(recorded, decoded)).verdict == "PASS"

    return ask


@contextmanager
def statements(times: int, place: Path) -> Iterator[list[Way]]:
    """A sealed pack of ten thousand statements, as many times over."""
    folder, _raw_bytes = make_pack(place, 10_000 * times)
    yield [("a pack verified", lambda: verify(folder, Outside()))]


@contextmanager
def tables(times: int, place: Path) -> Iterator[list[Way]]:
    """A database of 12 tables, as many times over."""
    place.chmod(0o711)
    cluster = Cluster(folder=place / "s", programs=find_programs(16), uid=own_uid(), label="the server")
    password = make_password()
    cluster.create(password)
    cluster.start()
    try:
        with cluster.connect(password=password) as connection:
            _make_tables(connection, 12 * times)
            assert len(read_manifest(connection).rows) == 12 * times
            yield [("manifest read, every row counted", lambda: read_manifest(connection))]
    finally:
        cluster.stop()


def _make_tables(connection: psycopg.Connection[Any], count: int) -> None:
    for number in range(count):
        connection.execute(
            f"CREATE TABLE t{number} (id serial PRIMARY KEY, parent int REFERENCES t{max(0, number - 1)}, v text);"
            f"INSERT INTO t{number} (v) SELECT 'x' FROM generate_series(1, 100)"
        )
    connection.execute("VACUUM ANALYZE")


@contextmanager
def rows(times: int, place: Path) -> Iterator[list[Way]]:
    """The demo with two thousand rows in each of its two large tables, as many times over."""
    plan = place / "plan.toml"
    plan.write_text(f'[source]\nkind = "demo"\nrows = {2_000 * times}\n', "utf-8")
    words = ["run", str(plan), "--headless", "--approve", "all", "--runs-dir", str(place / "runs")]
    yield [("the whole demo", lambda: told(*words))]


KINDS: dict[str, tuple[Callable[[int, Path], Any], str]] = {
    "runs kept": (kept_runs, "5"), "scenarios": (scenarios, "13"), "statements": (statements, "10 000"),
    "tables": (tables, "12"), "rows": (rows, "4 000"),
}  # fmt: skip


def measure(repeat: int, kinds: list[str]) -> dict[str, Any]:
    """Return milliseconds by kind, work and size, with the order of growth."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind in kinds:
        make, base = KINDS[kind]
        for times in TIMES:
            place = Path(tempfile.mkdtemp(prefix="ddb-", dir="/var/tmp"))
            try:
                with make(times, place) as ways:
                    for name, work in ways:
                        kept = found.setdefault(f"{kind}, from {base}", {}).setdefault(name, {})
                        kept[f"{times}x"] = round(ms(work, repeat), 2)
            finally:
                shutil.rmtree(place)
    for works in found.values():
        for kept in works.values():
            kept["order"] = round(math.log10(kept["100x"] / kept["10x"]), 2)
    return {"repetitions": repeat, "growth": found}


def table(found: dict[str, Any]) -> str:
    """Return the figures as the rows of a Markdown table."""
    lines = ["| what grows | work | 1x | 10x | 100x | order |", "|---|---|---|---|---|---|"]
    for kind, works in found["growth"].items():
        for name, kept in works.items():
            sizes = " | ".join(f"{kept[f'{times}x']:.3g} ms" for times in TIMES)
            lines.append(f"| {kind} | {name} | {sizes} | {kept['order']} |")
    return "\n".join(lines)


if __name__ == "__main__":
    drawn: Path | None = None
    if "--svg" in sys.argv:
        here = sys.argv.index("--svg")
        drawn = Path(sys.argv[here + 1])
        del sys.argv[here : here + 2]
    given = options(repeat=3, rows=0)
    result = measure(given.repeat, [kind for kind in KINDS if kind != "rows" or given.rows])
    tell(result, given.json, shown=table(result))
    if drawn:
        drawn.write_text(picture(result["growth"]), "utf-8")
