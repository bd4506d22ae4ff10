"""`drydock status`: what a run does now, what it asks, and how it ended; reads the journal only."""

from __future__ import annotations

import argparse

import msgspec

from console.cli.listing import print_json, print_pairs
from console.cli.options import add_json, add_runs_dir
from console.cli.reading import (
    EXIT_UNCLEAN,
    condition_of,
    died_unborn,
    duration,
    elapsed_s,
    is_unsealed,
    recover_line,
    the_run,
    unsealed_words,
)
from console.engine.notices import LOG_FILE, kept
from console.errors import ControlRefused, RunNotFound, RunsFolderError
from console.evidence.recorded import gate_verdicts, place_of_end, scenario_verdicts
from console.evidence.sealed import code_once_sealed, is_sealed
from console.model.event import ApprovalGiven, BoundaryArmed, RunEnded
from console.model.kept_words import kept_words
from console.model.run_state import RunState, needed_words
from console.model.sample_words import sample_words
from console.runs import RunFolder, is_run_id
from console.settings import default_state_folder

_SHOWN_DIGEST_CHARS = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="the run's id or its beginning (default: the newest)"
    )
    add_runs_dir(parser)
    add_json(parser)


def main(options: argparse.Namespace) -> int:
    """Say what the run does: the run's own exit code when it has ended, 0 while it is alive, 4 when dead."""
    try:
        found = the_run(options)
    except (RunsFolderError, RunNotFound) as unreadable:
        if options.run is None or not is_run_id(options.run):
            raise
        try:
            return _as_approver(options)
        except ControlRefused:
            raise unreadable from None
    code = exit_code(found)
    if options.json:
        print_json(_as_json(found, options, code))
    else:
        print_pairs(_pairs(found, options))
    return code


def _as_approver(options: argparse.Namespace) -> int:
    """Say what the engine shows to somebody who may approve and not read the journal."""
    from console.engine.control import Request, ask_as_approver

    reply = ask_as_approver(options.run, Request(verb="show"))
    if reply.shown is None:
        raise ControlRefused(reply.says)
    shown = reply.shown
    if options.json:
        print_json(msgspec.to_builtins(shown))
        return 0
    pairs = [("run", shown.run), ("title", shown.title), ("subject", shown.subject)]
    print_pairs([*pairs, *(question_pairs(shown.armed, shown.armed_at, shown.approvals) if shown.armed else
                           [("state", shown.condition)])])  # fmt: skip
    return 0


def exit_code(found: RunFolder) -> int:
    """Return the run's own code, 5 where it has no seal, 0 while it is alive; a dead run is UNCLEAN."""
    ended = found.state.ended
    if ended is not None:
        return code_once_sealed(found.path, ended) if is_unsealed(found) else ended.exit_code
    return EXIT_UNCLEAN if condition_of(found) == "dead" else 0


def _as_json(found: RunFolder, options: argparse.Namespace, code: int) -> dict[str, object]:
    from console.evidence.summary import summary

    state = found.state
    condition = condition_of(found)
    waits = state.armed if condition == "waiting" else None
    return {
        **summary(state, evidence=str(found.path)),
        "run": found.run,
        "condition": condition,
        "alive": found.alive,
        "step": state.current_step,
        "elapsed_s": elapsed_s(found),
        "boundary": _boundary(found, waits) if waits else None,
        "recover": recover_line(found, options),
        "exit_code": code,
        "sealed": is_sealed(found.path) if state.ended is not None else None,
        "notifications": msgspec.to_builtins(kept(default_state_folder() / LOG_FILE, found.run)),
    }


def _boundary(found: RunFolder, armed: BoundaryArmed) -> dict[str, object]:
    return {
        "id": armed.boundary,
        "question": armed.question,
        "irrevocable": armed.irrevocable,
        "digest": armed.digest,
        "approve": approve_line(found, armed),
        "armed_at": found.state.armed_at,
        "timeout_s": armed.timeout_s,
        "default": armed.default,
        "needs": armed.needs,
        "approvers": armed.approvers,
        "approvals": [given.operator.name for given in found.state.approvals],
    }


def approve_line(found: RunFolder, armed: BoundaryArmed) -> str:
    """Return the exact command that approves, as the engine recorded it."""
    digest = armed.digest[:_SHOWN_DIGEST_CHARS]
    return armed.approve_line or f"drydock approve {found.run} {armed.boundary} --digest {digest}"


def _pairs(found: RunFolder, options: argparse.Namespace) -> list[tuple[str, str]]:
    state = found.state
    if state.created is None:
        words = "dead: its engine died before its first word; engine.log says why"
        words = words if died_unborn(found) else "starting"
        return [("run", found.run), ("state", words), ("evidence", str(found.path))]
    return [
        ("run", found.run),
        ("title", state.created.title),
        ("subject", str(state.created.config.get("subject_folder", "unknown"))),
        *_state_pairs(found, options),
        ("gates", _counted([verdict for verdict, _reason in gate_verdicts(state).values()])),
        ("scenarios", _counted(list(scenario_verdicts(state).values()))),
        ("elapsed", duration(elapsed_s(found))),
        ("evidence", str(found.path)),
        *([("seal", unsealed_words(found.path))] if is_unsealed(found) else []),
        *(("notified", one.sentence) for one in kept(default_state_folder() / LOG_FILE, found.run)),
    ]


def _state_pairs(found: RunFolder, options: argparse.Namespace) -> list[tuple[str, str]]:
    state = found.state
    if state.ended is not None:
        return _ending(state, state.ended)
    recover = recover_line(found, options)
    if recover is not None:
        words = f"dead: its engine is gone{_during(state)}, and it has not been torn down"
        return [("state", words), ("recover", recover)]
    if state.armed is not None:
        line = approve_line(found, state.armed)
        armed = msgspec.structs.replace(state.armed, approve_line=line)
        return question_pairs(armed, state.armed_at, state.approvals)
    return [("state", f"{state.condition}{_during(state)}"), *_progress(state)]


def _ending(state: RunState, ended: RunEnded) -> list[tuple[str, str]]:
    place = place_of_end(state)
    words = f"{ended.verdict}{f' at {place}' if place else ''}, {ended.closure}"
    pairs = [("state", words + (f", cause {ended.cause}" if ended.cause else ""))]
    if words := sample_words(state):
        pairs.append(("copy", words))
    if words := kept_words(state):
        pairs.append(("copy", words))
    if ended.reason:
        pairs.append(("reason", ended.reason))
    return pairs + [("left", left) for left in ended.residue]


def question_pairs(
    armed: BoundaryArmed, armed_at: str, approvals: tuple[ApprovalGiven, ...]
) -> list[tuple[str, str]]:
    """Return what a waiting run asks, who has approved, and the exact line that approves."""
    two = [("needs", needed_words(armed, approvals))] if armed.needs > 1 else []
    return [
        ("state", f"waits for {'another user' if approvals else 'you'} at {armed.boundary}"),
        ("question", armed.question),
        ("cannot be undone", armed.irrevocable or "nothing"),
        ("digest", armed.digest),
        *two,
        ("approve", armed.approve_line),
        ("no answer", f"means {armed.default}, {duration(armed.timeout_s)} after {armed_at}"),
    ]


def _during(state: RunState) -> str:
    if not state.current_step or state.created is None:
        return ""
    does = next((words.does for words in state.created.steps if words.id == state.current_step), "")
    running = [one for one in state.scenarios_started if one not in state.scenarios]
    scenario = f", scenario {running[-1]}" if running else ""
    return f" in {state.current_step} ({does}{scenario})"


def _progress(state: RunState) -> list[tuple[str, str]]:
    told = state.progress
    if told is None:
        return []
    return [("progress", f"{told.done}{f' of {told.total}' if told.total else ''} {told.unit}")]


def _counted(verdicts: list[str]) -> str:
    counted = {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}
    return ", ".join(f"{count} {verdict}" for verdict, count in counted.items()) or "none"
