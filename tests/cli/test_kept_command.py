"""`drydock kept`: what is kept is listed, what is named is removed, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from fix_kept import keep, listed

import console.kept
from console.cli.main import main
from console.kept import LIST_FILE, unused
from console.model.config import ReuseConfig, RunConfig, RunOrder
from console.runs import ORDER_FILE

NAME, OTHER = "kept-20261121-034512-7f3a", "kept-20261121-034512-0002"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two copies, one of whose lists is damaged; until nine in the morning of the same day."""
    made = tmp_path / "kept"
    made.mkdir(mode=0o700)
    keep(made, listed(hours=24 * 365 * 50))
    (keep(made, listed(run=OTHER.removeprefix("kept-"))) / LIST_FILE).write_bytes(b"\x1b[2J{")
    monkeypatch.setenv("DRYDOCK_KEPT_DIR", str(made))
    return made


def test_everything_kept_is_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy is left out, a damaged list raises, or its bytes reach the terminal."""
    assert main(["kept"]) == 0
    said = capsys.readouterr().out
    assert [line.split()[-1] for line in said.splitlines() if line.startswith("name")] == [OTHER, NAME]
    assert "its list cannot be believed" in said
    assert "\x1b" not in said
    assert "connection /run/pg shop, read at 20261121T" in said
    assert "1 B, memory" in said
    assert main(["kept", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told] == [OTHER, NAME]
    assert told[1]["state"] == "kept"
    assert told[1]["path"] == str(folder / NAME)


def test_only_what_is_named_is_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other copy goes, or the named one stays."""
    assert main(["kept", "remove", NAME]) == 0
    assert f"removed {NAME}" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == [OTHER]
    assert main(["kept", "remove", "--folder", str(folder), OTHER]) == 0
    assert list(folder.iterdir()) == []
    assert main(["kept"]) == 0
    assert capsys.readouterr().err.endswith(f"no copy is kept in {folder}\n")


@pytest.mark.parametrize(
    "name", ["kept-*", "..", ".", "", "kept-20261121-034512-ffff", f"../kept/{NAME}", f"{NAME}/"]
)
def test_no_other_name_removes_anything(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """A pattern, a path or the name of nothing removes something; or a good name beside a bad one does."""
    assert main(["kept", "remove", NAME, name]) == 2
    assert "no copy is kept in" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == [OTHER, NAME]


def test_a_folder_that_a_plan_named_is_found_from_any_shell(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run kept elsewhere than in this shell's folder is neither listed, nor removed, nor ended in time."""
    runs = tmp_path / "runs"
    run = runs / NAME.removeprefix("kept-")
    run.mkdir(parents=True)
    order = RunOrder(run=run.name, config=RunConfig(reuse=ReuseConfig(copy=True, folder=str(folder))))
    (run / ORDER_FILE).write_bytes(msgspec.json.encode(order))
    (runs / "20261121-034512-0009").mkdir()
    (runs / "20261121-034512-0009" / ORDER_FILE).write_bytes(b"{")
    monkeypatch.setenv("DRYDOCK_KEPT_DIR", str(tmp_path / "other"))
    over = keep(folder, listed(run="20261121-034512-0005", hours=1))
    assert main(["kept", "--runs-dir", str(tmp_path / "none")]) == 0
    assert over.exists()
    assert main(["kept", "--runs-dir", str(runs)]) == 0
    said = capsys.readouterr()
    assert [line.split()[-1] for line in said.out.splitlines() if line.startswith("name")] == [OTHER, NAME]
    assert f"removed {over}: its time is over" in said.err
    over = keep(folder, listed(run="20261121-034512-0005", hours=1))
    assert main(["recover", "--runs-dir", str(runs)]) == 0
    assert not over.exists()
    assert main(["kept", "--runs-dir", str(runs), "remove", NAME]) == 0
    assert not (folder / NAME).exists()


def test_a_copy_that_is_being_made_is_told_as_such(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a run writes at this moment is called broken."""
    (folder / OTHER / LIST_FILE).unlink()
    with unused(folder / OTHER, wait=False):
        assert main(["kept"]) == 0
    assert "a run makes it at this moment" in capsys.readouterr().out
    assert main(["kept"]) == 0
    assert "it has no list" in capsys.readouterr().out


def test_a_file_in_the_folders_place_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback, where there is nothing to list."""
    (tmp_path / "file").touch()
    assert main(["kept", "--folder", str(tmp_path / "file")]) == 0
    assert "no copy is kept in" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["none/below", "open/below"])
def test_a_folder_that_cannot_be_made_is_refused_before_a_run_exists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Production's operator approves B-1 to B-2, and hears then that nothing can be kept."""
    (tmp_path / "open").mkdir()
    monkeypatch.setattr("console.cli.beforehand.os.access", lambda path, _mode: path != tmp_path / "open")
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f'[reuse]\ncopy = true\nencrypted = true\nfolder = "{tmp_path}/{missing}"\n'
        '[source]\nkind = "connection"\nhost = "/run/pg"\ndatabase = "d"\nrole = "r"\nsecret = "s"\n'
    )
    assert main(["check", str(plan)]) == 2
    said = capsys.readouterr()
    assert "is not there, and cannot be made in" in said.out + said.err


@pytest.mark.parametrize(
    ("section", "words", "says"),
    [
        ("", (), "a source of kind demo is not kept"),
        ('[sample]\nrows = "none"\n', (), "a copy that is not the whole source is not kept"),
        ("", ("--environment", "docker"), "a copy in a container cannot be kept"),
        ("", ("--plan", "migration"), "a migration keeps no copy"),
    ],
)
def test_what_cannot_be_kept_is_refused_from_the_command_line_too(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    section: str,
    words: tuple[str, ...],
    says: str,
) -> None:
    """A sample is kept as if it were the whole source, and a later run passes on it; or a demo is kept."""
    plan = tmp_path / "plan.toml"
    plan.write_text(
        '[source]\nkind = "connection"\nhost = "/run/pg"\ndatabase = "d"\nrole = "r"\nsecret = "s"\n'
        + section
    )
    given = (str(plan),) if section or words else ()
    runs = tmp_path / "runs"
    assert main(["run", *given, *words, "--reuse-copy", "--headless", "--runs-dir", str(runs)]) == 2
    assert says in capsys.readouterr().err
    assert not runs.exists()


def test_what_a_run_reads_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy goes from under a run; or the command says that it was removed."""
    with unused(folder / NAME, wait=False):
        assert main(["kept", "remove", NAME]) == 4
    assert f"{NAME} stays: a run reads from it" in capsys.readouterr().err
    assert (folder / NAME / LIST_FILE).exists()


def test_what_is_over_goes_with_the_first_command(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy whose keeper was killed stays after its end; one whose list nobody can read stays for ever."""
    monkeypatch.setattr(console.kept, "now", lambda: datetime(2099, 1, 1, tzinfo=UTC))
    monkeypatch.setattr("console.cli.kept.now", lambda: datetime(2099, 1, 1, tzinfo=UTC))
    assert main(["kept"]) == 0
    said = capsys.readouterr()
    assert f"removed {folder / NAME}: its time is over" in said.err
    assert f"removed {folder / OTHER}: its time is over" in said.err
    assert list(folder.iterdir()) == []
