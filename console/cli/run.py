"""`drydock run`: checks what can be checked, starts the engine, tells what happens, says how it ended."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import msgspec

from console.cli.approve import ssh, tty
from console.cli.options import add_runs_dir, runs_folder
from console.engine.control import Request, account_name, ask
from console.engine.rehearsal import ORDER_FILE
from console.engine.worker import LOG_FILE, start_engine
from console.environments.programs import find_programs
from console.errors import ControlRefused, JournalBroken, PlanError, SubjectError, UsageError
from console.journal import JournalTail, read_journal
from console.model.config import RunConfig, RunOrder, SubjectConfig
from console.model.event import Entry
from console.model.run_state import RunState, fold
from console.model.text import one_line
from console.packs import LoadedPack, find_pack, load_pack, tree_sha256
from console.plans.file import read_plan_file, with_options
from console.repository import read_repository
from console.runs import JOURNAL_FILE, create_run_folder, journal_is_held, new_run_id
from console.secrets import write_secret_file
from console.settings import default_work_folder
from console.sources.dump_file import check_dump_file

POLL_S = 0.1
EXIT_DIED = 4


class View(Protocol):
    """Shows entries as they come."""

    def show(self, entry: Entry, state: RunState) -> None:
        """Show one entry; `state` is the fold up to and with it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    plan = "a plan file (none: the demo)"
    parser.add_argument("plan", metavar="PLAN.toml", nargs="?", type=Path, help=plan)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--headless", action="store_true", help="no screen; narration on stderr")
    how.add_argument("--plain", action="store_true", help="line by line, also on a terminal")
    parser.add_argument("--approve", default="", metavar="B-1,..|all", help="boundaries approved in advance")
    parser.add_argument("--supervise", choices=("boundary", "step", "scenario"), default="boundary")
    parser.add_argument("--subject", metavar="DIR", help="the code under rehearsal")
    parser.add_argument("--pack", metavar="NAME|DIR", help="the scenario pack")
    parser.add_argument("--environment", choices=("embedded", "docker"), help="where the copy lives")
    major = "PostgreSQL's major version (the wheel has 16 and 18)"
    parser.add_argument("--pg-major", type=int, metavar="N", help=major)
    parser.add_argument("--pg-programs", metavar="DIR", help="a system PostgreSQL: the folder above its bin/")
    parser.add_argument("--demo-rows", type=int, metavar="N", help="size of the demo's production")
    parser.add_argument("--work-dir", metavar="DIR", help="where clusters are made (short, on a roomy disk)")
    parser.add_argument("--boundary-timeout", type=float, metavar="SECONDS", help="how long a boundary waits")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout at the end")
    add_runs_dir(parser)


def main(options: argparse.Namespace) -> int:
    """Run a rehearsal to its end and return its exit code."""
    config = configuration(options)
    approve = approvals(options.approve, options.supervise)
    loaded = check_before(config)
    runs = runs_folder(options)
    run = new_run_id()
    folder = create_run_folder(runs, run)
    order = _order(run, config, approve, options, runs)
    write_secret_file(folder / ORDER_FILE, msgspec.json.encode(order).decode())
    del loaded
    engine = start_engine(folder)
    if _wants_screen(options):
        return _on_screen(folder, engine, options)
    state = follow(folder, engine, _view(options))
    return _end(folder, state, options, unrecorded=engine.returncode == EXIT_DIED)


def configuration(options: argparse.Namespace) -> RunConfig:
    """Return the plan file's configuration with the command line's words over it."""
    config = read_plan_file(options.plan) if options.plan else RunConfig()
    changes: dict[str, dict[str, Any]] = {
        "source": _given(rows=options.demo_rows),
        "environment": _given(
            kind=options.environment, major=options.pg_major, programs=options.pg_programs,
            work_folder=options.work_dir,
        ),
        "subject": _given(path=options.subject),
        "pack": _given(name=options.pack),
        "boundaries": _given(timeout_s=options.boundary_timeout),
    }  # fmt: skip
    return with_options(config, changes)


def _given(**words: Any) -> dict[str, Any]:
    return {name: value for name, value in words.items() if value is not None}


def approvals(text: str, supervise: str) -> tuple[str, ...]:
    """Return the boundaries approved in advance. Raises PlanError for a word that is no boundary."""
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        known = word == "all" or (word.startswith("B-") and len(word) <= 12)
        if not known:
            raise PlanError(f"{word!r} is no boundary", remedy="name B-1 to B-5, or all")
        if supervise == "boundary" and word.startswith("B-") and word not in {f"B-{n}" for n in range(1, 6)}:
            raise PlanError(f"the plan has no boundary {word}", remedy="name B-1 to B-5, or all")
    return words


def check_before(config: RunConfig) -> LoadedPack:
    """Check everything that needs neither the source nor the environment.

    Raises UsageError in one sentence for: a kind that this release cannot do, missing programs, an
    unknown pack, a subject that is missing or does not import.
    """
    from console.engine.import_check import subject_imports
    from console.engine.rehearsal import subject_folder

    if config.environment.kind == "docker":
        raise PlanError("this release has no docker environment yet", remedy="use --environment embedded")
    if config.source.rows < 1 or config.source.rows > 50_000_000:
        what = f"--demo-rows {config.source.rows} is not between 1 and 50000000"
        raise PlanError(what, remedy="mend the number")
    configured = Path(config.environment.programs) if config.environment.programs else None
    programs = find_programs(config.environment.major, configured)
    if config.source.kind == "dump_file":
        check_dump_file(config.source, programs, environment=config.environment.kind)
    loaded = load_pack(find_pack(config.pack.name))
    package = loaded.pack.subject.package
    _require_planned_subject(subject_folder(loaded, config), config.subject)
    subject_imports(subject_folder(loaded, config), package, work=work_folder(config))
    return loaded


def work_folder(config: RunConfig) -> Path:
    """Return the folder below which everything to be thrown away is made.

    Decided here and kept in the order, so that engine, watchdog and recovery name the same one whatever
    their environment says.
    """
    return Path(config.environment.work_folder or default_work_folder()).absolute()


def _require_planned_subject(folder: Path, planned: SubjectConfig) -> None:
    """Refuse a subject that is not the one whose commit or tree hash the plan names."""
    if not folder.is_dir():
        return
    if planned.commit and (head := read_repository(folder).head) != planned.commit:
        raise SubjectError(
            f"the subject in {folder} is at commit {head or 'none'}, and the plan names {planned.commit}",
            remedy="check out the planned commit, or mend [subject] commit",
        )
    if planned.tree and (tree := tree_sha256(folder)) != planned.tree:
        raise SubjectError(
            f"the subject in {folder} has the tree hash {tree}, and the plan names {planned.tree}",
            remedy="restore the planned files, or mend [subject] tree",
        )


def _order(
    run: str, config: RunConfig, approve: tuple[str, ...], options: argparse.Namespace, runs: Path
) -> RunOrder:
    return RunOrder(
        run=run, config=_absolute(config), approve=approve, supervise=options.supervise,
        operator_uid=os.getuid(), operator_name=account_name(os.getuid()), operator_tty=tty(),
        operator_ssh=ssh(), nonce=secrets.token_hex(4), runs_folder=str(runs),
    )  # fmt: skip


def _absolute(config: RunConfig) -> RunConfig:
    """The engine works from /, so that no folder of the operator's is kept busy."""
    changes: dict[str, dict[str, Any]] = {"subject": {}, "environment": {}, "pack": {}}
    if config.subject.path:
        changes["subject"]["path"] = str(Path(config.subject.path).absolute())
    changes["source"] = {
        name: str(Path(value).absolute())
        for name in ("path", "manifest")
        if (value := getattr(config.source, name))
    }
    if config.environment.programs:
        changes["environment"]["programs"] = str(Path(config.environment.programs).absolute())
    changes["environment"]["work_folder"] = str(work_folder(config))
    changes["pack"]["name"] = str(find_pack(config.pack.name))
    return with_options(config, changes)


def _wants_screen(options: argparse.Namespace) -> bool:
    """The full screen is for people at a terminal who did not ask for lines or for data."""
    plain = options.headless or options.plain or options.json
    return not plain and sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()


def _on_screen(folder: Path, engine: subprocess.Popen[bytes], options: argparse.Namespace) -> int:
    """Show the run on the screen; leaving it leaves the run to its engine."""
    from console.cli.attach import open_screen
    from console.tui.plain import lines_of

    tail = JournalTail(folder / JOURNAL_FILE)
    while not tail.new_entries():
        if engine.poll() is not None:
            raise _died_unborn(folder)
        time.sleep(POLL_S)
    code = open_screen(folder, observe=False)
    entries = read_journal(folder / JOURNAL_FILE)
    state = fold(entries)
    if state.ended is None:
        sys.stderr.write(f"the run {folder.name} goes on; back to it: drydock attach {folder.name}\n")
        return code
    engine.wait()
    sys.stderr.write("\n".join(lines_of(entries[-1], state)) + "\n")
    return _end(folder, state, options)


def _view(options: argparse.Namespace) -> View:
    """On a terminal the lines have a moving one below them; elsewhere they are lines only."""
    if sys.stderr.isatty():
        from console.tui.progress import ProgressView

        return ProgressView(sys.stderr)
    from console.tui.plain import PlainView

    return PlainView(sys.stderr)


def follow(folder: Path, engine: subprocess.Popen[bytes], view: View) -> RunState:
    """Show the run until it ends or nobody is left to end it. Ctrl+C asks the engine for the end.

    The state's `ended` is None when engine and watchdog died. Raises UsageError when they did so before
    anything was made.
    """
    tail, state = JournalTail(folder / JOURNAL_FILE), RunState()
    asked = _Interrupted(folder)
    while True:
        gone = engine.poll() is not None and not journal_is_held(folder / JOURNAL_FILE)
        for entry in _read_on(tail, folder, engine):
            state = fold([entry], state)
            view.show(entry, state)
        if state.ended is not None:
            engine.wait()
            return state
        if gone:
            if state.created is None:
                raise _died_unborn(folder)
            return state
        asked.act()
        time.sleep(POLL_S)


def _read_on(tail: JournalTail, folder: Path, engine: subprocess.Popen[bytes]) -> list[Entry]:
    """Return the new entries; a journal that somebody has changed ends the run before that is raised."""
    try:
        return tail.new_entries()
    except JournalBroken:
        with contextlib.suppress(ControlRefused):
            ask(folder, Request(verb="abort", tty=tty(), ssh=ssh()))
        engine.wait()
        raise


class _Interrupted:
    """The first Ctrl+C aborts the run; the second leaves it to its engine and returns the prompt."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pressed = 0
        self._told = 0
        signal.signal(signal.SIGINT, self._press)

    def _press(self, _number: int, _frame: Any) -> None:
        self._pressed += 1
        if self._pressed > 1:
            raise KeyboardInterrupt

    def act(self) -> None:
        """Ask for the end once after the key was pressed; the engine may not listen yet."""
        if self._pressed > self._told:
            try:
                ask(self._folder, Request(verb="abort", tty=tty(), ssh=ssh()))
            except ControlRefused:
                return
            self._told = self._pressed


def _died_unborn(folder: Path) -> UsageError:
    """Return what the engine's log says, in one sentence."""
    log = (folder / LOG_FILE).read_text("utf-8", "replace").strip().splitlines()
    last = one_line(log[-1], limit_chars=400) if log else "it says nothing"
    return UsageError(
        f"the engine of {folder.name} ended before it had made anything: {last}",
        remedy=f"read {folder / LOG_FILE}",
    )


def _end(folder: Path, state: RunState, options: argparse.Namespace, *, unrecorded: bool = False) -> int:
    sys.stderr.write(f"evidence: {folder}\n")
    read_journal(folder / JOURNAL_FILE)  # somebody may have changed what was shown already
    if state.ended is None:
        runs = runs_folder(options)
        line = shlex.join(["drydock", "recover", folder.name, "--runs-dir", str(runs)])
        what = "has not been torn down; next"
        if unrecorded:
            what = "was torn down, but its journal cannot be written and holds no end; make room, then"
        sys.stderr.write(f"drydock: the engine is gone and the run {what}: {line}\n")
    if options.json:
        from console.cli.listing import print_json
        from console.evidence.summary import summary

        told = summary(state, evidence=str(folder))
        del told["condition"]  # a run that ended is always "ended": it is for those who ask meanwhile
        print_json(told)
    return state.ended.exit_code if state.ended is not None else EXIT_DIED
