"""How fast statements are recorded, beside a journal of lines written with the standard library and beside SQLite.

``python -m tests.benchmarks.recording [--statements N] [--repeat N] [--json FILE]``. All three keep every field of the
same statements, come by them a hundred at a time and end with what they wrote on disk; Drydock's also searches them
for six secrets and seals its blocks. What was kept is read back and found equal. CPU time, medians of shuffled turns.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import zstandard

sys.path.insert(0, str(Path(__file__).parent))

from figures import options, shuffled, tell
from verify_pack import STATEMENTS

from console.model.trace import ClientStatement
from console.secrets import SecretRegistry, make_password
from console.trace_log import TraceWriter, read_trace

KEPT_LEVEL = 6
"""As `console.evidence.storage` keeps a trace."""
_TOGETHER = 100
_FIELDS = ClientStatement.__struct_fields__


def statements(count: int) -> list[ClientStatement]:
    """Return statements as a subject's harness tells them."""
    return [
        ClientStatement(
            n=n, pid=4242, principal="writer", scenario="S5", attempt="1", phase="run",
            sql=STATEMENTS[n % len(STATEMENTS)], sent_at=1.7e9 + n * 0.001, types=("text", "int8"), tx="intrans",
            transaction=n // 4, callers=("write (cutter/writer.py:120)",), answered=True, duration_us=n % 900, rows=1,
        )
        for n in range(1, count + 1)
    ]  # fmt: skip


def parts(given: list[ClientStatement]) -> Iterator[list[ClientStatement]]:
    """Yield them a hundred at a time."""
    for first in range(0, len(given), _TOGETHER):
        yield given[first : first + _TOGETHER]


def as_trace(given: list[ClientStatement], folder: Path) -> None:
    """Drydock's own way."""
    registry = SecretRegistry()
    for number in range(6):
        registry.learn(f"s{number}", make_password())
    writer = TraceWriter(folder, registry)
    for part in parts(given):
        writer.append(part, origin="subject")
    writer.seal()
    writer.close()


def as_lines(given: list[ClientStatement], folder: Path) -> None:
    """A chained line a statement, with json, hashlib and a buffered file."""
    head = "0" * 64
    with (folder / "journal.jsonl").open("w", encoding="utf-8") as file:
        for one in given:
            body = json.dumps({name: getattr(one, name) for name in _FIELDS})
            head = hashlib.sha256((head + body).encode()).hexdigest()
            file.write(f'{{"hash":"{head}",{body[1:]}\n')
        file.flush()
        os.fsync(file.fileno())


def as_rows(given: list[ClientStatement], folder: Path) -> None:
    """A row a statement in SQLite's WAL mode, a transaction for each hundred."""
    base = sqlite3.connect(folder / "rows.db", isolation_level=None)
    base.execute("PRAGMA journal_mode = wal")
    base.execute("PRAGMA synchronous = normal")
    base.execute(f"CREATE TABLE statements ({', '.join(map(json.dumps, _FIELDS))})")
    insert = f"INSERT INTO statements VALUES ({', '.join('?' * len(_FIELDS))})"
    for part in parts(given):
        base.execute("BEGIN")
        for one in part:
            base.execute(insert, [_plain(getattr(one, name)) for name in _FIELDS])
        base.execute("COMMIT")
    base.execute("PRAGMA wal_checkpoint(truncate)")
    base.close()


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, tuple) else value


def read_back(folder: Path) -> list[Any]:
    """Return what a folder holds, as plain rows of all fields."""
    if (folder / "trace.jsonl").exists():
        return [
            [_plain(getattr(one, name)) for name in _FIELDS] for one in read_trace(folder / "trace.jsonl")
        ]
    if (folder / "journal.jsonl").exists():
        lines = (folder / "journal.jsonl").read_text("utf-8").splitlines()
        kept = [json.loads(line) for line in lines]
        return [[_plain(tuple(row[name]) if isinstance(row[name], list) else row[name]) for name in _FIELDS]
                for row in kept]  # fmt: skip
    base = sqlite3.connect(folder / "rows.db")
    flags = [_FIELDS.index(name) for name in ("implicit", "answered")]
    rows = [list(row) for row in base.execute("SELECT * FROM statements")]
    for row in rows:
        for place in flags:
            row[place] = bool(row[place])
    base.close()
    return rows


WAYS: dict[str, Callable[[list[ClientStatement], Path], None]] = {
    "drydock": as_trace, "stdlib json lines": as_lines, "SQLite in WAL mode": as_rows,
}  # fmt: skip


def measure(count: int, repeat: int) -> dict[str, Any]:
    """Return seconds of CPU time and bytes of each way, and Drydock's ratios."""
    given = statements(count)
    sizes: dict[str, int] = {}
    read: dict[str, list[Any]] = {}

    def once(name: str) -> float:
        with tempfile.TemporaryDirectory(prefix="drydock-bench-") as made:
            began = time.process_time()
            WAYS[name](given, Path(made))
            took = time.process_time() - began
            sizes[name] = sum(path.stat().st_size for path in Path(made).iterdir())
            if name not in read:
                read[name] = read_back(Path(made))
            if name == "drydock":
                sizes["drydock, kept"] = sum(
                    len(zstandard.compress(path.read_bytes(), KEPT_LEVEL)) for path in Path(made).iterdir()
                )
        return took

    found = shuffled({name: lambda name=name: once(name) for name in WAYS}, repeat)  # type: ignore[misc]
    assert read["drydock"] == read["stdlib json lines"] == read["SQLite in WAL mode"]
    return {
        "statements": count, "repetitions": repeat,
        "per_second": {name: round(count / took) for name, took in found.items()},
        "bytes": sizes,
        "speed_of_stdlib": round(found["stdlib json lines"] / found["drydock"], 2),
        "speed_of_sqlite": round(found["SQLite in WAL mode"] / found["drydock"], 2),
    }  # fmt: skip


if __name__ == "__main__":
    given = options(statements=100_000, repeat=5)
    tell(measure(given.statements, given.repeat), given.json)
