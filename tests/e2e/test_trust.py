"""Hostile subjects against the engine, its words and its secrets: what they try, and what comes of it."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import pytest
from fix_runs import Drydock, Ended, Living, Play
from leftovers import processes, uids_of_runs
from subjects import PACK, changed_pack, sweep_with

TIMEOUT = ("pack.toml", "scenario_timeout_s = 120", "scenario_timeout_s = 4")
SWEEP_PLACE = "S4b"

PASSWORD = "password = adapter.config.password.reveal()\n"
REPLIES = """
import fcntl, json, os
def channels():
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= 500 and os.readlink("/proc/self/fd/" + name).startswith("pipe:"):
            if fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
                yield int(name)
"""
READS = """
import os
ROOT = {root!r}
tried, read = 0, []
def attempt(path):
    global tried
    tried += 1
    try:
        with open(path, "rb") as file:
            if file.read(1):
                read.append(path)
    except PermissionError:
        pass
    except OSError as wrong:
        if wrong.errno not in (2, 3, 5, 6, 20, 21):
            read.append(path + ": " + str(wrong))
engine = os.getppid()
for name in ("environ", "mem", "maps", "fd/0", "auxv"):
    attempt("/proc/%d/%s" % (engine, name))
def denied(path):
    global tried
    tried += 1
    try:
        os.listdir(path)
    except PermissionError:
        return
    read.append("listing of " + path)
for run in {runs!r}:
    for name in ("journal.jsonl", "trace.jsonl", "order.json", "secrets/rehearsal.json", "control.sock"):
        attempt(run + "/" + name)
    denied(run)
for work in {works!r}:
    for below in ("copy", "copy/data"):
        denied(work + "/" + below)
    for name in ("source.dump", "copy/data/pg_hba.conf", "copy/data/log/server.json"):
        attempt(work + "/" + name)
raise RuntimeError("tried %d, read %s" % (tried, read))
"""

SUBJECTS = {
    "prints its password": PASSWORD + "print('connected with', password)",
    "prints it as base64": PASSWORD + "import base64; print(base64.b64encode(password.encode()).decode())",
    "prints it as hex": PASSWORD + "import sys; print(password.encode().hex(), file=sys.stderr)",
    "raises its password": PASSWORD + "raise ValueError(f'cannot connect with {password}')",
    "raises control characters": r"raise ValueError('\x1b]0;owned\x07\x1b[2J\u202eecafrus [/] \x9b31m')",
    "leaves a daemon": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 1024)
        time.sleep(600)
    os._exit(0)
os.wait()
""",
    "prints 50 MB": "import sys\nfor _ in range(50): sys.stdout.write('x' * (1 << 20))",
    "ends early": "import os; os._exit(0)",
    "exits": "raise SystemExit(0)",
    "answers garbage": REPLIES + "for fd in channels(): os.write(fd, b'\\xff\\x00 not json\\n')",
    "answers without end": REPLIES
    + """
for fd in channels():
    try:
        while True: os.write(fd, b'x' * 65536)
    except OSError:
        pass
""",
    "forges the replies": REPLIES
    + """
for fd in channels():
    for scenario, attempt in (("S4b", "sweep"), ("S5", "review"), ("S6", "cut"), ("S7", "verify")):
        told = {"scenario": scenario, "attempts": [{"name": attempt, "outcome": "returned"}]}
        try:
            os.write(fd, json.dumps(told).encode() + b"\\n")
        except OSError:
            pass
import time; time.sleep(600)
""",
}
"""What SWEEP does in the end."""

HANGS = {
    "hangs": "import time\nwhile True: time.sleep(60)",
    "hangs and ignores signals": """
import signal
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
while True: pass
""",
}

ONLY_PASS = '''
"""Says that everything went well."""

from console.harness import Context, scenario

ATTEMPTS = {attempts!r}


def nothing(identifier: str) -> None:
    @scenario(identifier)
    def run(ctx: Context) -> None:
        for name in ATTEMPTS[identifier]:
            with ctx.attempt(name):
                print("PASS")


for known in ATTEMPTS:
    nothing(known)
'''


def rehearse(code: str, drydock: Drydock) -> Ended:
    """Return the run of a subject whose SWEEP ends with `code`."""
    return drydock.run("--subject", str(sweep_with(drydock, code)))


def hang(code: str, drydock: Drydock) -> Ended:
    """Return the run of a subject that does not come back, with a short time limit."""
    pack = changed_pack(drydock, TIMEOUT)
    return drydock.run("--subject", str(sweep_with(drydock, code)), "--pack", str(pack))


def read_everything(drydock: Drydock) -> Ended:
    """Let the subject try to read the engine, the run's folder and the copy's files.

    Their names are known only when the run exists, so the subject reads them from a file that it may read.
    """
    names = drydock.place("names")
    code = f"exec(open({str(names)!r}).read(), {{}})"
    living = drydock.start("--approve", "B-1,B-2,B-3", "--subject", str(sweep_with(drydock, code)))
    living.wait_at("B-4")
    every = drydock.work.glob(f"drydock-{living.folder.name}-*")
    works = [str(path) for path in every if "-demo" not in path.name]
    assert works
    names.write_text(READS.format(root=str(drydock.root), runs=[str(living.folder)], works=works), "utf-8")
    names.chmod(0o644)
    for boundary in ("B-4", "B-5"):
        living.approve(boundary)
    return living.finish()


def only_pass(drydock: Drydock) -> Ended:
    """Return the run of a pack whose scenarios make every attempt and do nothing in it."""
    import tomllib

    pack = changed_pack(drydock)
    words = tomllib.loads((PACK / "pack.toml").read_text("utf-8"))
    attempts = {one["id"]: [attempt["name"] for attempt in one["attempt"]] for one in words["scenario"]}
    (pack / "pack.py").write_text(ONLY_PASS.format(attempts=attempts), "utf-8")
    return drydock.run("--pack", str(pack))


@dataclass(kw_only=True)
class Searched:
    """What a search for the rehearsal's passwords found while the run waited, and how it ended."""

    ended: Ended
    secrets: int
    hits: list[str]
    looked_at: list[str]
    modes: dict[str, int]


def search_while_it_waits(drydock: Drydock) -> Searched:
    """Search folder, arguments and environments for every secret at B-4 (harness alive) and at B-5."""
    living = drydock.start("--approve", "B-1,B-2,B-3")
    living.wait_at("B-4")
    file = living.folder / "secrets" / "rehearsal.json"
    values = list(msgspec.json.decode(file.read_bytes(), type=dict[str, str]).values())
    modes = {
        "file": file.stat().st_mode & 0o7777,
        "folder": file.parent.stat().st_mode & 0o7777,
        "socket": (living.folder / "control.sock").stat().st_mode & 0o7777,
    }
    looked_at: list[str] = []
    hits: list[str] = []
    for boundary in ("B-4", "B-5"):
        living.wait_at(boundary)
        for name, content in _exposed(drydock, living):
            looked_at.append(f"{boundary} {name}")
            hits += [f"{boundary} {name}" for value in values if _holds(content, value)]
        living.approve(boundary)
    ended = living.finish()
    for path in ended.folder.rglob("*"):
        if path.is_file():
            hits += [f"the end {path}" for value in values if _holds(path.read_bytes(), value)]
    return Searched(ended=ended, secrets=len(values), hits=hits, looked_at=looked_at, modes=modes)


def _holds(content: bytes, value: str) -> bool:
    raw = value.encode()
    whole = base64.b64encode(raw).rstrip(b"=")[:-1]
    return any(form in content for form in (raw, raw.hex().encode(), raw.hex().upper().encode(), whole))


def _exposed(drydock: Drydock, living: Living) -> list[tuple[str, bytes]]:
    found = [
        (path.name, path.read_bytes())
        for path in living.folder.rglob("*")
        if path.is_file() and path.parent.name != "secrets"
    ]
    users = uids_of_runs(drydock.root)
    run = living.folder.name
    for one in processes():
        if run in one.command or one.uid in users:
            for name in ("cmdline", "environ"):
                path = Path(f"/proc/{one.pid}/{name}")
                if os.access(path, os.R_OK):
                    with suppress(ProcessLookupError, FileNotFoundError):  # it has ended since it was listed
                        found.append((f"{name} of {one.command[:40]}", path.read_bytes()))
            found += _mapped_by(one.pid)
    logs = [path for work in drydock.work.glob(f"drydock-{run}-*") for path in work.rglob("log/*")]
    return found + [(f"log {path.name}", path.read_bytes()) for path in logs if path.is_file()]


_PROGRAM_FILES = (".so", "/usr/", "/lib", "/bin/", "site-packages", "locale-archive")


def _mapped_by(pid: int) -> list[tuple[str, bytes]]:
    """Return what every file holds that a process has mapped, shared memory too, but for its program's own."""
    folder = Path(f"/proc/{pid}/map_files")
    found: dict[str, tuple[str, bytes]] = {}
    try:
        for link in folder.iterdir():
            target = str(link.readlink())
            if target in found or any(part in target for part in _PROGRAM_FILES):
                continue
            found[target] = (f"mapped {target}", link.read_bytes())
    except OSError:
        return list(found.values())
    return list(found.values())


PLAYS: dict[str, Play] = {
    **{name: partial(rehearse, code) for name, code in SUBJECTS.items()},
    **{name: partial(hang, code) for name, code in HANGS.items()},
    "reads everything": read_everything,
    "only says PASS": only_pass,
    "searched": search_while_it_waits,
}


def assert_failed(ended: Ended, place: str, cause: str = "subject") -> None:
    """Fail unless the run ended FAIL and CLEAN at a place."""
    assert ended.outcome == (1, "FAIL", "CLEAN", cause), ended.said.stderr
    assert (ended.summary["failed_scenario"] or ended.summary["failed_gate"]) == place


@pytest.mark.parametrize(
    "played",
    [
        "prints its password",
        "prints it as base64",
        pytest.param("prints it as hex", marks=pytest.mark.matrix),
    ],
    indirect=True,
)
def test_a_printed_password_fails_the_run(played: Ended) -> None:
    """A password that the subject printed, in whatever form, ends FAIL at G-22."""
    assert_failed(played, "G-22")
    assert "a secret came from the subject" in played.said.stderr


@pytest.mark.parametrize("played", ["raises its password"], indirect=True)
def test_a_raised_password_reaches_nobody(played: Ended) -> None:
    """A password in an exception fails its scenario and stands redacted wherever the message is shown."""
    assert_failed(played, SWEEP_PLACE)
    assert "[redacted:cutter_exec]" in played.said.stderr
    assert "✗ a secret was taken out of " in played.said.stderr


@pytest.mark.parametrize("played", ["raises control characters"], indirect=True)
def test_control_characters_never_reach_the_terminal(played: Ended) -> None:
    """ESC, BEL, C1 and bidi characters of an exception are shown as glyphs, in narration, JSON and report."""
    assert_failed(played, SWEEP_PLACE)
    report = (played.folder / "report.md").read_text("utf-8")
    for text in (played.said.stderr, report):
        assert "owned" in text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", played.said.stdout)


@pytest.mark.parametrize("played", ["reads everything"], indirect=True)
def test_the_subject_cannot_read_the_engine(played: Ended) -> None:
    """The engine's memory and environment are closed to the subject; under root so are all files of the run.

    An ordinary user's engine, copy and harness are one user: there the files are open, as the evidence says.
    """
    assert_failed(played, SWEEP_PLACE)
    said = re.search(r"tried (\d+), read (.*)", played.said.stderr)
    assert said is not None, played.said.stderr
    assert int(said[1]) >= 16
    assert not re.search(r"/proc/\d+/(environ|mem)", said[2]), said[0]
    assert os.geteuid() != 0 or said[2].startswith("[]"), said[0]


@pytest.mark.parametrize("played", ["leaves a daemon"], indirect=True)
def test_a_daemon_does_not_outlive_the_run(played: Ended) -> None:
    """A daemon that escaped its session lives on, or a subject that left one passes."""
    assert played.outcome == (1, "FAIL", "CLEAN", "subject"), played.said.stderr
    assert played.summary["failed_gate"] == "G-20"
    assert "of the subject outlived the harness" in played.said.stderr


@pytest.mark.parametrize("played", ["prints 50 MB"], indirect=True)
def test_printing_much_is_no_misbehaviour(played: Ended) -> None:
    """50 MB on stdout cannot mix with the replies: the scenario passes and the run ends by itself."""
    assert played.outcome == (0, "PASS", "CLEAN", None), played.said.stderr


@pytest.mark.parametrize("played", ["hangs", "hangs and ignores signals"], indirect=True)
def test_a_hang_ends_at_the_time_limit(played: Ended) -> None:
    """A subject that does not come back fails its scenario after the pack's time limit."""
    assert_failed(played, SWEEP_PLACE)
    assert played.summary["reason"] == "the harness said nothing for 4 s"


@pytest.mark.parametrize("played", ["ends early", "exits"], indirect=True)
def test_ending_early_is_no_success(played: Ended) -> None:
    """A subject that ends its process with 0, or raises SystemExit(0), fails the scenario in which it did."""
    assert_failed(played, SWEEP_PLACE)


@pytest.mark.parametrize("played", ["answers garbage", "answers without end"], indirect=True)
def test_garbage_on_the_reply_channel_fails(played: Ended) -> None:
    """Bytes that are no reply fail the scenario, and a reply without end is cut off."""
    assert_failed(played, SWEEP_PLACE)
    assert "the harness " in played.summary["reason"]


@pytest.mark.parametrize("played", ["forges the replies"], indirect=True)
def test_forged_replies_are_not_believed(played: Ended) -> None:
    """Replies that claim the whole rest fail at the first whose attempt the trace does not see to its end."""
    assert_failed(played, SWEEP_PLACE)
    assert played.summary["reason"].endswith("when it began and ended is not in the client's trace")


@pytest.mark.parametrize("played", ["only says PASS"], indirect=True)
def test_a_harness_that_only_says_pass_fails(played: Ended) -> None:
    """A pack that makes every attempt and does nothing ends FAIL at the first that needs a deed."""
    assert played.outcome[:3] == (1, "FAIL", "CLEAN"), played.said.stderr
    assert played.summary["failed_scenario"] == "S2"


@pytest.mark.parametrize("played", ["searched"], indirect=True)
def test_no_secret_is_exposed(played: Searched) -> None:
    """At B-4, at B-5 and in the end no secret stands in the run's files, logs, mapped memory, arguments or
    environments."""
    assert played.ended.outcome == (0, "PASS", "CLEAN", None)
    assert played.secrets >= 4
    assert played.hits == []
    assert played.modes == {"file": 0o600, "folder": 0o700, "socket": 0o600}
    for needed in ("B-4 journal.jsonl", "B-5 trace.jsonl", "B-5 order.json"):
        assert needed in played.looked_at
    assert any(name.startswith("B-4 environ of ") for name in played.looked_at)
    assert any(name.startswith("B-5 cmdline of ") for name in played.looked_at)
    assert any(name.startswith("B-5 log ") for name in played.looked_at)
    assert os.geteuid() != 0 or any(name.startswith("B-5 mapped ") for name in played.looked_at)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read what another process has mapped")
def test_a_secret_in_mapped_memory_is_found(tmp_path: Path) -> None:
    """The search above sees what a process has mapped, also when the file's name is gone."""
    path = tmp_path / "mapped"
    path.write_bytes(b"a secret in a page".ljust(4096))
    code = (
        "import mmap,os,sys; m = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 0);"
        " os.unlink(sys.argv[1]); print(flush=True); input()"
    )
    words = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        mapped = dict(_mapped_by(process.pid))
    assert [name for name, content in mapped.items() if b"a secret in a page" in content] == [
        f"mapped {path} (deleted)"
    ]
