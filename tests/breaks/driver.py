"""Drives a real run from outside: follows its journal, breaks something at a boundary, approves it, waits.

Owns the folder of one test and everything made in it; ends what it started and nothing else. Never
reaches into the engine's process: a break happens to files, processes and the copy itself.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from fix_places import place_for_clusters

from console.engine.control import Request, ask
from console.engine.rehearsal import work_folder_of
from console.environments.cluster import PORT, SUPERUSER
from console.environments.environment import SUPERUSER_SECRET
from console.errors import ControlRefused
from console.journal import JournalTail
from console.model.config import RunOrder
from console.model.event import BoundaryArmed
from console.model.run_state import RunState, fold
from console.runs import JOURNAL_FILE, ORDER_FILE
from console.settings import data_folder

PATIENCE_S = 300.0
_POLL_S = 0.02
_ARMED_WITHIN_S = 5.0
"""The journal's line that a boundary is armed can be read a moment before the engine answers for it."""

DATABASE = "directus"
REFERENCE = data_folder("scenarios") / "cutter_dry_run" / "subject"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A run that waits at a boundary: where its things are, and a way into its copy."""

    folder: Path
    order: RunOrder
    state: RunState

    @property
    def work(self) -> Path:
        """Return the folder of all that is thrown away."""
        return work_folder_of(self.order)

    @property
    def copy(self) -> Path:
        """Return the folder of the copy's cluster."""
        return self.work / "copy"

    @property
    def harness(self) -> Path:
        """Return the folder of the harness's place."""
        return self.work / "harness"

    @property
    def production(self) -> Path:
        """Return the data folder of the demo's production."""
        return self.work.with_name(f"{self.work.name}-demo") / "production" / "data"

    @property
    def neighbour(self) -> Path:
        """Return the data folder of the demo's protected neighbour."""
        return self.production.parent.with_name("neighbour") / "data"

    @property
    def secrets_file(self) -> Path:
        """Return the file with the rehearsal's own passwords."""
        return self.folder / "secrets" / "rehearsal.json"

    def password(self, name: str) -> str:
        """Return one of the rehearsal's own passwords."""
        return str(json.loads(self.secrets_file.read_bytes())[name])

    def run_sql(self, *statements: str, user: str = SUPERUSER, options: str = "") -> None:
        """Run statements in the copy, as somebody whom the client witness does not know."""
        password = self.password(SUPERUSER_SECRET if user == SUPERUSER else user)
        with psycopg.connect(
            host=str(self.copy / "socket"), port=PORT, dbname=DATABASE, user=user, password=password,
            sslmode="disable", autocommit=True, options=options,
        ) as connection:  # fmt: skip
            for statement in statements:
                connection.execute(statement.encode())


Break = Callable[[Waiting], None]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A run that has ended: the command's exit code and JSON, the folded journal, the narration."""

    exit_code: int
    summary: dict[str, Any]
    state: RunState
    folder: Path
    order: RunOrder
    words: str

    def verdict(self, gate: str) -> str:
        """Return a gate's verdict as `run --json` told it."""
        return str(self.summary["gates"][gate])

    def reason(self, gate: str) -> str:
        """Return the sentence with which a gate was judged."""
        return self.state.gates[gate].reason


@dataclass(kw_only=True)
class Stage:
    """One test's folder; `closing` undoes what the test did outside it."""

    root: Path
    closing: ExitStack = field(default_factory=ExitStack)
    runs: list[Path] = field(default_factory=list)

    @property
    def runs_folder(self) -> Path:
        """Return the runs folder (0700)."""
        return self.root / "runs"

    @property
    def work_folder(self) -> Path:
        """Return the folder below which clusters are made; a run's can be moved from there into the root."""
        return self.root / "w"

    def subject(self) -> Path:
        """Return a copy of the reference subject, made at the first call: no repository is around it."""
        into = self.root / "subject"
        if not into.exists():
            shutil.copytree(REFERENCE, into, ignore=shutil.ignore_patterns("__pycache__"))
        return into

    def drive(
        self,
        *words: str,
        at: Mapping[str, Break] | None = None,
        supervise: str = "step",
        python: Path | None = None,
        runs_folder: Path | None = None,
        rows: int | None = 200,
    ) -> Ended:
        """Run the demo to its end, with each break of `at` done once while its boundary waits."""
        runs = runs_folder or self.runs_folder
        argv = [str(python or sys.executable), "-m", "console", "run", "--headless", "--json"]
        argv += ["--supervise", supervise, "--runs-dir", str(runs), *words]
        argv += [] if rows is None else ["--demo-rows", str(rows)]
        if "--subject" not in words:
            argv += ["--subject", str(self.subject())]
        said, told = self.root / "stderr", self.root / "stdout"
        with said.open("wb") as stderr, told.open("wb") as stdout:
            command = subprocess.Popen(
                argv, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL, cwd="/",
                env=os.environ | {"DRYDOCK_WORK_DIR": str(self.work_folder)},
            )  # fmt: skip
            try:
                folder, state = _follow(command, runs, dict(at or {}), said, self.runs)
            finally:
                _end(command)
        order = msgspec.json.decode((folder / ORDER_FILE).read_bytes(), type=RunOrder)
        return Ended(
            exit_code=command.returncode, summary=json.loads(told.read_bytes()), state=state, folder=folder,
            order=order, words=_words(said),
        )  # fmt: skip


def _follow(
    command: subprocess.Popen[bytes], runs: Path, breaks: dict[str, Break], said: Path, known: list[Path]
) -> tuple[Path, RunState]:
    deadline = time.monotonic() + PATIENCE_S
    before = set(known)
    folder: Path | None = None
    tail, state = JournalTail(Path(os.devnull)), RunState()
    while True:
        ended = command.poll() is not None
        if folder is None:
            folder = next((path for path in _run_folders(runs) if path not in before), None)
            if folder is not None:
                known.append(folder)
                tail = JournalTail(folder / JOURNAL_FILE)
        for entry in tail.new_entries() if folder is not None else ():
            state = fold([entry], state)
            if isinstance(entry.event, BoundaryArmed) and folder is not None:
                _answer(folder, entry.event, state, breaks)
        if ended and folder is not None and state.ended is not None:
            assert not breaks, f"the run never waited at {sorted(breaks)}: {_words(said)}"
            return folder, state
        assert not ended, f"the command ended with {command.returncode}: {_words(said)}"
        assert time.monotonic() < deadline, f"no end after {PATIENCE_S} s: {_words(said)}"
        with suppress(subprocess.TimeoutExpired):
            command.wait(_POLL_S)


def _words(said: Path) -> str:
    return said.read_text("utf-8", "replace")


def _run_folders(runs: Path) -> list[Path]:
    return sorted(path.parent for path in runs.glob(f"*/{JOURNAL_FILE}"))


def _answer(folder: Path, armed: BoundaryArmed, state: RunState, breaks: dict[str, Break]) -> None:
    """Do what the test wants done here, then approve; a boundary armed again is only approved."""
    if armed.boundary in breaks:
        order = msgspec.json.decode((folder / ORDER_FILE).read_bytes(), type=RunOrder)
        breaks.pop(armed.boundary)(Waiting(folder=folder, order=order, state=state))
    deadline = time.monotonic() + _ARMED_WITHIN_S
    while True:
        reply = ask(folder, Request(verb="approve", boundary=armed.boundary, digest=armed.digest))
        if reply.accepted or "armed again" in reply.says:
            return
        assert "does not wait" in reply.says, reply.says
        assert time.monotonic() < deadline, reply.says
        time.sleep(_POLL_S)


def _end(command: subprocess.Popen[bytes]) -> None:
    """End a command that a failed test left running; its engine then tears its run down by itself."""
    if command.poll() is None:
        command.send_signal(signal.SIGINT)
        try:
            command.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            command.kill()
            command.wait()


@contextmanager
def stage() -> Iterator[Stage]:
    """Give a folder that other users may pass through, and leave nothing of the test behind."""
    root = Path(tempfile.mkdtemp(prefix="breaks-", dir=place_for_clusters()))
    root.chmod(0o711)
    (root / "runs").mkdir(mode=0o700)
    (root / "w").mkdir(mode=0o755)
    made = Stage(root=root)
    try:
        yield made
    finally:
        for folder in made.runs:
            with suppress(ControlRefused):
                ask(folder, Request(verb="abort"))
        made.closing.close()
        shutil.rmtree(root)
