"""Plays one cell: a real run, its fault, `drydock recover` where it is needed, and what came of it.

Ends and unmounts what it made, by id and by path.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cells import Cell
from fix_runs import PATIENCE_S, Drydock, Living
from subjects import sweep_with

from console.journal import read_verified_beginning
from console.model.run_state import RunState, fold
from console.runs import journal_is_held

HERE = Path(__file__).parent
_POLL_S = 0.05
RUNS_BYTES = 64 << 20
"""Room of the runs folder of a cell that fills it: G-01 asks for three times the demo's production."""

MOST_RECOVERS, FEWEST_KILLED = 40, 20
MUCH = """
connection = adapter._pool.acquire()
connection.execute("SELECT repeat('x', 1000000) FROM generate_series(1, 100)").fetchall()
connection.rollback()
adapter._pool.release(connection)
"""


@dataclass(kw_only=True)
class Played:
    """What came of a cell."""

    cell: Cell
    exit_code: int | None
    first: str
    last: str
    verdict: str
    residue: tuple[str, ...]
    recovered: int | None
    troubles: list[str] = field(default_factory=list)
    folder: str = ""
    seconds: float = 0.0


@dataclass(kw_only=True)
class Bystanders:
    """What no run may touch: a cluster that the plan protects, a folder with a name like a run's, a process."""

    cluster: Path
    decoy: Path
    process: subprocess.Popen[bytes]

    def digest(self) -> str:
        """Return a digest of every name, owner, mode, size, time and byte."""
        total = hashlib.sha256(str(self.process.poll()).encode())
        for root in (self.cluster, self.decoy):
            for path in sorted(root.rglob("*")):
                found = path.lstat()
                seen = (
                    str(path),
                    found.st_mode,
                    found.st_uid,
                    found.st_size,
                    found.st_mtime_ns,
                    found.st_ctime_ns,
                )
                total.update(repr(seen).encode())
                if path.is_file():
                    total.update(path.read_bytes())
        return total.hexdigest()


class Player:
    """Plays cells below one root; two may be played at the same time."""

    def __init__(self, drydock: Drydock, bystanders: Bystanders) -> None:
        self._drydock = drydock
        self._bystanders = bystanders
        self._untouched = bystanders.digest()
        self._plan = drydock.root / "protecting.toml"
        self._plan.write_text(
            f'[source]\nkind = "demo"\nrows = 50\n\n[protect]\nclusters = ["{bystanders.cluster}"]\n'
            "\n[limits]\nfree_bytes = 1000000\n",
            "utf-8",
        )

    def play(self, cell: Cell) -> Played:
        """Return what came of a cell; nothing of it is left but its run's folder."""
        began = time.monotonic()
        made = _Playing(self._drydock, cell, self._plan)
        try:
            played = made.play()
        except Exception as broken:  # noqa: BLE001 - the cell's own outcome, and its test fails with it
            told = f"{type(broken).__name__}: {broken}"
            played = Played(cell=cell, exit_code=None, first="unknown", last="unknown", verdict="", residue=(),
                            recovered=None, troubles=[told])  # fmt: skip
        finally:
            made.undo()
        if self._bystanders.digest() != self._untouched:
            played.troubles.append("a protected object has changed")
        played.seconds = round(time.monotonic() - began, 1)
        return played


class _Playing:
    def __init__(self, drydock: Drydock, cell: Cell, plan: Path) -> None:
        self.cell = cell
        place = drydock.place("cell")
        place.mkdir()
        self.spec, self.acks, self.runs = place / "spec.json", place / "acks", place / "runs"
        self.runs.mkdir(mode=0o700)
        self.mounted: list[Path] = []
        if cell.act == "full":
            size = f"size={RUNS_BYTES}"
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"{size},mode=700", "tmpfs", str(self.runs)], check=True
            )
            self.mounted.append(self.runs)
        self.acts: dict[str, Callable[[Living], None]] = {
            "socket": self._without_socket, "two engines": self._two_engines, "two consoles": self._two_consoles,
            "two recovers": self._two_recovers, "killed recovers": self._killed_recovers,
            "full": self._abort,
        }  # fmt: skip
        act = (
            "socket"
            if cell.act == "socket"
            else "nothing"
            if " " in cell.act and not self._signals
            else cell.act
        )
        told = {"act": act, "moment": cell.moment, "when": cell.when, "acks": str(self.acks)}
        self.spec.write_text(json.dumps(told), "utf-8")
        program = (sys.executable, str(HERE / "armed_console.py"), str(self.spec))
        self.plain = drydock
        self.armed = dataclasses.replace(drydock, program=program)
        self.plan = plan
        self.troubles: list[str] = []

    @property
    def _signals(self) -> bool:
        return self.cell.act.startswith("SIG")

    def play(self) -> Played:
        living = self._start()
        code = self._end_of(living)
        folder = living.folder
        first = _read(folder)
        recovered = self._recover(folder, first)
        last = _read(folder)
        self._check(folder, first, last, code, recovered)
        return Played(
            cell=self.cell, exit_code=code, first=_outcome(first), last=_outcome(last),
            verdict=last.ended.verdict if last.ended else "", residue=last.ended.residue if last.ended else (),
            recovered=recovered, troubles=self.troubles, folder=str(folder),
        )  # fmt: skip

    def _start(self) -> Living:
        words = self.cell.words or ("--approve", "all")
        if "100 MB" in self.cell.act:
            words = (*words, "--subject", str(sweep_with(self.plain, MUCH)))
        if "never reads" in self.cell.act:
            return self._start_unread(words)
        living = self.armed.start(str(self.plan), *words, "--runs-dir", str(self.runs), rows=50)
        return dataclasses.replace(living, drydock=self.plain, runs=self.runs)

    def _start_unread(self, words: tuple[str, ...]) -> Living:
        """Start a run whose every word goes into a pipe of one page that nobody reads."""
        out = self.plain.place("said")
        out.mkdir()
        for name in ("stdout", "stderr"):
            (out / name).touch()
        self.unread, written = os.pipe()
        fcntl.fcntl(written, fcntl.F_SETPIPE_SZ, 4096)
        reference = str(self.plain.reference)
        all_words = [
            "run",
            str(self.plan),
            "--headless",
            "--json",
            "--runs-dir",
            str(self.runs),
            "--subject",
            reference,
        ]
        process = subprocess.Popen(
            [*self.armed.program, *all_words, *words], stdin=subprocess.DEVNULL, stdout=written, stderr=written,
            env=self.plain._environment(), cwd=self.plain.root, start_new_session=True,
        )  # fmt: skip
        os.close(written)
        return Living(drydock=self.plain, process=process, runs=self.runs, out=out)

    def _end_of(self, living: Living) -> int | None:
        """Return the command's exit code once the run has ended or nobody is left to end it."""
        act = self.acts.get(self.cell.act)
        if act is not None and self.cell.moment.startswith("armed"):
            living.wait_at(self.cell.moment.removeprefix("armed "))
            act(living)
        alone = self.cell.act.endswith(" console") or "never reads" in self.cell.act
        if not alone:
            return living.process.wait(PATIENCE_S)
        journal = living.folder / "journal.jsonl"
        living._until(
            lambda: journal.exists() and living.state.ended and not journal_is_held(journal), "an end"
        )
        if "never reads" in self.cell.act:
            os.close(self.unread)
        return living.process.wait(PATIENCE_S)

    def _recover(self, folder: Path, first: RunState) -> int | None:
        if self.cell.act == "readonly":
            subprocess.run(["umount", str(folder / "scratch")], check=True)
        (self.runs / "ballast").unlink(missing_ok=True)
        ended = first.ended
        if ended is not None and ended.closure == "CLEAN" and 5 not in self.cell.exits:
            return None
        return self.plain.command("recover", folder.name, "--runs-dir", str(self.runs)).exit_code

    def _check(
        self, folder: Path, first: RunState, last: RunState, code: int | None, recovered: int | None
    ) -> None:
        self._check_end(last, code, recovered, first)
        if not Path(f"{self.acks}.met").exists():
            self.troubles.append(f"the moment never came: {last.ended.reason if last.ended else None}")
        heads = [line[9:73].decode("ascii", "replace") for line in _whole_lines(folder / "journal.jsonl")]
        for line in self.acks.read_text("ascii").splitlines():
            n, head = line.split()
            if 5 not in self.cell.exits and heads[int(n) - 1] != head:
                self.troubles.append(f"the acknowledged event {n} is lost")
        self.troubles += [f"{path} is left" for path in self._left(folder.name)]
        log = (folder / "engine.log").read_text("utf-8", "replace")
        if "Traceback" in log:
            self.troubles.append(f"a traceback in engine.log: {log.strip().splitlines()[-1]}")

    def _check_end(self, last: RunState, code: int | None, recovered: int | None, first: RunState) -> None:
        cell = self.cell
        if 5 in cell.exits:
            if (code, recovered) != (5, 5):
                self.troubles.append(f"a broken journal ended with {code}, and recover with {recovered}")
            return
        if last.ended is None or last.ended.closure != "CLEAN":
            self.troubles.append(f"not CLEAN: {_outcome(last)} {last.ended.residue if last.ended else ''}")
        elif last.ended.verdict not in cell.verdicts:
            self.troubles.append(f"{last.ended.verdict}, expected {' or '.join(cell.verdicts)}")
        if cell.recover and first.ended is not None and "recovers" not in cell.act:
            self.troubles.append("nothing was left to recover")
        if cell.exits and code not in cell.exits:
            self.troubles.append(f"exit code {code}, expected {cell.exits}")

    def _left(self, run: str) -> list[str]:
        work = [str(path) for path in self.plain.work.iterdir() if run in path.name]
        return work + [
            str(path) for path in (self.runs / run / "secrets", self.runs / run / "scratch") if path.exists()
        ]

    def _abort(self, living: Living) -> None:
        """Ask for the end of a run that can record neither the asking nor the end."""
        self.plain.command("abort", living.folder.name, "--runs-dir", str(self.runs))

    def _without_socket(self, living: Living) -> None:
        """Nobody can answer any more; a signal still ends the run."""
        living._until(lambda: not (living.folder / "control.sock").exists(), "removed socket")
        said = self.plain.command("abort", living.folder.name, "--runs-dir", str(self.runs))
        if (said.exit_code, "no engine answers" in said.stderr) != (2, True):
            self.troubles.append(f"abort without a socket said {said}")
        os.kill(living.engine_pid(), signal.SIGTERM)

    def _two_engines(self, living: Living) -> None:
        """A second engine on the same folder ends by itself, and the first one goes on."""
        words = [sys.executable, "-I", "-m", "console.engine.worker", str(living.folder)]
        second = subprocess.run(words, capture_output=True, check=False, timeout=PATIENCE_S)
        if second.returncode == 0 or b"Traceback" in second.stderr:
            self.troubles.append(f"a second engine ended with {second.returncode}: {second.stderr[-200:]!r}")
        self.plain.command("abort", living.folder.name, "--runs-dir", str(self.runs))

    def _two_consoles(self, living: Living) -> None:
        """Of two shells that approve at once, exactly one is told that it did."""
        words = living.approve_line("B-3")[1:]
        out = [self.plain.place("said") for _ in range(2)]
        both = [self.plain._popen(words, place) for place in out]
        codes = sorted(process.wait(PATIENCE_S) for process in both)
        if codes != [0, 2]:
            self.troubles.append(f"two approvals at once ended with {codes}")

    def _two_recovers(self, living: Living) -> None:
        """Engine and watchdog die, and two recovers come at once."""
        self._die(living)
        out = [self.plain.place("said") for _ in range(2)]
        words = ("recover", living.folder.name, "--runs-dir", str(self.runs))
        both = [self.plain._popen(words, place) for place in out]
        codes = sorted(process.wait(PATIENCE_S) for process in both)
        if codes not in ([0, 1], [1, 1], [1, 2], [1, 4]):
            self.troubles.append(f"two recovers at once ended with {codes}")
        for place in out:
            if "Traceback" in (place / "stderr").read_text("utf-8"):
                self.troubles.append("a traceback of a recover")

    def _killed_recovers(self, living: Living) -> None:
        """Each recover is killed when it has removed one object, before or after it says so, until nothing is left."""
        self._die(living)
        told = json.loads(self.spec.read_text("utf-8")) | {"act": "SIGKILL engine", "moment": "closed *"}
        arms = str(HERE / "armed_engine.py")
        words = [sys.executable, "-I", arms, "recover", str(self.spec), str(living.folder)]
        killed = 0
        for when in ("before", "after") * MOST_RECOVERS:
            self.spec.write_text(json.dumps({**told, "when": when}), "utf-8")
            done = subprocess.run(words, capture_output=True, check=False, timeout=PATIENCE_S)
            killed += done.returncode == -signal.SIGKILL
            if done.returncode != -signal.SIGKILL:
                break
        if killed < FEWEST_KILLED:
            self.troubles.append(f"only {killed} recovers were killed: {done.stderr[-300:]!r}")

    def _die(self, living: Living) -> None:
        pid, watchdog = living.engine_pid(), living.watchdog_pid()
        os.kill(watchdog, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        living.process.wait(PATIENCE_S)

    def undo(self) -> None:
        """Unmount what was mounted."""
        for path in self.mounted:
            kept = path.with_name("kept")
            subprocess.run(["cp", "-a", str(path), str(kept)], check=True)
            subprocess.run(["umount", str(path)], check=True)


def _read(folder: Path) -> RunState:
    return fold(read_verified_beginning(folder / "journal.jsonl"))


def _whole_lines(journal: Path) -> list[bytes]:
    lines = journal.read_bytes().split(b"\n")[:-1]
    return [line for line in lines if line.startswith(b'{"hash":"')]


def _outcome(state: RunState) -> str:
    if state.ended is None:
        return "no end"
    return f"{state.ended.verdict} {state.ended.closure}"
