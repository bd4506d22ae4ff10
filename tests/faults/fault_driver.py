"""Plays one cell: a real run, its fault, `drydock recover` where it is needed, and what came of it.

Ends and unmounts what it made, by id and by path.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from docker_stage import DockerStage
from fault_acts import Acts
from fault_cell import DOCKER, FULL, READ_ONLY, Cell
from fix_runs import PATIENCE_S, Drydock, Living
from harnesses import CODE, SOON
from subjects import changed_pack, sweep_with

from console.journal import read_verified_beginning
from console.model.run_state import RunState, fold
from console.runs import journal_is_held

HERE = Path(__file__).parent
_POLL_S = 0.05
ROOM_BYTES = {"full": 64 << 20, "full work": 400 << 20, "full cache": 1 << 20}
"""Room of the folder that a cell fills: G-01 asks for three times the demo's production in the runs folder."""

NO_CACHE = "/proc/no-cache"
"""Where nothing can be kept: every cluster is made by initdb."""

UNDER_NOHUP = ("nohup",)
WITH_FULL_TMP = (
    "unshare", "--mount", "sh", "-c",
    'mount -t tmpfs -o size=64k tmpfs /tmp && { cat /dev/zero >/tmp/ballast 2>/dev/null || exec "$@"; }', "sh",
)  # fmt: skip


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

    def __init__(self, drydock: Drydock, bystanders: Bystanders, stage: DockerStage | None) -> None:
        self._drydock = drydock
        self._bystanders = bystanders
        self._stage = stage
        self._untouched = bystanders.digest()
        self._plan = drydock.root / "protecting.toml"
        self._plan.write_text(
            f'[source]\nkind = "demo"\nrows = 50\n\n[protect]\nclusters = ["{bystanders.cluster}"]\n'
            "\n[limits]\nfree_bytes = 1000000\n",
            "utf-8",
        )

    def play(self, cell: Cell) -> Played:
        """Return what came of a cell; nothing of it is left but its run's folder."""
        with self._stage.held() if _of_the_daemon(cell) and self._stage else contextlib.nullcontext():
            began = time.monotonic()
            made = _Playing(self._drydock, cell, self._plan, self._stage)
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
        if cell.environment == DOCKER and self._stage is not None:
            played.troubles += [f"a protected object has changed: {line}" for line in self._stage.changed()]
        played.seconds = round(time.monotonic() - began, 1)
        return played


class _Playing:
    def __init__(self, drydock: Drydock, cell: Cell, plan: Path, stage: DockerStage | None) -> None:
        self.cell, self.stage, self.plan = cell, stage, plan
        place = drydock.place("cell")
        place.mkdir()
        self.spec, self.acks, self.runs = place / "spec.json", place / "acks", place / "runs"
        self.met = Path(f"{self.acks}.met")
        self.runs.mkdir(mode=0o700)
        self.mounted: list[Path] = []
        self.plain, self.work = drydock, drydock.work
        self._rooms()
        told = {"act": self._armed_act(), "moment": cell.moment, "when": cell.when, "acks": str(self.acks),
                "work": str(self.work), "ballast": str(self.ballast)}  # fmt: skip
        if cell.environment == DOCKER:
            assert stage is not None
            engine = stage.second_engine() if _of_the_daemon(cell) else stage.engine
            self.plan = stage.plan(place.name, on=engine)
            told |= {"docker": engine.address, "daemon": str(engine.folder)}
        self.spec.write_text(json.dumps(told), "utf-8")
        program = (sys.executable, str(HERE / "armed_console.py"), str(self.spec))
        before = {"full /tmp": WITH_FULL_TMP, "SIGHUP harness": UNDER_NOHUP}.get(cell.act, ())
        self.armed = dataclasses.replace(self.plain, program=(*before, *program))
        self.troubles: list[str] = []
        self.acts = Acts(self.plain, self.spec, self.runs, self.troubles)

    def _rooms(self) -> None:
        """Give the cell folders of its own where it fills one or makes it read-only."""
        act, variables = self.cell.act, dict(self.plain.variables)
        own = self.runs
        if act in ("full work", "readonly work"):
            own = self.work = self.plain.place("w")
            variables["DRYDOCK_WORK_DIR"] = str(own)
        elif act == "full cache":
            own = self.plain.place("cache")
            variables["DRYDOCK_CACHE_DIR"] = str(own)
        elif "initdb" in self.cell.moment:
            variables["DRYDOCK_CACHE_DIR"] = NO_CACHE
        own.mkdir(mode=0o755, exist_ok=True)
        self.ballast = own / "ballast"
        if act in ROOM_BYTES:
            mode = "755" if act == "full work" else "700"
            words = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES[act]},mode={mode}", "tmpfs", str(own)]
            subprocess.run(words, check=True)
            self.mounted.append(own)
        self.plain = dataclasses.replace(self.plain, variables=variables)

    def _armed_act(self) -> str:
        """Return what the armed engine is to do; acts of people are done from here."""
        act = self.cell.act
        if act.startswith("container "):
            return act.removesuffix(" killed")
        if act in FULL:
            return "full" if act != "full /tmp" else "nothing"
        if act in READ_ONLY or self._signals or act.startswith("daemon ") or " " not in act:
            return act
        return "nothing"

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
        if self.cell.act in CODE:
            words = (*words, "--subject", str(sweep_with(self.plain, CODE[self.cell.act])))
        if self.cell.act == "a harness that hangs":
            words = (*words, "--pack", str(changed_pack(self.plain, SOON)))
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
        act = self.acts.named(self.cell.act)
        if _of_the_daemon(self.cell):
            assert self.stage is not None
            self.acts.bring_daemon_back(living, self.stage, self.met)
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
        if self.cell.act in READ_ONLY:
            place = {"readonly": folder / "scratch", "readonly run": folder}.get(self.cell.act, self.work)
            subprocess.run(["umount", str(place)], check=True)
        self.ballast.unlink(missing_ok=True)
        ended = first.ended
        if ended is not None and ended.closure == "CLEAN" and 5 not in self.cell.exits:
            return None
        return self.plain.command("recover", folder.name, "--runs-dir", str(self.runs)).exit_code

    def _check(
        self, folder: Path, first: RunState, last: RunState, code: int | None, recovered: int | None
    ) -> None:
        self._check_end(last, code, recovered, first)
        if not self.met.exists():
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
        left = [str(path) for path in self.work.iterdir() if run in path.name]
        if self.cell.environment == DOCKER and self.stage is not None:
            left += self.stage.left(run)
        passing = (self.runs / run / name for name in ("secrets", "scratch", "control.sock"))
        return left + [str(path) for path in passing if path.exists()]

    def undo(self) -> None:
        """Unmount what was mounted."""
        for path in self.mounted:
            if path == self.runs:
                subprocess.run(["cp", "-a", str(path), str(path.with_name("kept"))], check=True)
            subprocess.run(["umount", str(path)], check=True)


def _of_the_daemon(cell: Cell) -> bool:
    """Tell whether a cell plays with a daemon, which nobody else's containers may run under meanwhile."""
    return cell.act.startswith("daemon ")


def _read(folder: Path) -> RunState:
    return fold(read_verified_beginning(folder / "journal.jsonl"))


def _whole_lines(journal: Path) -> list[bytes]:
    lines = journal.read_bytes().split(b"\n")[:-1]
    return [line for line in lines if line.startswith(b'{"hash":"')]


def _outcome(state: RunState) -> str:
    if state.ended is None:
        return "no end"
    return f"{state.ended.verdict} {state.ended.closure}"
