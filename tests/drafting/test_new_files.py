"""New files appear whole or not at all, and never over another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.drafting.files import write_new
from console.errors import PackError, PlanError

CONTENTS = {"plan.toml": b"plan", "pack/pack.toml": b"pack"}


def found(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def accept(_staging: Path) -> None:
    """Find nothing wrong."""


def test_all_files_are_written_with_plain_modes(tmp_path: Path) -> None:
    """A file is missing, or what was staged stays behind."""
    write_new(tmp_path / "new" / "er", CONTENTS, check=accept)
    assert found(tmp_path / "new" / "er") == CONTENTS
    assert [path.name for path in (tmp_path / "new" / "er").iterdir() if path.name.startswith(".")] == []
    assert (tmp_path / "new" / "er" / "plan.toml").stat().st_nlink == 1


def test_what_is_there_stays(tmp_path: Path) -> None:
    """A file, or a link that leads nowhere, is written over; or a part of the draft appears beside it."""
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "pack.toml").symlink_to("nowhere")
    with pytest.raises(PlanError, match="is there already"):
        write_new(tmp_path, CONTENTS, check=accept)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["pack", "pack.toml"]


def test_a_draft_that_cannot_be_read_is_not_written(tmp_path: Path) -> None:
    """A refused draft leaves a file or a folder."""

    def refuse(staging: Path) -> None:
        assert found(staging) == CONTENTS
        raise PackError("it is wrong", remedy="mend it")

    with pytest.raises(PackError):
        write_new(tmp_path / "new", CONTENTS, check=refuse)
    assert list(tmp_path.iterdir()) == []


def test_what_comes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """A file that somebody makes while the draft is checked is lost, or half a draft stays beside it."""

    def meanwhile(_staging: Path) -> None:
        (tmp_path / "pack").mkdir()
        (tmp_path / "pack" / "pack.toml").write_bytes(b"mine")

    with pytest.raises(PlanError, match="is there already"):
        write_new(tmp_path, CONTENTS, check=meanwhile)
    assert found(tmp_path) == {"pack/pack.toml": b"mine"}
