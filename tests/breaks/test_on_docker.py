"""The gates that docker changes least, broken on docker as well: the whole column of docs/breaks.md.

What only docker has (ports, networks, objects that took over a name) is broken in tests/docker/test_gates.py, in every
test run; this module is part of the full matrix.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from container_production import PROTECTED, ContainerProduction, await_server
from docker_engine import Engine
from docker_plans import Setting
from driver import Stage, Waiting
from expected import assert_closure, assert_fails
from props import (
    STRAY_ROW,
    git,
    interpreter_of_ones_own,
    pack,
    replace_secrets_file,
    repository,
    subject_that_hides_its_password,
    subject_that_leaves_the_surface,
    subject_that_prints_its_password,
    write_when_somebody_waits,
)

pytestmark = pytest.mark.matrix

_FORWARDER = """
import asyncio, os, sys
async def carry(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def answer(reader, writer):
    there, back = await asyncio.open_connection(sys.argv[2], 5432)
    await asyncio.gather(carry(reader, back), carry(there, writer))
async def main():
    server = await asyncio.start_unix_server(answer, sys.argv[1])
    os.chmod(sys.argv[1], 0o777)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
"""Answers on a Unix socket with what listens at an address of the engine's host."""


@pytest.fixture(name="plan")
def _plan(setting: Setting) -> str:
    """A rehearsal of production in its container, on docker."""
    return str(setting.plan("breaks"))


def restart(engine: Engine, container: str) -> None:
    """Restart a container at once."""
    engine.docker("restart", "--time=1", container)


def rows_of(production: ContainerProduction) -> str:
    """Return how many tuples were ever written to production's tables, as its own counters have it."""
    return production.psql(
        "SELECT pg_stat_force_next_flush(); SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
    )


def test_work_folder_on_a_small_disk(scene: Stage, plan: str) -> None:
    """A work folder with less than 5 GB free fails G-01 before anything is made on the engine."""
    small = scene.root / "small"
    small.mkdir(mode=0o711)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500M,mode=711", "tmpfs", str(small)], check=True)
    scene.closing.callback(subprocess.run, ["umount", str(small)], check=True)
    ended = scene.drive(plan, "--work-dir", str(small), rows=None)
    assert_fails(ended, "G-01", f"{small}", "bytes free; the run needs 5,000,000,000")


def test_protected_container_is_missing(scene: Stage, setting: Setting, engine: Engine) -> None:
    """A protected container that is not there fails G-03 by its name."""
    more = '[protect]\ncontainers = ["no-such-container"]\n'
    ended = scene.drive(str(setting.plan("missing", endpoint=engine.address, more=more)), rows=None)
    assert_fails(ended, "G-03", "no-such-container was not found")


def test_runs_folder_behind_a_link(scene: Stage, plan: str) -> None:
    """A runs folder that is reached through a link fails G-04 with the path that it really is."""
    link = scene.root / "link"
    link.symlink_to(scene.runs_folder)
    ended = scene.drive(plan, runs_folder=link, rows=None)
    real = scene.runs_folder / ended.folder.name / "secrets"
    assert_fails(ended, "G-04", f"is reached through a link and really is {real}")


def test_dump_is_staged_inside_the_container(
    scene: Stage, plan: str, engine: Engine, production: ContainerProduction
) -> None:
    """A file that appears in the container's file system while it is read fails G-05 by its path."""
    script = scene.root / "pg_dump"
    script.write_text(
        '#!/bin/sh\necho staged >/tmp/staged.dump\nexec /usr/lib/postgresql/16/bin/pg_dump "$@"\n'
    )
    script.chmod(0o755)
    engine.docker("cp", str(script), f"{production.name}:/usr/local/sbin/pg_dump")
    scene.closing.callback(
        engine.docker, "exec", production.name, "rm", "-f", "/usr/local/sbin/pg_dump", "/tmp/staged.dump"
    )
    ended = scene.drive(plan, rows=None)
    assert_fails(ended, "G-05", "/tmp/staged.dump was written inside the source")


def test_source_is_another_server(scene: Stage, setting: Setting, production: ContainerProduction) -> None:
    """A configured system_identifier that is not the container's fails G-06 with both."""
    plan = setting.plan("another", system_identifier="7411111111111111111")
    ended = scene.drive(str(plan), rows=None)
    found = production.system_identifier
    expected = f"the source has system_identifier {found}, the plan expects 7411111111111111111"
    assert_fails(ended, "G-06", expected)


def test_restore_is_not_whole(scene: Stage, plan: str) -> None:
    """A dump whose end was cut off between copy and restore fails G-08."""

    def cut(waiting: Waiting) -> None:
        dump = waiting.work / "source.dump"
        with dump.open("r+b") as file:
            file.truncate(dump.stat().st_size - 20_000)

    ended = scene.drive(plan, at={"B-C-05": cut}, rows=None)
    assert_fails(ended, "G-08")


def test_privileges_drifted_in_the_copy(scene: Stage, plan: str) -> None:
    """A privilege that only the copy grants fails G-09, by the matrix and by the cell that is not refused."""

    def grant(waiting: Waiting) -> None:
        waiting.run_sql("GRANT UPDATE ON public.cut_policy TO PUBLIC")

    ended = scene.drive(plan, at={"B-C-06": grant}, rows=None)
    assert_fails(ended, "G-09", "PUBLIC", "cutter_exec UPDATE cut_policy was allowed, expected 42501")


def test_production_answers_on_the_copys_socket(
    scene: Stage, plan: str, engine: Engine, production: ContainerProduction
) -> None:
    """Production that answers where Drydock's way into the copy ends fails G-10 unwritten."""
    before = rows_of(production)

    def swap(waiting: Waiting) -> None:
        password = waiting.password("copy-superuser")
        production.psql(f"SET log_statement = 'none'; ALTER ROLE postgres PASSWORD '{password}'")
        socket = waiting.copy / "socket" / ".s.PGSQL.5432"
        socket.unlink()
        words = engine.on_host(sys.executable, "-c", _FORWARDER, str(socket), production.address)
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        scene.closing.callback(process.wait)
        scene.closing.callback(process.kill)
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == b"ready\n"

    scene.closing.callback(
        lambda: production.psql(f"ALTER ROLE postgres PASSWORD '{production.superuser_password}'")
    )
    ended = scene.drive(plan, at={"B-C-06": swap}, rows=None)
    says = f"it has system_identifier {production.system_identifier}, the copy "
    assert_fails(ended, "G-10", says, "nothing may be written", step="C-06")
    assert "harness" not in ended.state.notes
    assert before == rows_of(production)


def test_something_is_installed_beside_drydock(scene: Stage, plan: str) -> None:
    """What appears in the site-packages of Drydock's own interpreter fails G-11 by its folder on docker too."""
    python, site = interpreter_of_ones_own(scene)

    def install(_waiting: Waiting) -> None:
        (site / "surprise").symlink_to(scene.subject())

    ended = scene.drive(plan, python=python, at={"B-C-08": install}, rows=None)
    assert_fails(ended, "G-11", f"site {site} is ")


def test_column_is_dropped_in_the_copy(scene: Stage, plan: str) -> None:
    """A column that somebody drops from the copy before the scenarios fails G-14 by its name."""

    def drop(waiting: Waiting) -> None:
        waiting.run_sql("ALTER TABLE public.cut_policy DROP COLUMN rule CASCADE")

    ended = scene.drive(plan, at={"B-4": drop}, rows=None)
    assert_fails(ended, "G-14", "table cut_policy: column rule is missing")


def test_somebody_writes_between_scenarios(scene: Stage, plan: str) -> None:
    """A row that appears between two scenarios fails G-15 at the next one, by its table."""
    at = {"B-S5": lambda waiting: waiting.run_sql(STRAY_ROW)}
    ended = scene.drive(plan, at=at, supervise="scenario", rows=None)
    assert_fails(ended, "G-15", "before S5: cut_policy is 1, expected 0", scenario="S5")


def test_no_scenario_makes_an_expected_row(scene: Stage, plan: str) -> None:
    """A baseline with a row that no scenario makes fails G-16 by its table."""
    folder = pack(scene)
    words = (folder / "pack.toml").read_text("utf-8")
    (folder / "pack.toml").write_text(words.replace("\ncut_policy = 0\n", "\ncut_policy = 1\n"), "utf-8")
    ended = scene.drive(plan, "--pack", str(folder), supervise="boundary", rows=None)
    assert_fails(ended, "G-16", "the row count of cut_policy is 0, expected 1")


def test_somebody_writes_during_a_replay(scene: Stage, plan: str) -> None:
    """A row that appears while S10 runs fails G-17, beside G-15 whose matrix expects no row there either."""
    at = {"B-S10": partial(write_when_somebody_waits, scene)}
    ended = scene.drive(plan, at=at, supervise="scenario", rows=None)
    assert ended.verdict("G-17") == "FAIL", ended.words[-2000:]
    assert ended.reason("G-17") == "S10 changed rows: cut_policy is 1, expected 0"
    assert (ended.summary["failed_gate"], ended.summary["failed_scenario"]) == ("G-15", "S10")
    assert_closure(ended, ())


def test_somebody_grants_after_c06(scene: Stage, plan: str) -> None:
    """A privilege granted when G-09 has been asked fails G-18 by role, privilege and table."""

    def grant(waiting: Waiting) -> None:
        waiting.run_sql("GRANT UPDATE ON public.sweep_log TO cutter_exec")

    ended = scene.drive(plan, at={"B-4": grant}, rows=None)
    assert_fails(ended, "G-18", "cutter_exec has UPDATE on table public.sweep_log")


def test_subject_leaves_the_sql_surface(scene: Stage, plan: str) -> None:
    """A LOCK and a function that nobody declared fail G-19 at the scenario that sent them."""
    subject_that_leaves_the_surface(scene)
    ended = scene.drive(plan, rows=None)
    assert_fails(ended, "G-19", "S4: refused cutter_exec: ", "LOCK", "pg_notify", scenario="S4")


def test_somebody_uses_the_subjects_role(scene: Stage, plan: str) -> None:
    """A session of the subject's role that the client witness never saw fails G-20 by what it sent."""

    def intrude(waiting: Waiting) -> None:
        waiting.run_sql("SELECT count(*) FROM public.sweep_log", user="cutter_exec")

    ended = scene.drive(plan, at={"B-4": intrude}, rows=None)
    assert_fails(ended, "G-20", "SELECT count(*) FROM public.sweep_log", "unexplained session: ")


def test_subject_prints_its_password(scene: Stage, plan: str) -> None:
    """A password that the subject prints in base64 fails G-22, and is in nothing that is kept."""
    subject_that_prints_its_password(scene)
    ended = scene.drive(plan, rows=None)
    assert_fails(ended, "G-22", "a secret came from the subject: subject cutter_exec base64")
    assert "[redacted:cutter_exec]" in (ended.folder / "artefacts" / "harness.log").read_text("utf-8")


def test_subject_hides_its_password(scene: Stage, plan: str) -> None:
    """A password in a file's name, in a link's text, or beside the trace fails G-22 by place, never by word."""
    subject_that_hides_its_password(scene)
    ended = scene.drive(plan, rows=None)
    assert_fails(ended, "G-22", "/own/trace/note at 0 as plain of cutter_verify", "names-and-links at ")
    findings = [
        one for one in ended.state.facts["scan.records"]["findings"] if "/harness/names-and-links " in one
    ]
    assert len(findings) >= 2


def test_secret_in_an_artefact(scene: Stage, plan: str) -> None:
    """A file among the artefacts that holds a password in base64 fails G-23 by its place and form."""

    def leak(waiting: Waiting) -> None:
        coded = base64.b64encode(b"pw: " + waiting.password("cutter_exec").encode())
        (waiting.folder / "artefacts" / "notes.txt").write_bytes(b"for later: " + coded + b"\n")

    ended = scene.drive(plan, at={"B-C-12": leak}, rows=None)
    assert_fails(ended, "G-23", "a secret is in artefacts/notes.txt at ", " as base64+1 of cutter_exec")


def test_protected_container_restarts_before_the_teardown(scene: Stage, plan: str, engine: Engine) -> None:
    """A protected container that was restarted fails G-24 and N-6 by its name."""
    ended = scene.drive(plan, at={"B-5": lambda _waiting: restart(engine, PROTECTED[1])}, rows=None)
    assert_fails(ended, "G-24", f"{PROTECTED[1]} started at ", ", in C-01 at ", unclean=("N-6",))
    assert PROTECTED[1] in ended.reason("N-6")


def test_production_restarts_before_the_teardown(
    scene: Stage, plan: str, engine: Engine, production: ContainerProduction
) -> None:
    """A production container that was restarted after G-21 fails G-25 and N-6."""

    def again(_waiting: Waiting) -> None:
        restart(engine, production.name)
        await_server(engine, production.name)

    ended = scene.drive(plan, at={"B-5": again}, rows=None)
    assert_fails(ended, "G-25", "the source started at ", unclean=("N-6",))


def test_a_strangers_container_on_the_network(
    scene: Stage, plan: str, engine: Engine, setting: Setting
) -> None:
    """A network that somebody's container has joined is left with it and fails N-3 by its name."""
    joined: list[str] = []

    def join(waiting: Waiting) -> None:
        [network] = [it.name for it in waiting.state.receipts.values() if it.kind == "network"]
        joined.append(network)
        engine.docker(
            "run", "--detach", "--init", "--name=stranger", f"--network={network}", setting.images.python,
            "sleep", "600",
        )  # fmt: skip

    ended = scene.drive(plan, at={"B-5": join}, rows=None)
    engine.docker("rm", "--force", "stranger")
    engine.docker("network", "rm", joined[0])
    assert ended.verdict("N-3") == "FAIL", ended.words[-2000:]
    assert joined[0] in ended.reason("N-3")
    assert ended.exit_code == 4


def test_secrets_file_is_replaced(scene: Stage, plan: str) -> None:
    """A secrets file that was replaced fails N-4 by name; what stands there is left alone."""
    ended = scene.drive(plan, at={"B-5": replace_secrets_file}, rows=None)
    file = ended.folder / "secrets" / "rehearsal.json"
    assert_fails(ended, "N-4", f"file {file} ", "is not the object of the receipt", unclean=("N-4", "N-7"))
    assert file.read_text("utf-8") == "somebody's"


def test_subject_changes_during_the_run(scene: Stage, plan: str) -> None:
    """A subject edited and committed during the run fails N-5 by tree and HEAD."""
    folder = repository(scene.subject())

    def commit(_waiting: Waiting) -> None:
        module = folder / "cutter_agent" / "pool.py"
        module.write_text(module.read_text("utf-8") + "\n# later\n", "utf-8")
        git(folder, "commit", "--quiet", "--all", "--message", "later")

    ended = scene.drive(plan, at={"B-5": commit}, rows=None)
    assert_fails(ended, "N-5", "the subject's tree_sha256 is ", unclean=("N-5",))


def test_work_folder_is_moved_away(scene: Stage, plan: str) -> None:
    """A copy's folder on this machine that was moved away fails N-7 by its name."""
    moved = scene.root / "moved"
    ended = scene.drive(plan, at={"B-5": lambda waiting: _move(waiting.work, moved)}, rows=None)
    assert ended.verdict("N-7") == "FAIL", ended.words[-2000:]
    assert ended.exit_code == 4


def _move(folder: Path, into: Path) -> None:
    folder.rename(into)
