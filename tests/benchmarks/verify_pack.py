"""How long a pack of many statements takes to verify, beside sha256sum of the same bytes, and how small it is.

``python -m tests.benchmarks.verify_pack [--statements N] [--repeat N] [--json FILE]`` makes a trace of N statements
as the engine writes them, seals the pack, and prints medians of interleaved repetitions. The run is made
up, so that its gates do not follow from its facts ("differs" is right): asking them costs the same.
Nothing here is asserted in a test.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from console.evidence.bundle import gather_documents, seal_first, seal_run
from console.evidence.keys import make_key
from console.evidence.storage import open_kept, size_bytes_of
from console.evidence.trace_chain import verify_blocks
from console.evidence.verification import Outside
from console.evidence.verify import QUESTIONS, verify
from console.journal import JournalWriter
from console.model.event import RunEnded, StepFinished
from console.model.run_state import fold
from console.model.trace import ClientStatement, ServerLine
from console.secrets import SecretRegistry
from console.trace_log import TraceWriter

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from figures import options, tell
from fix_journals import RUN, passed

STATEMENTS = (
    "SELECT entry_id, idempotency_key, unit_ref, priority FROM public.decision_backlog_entry WHERE unit_ref = $1",
    "INSERT INTO public.decision_backlog_history (history_id, entry_id, from_status, phase) VALUES ($1, $2, $3, $4)",
    "UPDATE public.decision_backlog_entry SET status = $1 WHERE entry_id = $2",
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
)


def make_pack(place: Path, statements: int) -> tuple[Path, int]:
    """Write journal and trace of a run, seal it, and return its folder and the raw trace's size."""
    state = place / "state"
    make_key(state)
    folder = place / RUN
    folder.mkdir(mode=0o700)
    trace = TraceWriter(folder, SecretRegistry())
    number = random.Random(7)
    for n in range(1, statements // 2 + 1):
        sql = STATEMENTS[n % len(STATEMENTS)]
        at = 1.7e9 + n * 0.001 + number.random() / 1000
        trace.append(
            [
                ClientStatement(
                    n=n, pid=4711, principal="cutter_exec", scenario=f"S{n % 12}", attempt="mark", phase="MARK",
                    sql=sql, sent_at=at, types=("text",), tx="intrans", transaction=n // 7,
                    callers=("find (cutter_agent/db_adapter.py:87)", "_mark (cutter_agent/phases.py:96)"),
                    answered=True, duration_us=number.randrange(50, 5000), rows=1,
                ),
                ServerLine(
                    at=at + 0.0001, pid=4711, session="6742a3.1267", line=n, user="cutter_exec",
                    database="directus", application="S4", kind="execute", severity="LOG", sql=sql,
                    vxid=f"3/{n // 7}",
                ),
            ],
            origin="subject",
        )  # fmt: skip
    head = trace.seal()
    trace.close()
    raw_bytes = (folder / "trace.jsonl").stat().st_size
    _journal_and_seals(folder, state, head)
    return folder, raw_bytes


def _journal_and_seals(folder: Path, state: Path, head: str) -> None:
    (folder / "artefacts").mkdir()
    with JournalWriter(folder / "journal.jsonl", SecretRegistry()) as journal:
        entries = []
        for event in passed().events:
            if isinstance(event, StepFinished):
                event = StepFinished(step=event.step, duration_ms=event.duration_ms, trace_head=head)
            if not isinstance(event, RunEnded):
                entries += journal.append(event)
        artefacts = gather_documents(folder, fold(entries))
        seal_first(folder, state, fold(entries), artefacts=artefacts, head=journal.head, trace=head)
        last = passed().events[-1]
        entries += journal.append(last)
        seal_run(folder, state, fold(entries), head=journal.head, secrets={})


def timed(work: Callable[[], object]) -> float:
    """Return how much processor time something took, its programs included, in seconds.

    Processor time, because a busy machine stretches the wall clock of whatever runs when it is busiest.
    """
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def measure(statements: int, repeat: int) -> dict[str, object]:
    """Return medians of interleaved repetitions, and the ratios that count."""
    with tempfile.TemporaryDirectory(prefix="drydock-bench-", dir="/var/tmp") as made:
        folder, raw_bytes = make_pack(Path(made), statements)
        plain = Path(made) / "trace.jsonl"
        with open_kept(folder / "trace.jsonl") as kept:
            plain.write_bytes(kept.read())
        works: dict[str, Callable[[], object]] = {
            "sha256sum": lambda: subprocess.run(["sha256sum", str(plain)], check=True, capture_output=True),
            "chain of the plain trace": lambda: _chain(plain),
            "verify, every check": lambda: verify(folder, Outside()),
        }
        times: dict[str, list[float]] = {name: [] for name in works}
        for _number in range(repeat):
            for name in random.sample(list(works), len(works)):
                times[name].append(timed(works[name]))
        checks = {one.name: one.state for one in verify(folder, Outside()).checks}
        packed_bytes = size_bytes_of(folder)
    medians = {name: statistics.median(found) for name, found in times.items()}
    return {
        "statements": statements, "repetitions": repeat, "raw_trace_bytes": raw_bytes, "pack_bytes": packed_bytes,
        "pack_to_raw": round(packed_bytes / raw_bytes, 4),
        "cpu_seconds": {name: round(value, 4) for name, value in medians.items()},
        "to_sha256sum": {name: round(value / medians["sha256sum"], 3) for name, value in medians.items()},
        "checks": {name: checks[name] for name, _question in QUESTIONS},
    }  # fmt: skip


def _chain(path: Path) -> None:
    with path.open("rb") as file:
        verify_blocks(file, path.name)


def main() -> None:
    """Print the table and, where asked, write it as JSON."""
    given = options(statements=1_000_000, repeat=5)
    tell(measure(given.statements, given.repeat), given.json)


if __name__ == "__main__":
    main()
