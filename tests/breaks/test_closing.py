"""G-21, G-23 to G-25, N-4 to N-7 broken for real: what changes while the run ends, and what stays behind."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path

import pytest
from driver import Break, Stage, Waiting
from expected import assert_fails
from props import git, replace_secrets_file, repository, restart_server, stop_server


def test_source_restarts_during_the_scenarios(scene: Stage) -> None:
    """Production restarted before C-11 fails G-21 with both start times, G-25 and N-6 too, and is UNCLEAN."""
    ended = scene.drive(at={"B-C-11": lambda waiting: restart_server(scene, waiting.production)})
    before = ended.state.facts["source.before"]["started_at"]
    assert_fails(ended, "G-21", "the source started at ", f"in C-03 at {before}", unclean=("N-6",))
    assert ended.verdict("G-25") == "FAIL"


def test_secret_in_an_artefact(scene: Stage) -> None:
    """A file among the artefacts that holds a password in base64 fails G-23 by its place and form."""

    def leak(waiting: Waiting) -> None:
        coded = base64.b64encode(b"pw: " + waiting.password("cutter_exec").encode())
        (waiting.folder / "artefacts" / "notes.txt").write_bytes(b"for later: " + coded + b"\n")

    ended = scene.drive(at={"B-C-12": leak})
    assert_fails(ended, "G-23", "a secret is in artefacts/notes.txt at ", " as base64+1 of cutter_exec")


def _replace_cluster(data_folder: Path) -> str:
    """Give a cluster another system_identifier under its old name, and return it."""
    with (data_folder / "global" / "pg_control").open("r+b") as control:
        other = int.from_bytes(control.read(8), "little") ^ 1
        control.seek(0)
        control.write(other.to_bytes(8, "little"))
    return str(other)


def test_neighbour_is_replaced_before_the_teardown(scene: Stage) -> None:
    """A protected cluster that has become another one under its name fails G-24 with both ids."""
    others: list[str] = []
    ended = scene.drive(at={"B-5": lambda waiting: others.append(_replace_cluster(waiting.neighbour))})
    assert_fails(ended, "G-24", f"neighbour/data has id {others[0]}, in C-01 it had ")


def test_source_is_replaced_before_the_teardown(scene: Stage) -> None:
    """A production that has become another cluster under its name fails G-25 with both identifiers."""
    others: list[str] = []
    ended = scene.drive(at={"B-5": lambda waiting: others.append(_replace_cluster(waiting.production))})
    assert_fails(ended, "G-25", f"the source has system_identifier {others[0]}, in C-03 ")


def test_source_is_stopped_before_the_teardown(scene: Stage) -> None:
    """A production that no longer runs fails G-25 and N-6, and the teardown still removes everything."""
    ended = scene.drive(at={"B-5": lambda waiting: stop_server(waiting.production)})
    assert_fails(ended, "G-25", "the source does not run, in C-03 it ran since ", unclean=("N-6",))


def _moved_away(waiting: Waiting) -> None:
    waiting.secrets_file.rename(waiting.folder.parent / "kept.json")


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        (replace_secrets_file, "is not the object of the receipt any more"),
        pytest.param(_moved_away, "is not there any more", marks=pytest.mark.matrix),
    ],
    ids=["replaced", "moved away"],
)
def test_secrets_file_is_not_destroyed(scene: Stage, deed: Break, says: str) -> None:
    """A secrets file that was replaced or moved away fails N-4 by name; what stands there is left alone."""
    ended = scene.drive(at={"B-5": deed})
    file = ended.folder / "secrets" / "rehearsal.json"
    assert_fails(ended, "N-4", f"file {file} ", "was not removed", says, unclean=_also_folder(deed))
    assert f"file {file}" in ended.summary["residue"]
    if deed is replace_secrets_file:
        assert file.read_text("utf-8") == "somebody's"


def _also_folder(deed: Break) -> tuple[str, ...]:
    """The folder around a file that is left alone is left alone as well."""
    return ("N-4", "N-7") if deed is replace_secrets_file else ("N-4",)


def test_subject_changes_during_the_run(scene: Stage) -> None:
    """A subject edited and committed during the run fails N-5 by tree and HEAD."""
    folder = repository(scene.subject())
    before = git(folder, "rev-parse", "HEAD")

    def commit(_waiting: Waiting) -> None:
        module = folder / "cutter_agent" / "pool.py"
        module.write_text(module.read_text("utf-8") + "\n# later\n", "utf-8")
        git(folder, "commit", "--quiet", "--all", "--message", "later")

    ended = scene.drive(at={"B-5": commit})
    after = git(folder, "rev-parse", "HEAD")
    assert_fails(
        ended, "N-5", "the subject's tree_sha256 is ", f"the subject's head is {after}, expected {before}",
        unclean=("N-5",),
    )  # fmt: skip


def test_neighbour_restarts_before_the_teardown(scene: Stage) -> None:
    """A protected server that was restarted fails N-6 by its name, and G-24 before it."""
    ended = scene.drive(at={"B-5": lambda waiting: restart_server(scene, waiting.neighbour)})
    assert_fails(ended, "G-24", "neighbour/data started at ", ", in C-01 at ", unclean=("N-6",))
    assert "start of " in ended.reason("N-6")
    assert "neighbour/data is " in ended.reason("N-6")


@pytest.mark.parametrize(
    "replaced", [pytest.param(False, marks=pytest.mark.matrix), True], ids=["moved away", "replaced"]
)
def test_work_folder_is_not_removed(scene: Stage, replaced: bool) -> None:
    """A work folder that was moved away, or replaced under its name, fails N-7 by its name."""
    moved = scene.root / "moved"

    def move(waiting: Waiting) -> None:
        waiting.work.rename(moved)
        if replaced:
            waiting.work.mkdir()
            scene.closing.callback(waiting.work.rmdir)
        else:
            scene.closing.callback(os.path.lexists, waiting.work)

    ended = scene.drive(at={"B-5": move})
    says = "is not the object of the receipt any more" if replaced else "is not there any more"
    assert "N-7 FAIL" in " ".join(ended.summary["residue"]), ended.words[-3000:]
    assert ended.verdict("N-7") == "FAIL"
    work = next(line for line in ended.summary["residue"] if line.startswith("folder ") and "-" in line)
    assert work
    shown = ended.state.facts["left.processes"]["not_removed"]
    assert any(says in why for why in shown.values()), shown
    assert ended.exit_code == 4
    shutil.rmtree(moved)
