"""Tests of the journal: the chain shows every change, and nothing secret reaches the file."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.errors import JournalBroken
from console.journal import GENESIS, JournalTail, JournalWriter, read_journal
from console.model.event import AbortAsked, FactRecorded, NoteRecorded, SecretRedacted, StepStarted
from console.runs import journal_is_held
from console.secrets import SecretRegistry

PASSWORD = "correct horse battery"


def write(path: Path, *steps: str, registry: SecretRegistry | None = None) -> str:
    """Append one event a step and return the head."""
    with JournalWriter(path, registry or SecretRegistry()) as journal:
        for step in steps:
            journal.append(StepStarted(step=step))
        return journal.head


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a journal of four lines."""
    path = tmp_path / "journal.jsonl"
    write(path, "C-01", "C-02", "C-03", "C-04")
    return path


def lines(path: Path) -> list[bytes]:
    """Return the journal's lines with their ends."""
    return path.read_bytes().splitlines(keepends=True)


def test_what_is_written_is_read(path: Path) -> None:
    """Entries come back in their order, numbered from 1, with a UTC time in milliseconds."""
    entries = read_journal(path)
    assert [(entry.n, entry.event) for entry in entries] == [
        (n, StepStarted(step=f"C-0{n}")) for n in (1, 2, 3, 4)
    ]
    assert all(
        len(entry.at) == len("2026-11-21T03:45:12.123Z") and entry.at.endswith("Z") for entry in entries
    )


def test_a_journal_is_private(path: Path) -> None:
    """The file is 0600."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_appending_goes_on_where_it_stood(path: Path) -> None:
    """A second writer continues the numbers and the chain."""
    with JournalWriter(path, SecretRegistry()) as journal:
        assert (journal.n, journal.torn_bytes) == (4, 0)
        [entry] = journal.append(StepStarted(step="C-05"))
    assert entry.n == 5
    assert read_journal(path)[-1] == entry


def test_the_standard_library_alone_verifies_the_documented_format(path: Path) -> None:
    """A stranger's few lines check every hash, and end at the writer's head."""
    previous = GENESIS
    for number, line in enumerate(path.read_text("utf-8").splitlines(keepends=True), 1):
        said, body = line[len('{"hash":"') :][:64], line[len('{"hash":"') + 64 + len('",') :]
        assert hashlib.sha256((previous + body).encode()).hexdigest() == said
        whole = json.loads(line)
        assert (whole["hash"], whole["n"], whole["event"]["kind"]) == (said, number, "StepStarted")
        previous = said
    assert JournalWriter(path, SecretRegistry()).head == previous


def swapped(text: list[bytes]) -> list[bytes]:
    """Return the lines with the second and third exchanged."""
    return [text[0], text[2], text[1], text[3]]


def renumbered(text: list[bytes]) -> list[bytes]:
    """Return the lines of which the second says another number under a fitting hash."""
    previous = json.loads(text[0])["hash"]
    body = text[1].partition(b'",')[2].replace(b'"n":2', b'"n":7')
    return [
        text[0],
        b'{"hash":"' + hashlib.sha256(previous.encode() + body).hexdigest().encode() + b'",' + body,
    ]


def foreign(text: list[bytes]) -> list[bytes]:
    """Return the lines with one that is chained well and is no event."""
    previous, body = json.loads(text[0])["hash"], b'"n":2,"at":"","event":{"kind":"Nonsense"}}\n'
    return [
        text[0],
        b'{"hash":"' + hashlib.sha256(previous.encode() + body).hexdigest().encode() + b'",' + body,
    ]


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (lambda text: [text[0], text[1].replace(b"C-02", b"C-20"), *text[2:]], 2, "the hash does not fit"),
        (lambda text: [text[0], *text[2:]], 2, "the hash does not fit"),
        (swapped, 2, "the hash does not fit"),
        (lambda text: text[1:], 1, "the hash does not fit"),
        (lambda text: [text[0], text[0], *text[1:]], 2, "the hash does not fit"),
        (lambda text: [text[0], text[1][:-9] + b"\n", *text[2:]], 2, "the hash does not fit"),
        (lambda text: [text[0], text[1][:-9], *text[2:]], 2, "the hash does not fit"),
        (lambda text: [text[0], b"\n", *text[1:]], 2, "the line does not begin with its hash"),
        (lambda text: [text[0], b"{}\n", *text[1:]], 2, "the line does not begin with its hash"),
        (lambda text: [text[0], text[1].replace(b"event", b"ev\rnt"), *text[2:]], 2, "the hash does not fit"),
        (renumbered, 2, "the line says that it is number 7"),
        (foreign, 2, "not an event"),
    ],
)
def test_a_changed_journal_is_found_with_its_line(
    path: Path, change: Callable[[list[bytes]], list[bytes]], line: int, says: str
) -> None:
    """Altered, dropped, swapped, doubled and cut lines are refused by reader, tail and writer alike."""
    path.write_bytes(b"".join(change(lines(path))))
    for look in (
        lambda: read_journal(path),
        lambda: JournalTail(path).new_entries(),
        lambda: JournalWriter(path, SecretRegistry()),
    ):
        with pytest.raises(JournalBroken) as broken:
            look()
        assert (broken.value.line, broken.value.path) == (line, str(path))
        assert says in broken.value.what


def test_a_refused_journal_is_not_held(path: Path) -> None:
    """A writer that refuses a broken journal leaves neither lock nor change behind."""
    path.write_bytes(b"".join(swapped(lines(path))))
    before = path.read_bytes()
    with pytest.raises(JournalBroken):
        JournalWriter(path, SecretRegistry())
    assert path.read_bytes() == before
    assert not journal_is_held(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_one_changed_byte_is_found_in_its_line(path: Path, where: int, by: int) -> None:
    """Whatever byte of whichever line is changed, that line is named (a broken line's end: it or the file's last)."""
    whole = path.read_bytes()
    at = where % len(whole)
    changed = path.with_name("changed.jsonl")
    changed.write_bytes(whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :])
    line = whole[:at].count(b"\n") + 1
    if at == len(whole) - 1:
        assert len(read_journal(changed)) == 3
        return
    with pytest.raises(JournalBroken) as broken:
        read_journal(changed)
    assert broken.value.line == line


@pytest.mark.parametrize("cut_bytes", [1, 5, 40])
def test_a_torn_last_line_is_left_out_and_cut(path: Path, cut_bytes: int) -> None:
    """A line that was not written whole is not read, is cut off by the next writer, and does not break the chain."""
    os.truncate(path, path.stat().st_size - cut_bytes)
    torn_bytes = len(path.read_bytes()) - sum(map(len, lines(path)[:3]))
    assert len(read_journal(path)) == 3
    assert len(JournalTail(path).new_entries()) == 3
    with JournalWriter(path, SecretRegistry()) as journal:
        assert (journal.n, journal.torn_bytes) == (3, torn_bytes)
        journal.append(StepStarted(step="C-09"))
    assert [entry.event for entry in read_journal(path)][-1] == StepStarted(step="C-09")


def test_a_cut_off_tail_shows_at_the_head(path: Path) -> None:
    """Whole lines missing at the end verify, and only the head that was kept elsewhere tells."""
    with JournalWriter(path, SecretRegistry()) as journal:
        head = journal.head
    path.write_bytes(b"".join(lines(path)[:-1]))
    assert len(read_journal(path)) == 3
    with JournalWriter(path, SecretRegistry()) as journal:
        assert journal.head != head


def test_two_writers_are_refused(path: Path) -> None:
    """A second process cannot append while the first one lives, and can once it has ended."""
    script = (
        "import sys; from pathlib import Path; from console.journal import JournalWriter;"
        "from console.secrets import SecretRegistry; w = JournalWriter(Path(sys.argv[1]), SecretRegistry());"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        assert journal_is_held(path)
        with pytest.raises(BlockingIOError):
            JournalWriter(path, SecretRegistry())
        first.communicate("")
    write(path, "C-05")
    assert not journal_is_held(path)
    assert len(read_journal(path)) == 5


def test_a_reader_s_glance_does_not_refuse_a_writer(path: Path) -> None:
    """A writer waits for the moment that somebody needs to ask whether the journal is held."""
    import threading

    with path.open("rb") as glance:
        fcntl.flock(glance, fcntl.LOCK_SH)
        threading.Timer(0.1, lambda: fcntl.flock(glance, fcntl.LOCK_UN)).start()
        write(path, "C-05")
    assert len(read_journal(path)) == 5


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    """A journal's name that has become a link is refused."""
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        JournalWriter(tmp_path / "link", SecretRegistry())


def test_a_secret_is_taken_out_before_it_is_written_and_that_is_recorded(tmp_path: Path) -> None:
    """Neither file nor state holds the value; the place and form are an event of their own."""
    path, registry = tmp_path / "journal.jsonl", SecretRegistry()
    registry.learn("source", PASSWORD)
    event = NoteRecorded(name="said", value={f"key {PASSWORD}": ["x", PASSWORD.encode().hex()]})
    with JournalWriter(path, registry) as journal:
        written = journal.append(event, origin="tool pg_dump")
    assert PASSWORD.encode() not in path.read_bytes()
    assert PASSWORD.encode().hex().encode() not in path.read_bytes()
    assert [entry.event for entry in written] == [
        NoteRecorded(name="said", value={"key [redacted:source]": ["x", "[redacted:source]"]}),
        SecretRedacted(secret="source", origin="tool pg_dump", form="plain", position=4),
        SecretRedacted(secret="source", origin="tool pg_dump", form="hex", position=0),
    ]
    assert read_journal(path) == written


@pytest.mark.parametrize("value", ["NoteRecorded", "position", "redacted", "identity", '"kind":"'])
def test_a_secret_that_spells_a_word_of_the_format_breaks_nothing(tmp_path: Path, value: str) -> None:
    """A password that equals a kind or a field's name is redacted from values and leaves the lines readable."""
    path, registry = tmp_path / "journal.jsonl", SecretRegistry()
    registry.learn("source", value)
    with JournalWriter(path, registry) as journal:
        journal.append(NoteRecorded(name="said", value=f"it is {value}."))
    first = read_journal(path)[0].event
    assert isinstance(first, NoteRecorded)
    assert value not in first.value


def test_a_line_that_does_not_fit_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    """A write that the file system cuts short raises, and the next one continues an unbroken chain."""
    path = tmp_path / "journal.jsonl"
    write(path, "C-01")
    with JournalWriter(path, SecretRegistry()) as journal:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                journal.append(NoteRecorded(name="long", value="x" * 1000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        journal.append(StepStarted(step="C-02"))
    assert [entry.event for entry in read_journal(path)] == [
        StepStarted(step="C-01"),
        StepStarted(step="C-02"),
    ]


def test_a_tail_equals_the_reader(tmp_path: Path) -> None:
    """Read in pieces while it grows, byte by byte, a journal gives the same entries."""
    whole, growing = tmp_path / "whole.jsonl", tmp_path / "growing.jsonl"
    write(whole, *(f"C-{n:02}" for n in range(1, 8)))
    tail, found = JournalTail(growing), []
    assert tail.new_entries() == []
    content = whole.read_bytes()
    for at in range(0, len(content), 37):
        with growing.open("ab") as file:
            file.write(content[at : at + 37])
        found += tail.new_entries()
    assert found == read_journal(whole)
    assert tail.new_entries() == []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.text("abü\n\x1b\u2028", max_size=4), below, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(json_values, max_size=4))
def test_any_value_survives(tmp_path: Path, values: list[object]) -> None:
    """Whatever JSON value a fact holds, one line holds it and reading gives it back."""
    path = tmp_path / "any.jsonl"
    path.unlink(missing_ok=True)
    with JournalWriter(path, SecretRegistry()) as journal:
        for value in values:
            journal.append(FactRecorded(name="f", value=value, source="s"))
    assert path.read_bytes().count(b"\n") == len(values)
    assert [entry.event.value for entry in read_journal(path)] == values  # type: ignore[union-attr]


def test_an_empty_journal_is_nothing_and_a_missing_one_an_error(tmp_path: Path) -> None:
    """A file without lines has no entries; no file at all is FileNotFoundError, and a tail waits for it."""
    with JournalWriter(tmp_path / "empty", SecretRegistry()) as journal:
        assert (journal.head, journal.n) == (GENESIS, 0)
    assert read_journal(tmp_path / "empty") == []
    with pytest.raises(FileNotFoundError):
        read_journal(tmp_path / "missing")
    assert JournalTail(tmp_path / "missing").new_entries() == []


def test_an_event_is_durable_when_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every append ends with fsync of everything that it wrote."""
    synced: list[int] = []
    path = tmp_path / "journal.jsonl"
    real = os.fsync

    def sync(descriptor: int) -> None:
        real(descriptor)
        synced.append(path.stat().st_size)

    monkeypatch.setattr(os, "fsync", sync)
    with JournalWriter(path, SecretRegistry()) as journal:
        journal.append(AbortAsked(how="a"))
        journal.append(AbortAsked(how="b"))
    assert synced == [len(lines(path)[0]), path.stat().st_size]
