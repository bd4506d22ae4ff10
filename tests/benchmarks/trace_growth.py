"""What the first screen of a trace costs at its size and at ten times its size.

``python -m tests.benchmarks.trace_growth [--rows N] [--repeat N] [--json FILE]``: data for the first screen (files
opened, records counted, the top's and the end's page read, decoded and made rows) from plain files, and from a packed
run from the first byte unpacked to its first page; memory a row in a process that shows the trace, without a filter and
with one that every row passes. Traces of N and N / 10 rows on this machine's disk, 2.5 GB for ten million, removed
afterwards. Medians, the sizes in turns.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from array import array
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import msgspec
from figures import options, shuffled, tell

from console.evidence.storage import compress_large
from console.evidence.unpacking import unpack_trace
from console.model.trace import BlockSeal, ClientStatement
from console.tui.trace_file import TraceFile
from console.tui.trace_filter import Filter
from console.tui.trace_row import row_spans
from console.tui.trace_view import TraceView

PAGE, WIDTH, BLOCK = 48, 160, 200


def write(folder: Path, rows: int) -> Path:
    """Write a sealed trace of so many rows, some thousand at a time."""
    folder.mkdir()
    records = [_line(10_000_000 + number) for number in range(BLOCK)]
    body = b"".join(records)
    starts, head, at = [], "0" * 64, 0
    for record in records:
        starts.append(at)
        at += len(record)
    end = 0
    with (folder / "trace.jsonl").open("wb") as lines, (folder / "trace.idx").open("wb") as index:
        for block in range(rows // BLOCK):
            head = hashlib.sha256(head.encode("ascii") + body).hexdigest()
            seal = msgspec.json.encode(BlockSeal(records=BLOCK, block=block, sha256=head)) + b"\n"
            lines.write(body + seal)
            index.write(array("Q", [end + start for start in starts]).tobytes())
            end += len(body) + len(seal)
    return folder


def _line(n: int) -> bytes:
    """Return a statement without what is empty in it, to spare the disk."""
    record = ClientStatement(
        n=n, pid=4711, principal="exec", scenario="S4", attempt="sweep", phase="run", answered=True, rows=1,
        sql="SELECT id FROM entry WHERE unit = $1", sent_at=1795246494.6, duration_us=250,
    )  # fmt: skip
    return (
        msgspec.json.encode({key: told for key, told in msgspec.to_builtins(record).items() if told}) + b"\n"
    )


def first_screen_ms(folder: Path, rows: int) -> float:
    """Return how long the rows of the top's and of the end's page take, from a trace that nobody has opened."""
    began = time.perf_counter()
    trace = TraceFile(folder)
    view = TraceView(trace)
    assert trace.refresh() == rows
    for first in (0, rows - PAGE):
        for row in range(first, first + PAGE):
            assert row_spans(view.number(row), view.record(row), WIDTH)
    took_ms = (time.perf_counter() - began) * 1000
    trace.close()
    return took_ms


def packed_first_screen_ms(folder: Path) -> float:
    """Return how long the top's page of a packed trace takes, from the first byte that is unpacked."""
    with tempfile.TemporaryDirectory(prefix="ddb-") as made:
        into, began = Path(made), time.perf_counter()
        done: list[float] = []
        trace = TraceFile(into)

        def shown() -> bool:
            if trace.refresh() >= PAGE and not done:
                for row in range(PAGE):
                    assert row_spans(row, trace.record(row), WIDTH)
                done.append(time.perf_counter())
            return bool(done)

        unpack_trace(folder, into, shown)
        trace.close()
        return (done[0] - began) * 1000 if done else float("inf")


def show(folder: Path, rows: int, filtered: bool) -> None:
    """Print by how many bytes this process grew when it had shown the trace's ends."""
    first_screen_ms(folder.parent / "few", BLOCK)
    trace = TraceFile(folder)
    view, before = TraceView(trace), _resident_bytes()
    trace.refresh()
    if filtered:
        view.use(Filter(witness="client"))
        while view.is_busy:
            view.work(1.0)
    assert len(view) == rows
    for row in (*range(PAGE), *range(rows - PAGE, rows)):
        assert view.record(row) is not None
    print(_resident_bytes() - before)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def bytes_a_row(folder: Path, rows: int, filtered: bool) -> float:
    """Return the memory a row in a process of its own."""
    words = [sys.executable, "-m", "tests.benchmarks.trace_growth", "show", str(folder), str(rows)]
    said = subprocess.run(
        [*words, str(int(filtered))], check=True, capture_output=True, cwd=Path(__file__).parents[2]
    )
    return int(said.stdout) / rows


def measure(rows: int, repeat: int) -> dict[str, Any]:
    """Return the figures for `rows` and a tenth of them."""
    few = rows // 10
    with tempfile.TemporaryDirectory(prefix="ddb-", dir="/var/tmp") as made:
        place = Path(made)
        write(place / "few", BLOCK)
        sizes = {size: write(place / str(size), size) for size in (few, rows)}
        first = shuffled(
            {f"{size:,}": partial(first_screen_ms, folder, size) for size, folder in sizes.items()}, repeat
        )
        memory = {
            f"{size:,}{' filtered' if filtered else ''}": round(bytes_a_row(folder, size, filtered), 2)
            for size, folder in sizes.items()
            for filtered in ((False, True) if size == few else (False,))
        }
        for folder in sizes.values():
            compress_large(folder, larger_than_bytes=0)
        packed = shuffled(
            {f"{size:,}": partial(packed_first_screen_ms, folder) for size, folder in sizes.items()}, repeat
        )
    rounded = {name: round(ms, 2) for name, ms in first.items()}
    return {
        "first_screen_ms": rounded, "packed_first_screen_ms": {name: round(ms, 2) for name, ms in packed.items()},
        "first_screen_of_a_tenth": round(first[f"{rows:,}"] / first[f"{few:,}"], 2),
        "packed_first_screen_of_a_tenth": round(packed[f"{rows:,}"] / packed[f"{few:,}"], 2),
        "bytes_a_row": memory,
    }  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["show"]:
        show(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1")
    else:
        given = options(rows=10_000_000, repeat=9)
        tell(measure(given.rows, given.repeat), given.json)
