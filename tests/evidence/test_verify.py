"""A real pack verifies; every tampering with a copy of it is found, and the exact place is named."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fix_packs import Packs, event_of, rechained
from fix_runs import Ended

from console.evidence.keys import load_key, public_of, trusted
from console.evidence.seal import FinalSeal, JournalHead, write_public_key, write_seal
from console.evidence.sealed import FINAL_SEAL
from console.evidence.storage import write_manifest
from console.evidence.verification import Outside, Verification
from console.evidence.verify import verify
from console.journal import read_verified

Copy = Callable[[Ended], Path]


def outside(packs: Packs) -> Outside:
    """Return the ledger and the keys of the machine that made the packs."""
    return Outside(ledger=packs.ledger, keys=trusted(packs.state))


def places(found: Verification) -> set[str]:
    """Return where something differs."""
    return {finding.place for finding in found.findings}


def by_check(found: Verification) -> dict[str, str]:
    """Return the state of each check."""
    return {check.name: check.state for check in found.checks}


def flip(path: Path, at: int) -> None:
    """Change one bit of one byte."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def reseal(folder: Path, key: Ed25519PrivateKey) -> None:
    """Make manifest and final seal anew over whatever the journal says now."""
    old = msgspec.json.decode((folder / FINAL_SEAL).read_bytes(), type=FinalSeal)
    last = list(read_verified(folder / "journal.jsonl"))[-1]
    write_public_key(folder / "seal.pub.pem", key)
    seal = msgspec.structs.replace(
        old, key=public_of(key), journal=JournalHead(n=last[0].n, head=last[1]),
        manifest=write_manifest(folder, old.run),
    )  # fmt: skip
    write_seal(folder / FINAL_SEAL, seal, key)


@pytest.mark.parametrize("which", ["passed", "failed"])
def test_an_untouched_pack_verifies(packs: Packs, which: str) -> None:
    """Every check of a fresh pack holds, the failing run's too, and none is left out."""
    found = verify(getattr(packs, which).folder, outside(packs))
    assert found.findings == ()
    assert set(by_check(found).values()) == {"holds"}


def test_without_ledger_and_key_it_says_what_it_could_not_check(packs: Packs) -> None:
    """A stranger's check holds and tells that the ledger was not asked and nobody vouched for the key."""
    found = verify(packs.passed.folder, Outside())
    assert (found.holds, by_check(found)["ledger"]) == (True, "not checked")
    assert any("whose it is, nobody told" in check.words for check in found.checks)


def test_a_pack_that_wants_other_files_read(packs: Packs, copy_of: Copy) -> None:
    """A manifest that names a file outside, or one twice, is told so, and what it names is not opened."""
    folder = copy_of(packs.passed)
    path = folder / "manifest.json"
    told = json.loads(path.read_bytes())
    outside = dict(told["files"][0], path="../outside")
    told["files"] += [outside, dict(told["files"][0])]
    path.write_bytes(json.dumps(told).encode())
    os.mkfifo(folder.parent / "outside")
    found = {(one.place, one.what) for one in verify(folder, Outside()).findings}
    assert ("../outside", "is no name of a file in the pack") in found
    assert ("manifest.json", "lists a file twice") in found


@pytest.mark.parametrize("file", ["journal.jsonl", "manifest.json", "seal.json", "seal.sig"])
@pytest.mark.parametrize("how", ["link", "pipe"])
def test_a_file_that_is_none(packs: Packs, copy_of: Copy, file: str, how: str) -> None:
    """A link to the very bytes, or a pipe that never ends, in the place of a file is told and not followed."""
    folder = copy_of(packs.passed)
    if how == "link":
        (folder / file).rename(folder.parent / "elsewhere")
        (folder / file).symlink_to(folder.parent / "elsewhere")
    else:
        (folder / file).unlink()
        os.mkfifo(folder / file)
    assert any(file in place for place in places(verify(folder, Outside())))


@pytest.mark.parametrize("line", [1, 40, -1])
def test_one_byte_of_the_journal(packs: Packs, copy_of: Copy, line: int) -> None:
    """A changed byte in the first, a middle and the last line is found at that line."""
    folder = copy_of(packs.passed)
    lines = (folder / "journal.jsonl").read_bytes().split(b"\n")[:-1]
    number = line if line > 0 else len(lines)
    flip(folder / "journal.jsonl", sum(len(one) + 1 for one in lines[: number - 1]) + 100)
    assert f"journal.jsonl, line {number}" in places(verify(folder, Outside()))


def test_one_byte_of_the_trace(packs: Packs, copy_of: Copy) -> None:
    """A changed byte in the trace is found in its block, whose lines are named."""
    folder = copy_of(packs.passed)
    line = (folder / "trace.jsonl").read_bytes()[:100_000].count(b"\n") + 1
    flip(folder / "trace.jsonl", 100_000)
    found = verify(folder, Outside())
    [finding] = [one for one in found.findings if one.check == "trace"]
    told = re.search(r"does not fit the lines (\d+) to (\d+) before it", finding.what)
    assert told is not None
    assert int(told[1]) <= line <= int(told[2])
    assert "trace.jsonl" in places(found)


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("manifest.json", "manifest.json"), ("report.md", "report.md"), ("report.html", "report.html"),
        ("artefacts/facts.json", "artefacts/facts.json"), ("final/gates.json", "final/gates.json"),
        ("artefacts/client.jsonl", "artefacts/client.jsonl"), ("seal-first.sig", "seal-first.sig"),
        ("artefacts/server.jsonl.zst", "artefacts/server.jsonl.zst"), ("seal.sig", "seal.sig"),
        ("verify.py", "verify.py"), ("trace.idx", "trace.idx"), ("seal.json", "seal.sig"),
    ],
)  # fmt: skip
def test_one_byte_of_any_other_file(packs: Packs, copy_of: Copy, file: str, place: str) -> None:
    """A changed byte of manifest, artefact, report, seal or signature is found, and the file named."""
    folder = copy_of(packs.passed)
    content = (folder / file).read_bytes()
    at = content.index(b'"verdict"') + 13 if file == "seal.json" else len(content) // 2
    flip(folder / file, at)
    assert place in places(verify(folder, Outside()))


def test_the_last_event_dropped(packs: Packs, copy_of: Copy) -> None:
    """A journal without its last event is found by the seal and by the ledger, at its new end."""
    folder = copy_of(packs.passed)
    lines = (folder / "journal.jsonl").read_bytes().split(b"\n")[:-1]
    (folder / "journal.jsonl").write_bytes(b"\n".join(lines[:-1]) + b"\n")
    found = verify(folder, outside(packs))
    assert f"journal.jsonl, line {len(lines) - 1}" in places(found)
    assert {"final seal", "ledger", "manifest", "end"} <= {one.check for one in found.findings}


def test_two_events_swapped(packs: Packs, copy_of: Copy) -> None:
    """Two events in the other order are found at the first of them."""
    folder = copy_of(packs.passed)
    lines = (folder / "journal.jsonl").read_bytes().split(b"\n")[:-1]
    lines[49], lines[50] = lines[50], lines[49]
    (folder / "journal.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    assert "journal.jsonl, line 50" in places(verify(folder, Outside()))


def test_a_verdict_edited_and_everything_chained_and_sealed_anew(packs: Packs, copy_of: Copy) -> None:
    """A FAIL turned to PASS with chain, manifest and even the owner's seal redone: gate, line and ledger tell."""
    folder = copy_of(packs.failed)
    at: list[int] = []

    def forge(bodies: list[bytes]) -> list[bytes]:
        for number, body in enumerate(bodies):
            event = event_of(body)
            if event["kind"] == "GateJudged" and event["gate"] == "G-15" and event["verdict"] == "FAIL":
                at.append(number + 1)
                bodies[number] = body.replace(b'"verdict":"FAIL"', b'"verdict":"PASS"')
        return bodies

    rechained(folder / "journal.jsonl", forge)
    assert verify(folder, Outside()).holds is False
    reseal(folder, load_key(packs.state))
    found = verify(folder, outside(packs))
    assert f"journal.jsonl, line {at[0]}" in {one.place for one in found.findings if one.check == "gates"}
    assert "ledger" in {one.check for one in found.findings}
    assert "gates" in {one.check for one in verify(folder, Outside()).findings}


def test_a_note_edited_and_everything_sealed_anew(packs: Packs, copy_of: Copy) -> None:
    """What no gate rests on, changed by the owner of machine and key, is found by the ledger alone."""
    folder = copy_of(packs.passed)

    def forge(bodies: list[bytes]) -> list[bytes]:
        return [body.replace(b'"name":"cpu"', b'"name":"cup"') for body in bodies]

    rechained(folder / "journal.jsonl", forge)
    reseal(folder, load_key(packs.state))
    assert verify(folder, Outside(keys=trusted(packs.state))).holds
    assert {one.check for one in verify(folder, outside(packs)).findings} == {"ledger"}


def test_a_seal_by_another_key(packs: Packs, copy_of: Copy) -> None:
    """A pack that another key sealed anew has a good signature and a key that nobody believes here."""
    folder = copy_of(packs.passed)
    other = Ed25519PrivateKey.generate()
    reseal(folder, other)
    found = verify(folder, Outside(keys=trusted(packs.state)))
    assert [(one.place, public_of(other) in one.what) for one in found.findings] == [(FINAL_SEAL, True)]
    assert "ledger" in {one.check for one in verify(folder, outside(packs)).findings}


def test_the_clock_set_back(packs: Packs, copy_of: Copy) -> None:
    """A line whose time is before the line before it is found, although chain and seal were made anew."""
    folder = copy_of(packs.passed)

    def forge(bodies: list[bytes]) -> list[bytes]:
        told = msgspec.json.decode(b"{" + bodies[59])
        bodies[59] = bodies[59].replace(told["at"].encode(), b"2020-01-01T00:00:00.000Z")
        return bodies

    rechained(folder / "journal.jsonl", forge)
    reseal(folder, load_key(packs.state))
    clock = [one for one in verify(folder, Outside()).findings if one.check == "clock"]
    assert [one.place for one in clock] == ["journal.jsonl, line 60"]
    assert "the clock was set back" in clock[0].what


def test_a_file_more_and_a_file_less(packs: Packs, copy_of: Copy) -> None:
    """A file that the manifest does not list, a link, and one that is gone, are each named."""
    folder = copy_of(packs.passed)
    (folder / "more.txt").write_text("x")
    (folder / "artefacts" / "link").symlink_to("/etc/passwd")
    (folder / "report.md").unlink()
    assert {"more.txt", "artefacts/link", "report.md"} <= places(verify(folder, Outside()))


def test_a_pass_claimed_over_a_failure(packs: Packs, copy_of: Copy) -> None:
    """A run's last event turned to PASS contradicts the gates and scenarios that were recorded."""
    folder = copy_of(packs.failed)
    rechained(
        folder / "journal.jsonl",
        lambda bodies: [*bodies[:-1], bodies[-1].replace(b'"verdict":"FAIL"', b'"verdict":"PASS"')],
    )
    told = [one.what for one in verify(folder, Outside()).findings if one.check == "end"]
    assert "the end is PASS and G-15 is FAIL" in told
    assert "the end is PASS and S4 is FAIL" in told


def test_a_whole_run_removed(packs: Packs) -> None:
    """A vanished run is named by the list, by verify of all, and by verify of its id, with exit code 5."""
    moved = packs.passed.folder.with_name("moved")
    packs.passed.folder.rename(moved)
    try:
        words = ["--runs-dir", str(packs.passed.folder.parent)]
        one = packs.drydock.command("verify", packs.passed.folder.name, *words)
        every = packs.drydock.command("verify", *words)
        listed = packs.drydock.command("runs", *words)
    finally:
        moved.rename(packs.passed.folder)
    assert (one.exit_code, every.exit_code) == (5, 5)
    assert "is gone; the ledger's line" in one.stdout
    assert "final seal PASS, CLEAN" in every.stdout
    assert f"{packs.passed.folder.name} is in the ledger" in listed.stderr


def test_the_command_says_place_and_code(packs: Packs, copy_of: Copy) -> None:
    """`drydock verify` ends with 0 for the run, 5 with file and place for a changed copy, also as JSON."""
    runs = ["--runs-dir", str(packs.passed.folder.parent)]
    good = packs.drydock.command("verify", packs.passed.folder.name, *runs)
    assert (good.exit_code, "verifies" in good.stdout) == (0, True), good.stdout
    folder = copy_of(packs.passed)
    flip(folder / "report.md", 50)
    bad = packs.drydock.command("verify", str(folder), "--json")
    told = json.loads(bad.stdout)
    assert (bad.exit_code, told["verifies"]) == (5, False)
    assert [one["place"] for one in told["findings"]] == ["report.md"]


def test_the_ledger_is_chained(packs: Packs, tmp_path: Path) -> None:
    """A ledger in which a line was changed, or taken out of the middle, does not verify: exit code 5."""
    lines = (packs.state / "ledger.jsonl").read_bytes().split(b"\n")
    ledger = tmp_path / "ledger.jsonl"
    for kept in ([lines[0].replace(b"began", b"ended"), *lines[1:]], [lines[0], *lines[2:]]):
        ledger.write_bytes(b"\n".join(kept))
        said = packs.drydock.command("verify", str(packs.passed.folder), "--ledger", str(ledger))
        assert (said.exit_code, "the ledger itself" in said.stderr) == (5, True)


def test_the_pack_checks_itself_without_drydock(packs: Packs, copy_of: Copy) -> None:
    """verify.py needs an interpreter alone, says that it checks no signature, and finds a changed file."""
    folder = copy_of(packs.failed)
    words = [sys.executable, "-I", "-S", str(folder / "verify.py")]
    good = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (good.returncode, "The signature was NOT checked" in good.stdout) == (0, True)
    flip(folder / "artefacts" / "facts.json", 10)
    bad = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (bad.returncode, "artefacts/facts.json: size or sha256" in bad.stdout) == (5, True)
    shutil.copy(packs.failed.folder / "artefacts" / "facts.json", folder / "artefacts" / "facts.json")
    flip(folder / "journal.jsonl", 5000)
    bad = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (bad.returncode, "the hash does not fit" in bad.stdout) == (5, True)


def test_the_first_seal_stands_before_the_teardown(packs: Packs) -> None:
    """The journal names the first seal, and every removal of the copy comes after the events it covers."""
    for ended in (packs.passed, packs.failed):
        first = json.loads((ended.folder / "seal-first.json").read_bytes())
        removed = [entry.n for entry in ended.entries if type(entry.event).__name__ == "ReceiptClosed"
                   and getattr(entry.event, "object", "") == "cluster"]  # fmt: skip
        assert first["journal"]["n"] < min(removed)
        assert ended.state.notes["first_seal"]["key"] == first["key"]
