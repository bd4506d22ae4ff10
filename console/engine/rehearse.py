"""The engine of one run: opens it, drives it to its end, answers the operator meanwhile.

Also what a watchdog or `drydock recover` does with a run whose engine has died.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import msgspec
import psycopg

from console import __version__
from console.engine import unrecorded
from console.engine.closing import subject_state
from console.engine.control import ControlServer, remove_left_socket
from console.engine.decisions import Decisions
from console.engine.digest import whole_digest
from console.engine.plan_steps import CLAIMS, SCENARIOS, STEPS
from console.engine.recorder import MARK_NOTE, Recorder
from console.engine.recovery import begin_teardown, finish_from_journal
from console.engine.rehearsal import (
    Places,
    Rehearsal,
    open_rehearsal,
    read_order,
    state_folder_of,
    work_folder_of,
)
from console.engine.rehearsing import end_scenarios
from console.engine.runner import Runner
from console.environments.process import process_identity, stay
from console.errors import DrydockError, JournalBroken, StepFailed, UsageError
from console.evidence.bundle import begin as begin_evidence
from console.evidence.bundle import seal_run
from console.evidence.sealed import is_sealed
from console.journal import read_journal
from console.model.event import (
    AbortAsked,
    EngineStarted,
    GateWords,
    Operator,
    RunCreated,
    RunEnded,
    ScenarioWords,
    StepWords,
)
from console.model.plan import Boundary, Step
from console.model.run_state import RunState, fold
from console.model.text import one_line
from console.plans.reusing import reuse_claims
from console.plans.rewinding import rewinding_claims
from console.runs import JOURNAL_FILE
from console.secrets import SecretRegistry
from console.settings import default_runs_folder, default_state_folder

TYPED_PLACE = "NAME"
"""Stands in the approve line for what the operator must type: a line that could be pasted would answer itself."""


@contextlib.contextmanager
def environment_answers(run: Rehearsal) -> Iterator[None]:
    """Give a lost connection its cause: an environment that is gone, or a lock left behind, is nobody's exception."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as locked:
        reason = (
            "the engine's own count waited too long for a lock: a session of the subject's has left a transaction open "
            f"that holds one ({one_line(str(locked), limit_chars=200)})"
        )
        raise StepFailed(reason, cause="subject") from locked
    except psycopg.OperationalError as wrong:
        lost = run.environment.lost() if run.environment is not None else ""
        if not lost:
            raise
        raise StepFailed(lost, cause="environment") from wrong


class PlanHands:
    """A plan's steps, done."""

    def __init__(self, run: Rehearsal, decisions: Decisions | None) -> None:
        self._run = run
        self._decisions = decisions

    def run_step(self, step: Step) -> None:
        """Do a step's work and record its facts."""
        with environment_answers(self._run):
            STEPS[self._run.plan.kind][step.id](self._run)

    def run_scenario(self, scenario: str) -> None:
        """Run one scenario and record how the witnesses judge it."""
        with environment_answers(self._run):
            SCENARIOS[self._run.plan.kind](self._run, scenario)

    def end_scenarios(self) -> None:
        """End the harness and reconcile the witnesses."""
        with environment_answers(self._run):
            end_scenarios(self._run)

    def wait_at(self, boundary: Boundary) -> None:
        """Return when the boundary is decided or an abort was asked for."""
        assert self._decisions is not None
        limits = self._run.config.boundaries
        timeout_s = limits.destroy_timeout_s if boundary.default == "proceed" else limits.timeout_s
        self._decisions.wait_at(boundary, timeout_s=timeout_s, approve_line=approve_line(self._run, boundary))

    def seal_trace(self) -> str:
        """Make the trace durable and return its head ("" before the first statement)."""
        return self._run.trace.seal() if self._run.trace is not None else ""


def approve_line(run: Rehearsal, boundary: Boundary) -> str:
    """Return the exact command that approves a boundary, with {digest} in the digest's place."""
    words = ["drydock", "approve", run.order.run, boundary.id, "--digest", "{digest}"]
    if boundary.typed:
        words += ["--typed", TYPED_PLACE]
    if run.order.runs_folder and run.order.runs_folder != str(default_runs_folder()):
        words += ["--runs-dir", run.order.runs_folder]
    return shlex.join(words).replace("'{digest}'", "{digest}")


def run_engine(folder: Path, *, watchdog: str, registry: SecretRegistry) -> int:
    """Drive the run in `folder` to its end and return its exit code; `registry` knows what the operator typed."""
    run = open_rehearsal(folder, read_order(folder), registry)
    decisions = _create(run, watchdog)
    control = ControlServer(folder, decisions.handle, approvers_gid=run.order.approvers_gid)
    _answer_signals(run, decisions)
    try:
        Runner(run.plan, run.recorder, PlanHands(run, decisions)).run()
    finally:
        decisions.close()
        control.close()
    return _finish(run)


def _create(run: Rehearsal, watchdog: str) -> Decisions:
    parts = run.parts()
    created = _words(run, parts)
    run.recorder.record(created)
    begin_evidence(run.state_folder, run.recorder.state, run.places.run)
    run.recorder.note(MARK_NOTE, run.order.nonce)
    run.recorder.record(EngineStarted(identity=process_identity(os.getpid()) or "", watchdog=watchdog))
    run.recorder.fact("subject.before", subject_state(run), source="the subject's files; git")
    boundaries = run.config.boundaries
    approvers = boundaries.approvers if boundaries.require_two else ""
    return Decisions(run.recorder, digest=run.digest, approve=run.order.approve, approvers=approvers)


def _words(run: Rehearsal, parts: dict[str, str]) -> RunCreated:
    order, plan, pack = run.order, run.plan, run.loaded.pack
    return RunCreated(
        run=order.run,
        plan=plan.kind,
        title=f"{plan.title}: {pack.title}",
        digest=whole_digest(parts),
        parts=parts,
        drydock=__version__,
        operator=Operator(
            uid=order.operator_uid, name=order.operator_name, tty=order.operator_tty, ssh=order.operator_ssh
        ),
        config=msgspec.to_builtins(order.config) | {"subject_folder": str(run.subject)},
        steps=tuple(
            StepWords(
                id=step.id,
                does=step.does,
                gates=step.gates,
                boundary=step.boundary.id if step.boundary else "",
            )
            for step in plan.steps
        ),
        gates=tuple(
            GateWords(
                id=gate.id,
                title=gate.title,
                step=gate.step,
                closing=gate.closing,
                each_scenario=gate.each_scenario,
            )
            for gate in plan.gates
        ),
        scenarios=tuple(
            ScenarioWords(id=one.id, title=one.title, kind=one.kind, rows=one.rows) for one in pack.scenario
        ),
        tables=pack.tables,
        not_applicable=dict(plan.not_applicable),
        cannot_claim=(
            *CLAIMS[plan.kind](order.config),
            *reuse_claims(order.config, order.kept),
            *rewinding_claims(plan.rewound),
        ),
        rewound=plan.rewound,
        copy=plan.copy,
    )


def _answer_signals(run: Rehearsal, decisions: Decisions) -> None:
    """SIGTERM and SIGINT ask for the end of the run; the journal is written by a thread, not the handler."""
    arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: arrived.put(got))
    stay(signal.SIGHUP)

    def listen() -> NoReturn:
        while True:
            got = arrived.get()
            if run.recorder.state.abort is None:
                with unrecorded.dying_unwritten():
                    run.recorder.record(AbortAsked(how=signal.Signals(got).name))
            decisions.interrupt()

    threading.Thread(target=listen, name="signals", daemon=True).start()


def _finish(run: Rehearsal) -> int:
    """Make the run's folder a sealed pack and return the exit code that the last event holds."""
    if run.trace is not None:
        run.trace.close()
    return _close(run.recorder, run.places.run, run.state_folder)


def _close(recorder: Recorder, folder: Path, state_folder: Path) -> int:
    """Seal while the journal is still held, so that nobody reads a pack that is half made."""
    state = recorder.state
    assert state.ended is not None
    try:
        if recorder.unrecorded is not None:
            return unrecorded.say_unrecorded(folder, recorder.unrecorded, state, _own_folders(folder))
        _require_end(folder / JOURNAL_FILE, state)
        seal_run(folder, state_folder, state, head=recorder.head, secrets=recorder.registry.values())
    except JournalBroken as broken:
        if broken.path != str(folder / JOURNAL_FILE):
            return unrecorded.say_unsealed(folder, broken, state.ended)
        return unrecorded.say_unrecorded(folder, broken, state, _own_folders(folder))
    except (DrydockError, OSError) as wrong:
        return unrecorded.say_unsealed(folder, wrong, state.ended)
    finally:
        recorder.close()
    return state.ended.exit_code


def _own_folders(folder: Path) -> tuple[Path, ...]:
    """Return the exact names of a run's folders for what is thrown away, as its order has them."""
    try:
        places = Places(run=folder, work=work_folder_of(read_order(folder)))
    except (OSError, msgspec.DecodeError):
        return ()
    return places.work, places.demo


def _require_end(journal: Path, state: RunState) -> None:
    """Raise JournalBroken unless the file verifies and ends with the end that this process recorded."""
    entries = read_journal(journal)
    if not entries or entries[-1].n != state.last_n or not isinstance(entries[-1].event, RunEnded):
        raise JournalBroken(str(journal), state.last_n, "the end that was written there is gone")


def has_ended(folder: Path) -> int | None:
    """Return the exit code of a run that has ended, None when its engine died before that.

    A journal that does not verify says nothing about the end: what it names must be looked at again.
    """
    try:
        state = fold(read_journal(folder / JOURNAL_FILE))
    except (FileNotFoundError, JournalBroken):
        return None
    return state.ended.exit_code if state.ended is not None else None


def seal_unsealed(folder: Path, exit_code: int) -> int:
    """Seal a run that has ended and whose engine died before it could: the journal says all that is needed.

    Returns the run's own exit code, or the one of a run that could not be sealed.
    """
    if is_sealed(folder):
        return exit_code
    registry = SecretRegistry()
    _learn_secrets(folder, registry)
    try:
        recorder = Recorder(folder / JOURNAL_FILE, registry)
    except OSError as wrong:
        if not unrecorded.cannot_write(wrong):
            raise
        return unrecorded.say_not_sealable(folder, wrong, exit_code)
    remove_left_socket(folder)
    return _close(recorder, folder, _state_folder(folder))


def take_over(folder: Path, *, by: str, registry: SecretRegistry | None = None) -> int:
    """Finish a dead engine's run, or tear one that ended UNCLEAN down once more; a CLEAN one stays.

    Works from receipts, then asks the closing gates; when pack, programs or plan are not what they
    were, from the journal alone. Returns the run's exit code; 2 when the engine died before it had
    written anything, 4 when the end cannot be recorded, 5 when the journal does not verify: then what its
    verified beginning names is removed. Raises BlockingIOError when a living process holds the journal.
    """
    if not (folder / JOURNAL_FILE).exists():
        return 2
    registry = registry or SecretRegistry()
    _learn_secrets(folder, registry)
    try:
        run = open_rehearsal(folder, read_order(folder), registry, open_journal=Recorder.for_teardown)
    except BlockingIOError:
        raise
    except Exception as gone:  # noqa: BLE001 - whatever is gone, a copy of production must not stay because of it
        return _take_over_alone(
            Recorder.for_teardown(folder / JOURNAL_FILE, registry), folder, by=by, reason=_sentence(gone)
        )
    if isinstance(run.recorder.unrecorded, JournalBroken):
        return _take_over_alone(run.recorder, folder, by=by, reason=str(run.recorder.unrecorded))
    remove_left_socket(folder)
    run.taken_over = True
    if run.recorder.state.created is None:
        return 2
    if not begin_teardown(run.recorder, by=by):
        return _finish(run)
    _note_untouched_subject(run)
    try:
        Runner(run.plan, run.recorder, PlanHands(run, None)).run()
    except Exception as broken:  # noqa: BLE001 - the journal's plan is not this release's or this pack's any more
        finish_from_journal(run.recorder, folder, reason=_sentence(broken))
    return _finish(run)


def _note_untouched_subject(run: Rehearsal) -> None:
    """Look at the subject for an engine that died before it did, and before any step: nobody had touched it."""
    state = run.recorder.state
    if "subject.before" not in state.facts and not state.steps_started:
        source = "the subject's files; git; at the teardown, because no step had begun"
        run.recorder.fact("subject.before", subject_state(run), source=source)


def _take_over_alone(recorder: Recorder, folder: Path, *, by: str, reason: str) -> int:
    remove_left_socket(folder)
    if recorder.state.created is None:
        broken = recorder.unrecorded
        recorder.close()
        if broken is None:
            return 2
        return unrecorded.say_unrecorded(folder, broken, recorder.state, _own_folders(folder))
    if begin_teardown(recorder, by=by):
        finish_from_journal(recorder, folder, reason=reason)
    return _close(recorder, folder, _state_folder(folder))


def _state_folder(folder: Path) -> Path:
    """Return where key and ledger are, also when the order cannot be read any more."""
    try:
        return state_folder_of(read_order(folder))
    except (OSError, msgspec.DecodeError):
        return default_state_folder()


def _sentence(wrong: Exception) -> str:
    """Return what an exception says; one that is not ours by its type as well."""
    if isinstance(wrong, UsageError):
        return wrong.what
    return str(wrong) if isinstance(wrong, DrydockError) else f"{type(wrong).__name__}: {wrong}"


def _learn_secrets(folder: Path, registry: SecretRegistry) -> None:
    """Know the rehearsal's own secrets again, where C-02 had staged them, so that they stay redacted."""
    try:
        values = msgspec.json.decode(
            (folder / "secrets" / "rehearsal.json").read_bytes(), type=dict[str, str]
        )
    except (OSError, msgspec.DecodeError):
        return
    for name, value in values.items():
        with contextlib.suppress(ValueError):
            registry.learn(name, value)
