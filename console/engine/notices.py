"""What a notification says, as plain values, and the log of what became of each.

Pure but for the log: built from the journal's fold, which holds no secret. Control characters are made visible,
and the server's own words go along only where the plan says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from console import __version__
from console.journal import now_at
from console.model.event import BoundaryArmed, RunEnded
from console.model.run_state import RunState
from console.model.sample_words import sample_words
from console.model.text import one_line

LOG_FILE = "notifications.jsonl"
LONGEST_SAYS_CHARS = 200
_WORDS_CHARS = 400


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One notification: about what (a boundary's id, ended or lost), by what way, and what came of it."""

    run: str
    at: str
    about: str
    by: str
    sent: bool
    says: str = ""

    @property
    def sentence(self) -> str:
        """Return what a reader is shown."""
        if self.sent:
            return f"{self.about}: sent by {self.by}"
        return f"{self.about}: not sent by {self.by}: {self.says}"


def told(run: str, about: str, by: str, failure: str) -> Told:
    """Return what became of a notification now; an empty failure means that it was sent."""
    says = one_line(failure, limit_chars=LONGEST_SAYS_CHARS)
    return Told(run=run, at=now_at(), about=about, by=by, sent=not failure, says=says)


def notice(state: RunState, about: str, *, evidence: str, details: bool) -> dict[str, Any]:
    """Return the payload about a boundary that waits (its id), or about the end (ended, lost)."""
    import socket

    created = state.created
    assert created is not None
    armed = state.armed if about not in ("ended", "lost") else None
    ended = state.ended if about == "ended" else None
    return {
        "drydock": __version__,
        "event": "boundary" if armed is not None else about,
        "run": created.run,
        "title": _clean(created.title),
        "plan": created.plan,
        "subject": _clean(str(created.config.get("subject_folder", ""))),
        "host": _clean(socket.gethostname()),
        "at": now_at(),
        "evidence": _clean(evidence),
        "text": _for_chat(_sentence(created.run, armed, ended, one_line(sample_words(state)))),
        "boundary": _boundary(armed) if armed is not None else None,
        "ended": _ended(ended, details=details) if ended is not None else None,
    }


def _sentence(run: str, armed: BoundaryArmed | None, ended: RunEnded | None, copy: str) -> str:
    if armed is not None:
        return (
            f"drydock {run} waits at {armed.boundary}: {one_line(armed.question, limit_chars=_WORDS_CHARS)}"
        )
    if ended is None:
        return f"drydock {run}: the engine is gone and the run has not been torn down; drydock recover {run}"
    place = ended.failed_scenario or ended.failed_gate
    of = f" ({copy})" if copy else ""
    return f"drydock {run}: {ended.verdict}{f' at {place}' if place else ''}, {ended.closure}{of}"


def _for_chat(text: str) -> str:
    """Return a text in which a chat's own marks (<!channel>, links, &) are only characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _boundary(armed: BoundaryArmed) -> dict[str, Any]:
    return {
        "id": armed.boundary,
        "question": _clean(armed.question),
        "irrevocable": _clean(armed.irrevocable),
        "digest": armed.digest,
        "approve": _clean(armed.approve_line),
        "default": armed.default,
        "timeout_s": armed.timeout_s,
        "needs": armed.needs,
    }


def _ended(ended: RunEnded, *, details: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "verdict": ended.verdict,
        "closure": ended.closure,
        "cause": ended.cause,
        "failed_gate": ended.failed_gate,
        "failed_scenario": ended.failed_scenario,
        "exit_code": ended.exit_code,
    }
    if details:
        facts |= {"reason": _clean(ended.reason), "residue": [_clean(left) for left in ended.residue]}
    return facts


def _clean(text: str) -> str:
    return one_line(text, limit_chars=_WORDS_CHARS)


def keep(log: Path, one: Told) -> None:
    """Append one line to the log with one write; made 0600 where there is none."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(log, flags, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(one) + b"\n")
    finally:
        os.close(descriptor)


def kept(log: Path, run: str) -> list[Told]:
    """Return what became of a run's notifications, in their order; a line that cannot be read is left out."""
    try:
        lines = log.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [one for one in _decoded(lines) if one.run == run]


def _decoded(lines: list[bytes]) -> Iterator[Told]:
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Told)
        except msgspec.DecodeError:
            continue
