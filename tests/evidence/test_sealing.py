"""A run whose evidence cannot be sealed: the operator is told, the exit code says so, and recover mends it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from fix_journals import fail_at_s4, passed
from fix_runs import Drydock, Ended, Living, Said

from console.evidence.sealed import FINAL_SEAL, code_once_sealed, is_sealed, signature_of

UNSEALED = "could not be sealed: "


@dataclass(frozen=True, kw_only=True)
class Keyless:
    """A run whose key went away while it waited at B-5: what it said, its command, its key, and where that was kept."""

    run: Ended
    drydock: Drydock
    key: Path
    kept: Path

    def says(self, *words: str) -> Said:
        """Run one command on the run."""
        return self.drydock.command(*words, "--runs-dir", str(self.run.folder.parent))


@pytest.fixture(scope="module")
def keyless(drydock: Drydock) -> Keyless:
    """Play a passing run and take its key away before the copy is destroyed."""
    state = drydock.place("state")
    own = Drydock(
        root=drydock.root, reference=drydock.reference, numbers=drydock.numbers,
        variables={"XDG_STATE_HOME": str(state)},
    )  # fmt: skip
    living: Living = own.start("--approve", "B-1,B-2,B-3,B-4")
    living.wait_at("B-5")
    key, kept = state / "drydock" / "seal.key", state / "kept.key"
    key.rename(kept)
    assert living.approve("B-5").exit_code == 0
    return Keyless(run=living.finish(), drydock=own, key=key, kept=kept)


def test_a_run_that_could_not_be_sealed_tells_its_operator(keyless: Keyless) -> None:
    """PASS, CLEAN and no seal is exit code 5, one sentence on stderr with the reason, and sealed false in the JSON."""
    run = keyless.run
    told = [line for line in run.said.stderr.splitlines() if UNSEALED in line]
    assert (run.outcome, run.summary["sealed"]) == ((5, "PASS", "CLEAN", None), False)
    assert len(told) == 1
    assert told[0].startswith(f"drydock: the evidence of {run.folder.name} could not be sealed: ")
    assert told[0].endswith(f"it does not verify; mend that, then: drydock recover {run.folder.name}")


def test_recover_seals_what_could_not_be_sealed(keyless: Keyless) -> None:
    """Status says it with 5, recover fails with 5 without the key and seals with it; then the pack verifies."""
    name = keyless.run.folder.name
    status = keyless.says("status", name)
    assert (status.exit_code, UNSEALED in status.stdout) == (5, True)
    assert json.loads(keyless.says("status", name, "--json").stdout)["sealed"] is False
    assert keyless.says("recover", name).exit_code == 5
    keyless.kept.rename(keyless.key)
    assert keyless.says("recover", name).exit_code == 0
    assert is_sealed(keyless.run.folder)
    assert (keyless.says("status", name).exit_code, keyless.says("verify", name).exit_code) == (0, 0)


@pytest.mark.parametrize(("closure", "own", "code"), [("CLEAN", 0, 5), ("CLEAN", 1, 5), ("UNCLEAN", 4, 4)])
def test_unclean_stays_4_without_a_seal(tmp_path: Path, closure: str, own: int, code: int) -> None:
    """What is left on the machine is worse than a missing seal, and a missing signature is a missing seal."""
    ended = (fail_at_s4() if own else passed()).state.ended
    assert ended is not None
    ended = msgspec.structs.replace(ended, closure=closure, exit_code=own)
    assert code_once_sealed(tmp_path, ended) == code
    (tmp_path / FINAL_SEAL).touch()
    assert code_once_sealed(tmp_path, ended) == code
    signature_of(tmp_path / FINAL_SEAL).touch()
    assert code_once_sealed(tmp_path, ended) == own
