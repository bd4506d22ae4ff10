"""Random and hostile bytes for every reader: a clear error or a value, never a traceback, never a raw escape."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parent))

import properties

from console.errors import PlanError
from console.plans.file import read_plan_file

FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

_KINDS = ("NoteRecorded", "ReceiptOpened", "RunEnded", "Nothing", "")
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8).map(lambda text: text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
_WORDS = st.sampled_from(
    [b'{"hash":"', b"0" * 64, b'",', b'"n":1,', b'"at":"x",', b'"event":{', b'"kind":"NoteRecorded",', b'"name":"a",',
     b'"value":', b"}}", b"\n", b"\r\n", b"[" * 2000, b"9" * 400, b"1e999", b'"\\ud800"', b"\xff", b"\0"]
)  # fmt: skip
JOURNALS = st.lists(_WORDS | st.binary(max_size=6), max_size=12).map(b"".join)

_TOML = st.sampled_from(
    [b"[source]\n", b"[protect]\n", b"[limits]\n", b"[[a]]\n", b"kind = ", b"clusters = ", b"free_bytes = ", b'"demo"',
     b"[", b"]", b"{", b"}", b"a.b.c = 1\n", b"'''", b'"""', b"\\u001b", b"\x1b[2J", b"inf", b"nan", b"9" * 400, b"=",
     b"1979-05-27", b"\n", b"\r", b'"\\ud800"', b"\xef\xbb\xbf", b"\xff", b"#", b"[" * 300]
)  # fmt: skip
PLANS = st.lists(_TOML | st.binary(max_size=5), max_size=12).map(b"".join)


@FILES
@given(JOURNALS)
def test_any_bytes_are_a_journal_or_broken(tmp_path: Path, data: bytes) -> None:
    """Some bytes end in another exception than JournalBroken, or a half line is read as an event."""
    properties.journal_is_read_or_broken(data, tmp_path / "journal.jsonl")


@FILES
@given(st.lists(JOURNALS.map(lambda data: data.replace(b"\n", b"")), max_size=4))
def test_any_chained_body_is_an_event_or_broken(tmp_path: Path, bodies: list[bytes]) -> None:
    """A body whose hash is right and which is no event ends in another exception."""
    properties.chained_bodies_are_read_or_broken(bodies, tmp_path / "journal.jsonl")


@FILES
@given(PLANS)
def test_any_bytes_are_a_plan_or_refused(tmp_path: Path, data: bytes) -> None:
    """Some plan file ends in another exception than PlanError, or in a sentence that moves the terminal."""
    properties.plan_is_read_or_refused(data, tmp_path / "plan.toml")


@given(
    st.text(st.characters()) | st.binary(max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
)
def test_any_text_is_shown_harmlessly(text: str) -> None:
    """Some text keeps what a terminal acts on, or changes when it is shown again."""
    properties.shown_text_is_harmless(text)


DEEP = {
    "arrays": b"a = " + b"[\n" * 100_000,
    "closed arrays": b"a = " + b"[\n" * 3000 + b"]\n" * 3000,
    "inline tables": b"a = " + b"{b=" * 1300,
    "dotted keys": b".".join([b"a"] * 100_000) + b" = 1",
    "a header": b"[" + b".".join([b"a"] * 100_000) + b"]",
    "many lines": b"# no plan\n" * 100_000,
    "one long line": b"#" * 1_000_000,
}


@pytest.mark.parametrize("name", DEEP)
def test_a_plan_that_is_too_much_is_one_sentence(tmp_path: Path, name: str) -> None:
    """A plan file that is deep, long or both takes the reader's stack or minutes of its time."""
    path = tmp_path / "plan.toml"
    path.write_bytes(DEEP[name])
    with pytest.raises(PlanError):
        read_plan_file(path)


def test_a_deep_event_is_no_event(tmp_path: Path) -> None:
    """An event whose value is nested a hundred thousand times ends in a RecursionError."""
    value = b"[" * 100_000 + b"]" * 100_000
    body = b'"n":1,"at":"x","event":{"kind":"NoteRecorded","name":"x","value":' + value + b"}}"
    properties.chained_bodies_are_read_or_broken([body], tmp_path / "journal.jsonl")
