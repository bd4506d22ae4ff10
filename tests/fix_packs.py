"""Two real packs of one session, sealed by one key: a PASS and the seeds' FAIL; tests copy them and change copies."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from fix_runs import Drydock, Ended, played_together

from console.evidence.ledger import LEDGER_FILE, LedgerLine, read_ledger
from console.settings import data_folder

SCENARIOS = data_folder("scenarios") / "cutter_dry_run"
DEFECT = Path("known_bad") / "find_leaves_transaction_open"


@dataclass(frozen=True, kw_only=True)
class Packs:
    """The two runs, the state folder with key and ledger, and the command that made them."""

    drydock: Drydock
    passed: Ended
    failed: Ended

    @property
    def state(self) -> Path:
        """Return the folder of key and ledger."""
        return self.drydock.root / ".local" / "state" / "drydock"

    @property
    def ledger(self) -> list[LedgerLine]:
        """Return the ledger's lines, verified."""
        return read_ledger(self.state / LEDGER_FILE)


@pytest.fixture(scope="session")
def packs(drydock: Drydock) -> Packs:
    """One PASS and one FAIL, played together; share them, never change them.

    The defective subject is a copy outside every git repository, like the reference: somebody may commit.
    """
    left_out = shutil.ignore_patterns("__pycache__", ".*_cache")
    subject = Path(shutil.copytree(SCENARIOS, drydock.place("scenarios"), ignore=left_out)) / DEFECT
    played = played_together(
        drydock, {"pass": lambda it: it.run(), "fail": lambda it: it.run("--subject", str(subject))}
    )
    return Packs(drydock=drydock, passed=played["pass"].result(), failed=played["fail"].result())


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Ended], Path]:
    """Return a function that copies a pack, under its own name, into a runs folder of the test's."""

    def made(ended: Ended) -> Path:
        return Path(shutil.copytree(ended.folder, tmp_path / "runs" / ended.folder.name))

    return made


def rechained(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Rewrite a journal's or a ledger's bodies and chain them anew, as a forger with the source code would."""
    from console.journal import GENESIS, chain

    head = len(b'{"hash":"') + 64 + len(b'",')
    bodies = change([line[head:] + b"\n" for line in path.read_bytes().split(b"\n")[:-1]])
    previous, lines = GENESIS, []
    for body in bodies:
        previous = chain(previous, body)
        lines.append(b'{"hash":"' + previous.encode("ascii") + b'",' + body)
    path.write_bytes(b"".join(lines))


def event_of(body: bytes) -> dict[str, object]:
    """Return the event of a journal line's body."""
    found: dict[str, object] = msgspec.json.decode(b"{" + body)["event"]
    return found
