"""Finishing a run that its engine did not finish: when the teardown begins again, and what the journal alone allows.

Asks no gate and reads no pack; what it removes is named by receipts, made-up users and the run's mark.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from console.engine.conclude import EXIT_UNCLEAN
from console.engine.digest import remove_scratch
from console.engine.failure import engine_failure
from console.engine.recorder import Recorder
from console.engine.removal import remove_part
from console.engine.stand_ins import look_from_journal
from console.engine.strays import strays_of
from console.environments.process import end_process
from console.model.event import EngineLost, RunEnded, RunReopened

_STRAY_PATIENCE_S = 10.0


def begin_teardown(recorder: Recorder, *, by: str) -> bool:
    """Record why a run is taken over; False for one that has ended CLEAN, of which nothing is left to do."""
    state = recorder.state
    if state.ended is None:
        step = state.current_step or next(reversed(state.steps_started), "no step")
        recorder.record(EngineLost(by=by, step=step, last_event=state.last_n))
        return True
    if state.ended.closure == "CLEAN":
        return False
    recorder.record(RunReopened(by=by))
    return True


def finish_from_journal(recorder: Recorder, folder: Path, *, reason: str) -> None:
    """Remove what the journal names and end the run UNCLEAN: without its plan no gate can be asked.

    A verdict that the run had ended with before stays, unless it was PASS.
    """
    ended = recorder.state.ended_before
    before = ended if ended is not None and ended.verdict != "PASS" else None
    stages: list[Callable[[], object]] = [
        partial(_end_strays, recorder),
        partial(remove_part, recorder, "rehearsal"),
        partial(look_from_journal, recorder),
        partial(remove_part, recorder, "demo"),
        partial(_end_strays, recorder),
        partial(remove_scratch, folder / "scratch"),
    ]
    for stage in stages:
        try:
            stage()
        except Exception as broken:  # noqa: BLE001 - recorded, and the next stage must still follow
            recorder.record(engine_failure(broken))
    unasked = f"the closing gates were not asked: {reason}"
    left = [f"{receipt.kind} {receipt.name}" for receipt in recorder.state.open_receipts]
    left += [f"process {identity}" for identity in strays_of(recorder.state)]
    recorder.record(
        RunEnded(
            verdict=before.verdict if before else "FAIL",
            closure="UNCLEAN",
            cause=before.cause if before else "drydock",
            failed_gate=before.failed_gate if before else None,
            failed_scenario=before.failed_scenario if before else None,
            reason=before.reason if before else unasked,
            residue=(unasked, *left),
            exit_code=EXIT_UNCLEAN,
        )
    )


def _end_strays(recorder: Recorder) -> None:
    for identity in strays_of(recorder.state):
        end_process(identity, ask=signal.SIGKILL, patience_s=_STRAY_PATIENCE_S)
