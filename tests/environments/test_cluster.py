"""Tests of how a cluster is made: by whom, out of which files, and what a neighbour of initdb's can do to it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from fix_places import place_for_clusters
from fix_uids import own_uid

from console.environments import cluster as module
from console.environments import programs as programs_module
from console.environments.cluster import Cluster
from console.environments.named_user import CANNOT
from console.environments.owner import (
    initdb_uid,
    others_can_reach,
    remove_things,
    take_folder,
    things_of,
)
from console.environments.process import end_process
from console.environments.programs import Programs, find_programs
from console.errors import StepFailed
from console.secrets import make_password

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="clusters run as another user only under root: start as root"
)
HBA = "local all all scram-sha-256\nlocal replication all scram-sha-256\n"
VICTIM_TEXT = "root's own words\n"

MEDDLER = """
import os, sys
data, victim = sys.argv[1:]
print("began", flush=True)
while True:
    for name in ("pg_hba.conf", "postgresql.auto.conf", "postgresql.conf", "pg_ident.conf"):
        path = os.path.join(data, name)
        try:
            os.unlink(path)
            os.symlink(victim, path)
        except OSError:
            pass
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder that other users can pass."""
    made = Path(tempfile.mkdtemp(prefix="ddc-", dir=place_for_clusters()))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def victim(folder: Path) -> Path:
    """A file of root's that no cluster has business with."""
    path = folder / "victim"
    path.write_text(VICTIM_TEXT, "utf-8")
    return path


@pytest.fixture
def no_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no mount namespace can be had: initdb runs as nobody."""
    monkeypatch.setattr(
        module, "named_command", lambda _uid, _names, _argv: ["/bin/sh", "-c", f"exit {CANNOT}"]
    )


def meddled_programs(folder: Path, after: str) -> Programs:
    """Return programs whose initdb does `after` in the data folder (as $3) when the real one has ended."""
    real = find_programs(16)
    root = folder / "programs"
    shutil.copytree(
        real.root / "bin", root / "bin", copy_function=lambda source, into: os.symlink(source, into)
    )
    (root / "bin" / "initdb").unlink()
    script = f'#!/bin/sh\n"{real.path("initdb")}" "$@" || exit 1\ncd "$2" || exit 1\n{after}\n'
    (root / "bin" / "initdb").write_text(script, "utf-8")
    (root / "bin" / "initdb").chmod(0o755)
    assert others_can_reach(root / "bin" / "postgres")
    return replace(real, root=root)


def made_cluster(folder: Path, programs: Programs | None = None) -> Cluster:
    """Return a cluster that is not made yet."""
    return Cluster(
        folder=folder / "c", programs=programs or find_programs(16), uid=own_uid(), label="the test's"
    )


@contextmanager
def started(cluster: Cluster, password: str) -> Iterator[psycopg.Connection]:
    """Start the cluster and log in as its superuser."""
    cluster.start()
    try:
        with cluster.connect(password=password) as connection:
            yield connection
    finally:
        cluster.stop()


def is_sound(cluster: Cluster, password: str) -> bool:
    """Tell whether the superuser's own password opens the cluster and another one does not."""
    with started(cluster, password) as connection:
        [(name,)] = connection.execute("SELECT current_user").fetchall()
        refused = pytest.raises(psycopg.OperationalError, match="password authentication failed")
        with refused, cluster.connect(password="another"):
            raise AssertionError("never here")
    return bool(name == "postgres")


def test_the_server_reads_our_configuration_alone(folder: Path) -> None:
    """Every configuration file is ours to the letter, in a file of its own that only the server's user reads."""
    cluster, password = made_cluster(folder), make_password()
    cluster.create(password)
    assert (cluster.data_folder / "pg_hba.conf").read_text("utf-8") == HBA
    assert (cluster.data_folder / "pg_ident.conf").read_text("utf-8") == ""
    assert (cluster.data_folder / "postgresql.auto.conf").read_text("utf-8") == ""
    for path in cluster.data_folder.rglob("*"):
        found = path.lstat()
        assert (found.st_uid, found.st_mode & 0o077) == (
            cluster.uid if cluster.uid is not None else os.geteuid(),
            0,
        )
    assert sorted(path.name for path in cluster.folder.iterdir() if path.name != "programs") == [
        "data",
        "socket",
    ]
    assert is_sound(cluster, password)


@as_root
def test_initdb_runs_as_the_clusters_own_user(folder: Path) -> None:
    """initdb ran as the made-up user under a name that it alone could see, and no account was made."""
    before = Path("/etc/passwd").read_bytes()
    programs = meddled_programs(folder, 'id > "$2/seen"; cat /etc/passwd >> "$2/seen"')
    cluster = made_cluster(folder, programs)
    cluster.create(make_password())
    uid = cluster.uid
    seen = (cluster.data_folder / "seen").read_text("utf-8").splitlines()
    assert seen[0].startswith(f"uid={uid}(drydock) gid={uid}")
    assert seen[0].endswith(f"groups={uid}")
    assert seen[1:] == [f"drydock:x:{uid}:{uid}::/:/bin/false"]
    assert Path("/etc/passwd").read_bytes() == before
    assert "passwd" not in Path("/proc/self/mountinfo").read_text("utf-8")


@as_root
def test_only_root_can_rename_in_the_clusters_folder(folder: Path) -> None:
    """The folder above data and socket is root's, and its words (startup.log) lie where no server can put a link."""
    cluster, password = made_cluster(folder), make_password()
    cluster.create(password)
    with started(cluster, password):
        found = cluster.folder.stat()
        words = (cluster.folder / "startup.log").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (0, cluster.uid, 0o710)
    assert words.st_uid == 0


def owned_and_changed(*paths: Path) -> list[tuple[int, int, int]]:
    """Return whose each path is, its mode and when either last changed."""
    return [(found.st_uid, found.st_mode, found.st_ctime_ns) for found in map(os.lstat, paths)]


@as_root
@pytest.mark.usefixtures("no_namespace")
@pytest.mark.parametrize(
    ("after", "says"),
    [
        ("ln -sf {victim} pg_hba.conf", "pg_hba.conf is not what was made there: it is no file of its own"),
        ("ln -s {victim} base/planted", "base/planted is not what was made there: it is no file of its own"),
        ("ln pg_ident.conf again", "is not what was made there: it is no file of its own"),
        ("mkfifo planted", "planted is not what was made there: it is no file of its own"),
        ("rm -r base; ln -s /etc base", "base is not what was made there: it is no file of its own"),
    ],
)
def test_what_initdb_does_not_make_is_refused(folder: Path, victim: Path, after: str, says: str) -> None:
    """A link, a special file or a second name beside initdb's files is refused, and nothing behind it is touched."""
    programs = meddled_programs(folder, after.format(victim=victim))
    before = owned_and_changed(victim, Path("/etc"))
    with pytest.raises(StepFailed, match="another process of that user meddled") as failed:
        made_cluster(folder, programs).create(make_password())
    assert says in failed.value.reason
    assert failed.value.cause == "environment"
    assert victim.read_text("utf-8") == VICTIM_TEXT
    assert owned_and_changed(victim, Path("/etc")) == before


@as_root
@pytest.mark.usefixtures("no_namespace")
def test_a_strangers_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a user other than initdb's is refused and stays theirs."""

    def take(data: Path, *, giver: int, uid: int) -> None:
        (data / "base" / "planted").write_text("root's", "utf-8")
        take_folder(data, giver=giver, uid=uid)

    monkeypatch.setattr(module, "take_folder", take)
    cluster = made_cluster(folder)
    with pytest.raises(StepFailed, match="base/planted is not what was made there"):
        cluster.create(make_password())
    assert (cluster.data_folder / "base" / "planted").stat().st_uid == 0


@as_root
@pytest.mark.usefixtures("no_namespace")
def test_planted_settings_do_not_hold(folder: Path) -> None:
    """Settings and trust planted in initdb's files, even through a descriptor kept open, never reach the server."""
    planted = (
        "echo \"archive_command = 'touch /tmp/x'\" > postgresql.auto.conf\n"
        "echo 'shared_preload_libraries = evil' >> postgresql.conf\n"
        "exec 3>>pg_hba.conf\n"
        "setsid sh -c 'cd /; i=0; while [ $i -lt 200 ]; do echo local all all trust >&3; sleep 0.01; i=$((i+1)); done' "
        "</dev/null >/dev/null 2>&1 &\n"
    )
    cluster, password = made_cluster(folder, meddled_programs(folder, planted)), make_password()
    cluster.create(password)
    assert is_sound(cluster, password)
    assert (cluster.data_folder / "pg_hba.conf").read_text("utf-8") == HBA
    assert (cluster.data_folder / "postgresql.auto.conf").read_text("utf-8") == ""
    assert "evil" not in (cluster.data_folder / "postgresql.conf").read_text("utf-8")


@as_root
@pytest.mark.parametrize("namespace", [True, False], ids=["own user", "nobody"])
def test_a_meddling_process_of_nobody_reaches_nothing(
    folder: Path, victim: Path, namespace: bool, request: pytest.FixtureRequest
) -> None:
    """A process of nobody that puts links into the data folder all the time makes root write elsewhere."""
    if not namespace:
        request.getfixturevalue("no_namespace")
    cluster, password, nobody = made_cluster(folder), make_password(), initdb_uid()
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    with subprocess.Popen(
        [python, "-I", "-c", MEDDLER, str(cluster.data_folder), str(victim)], user=nobody, group=nobody,
        extra_groups=[], stdout=subprocess.PIPE, cwd="/",
    ) as meddler:  # fmt: skip
        try:
            assert meddler.stdout is not None
            assert meddler.stdout.readline() == b"began\n"
            try:
                cluster.create(password)
                held = True
            except StepFailed:
                held = False
        finally:
            meddler.kill()
    assert victim.read_text("utf-8") == VICTIM_TEXT
    assert victim.stat().st_uid == 0
    assert held or not namespace
    if held:
        assert is_sound(cluster, password)


@as_root
@pytest.mark.parametrize("namespace", [True, False], ids=["own user", "nobody"])
def test_copied_programs_stay_roots(
    folder: Path, namespace: bool, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs that had to be copied for the cluster's user run, and neither that user nor initdb's owns one."""
    if not namespace:
        request.getfixturevalue("no_namespace")
    monkeypatch.setattr(programs_module, "others_can_reach", lambda _path: False)
    cluster, password = made_cluster(folder), make_password()
    cluster.create(password)
    assert cluster.programs.root.is_relative_to(cluster.folder)
    for path in (cluster.folder / "programs").rglob("*"):
        found = path.lstat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o222) == (0, cluster.uid, 0)
    with started(cluster, password) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize("major", [16, 18])
def test_a_killed_server_leaves_no_shared_memory_but_what_is_named(folder: Path, major: int) -> None:
    """After kill -9 nothing of the server's user lies in /dev/shm, and its System V segment is found and removed."""
    cluster, password = made_cluster(folder, find_programs(major)), make_password()
    cluster.create(password)
    shared = set(Path("/dev/shm").iterdir())
    cluster.start()
    with cluster.connect(password=password) as connection:
        [(kind,)] = connection.execute("SHOW dynamic_shared_memory_type").fetchall()
        pids = [pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity").fetchall()]
    assert kind == "mmap"
    assert cluster.child is not None
    members = [str(pid) for pid in pids if pid is not None]
    assert end_process(cluster.child.identity, ask=signal.SIGKILL, patience_s=10)
    cluster.child.process.wait()
    for member in members:
        end_of(int(member))
    if cluster.uid is not None:
        [left] = things_of([cluster.uid])
        assert left.startswith("shm ")
        assert remove_things([cluster.uid]) == []
        assert left.split()[1] not in Path("/proc/sysvipc/shm").read_text("utf-8").split()
    assert not {path for path in set(Path("/dev/shm").iterdir()) - shared if owner_of(path) == cluster.uid}


def owner_of(path: Path) -> int | None:
    """Return whose a file is, None when it has gone meanwhile."""
    try:
        return path.lstat().st_uid
    except FileNotFoundError:
        return -1


def end_of(pid: int) -> None:
    """Return when a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    assert poller.poll(10_000)
    os.close(descriptor)
