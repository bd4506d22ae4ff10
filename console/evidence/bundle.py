"""What makes a run's folder a pack: documents, the first seal before the teardown, the final one after it.

Reads the journal's fold and the files that are there; never asks a database. The ledger's line is the last
thing that is written, so that a pack without one was not finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from console.evidence import documents
from console.evidence.html import html
from console.evidence.junit import junit
from console.evidence.keys import load_key, public_of
from console.evidence.ledger import LEDGER_FILE, LedgerLine, append
from console.evidence.report import write_report
from console.evidence.scan import scan_files
from console.evidence.seal import (
    PUBLIC_KEY_FILE,
    FinalSeal,
    FirstSeal,
    JournalHead,
    LastScan,
    write_public_key,
    write_seal,
)
from console.evidence.sealed import FINAL_SEAL, FIRST_SEAL
from console.evidence.storage import (
    compress_large,
    content_of,
    kept_files,
    replacing,
    write_document,
    write_manifest,
)
from console.evidence.summary import machine_report
from console.journal import now_at
from console.model.event import RunEnded
from console.model.run_state import RunState
from console.packs import tree_files

ARTEFACTS, FINAL_FOLDER = "artefacts", "final"
ARTEFACTS_MANIFEST = "manifest.json"
VERIFIER = "verify.py"
_STANDALONE = Path(__file__).with_name("standalone.py")


def begin(state_folder: Path, state: RunState, folder: Path) -> None:
    """Tell the ledger that a run began, so that it cannot vanish before its first seal."""
    line = LedgerLine(
        run=state.run, what="began", folder=str(folder.parent), key=public_of(load_key(state_folder))
    )
    append(state_folder / LEDGER_FILE, line)


def gather_documents(folder: Path, state: RunState) -> str:
    """Write the artefacts' documents and their manifest; return the manifest's sha256."""
    artefacts = folder / ARTEFACTS
    artefacts.mkdir(mode=0o700, exist_ok=True)
    for name, document in documents.before_teardown(state).items():
        write_document(artefacts / name, document)
    listed = {
        path.relative_to(folder).as_posix(): content_of(path).sha256
        for path in tree_files(artefacts)
        if path.name != ARTEFACTS_MANIFEST
    }
    return hashlib.sha256(write_document(artefacts / ARTEFACTS_MANIFEST, listed)).hexdigest()


def seal_first(
    folder: Path, state_folder: Path, state: RunState, *, artefacts: str, head: str, trace: str
) -> dict[str, str]:
    """Seal what there is before the teardown; return what the journal's note says of it."""
    key = load_key(state_folder)
    seal = FirstSeal(
        run=state.run, at=now_at(), key=public_of(key), artefacts=artefacts,
        journal=JournalHead(n=state.last_n, head=head), trace=trace,
    )  # fmt: skip
    sha256 = write_seal(folder / FIRST_SEAL, seal, key)
    line = LedgerLine(
        run=state.run, what="first seal", folder=str(folder.parent), journal=head, lines=state.last_n,
        seal=sha256, key=seal.key,
    )  # fmt: skip
    append(state_folder / LEDGER_FILE, line)
    return {"manifest": artefacts, "journal": head, "trace": trace, "seal": sha256, "key": seal.key}


def seal_run(
    folder: Path, state_folder: Path, state: RunState, *, head: str, secrets: Mapping[str, str]
) -> FinalSeal:
    """Make the folder of an ended run a pack: reports, documents, compression, manifest, seal, ledger.

    Raises SecretUnavailable without a key and OSError where something cannot be written.
    """
    assert state.ended is not None
    key = load_key(state_folder)
    write_reports(folder, state)
    final = folder / FINAL_FOLDER
    final.mkdir(mode=0o700, exist_ok=True)
    for name, document in documents.at_the_end(state).items():
        write_document(final / name, document)
    with replacing(folder / VERIFIER) as file:
        file.write(_STANDALONE.read_bytes())
    compress_large(folder)
    scan = _last_scan(folder, secrets)
    seal = _final(folder, state, state.ended, key=key, head=head, scan=scan)
    sha256 = write_seal(folder / FINAL_SEAL, seal, key)
    line = LedgerLine(
        run=state.run, what="final seal", folder=str(folder.parent), journal=head, lines=state.last_n,
        seal=sha256, key=seal.key, verdict=seal.verdict, closure=seal.closure,
    )  # fmt: skip
    append(state_folder / LEDGER_FILE, line)
    return seal


def write_reports(folder: Path, state: RunState) -> None:
    """Write every report of a run beside its journal."""
    write_report(folder / "report.md", state)
    write_document(folder / "report.json", machine_report(state))
    for name, text in (("report.html", html(state, folder)), ("report.junit.xml", junit(state))):
        with replacing(folder / name) as file:
            file.write(text.encode())


def _last_scan(folder: Path, secrets: Mapping[str, str]) -> LastScan:
    if not secrets:
        return LastScan()
    found = scan_files(kept_files(folder), secrets, root=folder)
    return LastScan(secrets=len(secrets), files=found.files, bytes=found.bytes, findings=found.everything)


def _final(
    folder: Path, state: RunState, ended: RunEnded, *, key: Ed25519PrivateKey, head: str, scan: LastScan
) -> FinalSeal:
    first = folder / FIRST_SEAL
    write_public_key(folder / PUBLIC_KEY_FILE, key)
    return FinalSeal(
        run=state.run, at=now_at(), key=public_of(key), first=content_of(first).sha256 if first.exists() else "",
        manifest=write_manifest(folder, state.run), journal=JournalHead(n=state.last_n, head=head),
        trace=last_trace_head(state), verdict=ended.verdict, closure=ended.closure, scan=scan,
    )  # fmt: skip


def last_trace_head(state: RunState) -> str:
    """Return the last head of the trace that the journal holds, "" for none."""
    if state.ended is not None and state.ended.trace_head:
        return state.ended.trace_head
    return next((end.trace_head for end in reversed(state.steps_finished.values()) if end.trace_head), "")
