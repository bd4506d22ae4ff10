"""Tests of the trace: blocks that seal each other, an index of offsets, and no secret in any line."""

from __future__ import annotations

import hashlib
import json
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.errors import JournalBroken
from console.model.trace import ClientStatement, EngineStatement, ServerLine
from console.secrets import SecretRegistry
from console.trace_log import BLOCK_BYTES, GENESIS, Record, TraceWriter, read_trace

PASSWORD = 'correct horse "battery"'


def statement(n: int, sql: str = "SELECT 1") -> ClientStatement:
    """Return one statement as the client witness tells it."""
    return ClientStatement(
        n=n, pid=7, principal="writer", scenario="S1", attempt="mark", phase="", sql=sql, sent_at=1.5
    )


SERVER = ServerLine(at=1.0, pid=7, session="a.b", line=1, user="writer", database="d", application="", kind="error",
                    severity="ERROR", sqlstate="25001", message="no")  # fmt: skip
ENGINE = EngineStatement(at=1.0, target="copy", name="catalogue/identity", sha256="0" * 64)


def write(folder: Path, *blocks: list[Record]) -> list[str]:
    """Write each list of records and seal it; return the heads."""
    writer = TraceWriter(folder, SecretRegistry())
    heads = []
    for records in blocks:
        writer.append(records, origin="client")
        heads.append(writer.seal())
    writer.close()
    return heads


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Records of all three kinds come back in their order, and the last seal is the head."""
    heads = write(tmp_path, [statement(1), SERVER], [ENGINE])
    assert list(read_trace(tmp_path / "trace.jsonl", head=heads[-1])) == [statement(1), SERVER, ENGINE]
    assert heads[0] != heads[1]


def test_both_files_are_private_and_new(tmp_path: Path) -> None:
    """The files are 0600, and a trace that exists is never written over."""
    write(tmp_path, [ENGINE])
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("trace.jsonl", "trace.idx")} == {
        0o600
    }
    with pytest.raises(FileExistsError):
        TraceWriter(tmp_path, SecretRegistry())


def test_the_index_finds_every_record_and_no_seal(tmp_path: Path) -> None:
    """The n-th 64-bit offset is where the n-th record begins."""
    records: list[Record] = [statement(n, "SELECT 'ü'" * n) for n in range(1, 30)]
    write(tmp_path, records[:10], records[10:])
    offsets = struct.unpack(f"<{len(records)}Q", (tmp_path / "trace.idx").read_bytes())
    with (tmp_path / "trace.jsonl").open("rb") as file:
        found = []
        for offset in offsets:
            file.seek(offset)
            found.append(json.loads(file.readline())["n"])
    assert found == list(range(1, 30))


def test_a_long_trace_seals_itself_in_blocks(tmp_path: Path) -> None:
    """No block grows far beyond its size, whether or not anybody asks for a seal."""
    writer = TraceWriter(tmp_path, SecretRegistry())
    writer.append((statement(n, "x" * 1000) for n in range(200)), origin="client")
    assert writer.head != GENESIS
    head = writer.seal()
    writer.close()
    sizes, size = [], 0
    for line in (tmp_path / "trace.jsonl").read_bytes().splitlines(keepends=True):
        if json.loads(line)["w"] == "seal":
            sizes.append(size)
            size = 0
        else:
            size += len(line)
    assert len(sizes) == 4
    assert max(sizes) < BLOCK_BYTES + 2000
    assert len(list(read_trace(tmp_path / "trace.jsonl", head=head))) == 200


def test_sealing_nothing_changes_nothing(tmp_path: Path) -> None:
    """An empty trace has the genesis as its head, and a seal without new records is the one before."""
    writer = TraceWriter(tmp_path, SecretRegistry())
    assert (writer.seal(), list(read_trace(tmp_path / "trace.jsonl", head=GENESIS))) == (GENESIS, [])
    writer.append([ENGINE], origin="engine")
    first = writer.seal()
    assert writer.seal() == first
    writer.close()


def test_the_standard_library_alone_verifies_the_seals(tmp_path: Path) -> None:
    """Each seal is the sha256 over the one before and the block's bytes."""
    heads = write(tmp_path, [statement(1), statement(2)], [ENGINE])
    previous, block, found = GENESIS, b"", []
    for line in (tmp_path / "trace.jsonl").read_bytes().splitlines(keepends=True):
        said = json.loads(line)
        if said["w"] != "seal":
            block += line
            continue
        previous, block = hashlib.sha256(previous.encode() + block).hexdigest(), b""
        assert said["sha256"] == previous
        found.append(previous)
    assert found == heads


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (lambda text: [text[0].replace(b"SELECT 1", b"SELECT 2"), *text[1:]], 3, "the seal does not fit"),
        (lambda text: text[1:], 2, "the seal does not fit"),
        (lambda text: [text[1], text[0], *text[2:]], 3, "the seal does not fit"),
        (lambda text: [text[0], text[0], *text[1:]], 4, "the seal does not fit"),
        (lambda text: [*text[:2], *text[3:]], 4, "the seal does not fit"),
        (lambda text: text[3:], 2, "the seal does not fit"),
        (lambda text: [*text[:2], text[2].replace(b'"records":2', b'"records":3'), *text[3:]], 3, "the seal"),
        (lambda text: [*text[:2], text[2].replace(b'"block":0', b'"block":7'), *text[3:]], 3, "the seal"),
        (lambda text: [*text[:2], text[2].replace(b",", b", ", 1), *text[3:]], 3, "the seal"),
        (lambda text: [text[0][:-5] + b"\n", *text[1:]], 1, "not a record"),
        (lambda text: [text[0].replace(b"SELECT", b"\xff\xfe"), *text[1:]], 1, "not a record"),
        (lambda text: text[:4], 4, "1 records follow the last seal"),
        (lambda text: [*text, text[0]], 6, "1 records follow the last seal"),
        (lambda text: text[:3], 0, "the last seal is not the head"),
        (lambda _text: [], 0, "the last seal is not the head"),
    ],
)
def test_a_changed_trace_is_found_with_its_line(
    tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], line: int, says: str
) -> None:
    """Altered, dropped, swapped, doubled and cut records and seals are refused, a cut tail by the head."""
    heads = write(tmp_path, [statement(1), statement(2)], [ENGINE])
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(JournalBroken) as broken:
        list(read_trace(path, head=heads[-1]))
    assert (broken.value.line, says in broken.value.what) == (line, True), broken.value


def test_every_single_byte_counts(tmp_path: Path) -> None:
    """No byte of a trace, of its seals either, can be changed without being found."""
    heads = write(tmp_path, [statement(1)], [ENGINE])
    path = tmp_path / "trace.jsonl"
    whole = path.read_bytes()
    unseen = []
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            list(read_trace(path, head=heads[-1]))
        except JournalBroken:
            continue
        unseen.append(at)
    assert unseen == []


@pytest.mark.parametrize("text", [PASSWORD, json.dumps(PASSWORD)[1:-1], PASSWORD.encode().hex()])
def test_a_secret_is_taken_out_and_remembered(tmp_path: Path, text: str) -> None:
    """No form of a secret reaches the trace, and the redaction waits to be recorded with its origin."""
    registry = SecretRegistry()
    registry.learn("exec", PASSWORD)
    writer = TraceWriter(tmp_path, registry)
    writer.append([statement(1, f"SELECT '{text}'")], origin="client")
    head = writer.seal()
    writer.close()
    [record] = read_trace(tmp_path / "trace.jsonl", head=head)
    assert isinstance(record, ClientStatement)
    assert record.sql == "SELECT '[redacted:exec]'"
    assert [(one.secret, one.origin, one.position) for one in registry.take_redactions()] == [
        ("exec", "client", 8)
    ]


def test_a_secret_in_one_of_many_records_is_taken_out_of_that_one(tmp_path: Path) -> None:
    """Records that are looked through together are redacted one by one; those without a secret stay as they are."""
    registry = SecretRegistry()
    registry.learn("exec", PASSWORD)
    records = [statement(n, f"SELECT {n}") for n in range(1, 10_001)]
    records[5_000] = statement(5_001, f"SELECT '{PASSWORD}'")
    writer = TraceWriter(tmp_path, registry)
    writer.append(iter(records), origin="client")
    head = writer.seal()
    writer.close()
    records[5_000] = statement(5_001, "SELECT '[redacted:exec]'")
    assert list(read_trace(tmp_path / "trace.jsonl", head=head)) == records
    assert len(registry.take_redactions()) == 1


def test_many_at_once_are_the_same_bytes_as_one_by_one(tmp_path: Path) -> None:
    """How records come together changes neither blocks nor seals nor offsets."""
    records: list[Record] = [statement(n, "x" * (n * 7919 % 3_000)) for n in range(1, 400)]
    folders = [tmp_path / "together", tmp_path / "apart"]
    for folder, parts in zip(folders, ([records], [[one] for one in records]), strict=True):
        folder.mkdir()
        writer = TraceWriter(folder, SecretRegistry())
        for part in parts:
            writer.append(part, origin="client")
        writer.seal()
        writer.close()
    for name in ("trace.jsonl", "trace.idx"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


@pytest.mark.parametrize("value", ["scenario", "principal", 'sql":"SE', '","sent_'])
def test_a_secret_that_spells_the_format_leaves_lines_readable(tmp_path: Path, value: Any) -> None:
    """A password that equals a field's name or looks like JSON cannot break a record."""
    registry = SecretRegistry()
    registry.learn("exec", value)
    writer = TraceWriter(tmp_path, registry)
    writer.append([statement(1)], origin="client")
    head = writer.seal()
    writer.close()
    assert list(read_trace(tmp_path / "trace.jsonl", head=head)) == [statement(1)]
