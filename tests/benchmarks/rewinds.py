"""What a fresh copy before a scenario costs, beside the first restore of the same run.

``python -m tests.benchmarks.rewinds [--megabytes 1000] [--rewinds 5] [--major 18] [--json FILE]`` fills a source with
40 tables, drafts a plan from it with ``drydock init``, gives its pack scenarios that only look, and rehearses once with
``rewind = "each"``. Of every rewind stand its whole time (with all that is proven before and after it) and that of
DROP and CREATE DATABASE alone, from the run's own notes, beside the time from the beginning of C-05 to the durable
copy; and the whole of C-08 and C-11, in which every byte of the template is read. The run must PASS, so that every new
copy was found equal to the prepared one. Medians, on disk.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import copy_and_restore as copying
from figures import options, tell

from console.journal import read_journal
from console.model.event import NoteRecorded, StepStarted
from console.model.run_state import fold

_LOOKS = """

@scenario("R{number}", title="a look at a fresh copy", kind="negative", principal="app")
def look_{number}(ctx: Context) -> None:
    import psycopg

    with psycopg.connect(
        host=ctx.host, port=ctx.port, dbname=ctx.database, sslmode=ctx.sslmode, user="app",
        password=ctx.password("app"),
    ) as connection:
        connection.execute("SELECT id FROM public.t00 LIMIT 1").fetchall()
"""


def with_looks(plan: Path, rewinds: int) -> None:
    """Let the drafted pack rewind before scenarios that only look."""
    toml, code = plan.parent / "pack" / "pack.toml", plan.parent / "pack" / "pack.py"
    toml.write_text('rewind = "each"\n' + toml.read_text("utf-8"), "utf-8")
    looks = "".join(_LOOKS.format(number=number) for number in range(1, rewinds + 1))
    code.write_text(code.read_text("utf-8") + looks, "utf-8")


def rehearsed(place: Path, plan: Path, major: int) -> dict[str, Any]:
    """Rehearse, and return milliseconds of restore, template and rewinds, and which way they were made."""
    said = copying.drydock(
        place, "run", str(plan), "--headless", "--approve", "all", "--json", "--runs-dir", str(place / "runs"),
        "--pg-major", str(major),
    )  # fmt: skip
    told = json.loads(said)
    assert (told["verdict"], told["closure"]) == ("PASS", "CLEAN"), told
    entries = list(read_journal(Path(told["evidence"]) / "journal.jsonl"))
    at: dict[str, datetime] = {}
    for entry in entries:
        event, when = entry.event, datetime.fromisoformat(entry.at)
        if isinstance(event, StepStarted) and event.step == "C-05":
            at["begun"] = when
        elif isinstance(event, NoteRecorded) and event.name == "copy.durability":
            at.setdefault("durable", when)
    state = fold(entries)
    rewinds = [note for name, note in state.notes.items() if name.startswith("rewind.")]
    return {
        "way": rewinds[0]["way"],
        "restore_ms": int((at["durable"] - at["begun"]).total_seconds() * 1000),
        "template_ms": state.notes["template"]["took_ms"],
        "c08_ms": state.steps_finished["C-08"].duration_ms,
        "c11_ms": state.steps_finished["C-11"].duration_ms,
        "rewind_ms": statistics.median(one["took_ms"] for one in rewinds),
        "database_alone_ms": statistics.median(one["copied_ms"] for one in rewinds),
        "rewinds": len(rewinds),
    }


def measure(megabytes: int, rewinds: int, major: int) -> dict[str, Any]:
    """Return what one run took, and each rewind's share of the first restore."""
    place = Path(tempfile.mkdtemp(prefix="ddb-", dir="/var/tmp"))
    try:
        place.chmod(0o711)
        with copying.source(place, megabytes, major=major) as made:
            plan = copying.drafted(place, made)
            with_looks(plan, rewinds)
            found = rehearsed(place, plan, major)
    finally:
        shutil.rmtree(place)
    shares = {
        f"{name}_share": round(found[f"{name}_ms"] / found["restore_ms"], 3)
        for name in ("rewind", "database_alone")
    }
    return {"megabytes": made.megabytes, "tables": copying.TABLES, "major": major, **found, **shares}


if __name__ == "__main__":
    given = options(megabytes=1000, rewinds=5, major=18)
    tell(measure(given.megabytes, given.rewinds, given.major), given.json)
