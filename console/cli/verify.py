"""`drydock verify`: chain, manifest, seals and ledger of a pack, and every gate asked again from its facts.

A run of the runs folder is held against this user's ledger and keys; a folder from elsewhere against what is
named with --ledger and --key. Exit code 5 with the exact place when anything differs.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import msgspec

from console.cli.listing import print_json, print_pairs, print_text
from console.cli.options import add_json, add_runs_dir, runs_folder
from console.errors import JournalBroken, RunNotFound, UsageError
from console.evidence.keys import trusted
from console.evidence.ledger import LEDGER_FILE, LedgerLine, of_run, read_ledger, vanished
from console.evidence.verification import Finding, Outside, Verification
from console.evidence.verify import verify
from console.model.config import RunConfig
from console.model.event import RunCreated
from console.model.text import one_line, visible
from console.plans import dry_run, migration, proof
from console.plans.reusing import not_applicable_to_kept
from console.runs import journal_is_held, run_names
from console.settings import default_state_folder

EXIT_NOT_VERIFIED = 5
_GLYPHS = {"holds": "✓", "differs": "✗", "not checked": "·"}


_LEFT_OUT = {
    "dry-run": dry_run.not_applicable,
    "proof": proof.not_applicable,
    "migration": migration.not_applicable,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    what = "a run's id or its beginning, or a pack's folder (none: every run of the folder and of the ledger)"
    parser.add_argument("run", metavar="RUN|DIR", nargs="?", help=what)
    parser.add_argument(
        "--ledger", metavar="FILE", type=Path, help="the ledger that a folder is held against"
    )
    parser.add_argument(
        "--key", metavar="HEX", action="append", default=[], help="a public key that is believed"
    )
    add_runs_dir(parser)
    add_json(parser)


def main(options: argparse.Namespace) -> int:
    """Check one pack, or all; 0 when everything holds, 5 otherwise."""
    outside = _outside(options)
    if options.run and _is_folder(options.run):
        found = [verify(Path(options.run).absolute(), outside)]
    else:
        found = _of_the_runs_folder(options, outside)
    if not found:
        sys.stderr.write(f"drydock: there is no run in {visible(str(runs_folder(options)))}\n")
    if options.json:
        print_json([_as_json(one) for one in found] if options.run is None else _as_json(found[0]))
    else:
        for one in found:
            _print(one)
    return 0 if all(one.holds for one in found) else EXIT_NOT_VERIFIED


def _is_folder(named: str) -> bool:
    return os.sep in named or Path(named, "journal.jsonl").exists()


def outside_here() -> Outside:
    """Return what this user knows besides any pack: ledger, believed keys, what a plan leaves out.

    Raises UsageError and JournalBroken for a ledger that cannot be used.
    """
    return _outside(argparse.Namespace(run=None, ledger=None, key=[]))


def _outside(options: argparse.Namespace) -> Outside:
    state = default_state_folder()
    elsewhere = bool(options.run) and _is_folder(options.run)
    ledger: Path | None = options.ledger
    if ledger is not None and not ledger.exists():
        raise UsageError(f"there is no ledger {ledger}", remedy="name the file that was kept")
    if ledger is None and not elsewhere:
        ledger = state / LEDGER_FILE
    keys = frozenset(options.key) | (frozenset() if elsewhere else trusted(state))
    try:
        lines = read_ledger(ledger) if ledger is not None else None
    except OSError as wrong:
        raise UsageError(
            f"the ledger {ledger} cannot be read: {wrong.strerror}", remedy="ask its owner"
        ) from wrong
    except JournalBroken as broken:
        raise JournalBroken(broken.path, broken.line, f"the ledger itself: {broken.what}") from broken
    told = keys if keys or not elsewhere else None
    return Outside(ledger=lines, keys=told, not_applicable=_left_out)


def _left_out(created: RunCreated) -> list[str]:
    """Return the gates that a plan of this configuration leaves out."""
    words = {name: value for name, value in created.config.items() if name != "subject_folder"}
    try:
        config = msgspec.convert(words, RunConfig)
        unasked = not_applicable_to_kept(created.copy, nothing_protected=config.protect.names_nothing)
        return [*({**_LEFT_OUT[created.plan](config), **unasked})]
    except (KeyError, msgspec.ValidationError):
        return list(created.not_applicable)


def _of_the_runs_folder(options: argparse.Namespace, outside: Outside) -> list[Verification]:
    runs = runs_folder(options)
    there = run_names(runs) or []
    gone = vanished(outside.ledger or [], runs, set(there))
    if options.run is None:
        ended = [run for run in there if not journal_is_held(runs / run / "journal.jsonl")]
        return [*(verify(runs / run, outside) for run in ended), *map(_vanished, gone)]
    names = [run for run in (*there, *(line.run for line in gone)) if run.startswith(options.run)]
    if len(names) != 1:
        removed = [line for line in of_run(outside.ledger or [], options.run) if line.what == "removed"]
        if removed and not names:
            what = f"the run {options.run} was removed at {removed[-1].at}, as the ledger says"
            raise RunNotFound(what, remedy="drydock runs lists what is there")
        what = f"{len(names)} runs begin with" if names else f"there is no run in {runs} called"
        raise RunNotFound(f"{what} {options.run!r}", remedy="drydock runs lists them")
    if names[0] in there:
        if journal_is_held(runs / names[0] / "journal.jsonl"):
            raise UsageError(f"the run {names[0]} goes on", remedy="verify it when it has ended")
        return [verify(runs / names[0], outside)]
    return [_vanished(line) for line in gone if line.run == names[0]]


def _vanished(line: LedgerLine) -> Verification:
    verdict = f" {line.verdict}, {line.closure}" if line.verdict else ""
    what = f"the run {line.run} is gone; the ledger's line {line.n} of {line.at} says: {line.what}{verdict}"
    finding = Finding(check="ledger", place=line.run, what=what)
    return Verification(run=line.run, checks=(), findings=(finding,))


def _print(found: Verification) -> None:
    if found.checks:
        print_pairs(
            [(f"{_GLYPHS[one.state]} {one.name}", f"{one.state}: {one.words}") for one in found.checks]
        )
    if found.holds:
        print_text(f"{found.run} verifies")
        return
    for finding in found.findings:
        print_text(one_line(f"✗ {finding}", limit_chars=2000))
    print_text(f"{found.run} DOES NOT VERIFY: {len(found.findings)} places differ")


def _as_json(found: Verification) -> dict[str, object]:
    return {
        "run": found.run,
        "verifies": found.holds,
        "checks": [{"check": one.name, "state": one.state, "words": one.words} for one in found.checks],
        "findings": [{"check": one.check, "place": one.place, "what": one.what} for one in found.findings],
    }
