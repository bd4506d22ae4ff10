"""`drydock run`: checks what can be checked, starts the engine, tells what happens, says how it ended."""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from console.cli.approve import ssh, tty
from console.cli.approvers import approvers_gid
from console.cli.asking import asked, names_to_ask
from console.cli.beforehand import absolute, boundaries_of, check_before, kept_for, with_default_pack
from console.cli.expiring import tell_expired
from console.cli.following import POLL_S, View, await_seal, died_unborn, follow
from console.cli.options import add_runs_dir, add_screen_options, runs_folder
from console.cli.reading import unsealed_words
from console.engine.control import account_name
from console.engine.keeper import start_keeper
from console.engine.notifier import start_notifier
from console.engine.worker import start_engine
from console.environments.process import take_no_signals_over
from console.errors import DrydockError, PlanError, SecretUnavailable
from console.evidence.keys import has_key, load_key, make_key
from console.evidence.sealed import code_once_sealed, is_sealed
from console.journal import JournalTail, read_journal
from console.model.config import KeptCopy, RunConfig, RunOrder
from console.model.run_state import RunState, fold
from console.model.text import one_line, visible
from console.plans.file import read_plan_file, with_options
from console.plans.reusing import reuse_problems
from console.runs import JOURNAL_FILE, ORDER_FILE, create_run_folder, new_run_id
from console.secrets import write_secret_file
from console.settings import default_state_folder

if TYPE_CHECKING:
    from console.cli.attach import Prepared
    from console.packs import LoadedPack
    from console.tui.prompt import LinePrompt

EXIT_DIED = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    plan = "a plan file (none: the demo)"
    kind = "dry-run or migration on an isolated copy, or proof: rollback-only on the real database"
    parser.add_argument("--plan", dest="kind", choices=("dry-run", "proof", "migration"), help=kind)
    parser.add_argument("plan", metavar="PLAN.toml", nargs="?", type=Path, help=plan)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--headless", action="store_true", help="no screen; narration on stderr")
    how.add_argument("--plain", action="store_true", help="line by line, also on a terminal")
    given = "boundaries approved in advance; B-2=NAME where B-2 asks for a name, which all never covers"
    parser.add_argument("--approve", default="", metavar="B-1,..|all", help=given)
    parser.add_argument("--supervise", choices=("boundary", "step", "scenario"), default="boundary")
    two = "a second, different user must approve as well (the plan's [boundaries] approvers)"
    parser.add_argument("--require-two", action="store_true", default=None, help=two)
    parser.add_argument("--subject", metavar="DIR", help="the code under rehearsal")
    parser.add_argument("--pack", metavar="NAME|DIR", help="the scenario pack")
    anew = "make the copy anew before each scenario, where the pack allows it (docs/pack.md)"
    parser.add_argument("--rewind", action="store_true", default=None, help=anew)
    parser.add_argument("--environment", choices=("embedded", "docker"), help="where the copy lives")
    again = "keep the copy for later runs, or take the one that an earlier run kept (docs/reuse.md)"
    parser.add_argument("--reuse-copy", action="store_true", default=None, help=again)
    engine = "the docker engine (unix://, ssh://, tcp:// with TLS)"
    parser.add_argument("--endpoint", metavar="URL", help=engine)
    major = "PostgreSQL's major version (the wheel has 16 and 18)"
    parser.add_argument("--pg-major", type=int, metavar="N", help=major)
    parser.add_argument("--pg-programs", metavar="DIR", help="a system PostgreSQL: the folder above its bin/")
    parser.add_argument("--demo-rows", type=int, metavar="N", help="size of the demo's production")
    parser.add_argument("--work-dir", metavar="DIR", help="where clusters are made (short, on a roomy disk)")
    parser.add_argument("--boundary-timeout", type=float, metavar="SECONDS", help="how long a boundary waits")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout at the end")
    add_screen_options(parser)
    add_runs_dir(parser)


def main(options: argparse.Namespace) -> int:
    """Run a rehearsal to its end and return its exit code."""
    take_no_signals_over()
    config = configuration(options)
    loaded = check_before(config)
    kept = _kept(config, loaded)
    proof = loaded.pack.proof
    names = [] if kept is not None else names_to_ask(config, proof.secrets if proof else {})
    typed = asked(names, may_ask=not options.headless)
    approve = approvals(options.approve, options.supervise, boundaries_of(config, loaded))
    runs = runs_folder(options)
    run = new_run_id()
    group = approvers_gid(config.boundaries)
    prepared = _prepared(options)
    folder = create_run_folder(runs, run)
    try:
        ready_key(default_state_folder().absolute())
    except DrydockError:
        folder.rmdir()
        raise
    order = _order(run, config, approve, options, runs)
    order = msgspec.structs.replace(order, approvers_gid=group, kept=kept)
    write_secret_file(folder / ORDER_FILE, msgspec.json.encode(order).decode())
    engine = start_engine(folder, typed)
    start_notifier(folder, config.notify)
    if config.reuse.copy and kept is None:
        start_keeper(folder)
    if prepared is not None:
        return _on_screen(folder, engine, options, prepared)
    state = follow(folder, engine, _view(options), _prompt(folder, options))
    return _end(folder, state, options, unrecorded=engine.returncode == EXIT_DIED)


def _kept(config: RunConfig, loaded: LoadedPack) -> KeptCopy | None:
    """Return the kept copy that the run takes, and say so, once what is over is removed; None to take a new one."""
    if not config.reuse.copy:
        return None
    whole = absolute(config)
    tell_expired(Path(whole.reuse.folder))
    kept = kept_for(whole, loaded)
    if kept is not None:
        told = (
            f"takes the copy that run {kept.run} kept, read at {kept.read_at}; it is kept until {kept.until}"
        )
        sys.stderr.write(f"drydock: {visible(told)}\n")
    return kept


def ready_key(state_folder: Path) -> None:
    """Make the sealing key at the first run, and say so; refuse to begin what could not be sealed."""
    if has_key(state_folder):
        load_key(state_folder)
        return
    try:
        public = make_key(state_folder)
    except SecretUnavailable:
        if not has_key(state_folder):
            raise
        load_key(state_folder)  # another first run made it in this moment
        return
    sys.stderr.write(f"made the sealing key {public[:16]} in {visible(str(state_folder))}; see drydock key\n")


def configuration(options: argparse.Namespace) -> RunConfig:
    """Return the plan file's configuration with the command line's words over it."""
    config = read_plan_file(options.plan) if options.plan else RunConfig()
    changes: dict[str, dict[str, Any]] = {
        "source": _given(rows=options.demo_rows),
        "environment": _given(
            kind=options.environment, major=options.pg_major, programs=options.pg_programs,
            work_folder=options.work_dir, endpoint=options.endpoint,
        ),
        "subject": _given(path=options.subject),
        "pack": _given(name=options.pack, rewind=options.rewind),
        "reuse": _given(copy=options.reuse_copy),
        "boundaries": _given(timeout_s=options.boundary_timeout, require_two=options.require_two),
    }  # fmt: skip
    found = with_options(config, changes)
    kind = options.kind or found.plan
    whole = msgspec.structs.replace(found, plan=kind)
    for problem in reuse_problems(whole):
        raise PlanError(problem.what, remedy=problem.remedy)
    return whole if options.pack is not None else with_default_pack(whole)


def _given(**words: Any) -> dict[str, Any]:
    return {name: value for name, value in words.items() if value is not None}


def approvals(text: str, supervise: str, boundaries: Mapping[str, str]) -> tuple[str, ...]:
    """Return the boundaries approved in advance, B-2=NAME for one that asks for a name.

    Raises PlanError for a word that is no boundary, a name that is missing or is another one than asked for.
    """
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    known = f"name {', '.join(boundaries)}, or all"
    for word in words:
        boundary, equals, typed = word.partition("=")
        added = supervise != "boundary" and boundary.startswith("B-") and len(boundary) <= 12
        if word == "all" or (added and boundary not in boundaries and not equals):
            continue
        if not boundary.startswith("B-"):
            raise PlanError(f"{one_line(word, limit_chars=60)!r} is no boundary", remedy=known)
        if boundary not in boundaries:
            raise PlanError(f"the plan has no boundary {one_line(boundary, limit_chars=60)}", remedy=known)
        if typed != boundaries[boundary]:
            asks = boundaries[boundary]
            what = f"{boundary} asks for the name of the database" if asks else f"{boundary} asks for no name"
            raise PlanError(what, remedy=f"write {boundary}={asks}" if asks else f"write {boundary}")
    return words


def _order(
    run: str, config: RunConfig, approve: tuple[str, ...], options: argparse.Namespace, runs: Path
) -> RunOrder:
    return RunOrder(
        run=run, config=absolute(config), approve=approve, supervise=options.supervise,
        operator_uid=os.getuid(), operator_name=account_name(os.getuid()), operator_tty=tty(),
        operator_ssh=ssh(), nonce=secrets.token_hex(4), runs_folder=str(runs),
        state_folder=str(default_state_folder().absolute()),
    )  # fmt: skip


def _wants_screen(options: argparse.Namespace) -> bool:
    """The full screen is for people at a terminal who did not ask for lines or for data."""
    plain = options.headless or options.plain or options.json
    return not plain and sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()


def _prepared(options: argparse.Namespace) -> Prepared | None:
    """Return what the screen needs, None without one; a keymap that is wrong is told before a run exists."""
    if not _wants_screen(options):
        return None
    from console.cli.attach import prepare_screen

    return prepare_screen()


def _on_screen(
    folder: Path, engine: subprocess.Popen[bytes], options: argparse.Namespace, prepared: Prepared
) -> int:
    """Show the run on the screen; leaving it leaves the run to its engine."""
    from console.cli.attach import open_screen
    from console.tui.plain import lines_of

    tail = JournalTail(folder / JOURNAL_FILE)
    while not tail.new_entries():
        if engine.poll() is not None:
            raise died_unborn(folder)
        time.sleep(POLL_S)
    code = open_screen(
        folder, observe=False, theme=options.theme, mouse=not options.no_mouse, prepared=prepared
    )
    entries = read_journal(folder / JOURNAL_FILE)
    state = fold(entries)
    if state.ended is None:
        sys.stderr.write(f"the run {folder.name} goes on; back to it: drydock attach {folder.name}\n")
        return code
    engine.wait()
    await_seal(state)
    sys.stderr.write("\n".join(lines_of(entries[-1], state)) + "\n")
    return _end(folder, state, options)


def _view(options: argparse.Namespace) -> View:
    """On a terminal the lines have a moving one below them, unless lines only were asked for."""
    if sys.stderr.isatty() and not options.plain:
        from console.tui.progress import ProgressView

        return ProgressView(sys.stderr)
    from console.tui.plain import PlainView

    return PlainView(sys.stderr)


def _prompt(folder: Path, options: argparse.Namespace) -> LinePrompt | None:
    """With --plain a terminal can answer boundaries line by line; nothing else is ever read."""
    if not (options.plain and sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    from console.cli.attach import decider
    from console.tui.prompt import LinePrompt

    return LinePrompt(sys.stdin.fileno(), sys.stderr, decider(folder))


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
        told["sealed"] = is_sealed(folder)
        print_json(told)
    return _code(folder, state)


def _code(folder: Path, state: RunState) -> int:
    """Return the exit code, and say it where the evidence of a run that ended has no seal."""
    if state.ended is None:
        return EXIT_DIED
    if not is_sealed(folder):
        sys.stderr.write(f"drydock: {visible(unsealed_words(folder))}\n")
    return code_once_sealed(folder, state.ended)
