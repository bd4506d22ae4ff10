"""What the evidence screens show of runs, and where they have it from: values and one protocol.

The screen is given something that fulfils the protocol and knows nothing of keys, ledgers and packed files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, kw_only=True)
class RunHead:
    """What the first and the last line of a journal say of a run; nothing of it is verified.

    `condition` is ended, waiting, running, starting, dead or broken; texts are raw, and "" where nothing is known.
    `where` is where a run ended that did not pass; of one that passed on less than the source, "sample" or "masks".
    """

    run: str
    condition: str
    began_at: str = ""
    duration_s: float | None = None
    verdict: str = ""
    closure: str = ""
    cause: str = ""
    where: str = ""
    reason: str = ""
    title: str = ""
    subject: str = ""
    sealed: bool = False


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One question of the verification and its answer."""

    name: str
    state: Literal["holds", "differs", "not checked"]
    words: str


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One place that a search found: `number` is the event's, or the statement's from 0."""

    run: str
    file: Literal["journal", "trace"]
    number: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """One kept file as the manifest lists it; `unpacked_bytes` is -1 where it is not compressed."""

    path: str
    size_bytes: int
    sha256: str
    unpacked_bytes: int = -1
    unpacked_sha256: str = ""
    there: bool = True


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that two runs do not have alike; None where a run has no such thing."""

    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two runs: how each ended, why they differ, and every section with its differences."""

    ends: tuple[str, str]
    causes: tuple[str, ...]
    sections: tuple[tuple[str, tuple[Difference, ...]], ...]


Tell = Callable[[Checked], None]


class Evidence(Protocol):
    """The runs of one folder. Methods raise OSError or DrydockError where something cannot be had."""

    runs: Path

    def names(self) -> Sequence[str]:
        """Return every run's id, the newest first."""

    def check(self, run: str, tell: Tell) -> None:
        """Verify one run and tell each answer as soon as it is known; takes as long as it takes."""

    def search(self, text: str, runs: Sequence[str]) -> Iterator[Hit | None]:
        """Yield each hit of a text, without case, and None after each bounded piece of work."""

    def compare(self, first: str, second: str) -> Compared:
        """Return what differs between two runs; reads both traces."""

    def artefacts(self, run: str) -> Sequence[Artefact]:
        """Return every kept file of a run, in the manifest's order; without a manifest those that are there."""

    def beginning(self, run: str, path: str) -> str:
        """Return the first lines of a kept file, "" for one that is not there."""

    def rests_on(self, plan: str) -> Mapping[str, Sequence[str]]:
        """Return for each gate of a kind of plan the facts that it rests on; an ending dot means a prefix."""

    def is_packed(self, run: str) -> bool:
        """Tell whether a run's trace must be unpacked before it can be shown."""

    def unpack(self, run: str, into: Path, stopped: Callable[[], bool]) -> None:
        """Unpack a run's trace into a folder piece by piece, until somebody stops it."""
