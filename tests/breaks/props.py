"""What breaks are made of: programs that misbehave, changed packs and subjects, servers that end."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

from driver import DATABASE, Stage
from fix_places import cache_for_tests
from fix_uids import own_uid

from console.environments.cluster import SUPERUSER, Cluster, read_postmaster_file
from console.environments.programs import find_programs
from console.secrets import make_password, write_secret_file
from console.settings import data_folder

PACK = data_folder("scenarios") / "cutter_dry_run"
MAJOR = 16
_PATIENCE_S = 30.0


def wheel() -> Path:
    """Return the folder above the bin/ of the PostgreSQL that the demo uses."""
    return find_programs(MAJOR).root


def programs(scene: Stage, **scripts: str) -> tuple[str, str]:
    """Return the words that make a run use PostgreSQL's programs, some replaced by shell scripts.

    In a script $REAL is the folder of the real programs.
    """
    place = scene.root / "pg" / "bin"
    place.mkdir(parents=True)
    for program in (wheel() / "bin").iterdir():
        if program.name not in scripts:
            (place / program.name).symlink_to(program)
    for name, script in scripts.items():
        (place / name).write_text(f"#!/bin/sh\nREAL={wheel() / 'bin'}\n{script}\n", encoding="utf-8")
        (place / name).chmod(0o755)
    return "--pg-programs", str(place.parent)


def plan_file(scene: Stage, text: str) -> str:
    """Write a plan file and return its path."""
    path = scene.root / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def source_of_ones_own(scene: Stage) -> str:
    """Start a cluster that stands for a real production and return the lines of [source] that name it."""
    password = make_password()
    cluster = Cluster(
        folder=scene.root / "source", programs=find_programs(MAJOR), uid=own_uid(), templates=cache_for_tests(),
        label="a source of one's own",
    )  # fmt: skip
    cluster.create(password)
    cluster.start()
    scene.closing.callback(cluster.stop)
    with cluster.connect(password=password) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    secret = scene.root / "password"
    write_secret_file(secret, password)
    lines = {
        "kind": "connection", "host": str(cluster.socket_folder), "database": DATABASE, "role": SUPERUSER,
        "secret": f"file:{secret}",
    }  # fmt: skip
    return "".join(f'{name} = "{value}"\n' for name, value in lines.items())


def pack(scene: Stage, *, demo_sql: str = "") -> Path:
    """Return a copy of the cutter's pack whose demo production ends with `demo_sql`."""
    into = scene.root / "pack"
    shutil.copytree(PACK, into, ignore=shutil.ignore_patterns("__pycache__", "known_bad", "variants"))
    if demo_sql:
        (into / "demo" / "055_break.sql").write_text(demo_sql, encoding="utf-8")
    return into


def subject(scene: Stage, *changes: tuple[str, str, str]) -> Path:
    """Return the stage's copy of the reference subject with changes (file, unique text, its replacement)."""
    into = scene.subject()
    for name, find, replace in changes:
        text = (into / name).read_text("utf-8")
        assert text.count(find) == 1, f"{name}: {find!r} occurs {text.count(find)} times"
        (into / name).write_text(text.replace(find, replace), "utf-8")
    return into


def repository(folder: Path) -> Path:
    """Make a folder a git repository with everything in it committed, and return the folder."""
    for words in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "as rehearsed")):
        git(folder, *words)
    return folder


def git(folder: Path, *words: str) -> str:
    """Run git in a folder as nobody in particular and return what it says."""
    settings = ["-c", "user.name=breaks", "-c", "user.email=breaks@example.invalid", "-c", "safe.directory=*"]
    done = subprocess.run(
        ["git", *settings, "-C", str(folder), *words], check=True, capture_output=True, text=True, env=_CLEAN
    )
    return done.stdout.strip()


_CLEAN = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}


def stop_server(data_folder: Path, number: signal.Signals = signal.SIGINT) -> None:
    """End the server of a data folder and return when its process has gone."""
    pid = int(read_postmaster_file(data_folder)[0])
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, number)
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        assert poller.poll(int(_PATIENCE_S * 1000)), f"the server of {data_folder} does not end"
    finally:
        os.close(descriptor)


def restart_server(scene: Stage, data_folder: Path) -> None:
    """Stop the server of a data folder and start it again as it was; the test's end stops it for good."""
    pid = int(read_postmaster_file(data_folder)[0])
    argv = [word.decode() for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if word]
    uid = Path(f"/proc/{pid}").stat().st_uid
    stop_server(data_folder)
    process = subprocess.Popen(
        argv, user=uid, group=uid, extra_groups=[], cwd=data_folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=_CLEAN,
    )  # fmt: skip
    scene.closing.callback(_stop_for_good, process)
    deadline = time.monotonic() + _PATIENCE_S
    while "ready" not in "".join(read_postmaster_file(data_folder)[7:8]):
        assert process.poll() is None, f"the server of {data_folder} ended"
        assert time.monotonic() < deadline, f"the server of {data_folder} is not ready"
        time.sleep(0.01)


def _stop_for_good(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGQUIT)
    process.wait(_PATIENCE_S)
