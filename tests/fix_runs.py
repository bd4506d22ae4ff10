"""Runs of the real `drydock` command, as a user starts them: other processes, a folder of their own.

Never imports the engine: what a test knows of a run is its output, its exit code and its journal.
"""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fix_places import cache_for_tests, place_for_clusters

from console.journal import read_journal
from console.model.event import Entry
from console.model.run_state import RunState, fold
from console.settings import data_folder

DRYDOCK = str(Path(sys.executable).with_name("drydock"))
REFERENCE = data_folder("scenarios") / "cutter_dry_run" / "subject"
AT_A_TIME = 2
PATIENCE_S = 300.0
_POLL_S = 0.02
_APPROVE_LINE = re.compile(r"approve: +(drydock approve .*)")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one command said and how it ended."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A run that has ended: what its command said, and the folder that it left."""

    said: Said
    folder: Path

    @property
    def summary(self) -> dict[str, Any]:
        """Return the one object on stdout."""
        found: dict[str, Any] = msgspec.json.decode(self.said.stdout)
        return found

    @property
    def entries(self) -> list[Entry]:
        """Return the journal, verified."""
        return read_journal(self.folder / "journal.jsonl")

    @property
    def state(self) -> RunState:
        """Return the folded journal."""
        return fold(self.entries)

    @property
    def outcome(self) -> tuple[int, str, str, str | None]:
        """Return exit code, verdict, closure and cause: what most tests ask first."""
        found = self.summary
        return self.said.exit_code, found["verdict"], found["closure"], found["cause"]


@dataclass(kw_only=True)
class Living:
    """A run that goes on: its command's process, and what it has said so far."""

    drydock: Drydock
    process: subprocess.Popen[bytes]
    runs: Path
    out: Path

    @property
    def folder(self) -> Path:
        """Return the run's folder, as soon as there is one."""
        self._until(lambda: self._folders() or self.process.poll() is not None, "a run folder")
        folders = self._folders()
        assert folders, self.narration
        return folders[0]

    def _folders(self) -> list[Path]:
        return sorted(self.runs.glob("2*")) if self.runs.is_dir() else []

    @property
    def narration(self) -> str:
        """Return stderr so far."""
        return (self.out / "stderr").read_text("utf-8", "replace")

    @property
    def state(self) -> RunState:
        """Return the folded journal as it is now."""
        try:
            return fold(read_journal(self.folder / "journal.jsonl"))
        except FileNotFoundError:
            return RunState()

    def wait_until(self, holds: Callable[[RunState], bool], what: str) -> RunState:
        """Return the first state that was seen to hold; fails the test when the patience is over."""
        seen: list[RunState] = []

        def reached() -> bool:
            seen[:] = [self.state]
            return holds(seen[0])

        self._until(reached, what)
        return seen[0]

    def _until(self, reached: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not reached():
            if time.monotonic() > deadline:
                pytest.fail(f"no {what} after {PATIENCE_S:.0f} s; the run had said:\n{self.narration}")
            time.sleep(_POLL_S)

    def wait_at(self, boundary: str) -> RunState:
        """Return the state in which the run waits at a boundary."""
        return self.wait_until(lambda it: it.armed is not None and it.armed.boundary == boundary, boundary)

    def approve_line(self, boundary: str) -> list[str]:
        """Return the words of the approve line that stderr shows for a boundary."""
        wanted = f" {boundary} "

        def shown() -> list[str]:
            return [line for line in _APPROVE_LINE.findall(self.narration) if wanted in line]

        self._until(shown, f"approve line of {boundary}")
        return shlex.split(shown()[-1])

    def approve(self, boundary: str) -> Said:
        """Run the very line that stderr shows, in another process."""
        self.wait_at(boundary)
        words = self.approve_line(boundary)
        assert words[0] == "drydock"
        return self.drydock.command(*words[1:])

    def engine_pid(self) -> int:
        """Return the engine's process id."""
        state = self.wait_until(lambda it: it.engine is not None, "engine")
        assert state.engine is not None
        return int(state.engine.identity.split(":")[0])

    def watchdog_pid(self) -> int:
        """Return the process id of the engine's watchdog."""
        state = self.wait_until(lambda it: it.engine is not None, "engine")
        assert state.engine is not None
        return int(state.engine.watchdog.split(":")[0])

    def finish(self) -> Ended:
        """Return when the command has ended by itself."""
        code = self.process.wait(PATIENCE_S)
        said = Said(
            exit_code=code, stdout=(self.out / "stdout").read_text("utf-8", "replace"), stderr=self.narration
        )
        return Ended(said=said, folder=self.folder)


@dataclass(kw_only=True)
class Drydock:
    """The installed command with a folder of its own: runs below it, `w` for what is thrown away.

    `reference` is the subject where a test names none (None: the pack's own): a copy outside every git
    repository, because somebody may commit to this one while tests run, and gate N-5 would see it.
    """

    root: Path
    reference: Path | None = None
    program: Sequence[str] = (DRYDOCK,)
    uid: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def work(self) -> Path:
        """Return the folder below which clusters are made."""
        return self.root / "w"

    def place(self, name: str) -> Path:
        """Return a new path in the root, for a copy of a subject or a pack."""
        return self.root / f"{name}-{next(self.numbers)}"

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(DRYDOCK).parent}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root),
            "LC_ALL": "C.UTF-8", "DRYDOCK_WORK_DIR": str(self.work), "DRYDOCK_CACHE_DIR": str(cache_for_tests()),
            **self.variables,
        }  # fmt: skip

    def _popen(self, words: Sequence[str], out: Path) -> subprocess.Popen[bytes]:
        out.mkdir()
        with (out / "stdout").open("wb") as stdout, (out / "stderr").open("wb") as stderr:
            return subprocess.Popen(
                [*self.program, *words], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                env=self._environment(), cwd=self.root, user=self.uid, group=self.uid,
                extra_groups=[] if self.uid is not None else None, start_new_session=True,
            )  # fmt: skip

    def command(self, *words: str, timeout_s: float = PATIENCE_S) -> Said:
        """Run one command to its end."""
        out = self.place("said")
        process = self._popen(words, out)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        return Said(
            exit_code=code, stdout=(out / "stdout").read_text("utf-8", "replace"),
            stderr=(out / "stderr").read_text("utf-8", "replace"),
        )  # fmt: skip

    def start(self, *words: str, rows: int = 200) -> Living:
        """Start a headless demo run in a runs folder of its own and return at once."""
        runs = self.place("runs")
        out = self.place("said")
        all_words = ["run", "--headless", "--json", "--demo-rows", str(rows), "--runs-dir", str(runs), *words]
        if self.reference is not None and "--subject" not in words:
            all_words += ["--subject", str(self.reference)]
        return Living(drydock=self, process=self._popen(all_words, out), runs=runs, out=out)

    def run(self, *words: str, rows: int = 200) -> Ended:
        """Run the demo with everything approved, to its end."""
        return self.start("--approve", "all", *words, rows=rows).finish()


Play = Callable[[Drydock], Any]


def played_together(drydock: Drydock, plays: Mapping[str, Play]) -> dict[str, Future[Any]]:
    """Return what came of each play, two at a time; what one raised, its future raises."""
    pool = ThreadPoolExecutor(AT_A_TIME)
    try:
        done = {name: pool.submit(play, drydock) for name, play in plays.items()}
        wait(done.values())
        return done
    finally:  # who interrupts the suite waits for what runs, and for nothing that has not begun
        pool.shutdown(cancel_futures=True)


def names_played(request: pytest.FixtureRequest, fixture: str) -> list[str]:
    """Return the parameters of `fixture` for which tests of this module were selected."""
    found = {
        item.callspec.params[fixture]: None
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
        and fixture in item.callspec.params
    }  # fmt: skip
    return [str(name) for name in found]


@pytest.fixture(scope="session")
def drydock() -> Iterator[Drydock]:
    """A folder with a short path (sockets lie below it), removed at the end with all runs in it."""
    root = Path(tempfile.mkdtemp(prefix="e2e-", dir=place_for_clusters()))
    root.chmod(0o755)
    made = Drydock(root=root, reference=root / "reference")
    made.work.mkdir(mode=0o755)
    shutil.copytree(REFERENCE, root / "reference", ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    yield made
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def pass_runs(drydock: Drydock) -> dict[int, Ended]:
    """One run of the reference subject on each major version of the wheel; share it, never change it."""

    def play(major: int, given: Drydock) -> Ended:
        return given.run("--pg-major", str(major), rows=20_000)

    plays: dict[str, Play] = {str(major): partial(play, major) for major in (16, 18)}
    return {int(major): done.result() for major, done in played_together(drydock, plays).items()}
