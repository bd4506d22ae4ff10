"""A packed trace while it is unpacked: what is counted can be read, and in the end it is the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.evidence import unpacking
from console.evidence.storage import compress_large
from console.evidence.unpacking import unpack_trace
from console.model.trace import ClientStatement
from console.secrets import SecretRegistry
from console.trace_log import TraceWriter
from console.tui.trace_file import TraceFile

RECORDS = 3000


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Return a folder with a packed trace of statements whose lines differ in length."""
    folder = tmp_path / "packed"
    folder.mkdir()
    writer = TraceWriter(folder, SecretRegistry())
    writer.append(
        (
            ClientStatement(
                n=n,
                pid=7,
                principal="u",
                scenario="S1",
                attempt="",
                phase="",
                sql="x" * (n % 700),
                sent_at=1.5,
            )
            for n in range(RECORDS)
        ),
        origin="client",
    )
    writer.seal()
    writer.close()
    return folder


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("piece_bytes", [997, 100_000, 1 << 20])
def test_what_is_counted_can_be_read_at_every_moment(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int, compressed: bool
) -> None:
    """After each piece the records that count are the first ones, whole, and some count long before the end."""
    monkeypatch.setattr(unpacking, "_PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(unpacking, "_INDEX_PIECE_BYTES", 1001)
    expected = {name: (packed / name).read_bytes() for name in ("trace.jsonl", "trace.idx")}
    if compressed:
        compress_large(packed, larger_than_bytes=0)
    into = tmp_path / "into"
    into.mkdir()
    counts = []

    def look() -> bool:
        trace = TraceFile(into)
        count = trace.refresh()
        wanted = sorted({0, count // 2, count - 1}) if count else []
        found = [trace.record(number) for number in wanted]
        trace.close()
        assert [one.n for one in found if isinstance(one, ClientStatement)] == wanted
        counts.append(count)
        return False

    unpack_trace(packed, into, look)
    assert {name: (into / name).read_bytes() for name in expected} == expected
    assert counts == sorted(counts)
    assert sum(0 < count < RECORDS for count in counts) > 3 or piece_bytes >= len(expected["trace.jsonl"])


def test_an_index_that_fits_nothing_is_unpacked_as_it_is(packed: Path, tmp_path: Path) -> None:
    """Offsets that go backwards or beyond the lines, and a half one at the end, neither raise nor change."""
    strange = (b"\xff" * 8 + b"\x00" * 8) * 9000 + b"half"
    (packed / "trace.idx").write_bytes(strange)
    into = tmp_path / "into"
    into.mkdir()
    unpack_trace(packed, into, lambda: False)
    assert (into / "trace.idx").read_bytes() == strange
