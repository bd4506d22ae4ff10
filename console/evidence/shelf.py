"""The runs of one folder as the evidence screens read them: fulfils `console.model.browsing.Evidence`.

Opens nothing that is not a regular file of the run's own folder, whatever a manifest says. Never writes a pack.
What verifies, searches and compares is imported when it is first asked: a screen is painted without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import zstandard

from console.errors import RunsFolderError
from console.evidence.storage import MANIFEST_FILE, SUFFIX, Manifest, kept_files, open_kept, read_document
from console.model.browsing import Artefact, Checked, Compared, Difference, Hit, Tell
from console.runs import JOURNAL_FILE, journal_is_held, read_run, run_names

if TYPE_CHECKING:
    from console.evidence.compare import Side
    from console.evidence.verification import Check, Outside

_BEGINNING_BYTES = 32 << 10


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
    """Turn what a damaged or a forbidden file raises into one sentence."""
    try:
        yield
    except (OSError, zstandard.ZstdError) as wrong:
        reason = getattr(wrong, "strerror", None) or str(wrong)
        raise RunsFolderError(
            f"{what} cannot be read: {reason}", remedy="drydock verify says more"
        ) from wrong


class Shelf:
    """Every run of the folder `runs`; `outside` is asked anew for each verification."""

    def __init__(self, runs: Path, outside: Callable[[], Outside]) -> None:
        self.runs = runs
        self._outside = outside

    def names(self) -> Sequence[str]:
        """Return every run's id, the newest first."""
        return list(reversed(run_names(self.runs) or []))

    def check(self, run: str, tell: Tell) -> None:
        """Verify one run against this user's keys and ledger, and tell each answer as soon as it is known.

        Raises RunsFolderError for a run that goes on: it has no end that could follow from anything.
        """
        from console.evidence.verify import verify

        if journal_is_held(self.runs / run / JOURNAL_FILE):
            raise RunsFolderError(f"the run {run} goes on", remedy="verify it when it has ended")

        def told(check: Check) -> None:
            tell(Checked(name=check.name, state=check.state, words=check.words))

        verify(self.runs / run, self._outside(), tell=told)

    def search(self, text: str, runs: Sequence[str]) -> Iterator[Hit | None]:
        """Yield each hit of a text, without case, and None after each bounded piece of work."""
        from console.evidence.search import search

        return search(self.runs, text, runs)

    def compare(self, first: str, second: str) -> Compared:
        """Return what differs between two runs; reads both traces."""
        from console.evidence.compare import SECTIONS, compare

        found = compare(self._side(first), self._side(second))
        sections = tuple(
            (
                title,
                tuple(
                    Difference(what=one.what, before=one.before, after=one.after)
                    for one in getattr(found, name)
                ),
            )
            for title, name in SECTIONS
        )
        return Compared(ends=(found.before.end, found.after.end), causes=found.causes, sections=sections)

    def _side(self, run: str) -> Side:
        from console.evidence.compare import Side
        from console.evidence.fingerprint import statements_of

        found = read_run(self.runs, run)
        with _readable(f"the trace of {run}"):
            return Side(state=found.state, statements=statements_of(found.path))

    def artefacts(self, run: str) -> Sequence[Artefact]:
        """Return every kept file of a run, in the manifest's order; without a manifest those that are there."""
        folder = self.runs / run
        there = {path.relative_to(folder).as_posix(): path for path in kept_files(folder)}
        try:
            content = read_document(folder / MANIFEST_FILE)
            listed = msgspec.json.decode(content, type=Manifest).files
        except (OSError, msgspec.DecodeError):
            return [
                Artefact(path=name, size_bytes=path.lstat().st_size, sha256="")
                for name, path in there.items()
            ]
        found = [
            Artefact(
                path=one.path, size_bytes=one.size_bytes, sha256=one.sha256, there=one.path in there,
                unpacked_bytes=one.unpacked.size_bytes if one.unpacked else -1,
                unpacked_sha256=one.unpacked.sha256 if one.unpacked else "",
            )
            for one in listed
        ]  # fmt: skip
        extra = [name for name in there if name not in {one.path for one in found}]
        return [
            *found,
            *(Artefact(path=one, size_bytes=there[one].lstat().st_size, sha256="") for one in extra),
        ]

    def beginning(self, run: str, path: str) -> str:
        """Return the first lines of a kept file, "" for one that is not there; never of a file outside the run."""
        folder = self.runs / run
        if path not in {one.relative_to(folder).as_posix() for one in kept_files(folder)}:
            return ""
        with _readable(path), open_kept(folder / path) as opened:
            return opened.read(_BEGINNING_BYTES).decode("utf-8", "replace")

    def rests_on(self, plan: str) -> Mapping[str, Sequence[str]]:
        """Return for each gate of a kind of plan the facts that it rests on; an ending dot means a prefix."""
        from console.evidence.gates_again import PLAN_GATES

        return {gate.id: gate.rests_on for gate in PLAN_GATES.get(plan, ())}

    def is_packed(self, run: str) -> bool:
        """Tell whether a run's trace must be unpacked before it can be shown."""
        folder = self.runs / run
        return any((folder / f"{name}{SUFFIX}").exists() for name in ("trace.jsonl", "trace.idx"))

    def unpack(self, run: str, into: Path, stopped: Callable[[], bool]) -> None:
        """Unpack a run's trace into a folder piece by piece, until somebody stops it."""
        from console.evidence.unpacking import unpack_trace

        with _readable(f"the trace of {run}"):
            unpack_trace(self.runs / run, into, stopped)
