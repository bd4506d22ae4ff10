"""Planted secrets are found in every form, in every place that a pack keeps; look-alikes are not."""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import zstandard
from fix_packs import Packs
from fix_runs import Drydock, Ended
from hypothesis import given
from hypothesis import strategies as st

from console.evidence import scan
from console.evidence.needles import Needles
from console.evidence.scan import scan_files
from console.evidence.storage import kept_files
from console.secrets import forms_of, scram_verifier

SECRET = "grün & 'blau' \\ \"rot\"/+7"
ASCII = "kR7-vertraulich_99"
KNOWN = {"source": SECRET, "exec": ASCII}
Copy = Callable[[Ended], Path]


def look(folder: Path, **files: bytes) -> scan.Scanned:
    """Write files, search them, and return what was found."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return scan_files(sorted(folder.iterdir()), KNOWN, root=folder)


def test_every_form_in_every_place_that_is_kept(packs: Packs, copy_of: Copy) -> None:
    """Each form, appended to each file of a real pack, is found in that file, and the clean pack is silent."""
    folder = copy_of(packs.passed)
    files = kept_files(folder)
    clean = scan_files(files, KNOWN, root=folder)
    assert (clean.everything, clean.files) == ((), len(files))
    forms = {form: text.encode() for form, text in forms_of(SECRET).items()}
    forms |= {f"{form} of exec": text.encode() for form, text in forms_of(ASCII).items()}
    for path in files:
        before = path.stat().st_size
        with path.open("ab") as file:
            file.write(b"\n" + b"\n".join(forms.values()))
        found = scan_files([path], KNOWN, root=folder).found
        starts, at = set(), before + 1
        for text in forms.values():
            starts.add(at)
            at += len(text) + 1
        assert {path.relative_to(folder).as_posix()} == {one.file for one in found}
        assert starts <= {one.at for one in found}, path
        assert not any(value in str(one) for one in found for value in KNOWN.values())


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET.encode(), SECRET.encode().hex().encode(), quote(SECRET).encode(),
        quote(SECRET, safe="").lower().encode(), quote_plus(SECRET).encode(),
        json.dumps({"p": SECRET}).encode(), json.dumps({"p": SECRET}, ensure_ascii=False).encode(),
        repr({"p": SECRET}).encode(), repr(SECRET.encode()).encode(), base64.b64encode(b"ab" + SECRET.encode() + b"c"),
        base64.urlsafe_b64encode(b"a" + SECRET.encode()), f"'{SECRET.replace(chr(39), 2 * chr(39))}'".encode(),
    ],
)  # fmt: skip
def test_what_real_encoders_write_is_found(tmp_path: Path, spelled: bytes) -> None:
    """The text as urllib, json, repr, base64 and SQL write it is found inside other text."""
    assert len(look(tmp_path, leak=b"x=" + spelled + b" y").found) >= 1


def zst(content: bytes) -> bytes:
    """Return one zstd frame."""
    return zstandard.ZstdCompressor().compress(content)


def zst_with_a_sum(content: bytes) -> bytes:
    """Return one zstd frame that ends in a check sum of its content."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


@pytest.mark.parametrize("pack", [gzip.compress, zst], ids=["gzip", "zstd"])
@pytest.mark.parametrize("before", [b"", b"some text before the member\n"], ids=["at 0", "later"])
def test_inside_compressed_members(tmp_path: Path, pack: Callable[[bytes], bytes], before: bytes) -> None:
    """A secret in the second of two members, wherever they begin, is found with member and offset."""
    member = pack(b"clean" * 1000)
    found = look(tmp_path, leak=before + member + pack(b"0123456789" + ASCII.encode())).found
    kind = "gzip" if pack is gzip.compress else "zstd"
    assert f"leak in {kind} at {len(before + member)}, at 10 as plain of exec" in [str(one) for one in found]


def test_members_in_members(tmp_path: Path) -> None:
    """A secret in hex in zstd in gzip is found; one that lies deeper than the limit is not called clean."""
    coded = ASCII.encode().hex().encode()
    found = look(tmp_path, leak=gzip.compress(b"xx" + zst(coded)))
    assert "leak in gzip at 0, in zstd at 2, at 0 as hex of exec" in found.findings
    deep = coded
    for _ in range(scan.MOST_DEEP + 1):
        deep = gzip.compress(deep)
    (tmp_path / "leak").unlink()
    found = look(tmp_path, deep=deep)
    assert "not unpacked" in found.limits[0]


@pytest.mark.parametrize("chunk", [64, 1 << 10, 1 << 20])
def test_members_across_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """However small the pieces are, a member that goes on for many of them is searched to its end."""
    monkeypatch.setattr(scan, "CHUNK_BYTES", chunk)
    content = os.urandom(30_000) + ASCII.encode() + os.urandom(30_000)
    found = look(tmp_path, a=gzip.compress(content), b=zst(content))
    assert {"a in gzip at 0, at 30000 as plain of exec", "b in zstd at 0, at 30000 as plain of exec"} <= set(
        found.findings
    )


def test_a_member_that_breaks_off_is_searched_as_far_as_it_goes_and_is_not_clean(tmp_path: Path) -> None:
    """The first half of a gzip file shows its secret, and the file is not called clean."""
    whole = gzip.compress(ASCII.encode() + os.urandom(10_000))
    found = look(tmp_path, leak=whole[: len(whole) // 2])
    assert "leak in gzip at 0, at 0 as plain of exec" in found.findings
    assert "breaks off" in found.limits[0]


@pytest.mark.parametrize("pack", [gzip.compress, zst_with_a_sum], ids=["gzip", "zstd"])
@pytest.mark.parametrize("chunk", [64, 1 << 20])
def test_of_a_small_member_that_is_broken_all_is_searched_up_to_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes], chunk: int
) -> None:
    """The check sum does not fit, wherever the member begins: what came before is searched, and it is not clean."""
    monkeypatch.setattr(scan, "CHUNK_BYTES", chunk)
    coded = base64.b64encode(random.Random(3).randbytes(600))
    member = bytearray(pack(coded + ASCII.encode() + coded))
    member[-1 if pack is zst_with_a_sum else -5] ^= 1
    kind = "gzip" if pack is gzip.compress else "zstd"
    for before in (55, 60, 62, 100):
        found = look(tmp_path, leak=b"." * before + member + b"." * 5000)
        told = f"leak in {kind} at {before}, at {len(coded)} as plain of exec" in found.findings
        assert told or chunk == 64
        assert "is broken" in found.limits[0]


@pytest.mark.parametrize("pack", [gzip.compress, zst_with_a_sum], ids=["gzip", "zstd"])
def test_a_large_member_that_is_broken_is_not_clean(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Where some of what it unpacks to may be lost, nothing is called clean, wherever it begins."""
    member = bytearray(pack(base64.b64encode(random.Random(3).randbytes(600_000)) + ASCII.encode()))
    member[-1 if pack is zst_with_a_sum else -5] ^= 1
    assert "is broken" in look(tmp_path, leak=b"." * 100 + member).limits[0]


def test_a_small_member_that_is_broken_is_searched_in_few_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unpacked byte by byte, and not searched so: files full of such members would take minutes."""
    searched = []
    search = Needles.search

    def counted(self: Needles, window: bytes | memoryview) -> object:
        searched.append(len(window))
        return search(self, window)

    monkeypatch.setattr(Needles, "search", counted)
    member = bytearray(gzip.compress(ASCII.encode() + base64.b64encode(random.Random(3).randbytes(900))))
    member[-5] ^= 1
    found = look(tmp_path, leak=b"." * 100 + member)
    assert found.findings == ("leak in gzip at 100, at 0 as plain of exec",)
    assert len(searched) < 5


def test_members_without_number_meet_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members that begin in each other are many more than bytes; what is said of them is as short as findings are."""
    monkeypatch.setattr(scan, "MOST_NESTED", 300)
    whole = gzip.compress(b"x" * 60, 0)
    assert look(tmp_path, leak=b"." + whole * 301 + gzip.compress(whole * 300)).everything == ()
    assert "more than 300 members" in look(tmp_path, leak=b"." + gzip.compress(whole * 301)).limits[0]
    monkeypatch.setattr(scan, "MOST_FINDINGS", 5)
    broken = bytearray(gzip.compress(whole * 40, 0))
    broken[-5] ^= 1
    assert len(look(tmp_path, leak=b"." + bytes(broken) * 10).limits) == 5


def test_what_chance_takes_for_a_member_is_no_limit(tmp_path: Path) -> None:
    """Random bytes behind magic numbers unpack to some bytes at times, and are clean all the same."""
    noise = random.Random(7)
    magic = b"".join(b"\x1f\x8b\x08\0" + noise.randbytes(40) for _ in range(2000))
    assert look(tmp_path, noise=b"." + magic).everything == ()


def test_a_header_that_never_ends_takes_no_memory(tmp_path: Path) -> None:
    """A gzip member whose name goes on for megabytes is not kept."""
    long = b"." + b"\x1f\x8b\x08\x08" + b"\0" * 6 + b"n" * 8_000_000
    (tmp_path / "leak").write_bytes(long)
    tracemalloc.start()
    scan_files([tmp_path / "leak"], KNOWN, root=tmp_path)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_bomb_meets_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to more than the limit stops there, and then nothing is clean."""
    monkeypatch.setattr(scan, "MOST_UNPACKED_BYTES", 10 << 20)
    found = look(tmp_path, bomb=zst(bytes(50 << 20)), other=gzip.compress(bytes(50 << 20)))
    assert [limit.partition(":")[0] for limit in found.limits] == ["bomb", "other"] or len(found.limits) >= 2


def test_scram_verifiers(tmp_path: Path) -> None:
    """The verifier of a known secret is found by its secret's name; that of another password is not."""
    found = look(
        tmp_path, ours=b"x " + scram_verifier(ASCII).encode(), theirs=scram_verifier("another one").encode()
    )
    assert found.everything == ("ours at 2 as SCRAM-verifier of exec",)


def test_a_verifier_that_would_take_hours_is_a_limit(tmp_path: Path) -> None:
    """A verifier with more iterations than anybody uses is not tried, and the scan is then not clean."""
    slow = scram_verifier(ASCII).replace("$4096:", "$999999999:")
    assert "was not tried" in look(tmp_path, slow=slow.encode()).limits[0]


def test_look_alikes_stay_silent(tmp_path: Path) -> None:
    """Near misses, halves, other spellings of other words, and magic bytes that begin nothing are no findings."""
    almost = [ASCII[:-1], ASCII[1:], ASCII.upper(), ASCII.replace("7", "8"), ASCII[::-1], " ".join(ASCII)]
    coded = [base64.b64encode(one.encode()).decode() for one in almost] + [
        one.encode().hex() for one in almost
    ]
    noise = os.urandom(2 << 20)
    magic = b"\x1f\x8b\x08\x00 is no gzip, \x28\xb5\x2f\xfd no zstd, SCRAM-SHA-256$4096:salt no verifier"
    found = look(tmp_path, text="\n".join(almost + coded).encode(), noise=noise, magic=b"." + magic)
    assert found.everything == ()


@given(
    st.lists(st.sampled_from([b"ab", b"aab", b"correct", b"rect horse", b"x", b"horseab"]), max_size=12),
    st.binary(max_size=40),
)
def test_the_automaton_misses_nothing_that_overlaps(parts: list[bytes], tail: bytes) -> None:
    """Hits equal those of a plain search for every needle at every place, also where needles overlap."""
    known = {"a": "aabaabaab", "b": "correct horse", "c": "rect horseab"}
    text = b"".join(parts) + tail + b"correct horseab" + tail
    searched = Needles(known)
    expected = {
        (at, name)
        for name, value in known.items()
        for form in forms_of(value).values()
        for at in range(len(text))
        if text.startswith(form.encode(), at)
    }
    assert {(begin, name) for begin, _end, _form, name in searched.search(text)[0]} == expected


def test_a_hundred_secrets_are_all_found(tmp_path: Path) -> None:
    """With six hundred needles every secret is found, and nothing else."""
    known = {f"s{number}": f"secret-number-{number:04d}" for number in range(100)}
    (tmp_path / "leak").write_bytes(b" ".join(value.encode() for value in known.values()))
    found = scan_files([tmp_path / "leak"], known, root=tmp_path)
    assert [one.secret for one in found.found] == list(known)


def test_a_secret_with_a_nul_is_found(tmp_path: Path) -> None:
    """A NUL in a secret, first or in the middle, ends the search, or lets something that only begins like it pass."""
    known = {"first": "\0ghijklmnop", "middle": "abc\0defghijk"}
    (tmp_path / "leak").write_bytes(b"..".join(value.encode() for value in known.values()))
    (tmp_path / "other").write_bytes(b"abc\0defghijx \0ghijklmnox abc")
    found = scan_files([tmp_path / "leak", tmp_path / "other"], known, root=tmp_path)
    assert [(one.file, one.secret, one.at) for one in found.found] == [
        ("leak", "first", 0),
        ("leak", "middle", 13),
    ]


def test_a_secret_as_long_as_a_key_file_is_found(tmp_path: Path) -> None:
    """A secret of 200 000 characters is found in each of its forms, and one that only begins like it is not."""
    value = "-----BEGIN KEY-----\n" + base64.b64encode(random.Random(1).randbytes(150_000)).decode()
    for form, text in forms_of(value).items():
        (tmp_path / form.replace("/", "-")).write_bytes(b"." * 5_000_000 + text.encode())
    (tmp_path / "begins").write_bytes(value[:-1].encode() + b"!")
    found = scan_files(sorted(tmp_path.iterdir()), {"key": value}, root=tmp_path)
    assert {one.file for one in found.found} == {path.name for path in tmp_path.iterdir()} - {"begins"}


def leaking(drydock: Drydock) -> Ended:
    """Return a run in which secrets appear beside the harness before C-11, and among the artefacts at B-5."""
    boundaries = [f"B-{n}" for n in range(1, 5)] + [f"B-C-{n:02d}" for n in range(2, 13) if n != 11]
    living = drydock.start("--supervise", "step", "--approve", ",".join(boundaries))
    living.wait_at("B-C-11")
    folder = living.folder
    passwords = json.loads((folder / "secrets" / "rehearsal.json").read_bytes())
    name, value = next(iter(passwords.items()))
    [work] = [
        path
        for path in drydock.work.iterdir()
        if folder.name in path.name and not path.name.endswith("-demo")
    ]
    for file, content in {
        "plain.log": value.encode(), "coded.log": base64.b64encode(b"z" + value.encode()),
        "packed.gz": gzip.compress(value.encode().hex().encode()), "packed.zst": zst(value.encode()),
        "verifier.log": scram_verifier(value).encode(),
    }.items():  # fmt: skip
        (work / "harness" / file).write_bytes(content)
    (folder / "engine.log").write_bytes(name.encode() + b" " + value.encode().hex().upper().encode())
    living.approve("B-C-11")
    living.wait_at("B-5")
    (folder / "artefacts" / "late.bin").write_bytes(
        zlib.compress(b"no member") + gzip.compress(value.encode())
    )
    living.approve("B-5")
    return living.finish()


def test_a_run_that_leaks_fails(drydock: Drydock) -> None:
    """Plain, base64, hex in gzip, zstd and a SCRAM verifier fail G-22, by file and form; what comes later, G-23."""
    ended = leaking(drydock)
    assert ended.outcome[:3] == (1, "FAIL", "CLEAN")
    assert ended.summary["failed_gate"] == "G-22"
    found = "\n".join(ended.state.facts["scan.records"]["findings"])
    for words in (
        "plain.log at 0 as plain of", "coded.log at 2 as base64+1 of", "packed.gz in gzip at 0, at 0 as hex of",
        "packed.zst in zstd at 0, at 0 as plain of", "verifier.log at 0 as SCRAM-verifier of", "engine.log at ",
    ):  # fmt: skip
        assert words in found, found
    assert ended.state.gates["G-23"].verdict == "FAIL"
    assert "artefacts/late.bin in gzip at 17, at 0 as plain of" in "\n".join(
        ended.state.facts["scan.artefacts"]["findings"]
    )
    verified = drydock.command("verify", ended.folder.name, "--runs-dir", str(ended.folder.parent))
    assert (verified.exit_code, "had found a secret: " in verified.stdout) == (5, True)


def test_the_command(packs: Packs, tmp_path: Path) -> None:
    """`drydock scan` answers in JSON with 1 for a leak and 0 for none, and refuses an open secrets file."""
    secrets, place = tmp_path / "secrets", tmp_path / "place"
    secrets.write_text(f"# ours\nexec={ASCII}\n")
    place.mkdir()
    (place / "link").symlink_to(secrets)
    (place / "a.log.gz").write_bytes(gzip.compress(b"pw " + ASCII.encode()))
    secrets.chmod(0o644)
    words = ["scan", str(place), "--secrets-from", str(secrets)]
    assert packs.drydock.command(*words).exit_code == 2
    secrets.chmod(0o600)
    said = packs.drydock.command(*words)
    told = json.loads(said.stdout)
    assert (said.exit_code, told["clean"], len(told["links_not_followed"])) == (1, False, 1)
    [finding] = told["findings"]
    assert (finding["inside"], finding["at"], finding["form"], finding["secret"]) == (
        "in gzip at 0",
        3,
        "plain",
        "exec",
    )
    assert ASCII not in said.stdout + said.stderr
    (place / "a.log.gz").unlink()
    said = packs.drydock.command(*words)
    assert (said.exit_code, json.loads(said.stdout)["clean"]) == (0, True)
