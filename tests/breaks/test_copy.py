"""G-08 to G-14 broken for real: the restore, privileges, identity, the harness's place, the inventory."""

from __future__ import annotations

import os
import py_compile
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from driver import Stage, Waiting
from expected import assert_fails
from props import interpreter_of_ones_own, pack, programs, stop_server, wheel

from console.environments.cluster import read_postmaster_file
from console.environments.process import process_identity, process_uid

UNWRITTEN = "nothing may be written"


@pytest.mark.parametrize(
    ("scripts", "says"),
    [
        (
            {"pg_dump": '"$REAL/pg_dump" "$@" | head -c 30000'},
            "pg_restore cannot read the archive's table of contents: it was cut off",
        ),
        pytest.param(
            {"pg_dump": '"$REAL/pg_dump" "$@" | head -c -20000'},
            "the row count of public.",
            marks=pytest.mark.matrix,
        ),
        (
            {
                "pg_restore": 'for word; do [ "$word" != --list ] || exec "$REAL/pg_restore" "$@"; done\n'
                '"$REAL/pg_restore" --section=pre-data --section=data "$@"; exit 0'
            },
            "constraint ",
        ),
    ],
    ids=["truncated contents", "truncated rows", "no post-data"],
)
def test_restore_is_not_whole(scene: Stage, scripts: dict[str, str], says: str) -> None:
    """An archive that lost its end, or a restore that leaves out keys and still exits 0, fails G-08."""
    ended = scene.drive(*programs(scene, **scripts))
    assert_fails(ended, "G-08", says)


def test_grant_to_a_role_that_the_pack_does_not_name(scene: Stage) -> None:
    """A role that the copy lacks fails G-08, also where an allowed error hides its grant from the server."""
    sql = (
        "CREATE ROLE auditor NOLOGIN; GRANT SELECT ON directus_users TO auditor;"
        "CREATE ROLE hidden NOLOGIN; GRANT SELECT ON information_unit TO hidden;"
    )
    ended = scene.drive("--pack", str(pack(scene, demo_sql=sql)))
    assert_fails(
        ended, "G-08", '42704 for role "auditor" does not exist, which the allow-list does not hold',
        "hidden has privileges at the source, and neither the copy nor the allow-list has that role",
    )  # fmt: skip
    errors = [error["object"] for error in ended.state.facts["restore"]["errors"]]
    assert 'role "hidden" does not exist' not in errors


def test_source_moves_under_a_dump_without_its_snapshot(scene: Stage) -> None:
    """A pg_dump that ignores its snapshot on a source that moves meanwhile fails G-08 by the row count."""
    script = (
        'for word; do case "$word" in --snapshot=*) ;; *) set -- "$@" "$word";; esac; shift; done\n'
        'for word; do case "$word" in --dbname=*) name="${word#--dbname=}";; esac; done\n'
        'PGOPTIONS= "$REAL/psql" -qXc "INSERT INTO information_unit'
        " SELECT gen_random_uuid(), 'moved', title, unit_kind, lifecycle_status, owner_ref, NULL,"
        ' created_by, created_at FROM information_unit LIMIT 1"'
        ' "$(echo "$name" | sed "s/options=\'[^\']*\'//")"\n'
        'exec "$REAL/pg_dump" "$@"'
    )
    ended = scene.drive(*programs(scene, pg_dump=script))
    assert_fails(ended, "G-08", "the row count of public.information_unit is 301, expected 300")


def test_privileges_drifted_at_the_source(scene: Stage) -> None:
    """A stray grant, a column grant, more connections and a superuser at the source all fail G-09."""
    sql = (
        "GRANT INSERT ON cut_policy TO cutter_exec;"
        "GRANT UPDATE (priority) ON decision_backlog_entry TO cutter_verify;"
        "ALTER ROLE cutter_verify CONNECTION LIMIT 7; ALTER ROLE cutter_ro SUPERUSER;"
    )
    ended = scene.drive("--pack", str(pack(scene, demo_sql=sql)))
    assert_fails(
        ended, "G-09", "at the source: ", "cutter_exec", "INSERT", "public.cut_policy", "priority",
        "cutter_verify", "7", "cutter_ro", "superuser",
    )  # fmt: skip


def test_privileges_drifted_in_the_copy(scene: Stage) -> None:
    """A privilege that only the copy grants fails G-09, by the matrix and by the cell that is not refused."""

    def grant(waiting: Waiting) -> None:
        waiting.run_sql("GRANT UPDATE ON public.cut_policy TO PUBLIC")

    ended = scene.drive(at={"B-C-06": grant})
    assert_fails(ended, "G-09", "PUBLIC", "cutter_exec UPDATE cut_policy was allowed, expected 42501")
    assert "at the source" not in ended.reason("G-09")


def test_copy_is_made_from_production_files(scene: Stage) -> None:
    """A copy that has production's own system_identifier fails G-10 before anything connects to it."""
    borrowed = scene.root / "borrowed"

    def lend(waiting: Waiting) -> None:
        shutil.copytree(waiting.production, borrowed)
        (borrowed / "postmaster.pid").unlink()
        for path in (borrowed, *borrowed.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)

    without_password = (
        'for word do shift; case "$word" in --pwfile=*) ;; *) set -- "$@" "$word";; esac; done\n'
        'exec "$REAL/initdb" "$@"'
    )  # then a stand-alone backend has to set the password, once the copy has its identity
    script = (
        f'case "$*" in --single*"/copy/data"*) exec cp -rT {borrowed} "$3";; esac\nexec "$REAL/postgres" "$@"'
    )
    ended = scene.drive(*programs(scene, postgres=script, initdb=without_password), at={"B-3": lend})
    source = ended.state.facts["source.before"]["system_identifier"]
    assert_fails(ended, "G-10", f"the copy has the source's own system_identifier {source}; {UNWRITTEN}")
    assert ended.state.decisions["B-5"].reason == "the copy has the identity of its source"
    assert ended.state.notes["demo.rows"]["same"] is True


@pytest.mark.parametrize("boundary", ["B-C-06", pytest.param("B-C-09", marks=pytest.mark.matrix)])
def test_production_answers_on_the_copys_socket(scene: Stage, boundary: str) -> None:
    """Production that answers under the copy's name, to us or to the harness, fails G-10 unwritten."""

    def swap(waiting: Waiting) -> None:
        hba = waiting.production / "pg_hba.conf"
        hba.write_text("local all all trust\n", "ascii")
        subprocess.run(
            [wheel() / "bin" / "pg_ctl", "reload", "-s", "-D", waiting.production], check=True,
            user=hba.stat().st_uid, group=hba.stat().st_gid, extra_groups=[], cwd="/",
        )  # fmt: skip
        place = waiting.copy if boundary == "B-C-06" else waiting.harness
        socket = place / "socket" / ".s.PGSQL.5432"
        socket.unlink()
        socket.hardlink_to(waiting.production.parent / "socket" / ".s.PGSQL.5432")

    ended = scene.drive(at={boundary: swap})
    source = ended.state.facts["source.before"]["system_identifier"]
    says = f"another server answers on the copy's socket: it has system_identifier {source}, the copy "
    assert_fails(ended, "G-10", says, UNWRITTEN, step=boundary.removeprefix("B-"))
    assert "harness" not in ended.state.notes
    assert ended.state.notes["demo.rows"]["same"] is True


@pytest.mark.parametrize(
    "how", [pytest.param("linked package", marks=pytest.mark.matrix), "same size and time"]
)
def test_something_is_installed_beside_drydock(scene: Stage, how: str) -> None:
    """What appears or changes in the site-packages of Drydock's own interpreter fails G-11 by its folder."""
    python, site = interpreter_of_ones_own(scene)

    def install(_waiting: Waiting) -> None:
        if how == "linked package":
            (site / "surprise").symlink_to(scene.subject())
        else:
            known, before = site / "known.py", (site / "known.py").stat()
            known.write_text("answer = 43\n", "utf-8")
            os.utime(known, ns=(before.st_atime_ns, before.st_mtime_ns))

    ended = scene.drive(python=python, at={"B-C-08": install})
    assert_fails(ended, "G-11", f"site {site} is ")


def test_neighbour_is_killed(scene: Stage) -> None:
    """A protected server that is killed, its postmaster.pid left behind, fails G-12, N-6 and the closure."""

    def kill(waiting: Waiting) -> None:
        stop_server(waiting.neighbour, signal.SIGKILL)
        assert read_postmaster_file(waiting.neighbour)

    ended = scene.drive(at={"B-C-08": kill})
    assert_fails(ended, "G-12", "neighbour/data does not run, in C-01 it ran since ", unclean=("N-6",))
    assert ended.verdict("G-24") == "FAIL"


def test_contents_changed_in_place(scene: Stage) -> None:
    """A changed byte of harness, pack and subject each fails G-13 by its name, and nothing starts."""

    def change(waiting: Waiting) -> None:
        for name in ("harness.pyz", "pack/pack.py", "subject/cutter_agent/pool.py"):
            with (waiting.harness / name).open("ab") as file:
                file.write(b"\n")

    ended = scene.drive(at={"B-C-09": change})
    assert_fails(ended, "G-13", "sha256 of harness is ", "sha256 of pack is ", "sha256 of subject is ")
    assert "harness" not in ended.state.notes


def test_compiled_module_beside_the_source(scene: Stage) -> None:
    """A compiled file that Python would run instead of the approved source fails G-13."""

    def plant(waiting: Waiting) -> None:
        source = waiting.harness / "subject" / "cutter_agent" / "pool.py"
        other = scene.root / "other.py"
        other.write_text(source.read_text("utf-8") + "\nraise SystemExit\n", "utf-8")
        cache = source.parent / "__pycache__" / f"pool.{sys.implementation.cache_tag}.pyc"
        cache.parent.mkdir()
        py_compile.compile(
            str(other), cfile=str(cache), doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )  # fmt: skip
        for path in (cache.parent, cache):
            path.chmod(0o755)

    ended = scene.drive(at={"B-C-09": plant})
    assert_fails(ended, "G-13", "sha256 of subject is ")


def test_schema_drifted_at_the_source(scene: Stage) -> None:
    """An undeclared column, default, enum, check and trigger on a table of the pack each fail G-14."""
    sql = (
        "SET ROLE directus; CREATE TYPE mood AS ENUM ('calm');"
        "ALTER TABLE cut_policy ADD COLUMN mood mood, ALTER COLUMN name SET DEFAULT 'none',"
        " ADD CONSTRAINT named CHECK (name <> '');"
        "CREATE TRIGGER touched BEFORE UPDATE ON cut_policy"
        " FOR EACH ROW EXECUTE FUNCTION directus_settings_touch();"
        "RESET ROLE;"
    )
    ended = scene.drive("--pack", str(pack(scene, demo_sql=sql)))
    assert_fails(
        ended, "G-14", "table cut_policy: column mood is not expected", "default='none'", "check named CHECK",
        "trigger CREATE TRIGGER touched", "enum ",
    )  # fmt: skip


def test_column_is_dropped_in_the_copy(scene: Stage) -> None:
    """A column that somebody drops from the copy before the scenarios fails G-14 by its name."""

    def drop(waiting: Waiting) -> None:
        waiting.run_sql("ALTER TABLE public.cut_policy DROP COLUMN rule CASCADE")

    ended = scene.drive(at={"B-4": drop})
    assert_fails(ended, "G-14", "table cut_policy: column rule is missing")


def test_harness_processes_are_gone(scene: Stage) -> None:
    """A subject's daemon that left its session is ended with the run, so that N-7 holds."""
    daemon = (
        "\nimport os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork():\n        os._exit(0)\n"
        "    import time\n    time.sleep(600)\n    os._exit(0)\n"
    )
    found: list[int] = []

    def look(waiting: Waiting) -> None:
        uid = waiting.state.notes["uids"]["harness"]
        pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        found.extend(pid for pid in pids if process_uid(pid) == uid)

    module = scene.subject() / "cutter_agent" / "pool.py"
    module.write_text(module.read_text("utf-8") + daemon, "utf-8")
    ended = scene.drive(at={"B-4": look})
    assert len(found) > 1, "only the harness runs: its daemon never began"
    assert ended.verdict("N-7") == "PASS", ended.reason("N-7")
    assert [pid for pid in found if process_identity(pid) is not None] == []
