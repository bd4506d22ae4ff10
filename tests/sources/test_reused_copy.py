"""Whole runs with --reuse-copy: a copy is kept and taken, production is not reached twice, and nothing else is left."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fix_kept import keepers_below
from fix_ordinary import NOBODY, ordinary
from fix_runs import Drydock, Ended
from productions import Production

from console.engine.kept_removal import remove_kept
from console.kept import DATA_FOLDER, LIST_FILE, kept_copies, read_kept

PATIENCE_S = 60.0


class Place:
    """A folder of kept copies, the plan of a production that keeps in it, and a user's own runs."""

    def __init__(self, drydock: Drydock, production: Production, folder: Path) -> None:
        self.production, self.folder = production, folder
        variables = {**drydock.variables, "DRYDOCK_KEPT_DIR": str(folder)}
        self.drydock = replace(drydock, variables=variables)

    def plan(self, *more: str, **keys: str) -> Path:
        """Return a plan whose copy is kept; the tests' machine may swap, so its word stands for the folder's."""
        return self.production.plan("[reuse]", "copy = true", "encrypted = true", *more, **keys)

    def run(self, plan: Path, *words: str) -> Ended:
        """Run a plan to its end with everything approved."""
        return self.drydock.run(str(plan), *words)

    @property
    def kept(self) -> list[Path]:
        """Return the folders of what is kept."""
        return [one.path for one in kept_copies(self.folder)]

    def keepers(self) -> list[int]:
        """Return the processes that wait to end a copy kept here."""
        return keepers_below(self.drydock.root)


@pytest.fixture
def place(drydock: Drydock, production: Production) -> Iterator[Place]:
    """A place to keep copies, and nothing of them or of their keepers afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ddr-", dir="/dev/shm"))
    made = Place(drydock, production, folder)
    yield made
    for pid in made.keepers():
        os.kill(pid, signal.SIGKILL)
    for one in kept_copies(folder):
        remove_kept(one)
    shutil.rmtree(folder)


def logged_sessions(production: Production) -> int:
    """Return how many sessions production's server has seen so far."""
    with production.connect("postgres") as connection:
        [(sessions,)] = connection.execute(
            b"SELECT sum(sessions)::int FROM pg_stat_database WHERE datname = 'directus'"
        ).fetchall()
    return int(sessions)


def test_the_second_run_takes_what_the_first_one_kept(place: Place) -> None:
    """Another verdict, other rows, production reached again, or its password read; or something else is left."""
    before, unread = place.production.digest(), logged_sessions(place.production)
    plan = place.plan(system_identifier=f'"{place.production.system_identifier}"')
    first = place.run(plan)
    assert first.outcome == (0, "PASS", "CLEAN", None), first.said.stderr
    assert first.summary["gates"]["G-29"] == first.summary["gates"]["N-8"] == "PASS"
    [kept] = place.kept
    assert kept.name == f"kept-{first.folder.name}"
    assert "KEPT until" in first.summary["kept"]
    assert len(place.keepers()) == 1

    sessions = logged_sessions(place.production)
    assert sessions > unread
    plan.write_text(plan.read_text().replace('secret = "file:', 'secret = "file:/nowhere'))
    second = place.run(plan)
    assert second.outcome == (0, "PASS", "CLEAN", None), second.said.stderr
    assert f"takes the copy that run {first.folder.name} kept" in second.said.stderr
    assert second.summary["rows_total"] == first.summary["rows_total"] == 15
    gates = second.summary["gates"]
    assert gates["G-30"] == gates["G-08"] == gates["G-09"] == gates["G-10"] == "PASS"
    assert {name for name in ("G-05", "G-06", "G-21", "G-25") if gates[name] != "NOT_APPLICABLE"} == set()
    assert logged_sessions(place.production) == sessions
    assert place.production.digest() == before
    told = [one.state.facts["copy.asked"]["system_identifier"] for one in (first, second)]
    assert len({*told, place.production.system_identifier}) == 3
    assert place.kept == [kept]
    for ended in (first, second):
        assert place.drydock.command("verify", str(ended.folder)).exit_code == 0
    assert [
        *place.drydock.work.glob(f"*{first.folder.name}*"),
        *place.drydock.work.glob(f"*{second.folder.name}*"),
    ] == []


def test_a_subject_that_fails_fails_on_the_kept_copy_too(place: Place) -> None:
    """The kept copy makes a bad subject pass, or is gone because of it; a mended one cannot go on from it."""
    bad = (
        Path(__file__).parents[2]
        / "scenarios"
        / "cutter_dry_run"
        / "known_bad"
        / "find_leaves_transaction_open"
    )
    first = place.run(place.plan(), "--subject", str(bad))
    assert first.outcome == (1, "FAIL", "CLEAN", "subject"), first.said.stderr
    second = place.run(place.plan(), "--subject", str(bad))
    assert second.outcome == (1, "FAIL", "CLEAN", "subject"), second.said.stderr
    assert second.summary["failed_scenario"] == first.summary["failed_scenario"]
    assert second.state.created is not None
    assert second.state.created.copy == "reused"
    assert place.run(place.plan()).outcome == (0, "PASS", "CLEAN", None)


@pytest.mark.parametrize(
    "what",
    ["pg_control", "pg_class"]
    + [pytest.param(name, marks=pytest.mark.matrix) for name in ("a table", "pg_authid")],
)
def test_a_kept_copy_that_was_changed_is_not_rehearsed_on(place: Place, what: str) -> None:
    """G-30: one byte of a table is another one, and a rehearsal says PASS on it; or damage is told as a server's."""
    assert place.run(place.plan()).outcome[1:3] == ("PASS", "CLEAN")
    [kept] = place.kept
    damaged = damage(kept / DATA_FOLDER, what)
    ended = place.run(place.plan())
    assert ended.outcome == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-30"
    assert f"its content is not what was kept ({damaged} is another file)" in ended.summary["reason"]
    assert not set(ended.state.steps_started) & {f"C-{number:02}" for number in range(6, 12)}


@pytest.mark.parametrize(
    "name",
    ["global/pg_control"]
    + [pytest.param(name, marks=pytest.mark.matrix) for name in ("global/1260", "pg_wal", "global")],
)
def test_a_kept_copy_that_lacks_what_a_server_needs(place: Place, name: str) -> None:
    """G-30: what is missing from the kept copy ends the run as drydock's own error, and nobody says what is wrong."""
    assert place.run(place.plan()).outcome[1:3] == ("PASS", "CLEAN")
    [kept] = place.kept
    missing = kept / DATA_FOLDER / name
    missing.rename(place.folder / "aside")
    ended = place.run(place.plan())
    assert ended.outcome == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-30"
    assert f"its content is not what was kept ({name}" in ended.summary["reason"]
    assert "is missing" in ended.summary["reason"]


def test_a_kept_copy_that_has_a_link_fails_its_gate(place: Place) -> None:
    """G-30: a link that somebody put among the kept files is followed, or ends the run without a gate."""
    assert place.run(place.plan()).outcome[1:3] == ("PASS", "CLEAN")
    [kept] = place.kept
    link = kept / DATA_FOLDER / "pg_tblspc" / "16500"
    link.symlink_to(place.folder)
    ended = place.run(place.plan())
    assert ended.outcome == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-30"
    assert f"{link} is a link or no file" in ended.summary["reason"]


def damage(data: Path, what: str) -> str:
    """Change one byte of a table's file, or tear the beginning of a catalogue's; return its name in the data folder."""
    if what == "pg_control":
        path = data / "global" / "pg_control"
    elif what == "pg_authid":
        path = data / "global" / "1260"
    else:
        path = max((data / "base").rglob("*"), key=lambda path: path.stat().st_size)
        if what == "pg_class":
            path = path.with_name("1259")
    content = bytearray(path.read_bytes())
    at, count = (len(content) // 2, 1) if what == "a table" else (0, 200)
    content[at : at + count] = bytes(byte ^ 0xA5 for byte in content[at : at + count])
    path.write_bytes(content)
    return str(path.relative_to(data))


def test_a_kept_copy_of_another_source_is_not_taken(place: Place) -> None:
    """Another role's or another PostgreSQL's copy is taken; or the plan's own identifier is not asked for."""
    assert place.run(place.plan()).outcome[1:3] == ("PASS", "CLEAN")
    ended = place.run(place.plan(system_identifier='"7000000000000000001"'))
    assert ended.outcome == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-30"
    assert "the plan expects 7000000000000000001" in ended.summary["reason"]


@pytest.mark.parametrize("how", ["list", pytest.param("gone", marks=pytest.mark.matrix)])
def test_a_kept_copy_that_is_not_the_approved_one_any_more(place: Place, how: str) -> None:
    """What was approved at B-1 is replaced or removed while the run waits, and is taken all the same."""
    assert place.run(place.plan()).outcome[1:3] == ("PASS", "CLEAN")
    [kept] = place.kept
    living = place.drydock.start(str(place.plan()), "--approve", "B-1,B-2,B-4,B-5")
    living.wait_at("B-3")
    if how == "gone":
        assert place.drydock.command("kept", "remove", kept.name).exit_code == 0
    else:
        with (kept / LIST_FILE).open("ab") as file:
            file.write(b" ")
    assert place.drydock.command(*living.approve_line("B-3")[1:]).exit_code == 0
    ended = living.finish()
    assert ended.outcome == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-30"
    says = "cannot be taken" if how == "gone" else "is not the approved one any more"
    assert says in ended.summary["reason"]


def test_a_kept_copy_that_was_laid_out_may_go(place: Place) -> None:
    """A run fails because its kept copy ended, or was removed as the command allows, once it has one of its own."""
    assert place.run(place.plan()).outcome[1:3] == ("PASS", "CLEAN")
    [kept] = place.kept
    steps = [f"B-C-{number:02}" for number in range(1, 14) if number != 5]
    approved = ",".join(("B-1", "B-2", "B-3", "B-4", "B-5", *steps))
    living = place.drydock.start(str(place.plan()), "--supervise", "step", "--approve", approved)
    living.wait_at("B-C-05")
    assert place.drydock.command("kept", "remove", kept.name).exit_code == 0
    assert place.drydock.command(*living.approve_line("B-C-05")[1:]).exit_code == 0
    ended = living.finish()
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr


def test_nothing_is_kept_where_anybody_could_read_it(place: Place) -> None:
    """G-29: a folder that became open while the run waited takes production's data."""
    living = place.drydock.start(str(place.plan()), "--approve", "B-1,B-2,B-4,B-5")
    living.wait_at("B-3")
    place.folder.chmod(0o755)
    assert place.drydock.command(*living.approve_line("B-3")[1:]).exit_code == 0
    ended = living.finish()
    assert ended.outcome == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-29"
    assert "has mode 0755, allowed is 0700" in ended.summary["reason"]
    assert place.kept == []


def test_a_disk_that_is_not_encrypted_is_refused_before_a_run_exists(place: Place, tmp_path: Path) -> None:
    """Production's data is kept on an ordinary disk, or the refusal leaves a run."""
    plan = place.production.plan("[reuse]", "copy = true", f'folder = "{tmp_path}/kept"')
    said = place.drydock.command("run", str(plan), "--headless", "--runs-dir", str(tmp_path / "runs"))
    assert said.exit_code == 2
    assert "is neither in memory nor encrypted: nothing shows that" in said.stderr
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "kept").exists()


def test_what_took_the_kept_copys_place_is_left_and_told(place: Place) -> None:
    """N-8: another folder under the kept copy's name passes for it, or is removed."""
    living = place.drydock.start(str(place.plan()), "--approve", "B-1,B-2,B-3,B-4")
    living.wait_at("B-5")
    [kept] = place.kept
    kept.rename(place.folder / "moved")
    kept.mkdir(mode=0o700)
    (kept / "theirs").write_text("x")
    assert place.drydock.command(*living.approve_line("B-5")[1:]).exit_code == 0
    ended = living.finish()
    assert ended.outcome[0] == 4, ended.said.stderr
    assert ended.summary["gates"]["N-8"] == "FAIL"
    assert "is not the folder that was kept any more" in ended.said.stderr
    assert (kept / "theirs").read_text() == "x"
    shutil.rmtree(place.folder / "moved")
    shutil.rmtree(kept)


def test_an_expired_copy_is_removed_and_a_new_one_taken(place: Place) -> None:
    """A copy that is over is taken, or stays beside the new one."""
    plan = place.plan("hours = 0.01")
    first = place.run(plan)
    assert first.outcome[1:3] == ("PASS", "CLEAN")
    for pid in place.keepers():
        os.kill(pid, signal.SIGKILL)
    [kept] = place.kept
    told = read_kept(kept).listed
    assert told is not None
    early = told.kept_at.isoformat().encode().replace(b"+00:00", b"Z")
    until = told.until.isoformat().encode().replace(b"+00:00", b"Z")
    text = (kept / LIST_FILE).read_bytes()
    assert until in text
    (kept / LIST_FILE).write_bytes(text.replace(until, early))
    second = place.run(plan)
    assert second.outcome[1:3] == ("PASS", "CLEAN"), second.said.stderr
    assert f"removed {kept}: its time is over" in second.said.stderr
    assert place.kept == [place.folder / f"kept-{second.folder.name}"]


@pytest.mark.matrix
@pytest.mark.skipif(os.geteuid() != 0, reason="run as root to start one as somebody else")
def test_whoever_is_no_root_keeps_and_takes_his_own(place: Place) -> None:
    """It needs root; or one user takes what another one kept, or is told of it with a traceback."""
    assert place.run(place.plan()).outcome[1:3] == ("PASS", "CLEAN")
    theirs = ordinary(place.drydock)
    folder, secret = theirs.root / "kept", theirs.root / "password"
    secret.write_text(f"{place.production.password}\n")
    secret.chmod(0o600)
    os.chown(secret, NOBODY, NOBODY)
    for path in (place.production.cluster.folder, place.production.cluster.socket_folder):
        path.chmod(0o755)
    written = place.plan(f'folder = "{folder}"', secret=f'"file:{secret}"')
    plan = theirs.root / "plan.toml"
    plan.write_text(written.read_text())
    plan.chmod(0o644)
    first = theirs.run(str(plan))
    assert first.outcome == (0, "PASS", "CLEAN", None), first.said.stderr
    [kept] = folder.iterdir()
    modes = {path.lstat().st_mode & 0o077 for path in (folder, kept, *kept.rglob("*"))}
    assert modes == {0}
    assert {path.lstat().st_uid for path in (folder, kept, *kept.rglob("*"))} == {NOBODY}
    second = theirs.run(str(plan))
    assert second.outcome == (0, "PASS", "CLEAN", None), second.said.stderr
    assert second.state.created is not None
    assert second.state.created.copy == "reused"
    said = theirs.command("kept", "--folder", str(place.folder))
    assert (said.exit_code, said.stdout) == (0, "")
    said = theirs.command("kept", "remove", "--folder", str(folder), kept.name)
    assert said.exit_code == 0, said.stderr
    assert list(folder.iterdir()) == []
