"""Keys, ledger, compression, sizes and removal: what is kept, where, and how it goes."""

from __future__ import annotations

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from fix_journals import RUN, fail_at_s4, passed, running_in_c05, torn_down, until_scenarios
from fix_journals import ended as end_event
from fix_packs import Packs

from console.errors import JournalBroken, SecretUnavailable
from console.evidence.keys import (
    KEY_FILE,
    TRUSTED_FILE,
    has_key,
    load_key,
    make_key,
    public_of,
    signed_by,
    trust,
    trusted,
)
from console.evidence.ledger import LedgerLine, append, read_ledger, vanished
from console.evidence.storage import compress_large, size_bytes_of
from console.evidence.unpacking import unpack_trace
from console.evidence.verification import Outside
from console.evidence.verify import verify


def test_a_key_is_made_once_and_private(tmp_path: Path) -> None:
    """The key is 0600, believed, signs what its public half checks, and is never made over another."""
    public = make_key(tmp_path / "state")
    key = load_key(tmp_path / "state")
    assert public_of(key) == public
    assert (tmp_path / "state" / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert trusted(tmp_path / "state") == {public}
    assert signed_by(public, b"x", key.sign(b"x"))
    assert not signed_by(public, b"y", key.sign(b"x"))
    with pytest.raises(SecretUnavailable, match="already"):
        make_key(tmp_path / "state")


def test_many_first_commands_make_one_key(tmp_path: Path) -> None:
    """Whoever comes at the same moment gets the one key, believed, and never sees it half made or under two names."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for number in range(50):
                state = tmp_path / str(number)
                state.mkdir(mode=0o700)
                seen = set(pool.map(_first_command, [state] * 4, [True, True, False, False]))
                assert seen == {trusted(state)}
                assert len(trusted(state)) == 1
                assert sorted(path.name for path in state.iterdir()) == [TRUSTED_FILE, KEY_FILE]
    finally:
        sys.setswitchinterval(usual)


def _first_command(state: Path, makes: bool) -> frozenset[str]:
    """Do what the first command of an operator does, or wait for another's, and return the key it got."""
    while not has_key(state):
        if makes:
            with suppress(SecretUnavailable):  # somebody else was first
                make_key(state)
    return frozenset({public_of(load_key(state))})


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_an_open_key_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that others can read seals nothing."""
    make_key(tmp_path)
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(SecretUnavailable, match="allowed is 0600"):
        load_key(tmp_path)


def test_no_key_and_a_wrong_one_have_their_sentence(tmp_path: Path) -> None:
    """A missing key and one that is none are one sentence with the remedy."""
    with pytest.raises(SecretUnavailable, match="drydock key make"):
        load_key(tmp_path)
    (tmp_path / KEY_FILE).write_text("not a key at all\n")
    (tmp_path / KEY_FILE).chmod(0o600)
    with pytest.raises(SecretUnavailable, match="holds no sealing key"):
        load_key(tmp_path)
    with pytest.raises(SecretUnavailable, match="is no public key"):
        trust(tmp_path, "abc")


def test_many_append_to_one_ledger(tmp_path: Path) -> None:
    """Lines of many at once are all there, chained and numbered, and a torn tail is cut off."""
    ledger = tmp_path / "state" / "ledger.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: append(ledger, LedgerLine(run=f"r{n}", what="began")), range(40)))
    lines = read_ledger(ledger)
    assert sorted(line.run for line in lines) == sorted(f"r{n}" for n in range(40))
    assert [line.n for line in lines] == list(range(1, 41))
    assert ledger.stat().st_mode & 0o777 == 0o600
    with ledger.open("ab") as file:
        file.write(b'{"hash":"torn')
    append(ledger, LedgerLine(run="last", what="began"))
    assert read_ledger(ledger)[-1].run == "last"
    ledger.write_bytes(ledger.read_bytes().replace(b'"r7"', b'"r8"'))
    with pytest.raises(JournalBroken):
        read_ledger(ledger)


def test_what_vanished_is_what_nobody_removed(tmp_path: Path) -> None:
    """A run that the ledger knows and the folder has not is told; a removed one, and another folder's, are not."""
    lines = [
        LedgerLine(run="a", what="final seal", folder="/runs"), LedgerLine(run="b", what="began", folder="/runs"),
        LedgerLine(run="c", what="began", folder="/other"), LedgerLine(run="a", what="removed", folder="/runs"),
        LedgerLine(run="d", what="began", folder="/runs"),
    ]  # fmt: skip
    assert [line.run for line in vanished(lines, Path("/runs"), {"d"})] == ["b"]


def test_a_compressed_pack_still_verifies_and_is_small(packs: Packs, tmp_path: Path) -> None:
    """The log of a real run was compressed to a fraction, and unpacks for the screen to the same bytes."""
    folder = packs.passed.folder
    listed = {one["path"]: one for one in json.loads((folder / "manifest.json").read_bytes())["files"]}
    log = listed["artefacts/server.jsonl.zst"]
    assert log["size_bytes"] * 5 < log["unpacked"]["size_bytes"]
    copied = Path(shutil.copytree(folder, tmp_path / folder.name))
    compress_large(copied, larger_than_bytes=100_000)
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    unpack_trace(copied, tmp_path / "whole", lambda: False)
    unpack_trace(copied, tmp_path / "stopped", lambda: True)
    assert (tmp_path / "whole" / "trace.jsonl").read_bytes() == (folder / "trace.jsonl").read_bytes()
    assert (tmp_path / "stopped" / "trace.jsonl").read_bytes() == b""
    told = {one.check: one for one in verify(copied, Outside()).findings}
    assert set(told) == {"manifest"}


def test_runs_shows_sizes(packs: Packs) -> None:
    """`drydock runs` says how large each pack is."""
    said = packs.drydock.command("runs", "--json", "--runs-dir", str(packs.passed.folder.parent))
    [told] = json.loads(said.stdout)
    assert told["size_bytes"] == size_bytes_of(packs.passed.folder)


def test_pruning_names_asks_and_spares(packs: Packs, tmp_path: Path) -> None:
    """Only CLEAN runs that ended long ago go, after --yes; living, dead, UNCLEAN and young ones stay."""
    runs = tmp_path / "runs"
    unclean = torn = until_scenarios()
    torn_down(torn)
    unclean.add(end_event("FAIL", closure="UNCLEAN", residue=("file x",), exit_code=4))
    stories = {"1": passed(), "2": fail_at_s4(), "3": unclean, "4": running_in_c05()}
    for name, story in stories.items():
        story.write(runs, RUN[:-1] + name).close()
    living = passed().write(runs, RUN[:-1] + "5")
    words = ["runs", "--prune-older-than", "0", "--runs-dir", str(runs)]
    asked = packs.drydock.command(*words)
    assert (asked.exit_code, asked.stdout.count("\n")) == (2, 2)
    assert "nobody can be asked here" in asked.stderr
    assert (
        packs.drydock.command(
            "runs", "--prune-older-than", "9999", "--yes", "--runs-dir", str(runs)
        ).exit_code
        == 0
    )
    assert len(list(runs.iterdir())) == 5
    done = packs.drydock.command(*words, "--yes")
    living.close()
    assert (done.exit_code, "2 runs were removed" in done.stderr) == (0, True)
    assert {path.name[-1] for path in runs.iterdir()} == {"3", "4", "5"}
    gone = packs.drydock.command("verify", RUN[:-1] + "1", "--runs-dir", str(runs))
    assert (gone.exit_code, "was removed at" in gone.stderr) == (2, True)


def test_the_key_command(packs: Packs, tmp_path: Path) -> None:
    """`drydock key show` names the public half that sealed the runs, and never the private one."""
    said = packs.drydock.command("key", "show", "--json")
    told = json.loads(said.stdout)
    assert told["key"] == packs.passed.state.notes["first_seal"]["key"]
    private = (packs.state / KEY_FILE).read_text().strip()
    assert private not in said.stdout + said.stderr
    assert packs.drydock.command("key", "make").exit_code == 2


def test_an_unsealed_end_is_told(packs: Packs, tmp_path: Path) -> None:
    """A run that ended and was never sealed does not verify: the seal and the manifest are missing by name."""
    passed().write(tmp_path).close()
    found = verify(tmp_path / RUN, Outside())
    assert {"seal.json", "manifest.json"} <= {one.place for one in found.findings}
