"""What the steps of the plan `proof` share within one engine process; whatever must survive it is in the journal."""

from __future__ import annotations

from dataclasses import dataclass, field

from console.model.proof_facts import Counts
from console.model.trace import ClientStatement
from console.witness.abort_certificate import Seen
from console.witness.hazards import Reached


@dataclass(kw_only=True)
class Proving:
    """The planned texts, what they can reach, and everything that was seen of the harness's sessions."""

    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    reached: Reached | None = None
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
