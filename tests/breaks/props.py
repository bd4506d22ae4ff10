"""What breaks are made of: programs that misbehave, changed packs and subjects, servers that end."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

import psycopg
from driver import DATABASE, Stage, Waiting
from fix_places import cache_for_tests
from fix_uids import own_uid

from console.environments.cluster import SUPERUSER, Cluster, read_postmaster_file
from console.environments.programs import find_programs
from console.secrets import make_password, write_secret_file
from console.settings import data_folder

PACK = data_folder("scenarios") / "cutter_dry_run"
MAJOR = 16
STRAY_ROW = "INSERT INTO public.cut_policy VALUES (gen_random_uuid(), 'stray', '{}', true, now())"
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


def interpreter_of_ones_own(scene: Stage) -> tuple[Path, Path]:
    """Make a virtual environment of the test's own, so that nobody else's run sees what is installed."""
    home = scene.root / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    site = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    lines = (sysconfig.get_path("purelib"), str(Path(__file__).resolve().parents[2]))
    (site / "drydock.pth").write_text("\n".join(lines) + "\n", "utf-8")
    (site / "known.py").write_text("answer = 42\n", "utf-8")
    return home / "bin" / "python", site


def write_when_somebody_waits(scene: Stage, waiting: Waiting) -> None:
    """Let a row of ours and the first writer of the entries pass together, later."""
    locked = threading.Event()
    thread = threading.Thread(target=_hold_off_writers, args=(waiting, locked))
    thread.start()
    scene.closing.callback(thread.join)
    assert locked.wait(_PATIENCE_S)


def _hold_off_writers(waiting: Waiting, locked: threading.Event) -> None:
    with psycopg.connect(
        host=str(waiting.copy / "socket"), dbname=DATABASE, user="postgres",
        password=waiting.password("copy-superuser"),
    ) as holder:  # fmt: skip
        holder.execute("LOCK TABLE public.decision_backlog_entry IN EXCLUSIVE MODE")
        holder.execute(STRAY_ROW.encode())
        locked.set()
        deadline = time.monotonic() + _PATIENCE_S
        while not _somebody_waits(holder):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def _somebody_waits(holder: psycopg.Connection[tuple[object, ...]]) -> bool:
    return holder.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is not None


def subject_that_leaves_the_surface(scene: Stage) -> Path:
    """Return the stage's subject, whose MARK locks a table and notifies."""
    known = "            writer.history(entry_id=entry_id, from_status=None"
    deeds = (
        '            adapter.execute("LOCK TABLE public.sweep_log IN ROW EXCLUSIVE MODE")\n'
        "            adapter.execute(\"SELECT pg_notify('cutter', 'marked')\")\n"
    )
    return subject(scene, ("cutter_agent/phases.py", known, deeds + known))


def subject_that_prints_its_password(scene: Stage) -> Path:
    """Return the stage's subject, which prints its password in base64 when it opens a session."""
    known = '        log.info("opening a session as %s on %s", self.config.user, self.config.name)\n'
    leak = (
        "        import base64\n"
        "        print(base64.b64encode(b'pw ' + self.config.password.reveal().encode()).decode())\n"
    )
    return subject(scene, ("cutter_agent/db_adapter.py", known, known + leak))


def subject_that_hides_its_password(scene: Stage) -> Path:
    """Return the stage's subject, which leaves its password in a file's name, a link's text, and beside its trace."""
    known = '        log.info("opening a session as %s on %s", self.config.user, self.config.name)\n'
    hide = (
        "        import os\n"
        "        word, home = self.config.password.reveal(), os.environ['HOME']\n"
        "        open(f'{home}/{word}.txt', 'w').close()\n"
        "        os.path.lexists(f'{home}/link') or os.symlink(f'/nowhere/{word}', f'{home}/link')\n"
        "        open(f'{home}/../trace/note', 'w').write(word)\n"
    )
    return subject(scene, ("cutter_agent/db_adapter.py", known, known + hide))


def replace_secrets_file(waiting: Waiting) -> None:
    """Put somebody's file in the place of the rehearsal's own passwords."""
    other = waiting.folder / "other"
    other.write_text("somebody's", "utf-8")
    other.replace(waiting.secrets_file)
