"""What the steps of the plan `proof` share within one engine process; whatever must survive it is in the journal."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from console.model.proof_facts import Counts
from console.model.trace import ClientStatement
from console.witness.abort_certificate import Seen
from console.witness.held_locks import HeldLocks

STARTED_NOTE, SEEN_NOTE = "proof.started", "proof.seen"


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate is compared with, as it was before the transaction began."""

    tables: tuple[str, ...]
    sequences: dict[str, str]
    settings: str


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of the transactions so far, in a shape that a journal keeps."""

    users: dict[str, tuple[str, str]] = {}
    xids: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    advisory: tuple[int, ...] = ()
    settings_changed: tuple[str, ...] = ()
    looked_inside: bool = False


@dataclass(kw_only=True)
class Proving:
    """The planned texts, what they can reach, and everything that was seen of the harness's sessions."""

    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    seen: Seen = field(default_factory=Seen)
    statements: list[ClientStatement] = field(default_factory=list)
    before: Counts | None = None
    sequences: dict[str, str] = field(default_factory=dict)
    settings: str = ""
    settings_changed: tuple[str, ...] = ()
    subject_sha256: str = ""
    password_given: bool = False
    looked_inside: bool = False
    certified: bool = False
    locks: dict[str, HeldLocks] = field(default_factory=dict)
    open_ms: dict[str, int] = field(default_factory=dict)

    def remembered(self) -> Remembered:
        """Return what whoever takes the run over must know of the transactions."""
        seen = self.seen
        return Remembered(
            users={str(pid): user for pid, user in seen.users.items()}, xids=tuple(sorted(seen.xids)),
            writes=tuple(sorted(seen.writes)), sequences=tuple(sorted(seen.sequences)),
            advisory=tuple(sorted(seen.advisory)), settings_changed=self.settings_changed,
            looked_inside=self.looked_inside,
        )  # fmt: skip
