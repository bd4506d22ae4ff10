"""`drydock verify`: everything that a pack says of itself, asked again; the exact place of each difference.

Reads the pack, and beside it the ledger and the believed keys where they are given. Never writes, never
repairs, and says what it could not check instead of passing over it.
"""

from __future__ import annotations

import errno
import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec
import zstandard

from console.errors import JournalBroken
from console.evidence.bundle import ARTEFACTS, ARTEFACTS_MANIFEST, last_trace_head
from console.evidence.gates_again import end_that_does_not_follow, judgements_that_differ
from console.evidence.keys import signed_by
from console.evidence.ledger import of_run
from console.evidence.plots import moment
from console.evidence.seal import FinalSeal, FirstSeal
from console.evidence.sealed import FINAL_SEAL, FIRST_SEAL, signature_of
from console.evidence.storage import (
    MANIFEST_FILE,
    KeptFile,
    Manifest,
    content_of,
    kept_files,
    open_kept,
    read_document,
    unpacked_content_of,
)
from console.evidence.trace_chain import TraceChain, verify_blocks
from console.evidence.verification import Check, Finding, Outside, Verification
from console.journal import GENESIS, read_verified
from console.model.event import Entry, RunCreated
from console.model.run_state import RunState, fold

CLOCK_TOLERANCE_S = 2.0
"""A clock that is being disciplined may step back by this much; more is somebody's hand."""


@dataclass(kw_only=True)
class _Look:
    folder: Path
    outside: Outside
    findings: list[Finding] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    state: RunState = field(default_factory=RunState)
    final: FinalSeal | None = None
    first: FirstSeal | None = None

    def differs(self, check: str, place: str, what: str) -> None:
        self.findings.append(Finding(check=check, place=place, what=what))

    def ask(self, name: str, question: Callable[[_Look, str], str]) -> None:
        """Ask one question; what it returns are its words, "-" and words where it could not be asked."""
        before = len(self.findings)
        words = question(self, name)
        state: Literal["holds", "differs", "not checked"] = "holds"
        if len(self.findings) > before:
            state, words = "differs", "; ".join(map(str, self.findings[before:]))
        elif words.startswith("-"):
            state, words = "not checked", words[1:].strip()
        self.checks.append(Check(name=name, state=state, words=words))


def verify(folder: Path, outside: Outside, *, tell: Callable[[Check], None] | None = None) -> Verification:
    """Return every check of the pack in `folder`; what cannot be read is a finding, not an exception.

    `tell` hears each answer as soon as it is known.
    """
    look = _Look(folder=folder, outside=outside)
    for name, question in QUESTIONS:
        look.ask(name, question)
        if tell is not None:
            tell(look.checks[-1])
    return Verification(
        run=look.state.run or folder.name, checks=tuple(look.checks), findings=tuple(look.findings)
    )


def _journal(look: _Look, name: str) -> str:
    """The journal's chain; what verified before a break is still used."""
    path = look.folder / "journal.jsonl"
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        size_bytes = found.st_size
        for entry, head, end in read_verified(path):
            look.entries.append(entry)
            look.heads.append(head)
            verified_bytes = end
    except JournalBroken as broken:
        look.differs(name, f"journal.jsonl, line {broken.line}", broken.what)
    except OSError as wrong:
        look.differs(name, "journal.jsonl", f"cannot be read: {wrong.strerror}")
        return ""
    if not look.entries:
        look.differs(name, "journal.jsonl", "holds no event")
        return ""
    if not look.findings and verified_bytes != size_bytes:
        look.differs(name, f"journal.jsonl, line {len(look.entries) + 1}", "the line is not whole")
    look.state = fold(look.entries)
    return f"{len(look.entries)} events, each chained to the one before"


def _order(look: _Look, name: str) -> str:
    """The first event, and a clock that never went back."""
    if look.entries and not isinstance(look.entries[0].event, RunCreated):
        look.differs(name, "journal.jsonl, line 1", "the first event is not the run's creation")
    for earlier, later in zip(look.entries, look.entries[1:], strict=False):
        back_s = _seconds_between(later.at, earlier.at)
        if back_s is None or back_s > CLOCK_TOLERANCE_S:
            what = (
                f"the time {later.at!r} is before {earlier.at!r} of the line before: the clock was set back"
            )
            look.differs(name, f"journal.jsonl, line {later.n}", what)
    seals = [(FIRST_SEAL, look.first), (FINAL_SEAL, look.final)]
    last = look.entries[-1].at if look.entries else ""
    if (
        look.final is not None
        and (back := _seconds_between(look.final.at, last)) is not None
        and back > CLOCK_TOLERANCE_S
    ):
        look.differs(name, FINAL_SEAL, f"was sealed at {look.final.at}, before the last event at {last}")
    return f"{len(look.entries)} times and {sum(one is not None for _file, one in seals)} seals in order"


def _seconds_between(earlier: str, later: str) -> float | None:
    begin, end = moment(earlier), moment(later)
    return (end - begin).total_seconds() if begin and end else None


def _read_seal(
    look: _Look, name: str, file: str, kind: type[FirstSeal] | type[FinalSeal]
) -> FirstSeal | FinalSeal | None:
    path = look.folder / file
    try:
        content = read_document(path)
        signature = read_document(signature_of(path))
    except OSError as wrong:
        look.differs(name, Path(str(wrong.filename)).name, f"cannot be read: {wrong.strerror}")
        return None
    try:
        seal = msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as wrong:
        look.differs(name, file, f"is no seal: {wrong}")
        return None
    if not signed_by(seal.key, content, signature):
        look.differs(name, signature_of(path).name, f"is not the signature of {seal.key} over {file}")
    if look.outside.keys is not None and seal.key not in look.outside.keys:
        look.differs(name, file, f"is sealed by the key {seal.key}, which is not believed here")
    if seal.run != look.folder.name and seal.run != look.state.run:
        look.differs(name, file, f"is the seal of another run: {seal.run}")
    return seal


def _final_seal(look: _Look, name: str) -> str:
    """The final seal: its signature, its key, and the head of the journal that it names."""
    seal = _read_seal(look, name, FINAL_SEAL, FinalSeal)
    if not isinstance(seal, FinalSeal):
        return ""
    look.final = seal
    _journal_head(look, name, FINAL_SEAL, seal)
    if len(look.entries) > seal.journal.n:
        what = f"follows the {seal.journal.n} events that {FINAL_SEAL} names"
        look.differs(name, f"journal.jsonl, line {seal.journal.n + 1}", what)
    ended = look.state.ended
    said = (ended.verdict, ended.closure) if ended else ("none", "none")
    if said != (seal.verdict, seal.closure):
        look.differs(
            name, FINAL_SEAL, f"says {seal.verdict}, {seal.closure}; the journal {said[0]}, {said[1]}"
        )
    for leak in seal.scan.findings:
        look.differs(name, FINAL_SEAL, f"the search of everything kept had found a secret: {leak}")
    believed = "a key that is believed here" if look.outside.keys is not None else "whose it is, nobody told"
    return f"signed with {seal.key[:16]} ({believed}), over journal, manifest and first seal"


def _journal_head(look: _Look, name: str, file: str, seal: FirstSeal | FinalSeal) -> None:
    n = seal.journal.n
    if n > len(look.heads):
        what = f"the journal ends here; {file} was made over {n} events"
        look.differs(name, f"journal.jsonl, line {len(look.heads)}", what)
    elif (look.heads[n - 1] if n > 0 else GENESIS) != seal.journal.head:
        look.differs(name, f"journal.jsonl, line {n}", f"its hash is not the one that {file} names")


def _first_seal(look: _Look, name: str) -> str:
    """The seal that was made while the copy lived, and the artefacts as they were then."""
    wanted = look.final.first if look.final is not None else ""
    there = (look.folder / FIRST_SEAL).exists()
    if not wanted and not there:
        return "- the run ended before anything could be sealed"
    seal = _read_seal(look, name, FIRST_SEAL, FirstSeal)
    if not isinstance(seal, FirstSeal):
        return ""
    look.first = seal
    if wanted != hashlib.sha256(read_document(look.folder / FIRST_SEAL)).hexdigest():
        look.differs(name, FIRST_SEAL, f"is not the one that {FINAL_SEAL} names")
    _journal_head(look, name, FIRST_SEAL, seal)
    return f"{_artefacts(look, name, seal)} artefacts as they were before the teardown"


def _artefacts(look: _Look, name: str, seal: FirstSeal) -> int:
    """Compare each artefact, unpacked, with the manifest of the first seal."""
    path = look.folder / ARTEFACTS / ARTEFACTS_MANIFEST
    try:
        content = read_document(path)
        listed = msgspec.json.decode(content, type=dict[str, str])
    except (OSError, msgspec.DecodeError) as wrong:
        look.differs(name, f"{ARTEFACTS}/{ARTEFACTS_MANIFEST}", f"cannot be read: {wrong}")
        return 0
    if hashlib.sha256(content).hexdigest() != seal.artefacts:
        look.differs(name, f"{ARTEFACTS}/{ARTEFACTS_MANIFEST}", f"is not the one that {FIRST_SEAL} names")
    for file, sha256 in listed.items():
        if not _is_inside(file):
            look.differs(name, file, "is no name of a file in the pack")
            continue
        try:
            with open_kept(look.folder / file) as opened:
                digest = hashlib.sha256()
                while piece := opened.read(1 << 20):
                    digest.update(piece)
        except (OSError, zstandard.ZstdError) as wrong:
            look.differs(name, file, f"cannot be read: {wrong}")
            continue
        if digest.hexdigest() != sha256:
            look.differs(name, file, f"is not what {FIRST_SEAL} was made over")
    return len(listed)


def _manifest(look: _Look, name: str) -> str:
    """Every file that is listed is there and the same, and nothing else is there."""
    path = look.folder / MANIFEST_FILE
    try:
        content = read_document(path)
        manifest = msgspec.json.decode(content, type=Manifest)
    except (OSError, msgspec.DecodeError) as wrong:
        look.differs(name, MANIFEST_FILE, f"cannot be read: {wrong}")
        return ""
    if look.final is not None and hashlib.sha256(content).hexdigest() != look.final.manifest:
        look.differs(name, MANIFEST_FILE, f"is not the one that {FINAL_SEAL} names")
    there = {one.relative_to(look.folder).as_posix() for one in kept_files(look.folder)}
    listed = {one.path: one for one in manifest.files}
    for extra in sorted(there - listed.keys()):
        look.differs(name, extra, "is not in the manifest")
    if len(listed) != len(manifest.files):
        look.differs(name, MANIFEST_FILE, "lists a file twice")
    for file, kept in listed.items():
        if not _is_inside(file):
            look.differs(name, file, "is no name of a file in the pack")
            continue
        try:
            found = content_of(look.folder / file)
            if (found.size_bytes, found.sha256) != (kept.size_bytes, kept.sha256):
                look.differs(
                    name,
                    file,
                    f"has other bytes than the manifest says{_sizes(found.size_bytes, kept.size_bytes)}",
                )
            elif _unpacks_to_other(look.folder / file, kept):
                look.differs(name, file, "unpacks to other bytes than the manifest says")
        except (OSError, zstandard.ZstdError) as wrong:
            look.differs(name, file, f"cannot be read: {getattr(wrong, 'strerror', None) or wrong}")
    return f"{len(listed)} files, size and sha256"


def _is_inside(name: str) -> bool:
    """Tell whether a listed name is a plain path below the pack: whoever wrote it may want another file read."""
    path = PurePosixPath(name)
    return bool(name) and str(path) == name and not path.is_absolute() and ".." not in path.parts


def _unpacks_to_other(path: Path, kept: KeptFile) -> bool:
    """The trace is unpacked once, for its chain; its packed bytes are compared like every other file's."""
    if kept.unpacked is None or kept.path == "trace.jsonl.zst":
        return False
    return unpacked_content_of(path) != kept.unpacked


def _sizes(found: int, listed: int) -> str:
    return f": {found} bytes, not {listed}" if found != listed else ""


def _trace(look: _Look, name: str) -> str:
    """The trace's blocks, and each head that a step sealed into the journal."""
    wanted = last_trace_head(look.state)
    try:
        with open_kept(look.folder / "trace.jsonl") as file:
            chain = verify_blocks(file, "trace.jsonl")
    except FileNotFoundError:
        if wanted:
            look.differs(name, "trace.jsonl", "is missing; the journal holds its head")
            return ""
        return "- the run ended before its first statement"
    except JournalBroken as broken:
        look.differs(name, f"trace.jsonl, line {broken.line}", broken.what)
        return ""
    except (OSError, zstandard.ZstdError) as wrong:
        look.differs(name, "trace.jsonl", f"cannot be read: {wrong}")
        return ""
    _trace_heads(look, name, chain, wanted)
    return f"{chain.records} records in {len(chain.heads)} blocks"


def _trace_heads(look: _Look, name: str, chain: TraceChain, wanted: str) -> None:
    known = {GENESIS, *chain.heads}  # a step that ended before the first statement names the beginning
    heads = [(f"the end of {step}", end.trace_head) for step, end in look.state.steps_finished.items()]
    heads += [
        (file, seal.trace) for file, seal in ((FIRST_SEAL, look.first), (FINAL_SEAL, look.final)) if seal
    ]
    for where, head in heads:
        if head and head not in known:
            look.differs(
                name,
                f"trace.jsonl, line {chain.records + len(chain.heads)}",
                f"the head that {where} names is in no seal: the trace was cut or written anew",
            )
    lost = look.state.engine_lost is not None
    if chain.unsealed and not lost:
        look.differs(name, "trace.jsonl", f"{chain.unsealed} records follow the last seal")
    elif not lost and wanted and chain.head != wanted:
        look.differs(name, "trace.jsonl", "its last seal is not the head that the journal's end names")


def _ledger(look: _Look, name: str) -> str:
    """The ledger's last word on the run is this seal over this journal."""
    if look.outside.ledger is None:
        return "- no ledger was given: a pack that was sealed anew with the same key would not show"
    run = look.state.run or look.folder.name
    finals = [line for line in of_run(look.outside.ledger, run) if line.what == "final seal"]
    if not finals:
        look.differs(name, "ledger", f"holds no final seal of the run {run}")
        return ""
    line = finals[-1]
    place = f"ledger, line {line.n}"
    try:
        sha256 = hashlib.sha256(read_document(look.folder / FINAL_SEAL)).hexdigest()
    except OSError:
        look.differs(name, place, f"knows a final seal of {line.at}; {FINAL_SEAL} is gone")
        return ""
    if sha256 != line.seal:
        look.differs(name, FINAL_SEAL, f"is not the seal that the ledger's line {line.n} of {line.at} holds")
    if line.lines != len(look.entries) or (look.heads and look.heads[-1] != line.journal):
        look.differs(
            name, f"journal.jsonl, line {min(line.lines, len(look.entries))}",
            f"the ledger's line {line.n} holds a journal of {line.lines} events with another last hash",
        )  # fmt: skip
    return f"line {line.n} of {line.at} holds this seal and this journal"


def _gates(look: _Look, name: str) -> str:
    """Every judgement again from the facts that were recorded before it."""
    asked, differences = judgements_that_differ(look.entries)
    for line, what in differences:
        look.differs(name, f"journal.jsonl, line {line}", what)
    return f"{asked} judgements asked again from the recorded facts, each with the same answer"


def _end(look: _Look, name: str) -> str:
    """Verdict and closure follow from what was judged."""
    last = f"journal.jsonl, line {len(look.entries)}"
    for what in end_that_does_not_follow(look.state):
        look.differs(name, last, what)
    ended, created = look.state.ended, look.state.created
    if created is not None and look.outside.not_applicable is not None:
        others = set(created.not_applicable) ^ set(look.outside.not_applicable(created))
        for gate in sorted(others):
            look.differs(
                name, "journal.jsonl, line 1", f"{gate} is declared otherwise than such a plan declares it"
            )
    return f"{ended.verdict}, {ended.closure} follows from gates, scenarios and receipts" if ended else ""


QUESTIONS: tuple[tuple[str, Callable[[_Look, str], str]], ...] = (
    ("journal", _journal),
    ("final seal", _final_seal),
    ("first seal", _first_seal),
    ("clock", _order),
    ("manifest", _manifest),
    ("trace", _trace),
    ("ledger", _ledger),
    ("gates", _gates),
    ("end", _end),
)
