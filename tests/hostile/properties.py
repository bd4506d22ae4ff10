"""What must hold of every reader of hostile bytes; used by random tests and by the fuzzer.

Each function returns nothing, or raises what a user would have seen as a traceback.
"""

from __future__ import annotations

import re
from pathlib import Path

from console.errors import JournalBroken, PlanError
from console.journal import GENESIS, JournalTail, chain, read_journal, read_verified_beginning
from console.model.run_state import fold
from console.model.text import one_line, visible
from console.plans.file import plan_problems, read_plan_file

ACTS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""What a terminal acts on, or what hides or turns text around."""


def journal_is_read_or_broken(data: bytes, path: Path) -> None:
    """Reading ends with entries or with JournalBroken; the verified beginning folds, a half line is no entry."""
    path.write_bytes(data)
    found = read_verified_beginning(path)
    whole = data.count(b"\n")
    assert len(found) <= whole
    fold(found)
    read, line = None, len(found) + 1
    try:
        read = read_journal(path)
    except JournalBroken as broken:
        line = broken.line
    assert line == len(found) + 1, "the verified beginning does not end where the journal breaks"
    try:
        tailed = JournalTail(path).new_entries()
    except JournalBroken:
        tailed = None
    assert read == tailed or (read is None) != (tailed is None)
    if read is not None:
        assert read == found


def chained_bodies_are_read_or_broken(bodies: list[bytes], path: Path) -> None:
    """The same where somebody has computed every hash: only what is an event is an entry."""
    previous, lines = GENESIS, []
    for body in bodies:
        head = chain(previous, body + b"\n")
        lines.append(b'{"hash":"' + head.encode("ascii") + b'",' + body + b"\n")
        previous = head
    journal_is_read_or_broken(b"".join(lines), path)


def plan_is_read_or_refused(data: bytes, path: Path) -> None:
    """A plan file is a configuration, or one sentence with its remedy that no terminal acts on."""
    path.write_bytes(data)
    try:
        read_plan_file(path)
    except PlanError as wrong:
        told = wrong
    else:
        return
    assert told.what
    assert told.remedy
    shown_text_is_harmless(str(told))
    for problem in plan_problems(path):
        assert problem.remedy


def shown_text_is_harmless(text: str) -> None:
    """What is shown holds nothing that a terminal acts on, and showing it twice changes nothing."""
    for shown in (visible(text), visible(text, limit_chars=20), one_line(text)):
        assert ACTS.search(shown) is None, ascii(shown)
        assert "\n" not in shown
        assert visible(shown) == shown
