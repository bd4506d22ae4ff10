"""Other users of the machine, links and folders of somebody else's: they neither answer nor read nor are believed."""

from __future__ import annotations

import importlib
import os
import shutil
import stat
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_journals import RUN, fail_at_s4, running_in_c05, waiting_at_b2
from fix_places import place_for_clusters

from console.cli.main import COMMANDS as MAIN_COMMANDS
from console.cli.main import main
from console.engine.control import ControlServer, Peer, Reply, Request
from console.journal import JournalWriter

STRANGER = 60781
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as another user")
COMMANDS = (
    ("approve", RUN, "B-2", "--digest", "0123456789ab"),
    ("abort", RUN),
    ("attach", RUN),
    ("attach", RUN, "--observe"),
    ("browse", RUN),
    ("status", RUN),
    ("report", RUN),
    ("recover", RUN),
)


def said_as(uid: int, *words: str) -> tuple[int, str]:
    """Return exit code and words of a command that another user runs; its modules are read before."""
    for command in MAIN_COMMANDS:
        importlib.import_module(f"console.cli.{command.module}")
    importlib.import_module("console.engine.rehearse")
    with tempfile.TemporaryFile() as out:
        child = os.fork()
        if child == 0:
            code = 99
            try:
                sys.stdout = sys.stderr = os.fdopen(os.dup(out.fileno()), "w")
                os.dup2(out.fileno(), 1)
                os.dup2(out.fileno(), 2)
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                code = main(list(words))
            except BaseException:  # noqa: BLE001 - the child must not go on as a second pytest
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        return code, out.read().decode("utf-8", "replace")


@pytest.fixture
def place() -> Iterator[Path]:
    """Yield a folder that every user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="strangers-", dir=place_for_clusters()))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def living(place: Path) -> Iterator[tuple[Path, list[Request], JournalWriter]]:
    """Yield the runs folder of a run that waits at B-2, what its engine was asked, and its journal."""
    runs = place / "runs"
    writer = waiting_at_b2().write(runs)
    runs.chmod(0o755)
    asked: list[Request] = []

    def handle(request: Request, _peer: Peer) -> Reply:
        asked.append(request)
        return Reply(accepted=True, says="taken")

    server = ControlServer(runs / RUN, handle)
    yield runs, asked, writer
    server.close()
    writer.close()


@AS_ROOT
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_another_user_neither_answers_nor_reads(
    living: tuple[Path, list[Request], JournalWriter], words: tuple[str, ...]
) -> None:
    """Each command of another user ends with 2 in one sentence, tells nothing of the run, and reaches no engine."""
    runs, asked, writer = living
    code, said = said_as(STRANGER, *words, "--runs-dir", str(runs))
    assert (code, asked) == (2, []), said
    assert "Traceback" not in said
    assert "cannot be read" in said or "belongs to another user" in said, said
    for told in ("B-2", "dot-iu-cutter", writer.head):
        assert told not in said.replace(" ".join(words), ""), said


@AS_ROOT
def test_another_user_sees_no_run_in_the_list(living: tuple[Path, list[Request], JournalWriter]) -> None:
    """The list of another user names the folder and nothing of what is in it."""
    runs, _asked, _writer = living
    code, said = said_as(STRANGER, "runs", "--runs-dir", str(runs))
    assert (code, "B-2" in said, "cannot be read" in said) == (0, False, True), said


@AS_ROOT
def test_a_run_of_another_user_is_not_recovered(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a stranger's journal names is not removed for him: by name it is refused, in the list passed over."""
    runs = place / "runs"
    victim = place / "victim"
    victim.mkdir()
    running_in_c05().write(runs).close()
    for path in (runs / RUN, *(runs / RUN).iterdir()):
        os.chown(path, STRANGER, STRANGER)
    before = (runs / RUN / "journal.jsonl").read_bytes()
    assert main(["recover", RUN, "--runs-dir", str(runs)]) == 2
    assert main(["recover", "--runs-dir", str(runs)]) == 0
    said = capsys.readouterr().err
    assert said.count("belongs to another user of this machine") == 2
    assert (runs / RUN / "journal.jsonl").read_bytes() == before


@pytest.mark.parametrize("which", ["folder", "journal", "order"])
def test_links_are_no_runs(place: Path, capsys: pytest.CaptureFixture[str], which: str) -> None:
    """A link in the place of a run, its journal or its order is refused by recover, and what it shows by reading."""
    real, runs = place / "real", place / "runs"
    running_in_c05().write(real).close()
    (real / RUN / "order.json").touch()
    runs.mkdir()
    if which == "folder":
        (runs / RUN).symlink_to(real / RUN)
    else:
        shutil.copytree(real / RUN, runs / RUN)
        name = {"journal": "journal.jsonl", "order": "order.json"}[which]
        (runs / RUN / name).unlink()
        (runs / RUN / name).symlink_to(real / RUN / name)
    before = (real / RUN / "journal.jsonl").read_bytes()
    assert main(["recover", RUN, "--runs-dir", str(runs)]) == 2
    assert "is a link" in capsys.readouterr().err
    if which != "order":
        assert main(["status", RUN, "--runs-dir", str(runs)]) == 2
        assert "it is a link, which no run is" in capsys.readouterr().err
        assert main(["runs", "--runs-dir", str(runs)]) == 0
        assert "is a link" in capsys.readouterr().err
    assert (real / RUN / "journal.jsonl").read_bytes() == before


def test_dead_and_broken_runs_are_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`runs` names the recover line of a dead run and of one whose journal does not verify; an ended one has none."""
    runs = place / "runs"
    broken, ended = "20261121-034512-0001", "20261121-034512-0002"
    running_in_c05().write(runs).close()
    running_in_c05().write(runs, broken).close()
    fail_at_s4().write(runs, ended).close()
    with (runs / broken / "journal.jsonl").open("ab") as file:
        file.write(b"{}\n")
    assert main(["runs", "--runs-dir", str(runs)]) == 0
    said = capsys.readouterr().err
    for run in (RUN, broken):
        assert f"drydock recover {run} --runs-dir {runs}" in said
    assert ended not in said
    assert stat.S_IMODE((runs / RUN / "journal.jsonl").stat().st_mode) == 0o600
