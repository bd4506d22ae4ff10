"""Tests of the leak scan: every form, at every place, across the borders of what is read at once."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from console.evidence import scan
from console.evidence.scan import scan_files
from console.secrets import forms_of

SECRET = "correct horse 'battery'"
KNOWN = {"source": SECRET}


def look(folder: Path, **files: bytes) -> tuple[str, ...]:
    """Write files, search them and return the findings."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return scan_files(sorted(folder.iterdir()), KNOWN, root=folder).findings


def test_clean_files_have_no_finding(tmp_path: Path) -> None:
    """Everything is counted and nothing is found."""
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"")
    found = scan_files([tmp_path / "a", tmp_path / "b"], KNOWN, root=tmp_path)
    assert (found.files, found.bytes, found.findings) == (2, 5, ())


@pytest.mark.parametrize(("form", "text"), sorted(forms_of(SECRET).items()))
def test_every_form_is_found_and_never_shown(tmp_path: Path, form: str, text: str) -> None:
    """A finding says file, place, form and the secret's name, and no part of the value."""
    [finding] = look(tmp_path, leak=b"before " + text.encode() + b" after")
    assert finding.startswith("leak at 7 as ")
    assert finding.endswith(" of source")
    assert forms_of(SECRET)[finding.split()[4]] == text
    assert text not in finding


@pytest.mark.parametrize("offset", range(6))
def test_base64_is_found_at_every_offset(tmp_path: Path, offset: int) -> None:
    """Whatever stands before the secret inside base64, it is found."""
    assert len(look(tmp_path, leak=base64.b64encode(b"x" * offset + SECRET.encode() + b"tail"))) == 1


@pytest.mark.parametrize("at", range(40, 68))
def test_a_secret_across_the_border_of_two_chunks_is_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Reading in pieces neither misses nor doubles a finding, wherever the border falls."""
    monkeypatch.setattr(scan, "CHUNK_BYTES", 64)
    assert look(tmp_path, leak=b"." * at + SECRET.encode() + b"." * 200) == (
        f"leak at {at} as plain of source",
    )


def test_all_occurrences_in_all_files_are_told(tmp_path: Path) -> None:
    """Two in one file and one in another are three findings in the order of the files."""
    twice = SECRET.encode() + b"-" + SECRET.encode()
    assert look(tmp_path, a=twice, b=SECRET.encode()) == (
        "a at 0 as plain of source", f"a at {len(SECRET) + 1} as plain of source", "b at 0 as plain of source",
    )  # fmt: skip


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    """A missing file and a folder are not clean, and the others are searched all the same."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "leak").write_bytes(SECRET.encode())
    found = scan_files([tmp_path / "folder", tmp_path / "gone", tmp_path / "leak"], KNOWN, root=tmp_path)
    assert found.findings == (
        "folder cannot be read: it is no regular file", "gone cannot be read: No such file or directory",
        "leak at 0 as plain of source",
    )  # fmt: skip
    assert found.files == 1


def test_a_file_outside_the_root_is_named_in_full(tmp_path: Path) -> None:
    """A finding elsewhere keeps its whole path."""
    (tmp_path / "leak").write_bytes(SECRET.encode())
    found = scan_files([tmp_path / "leak"], KNOWN, root=tmp_path / "below")
    assert found.findings == (f"{tmp_path / 'leak'} at 0 as plain of source",)


def test_two_secrets_of_one_value_are_both_told(tmp_path: Path) -> None:
    """A shared password is found under every name that it has."""
    (tmp_path / "leak").write_bytes(SECRET.encode())
    found = scan_files([tmp_path / "leak"], {"one": SECRET, "two": SECRET}, root=tmp_path)
    assert found.findings == ("leak at 0 as plain of one", "leak at 0 as plain of two")


def test_bytes_that_are_no_text_are_searched(tmp_path: Path) -> None:
    """A secret between bytes that are no UTF-8 is found."""
    assert look(tmp_path, leak=b"\xff\x00\xfe" + SECRET.encode() + b"\xff") == (
        "leak at 3 as plain of source",
    )


def test_with_no_secret_known_nothing_is_found(tmp_path: Path) -> None:
    """Files are counted also when there is nothing to search for."""
    (tmp_path / "a").write_bytes(os.urandom(100))
    assert scan_files([tmp_path / "a"], {}, root=tmp_path).bytes == 100
