"""`drydock status`: what a run does now, what it asks, and how it ended; reads the journal only."""

from __future__ import annotations

import argparse

from console.cli.listing import print_json, print_pairs
from console.cli.options import add_json, add_runs_dir
from console.cli.reading import (
    EXIT_UNCLEAN,
    condition_of,
    died_unborn,
    duration,
    elapsed_s,
    recover_line,
    the_run,
)
from console.evidence.recorded import place_of_end
from console.evidence.summary import gate_verdicts, scenario_verdicts, summary
from console.model.event import BoundaryArmed, RunEnded
from console.model.run_state import RunState
from console.runs import RunFolder

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
    found = the_run(options)
    code = exit_code(found)
    if options.json:
        print_json(_as_json(found, options, code))
    else:
        print_pairs(_pairs(found, options))
    return code


def exit_code(found: RunFolder) -> int:
    """Return the run's own code, 0 while it is alive or starting; a dead run is UNCLEAN until recovered."""
    if found.state.ended is not None:
        return found.state.ended.exit_code
    return EXIT_UNCLEAN if condition_of(found) == "dead" else 0


def _as_json(found: RunFolder, options: argparse.Namespace, code: int) -> dict[str, object]:
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
        return _waiting(found, state.armed)
    return [("state", f"{state.condition}{_during(state)}"), *_progress(state)]


def _ending(state: RunState, ended: RunEnded) -> list[tuple[str, str]]:
    place = place_of_end(state)
    words = f"{ended.verdict}{f' at {place}' if place else ''}, {ended.closure}"
    pairs = [("state", words + (f", cause {ended.cause}" if ended.cause else ""))]
    if ended.reason:
        pairs.append(("reason", ended.reason))
    return pairs + [("left", left) for left in ended.residue]


def _waiting(found: RunFolder, armed: BoundaryArmed) -> list[tuple[str, str]]:
    limit = f"{duration(armed.timeout_s)} after {found.state.armed_at}"
    return [
        ("state", f"waits for you at {armed.boundary}"),
        ("question", armed.question),
        ("cannot be undone", armed.irrevocable or "nothing"),
        ("digest", armed.digest),
        ("approve", approve_line(found, armed)),
        ("no answer", f"means {armed.default}, {limit}"),
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
