"""The harness's main loop: context in, pack imported, one scenario for each command.

Reports what happened and judges nothing. Owns the order: tracer first, then the pack and the subject.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import signal
import sys
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import psycopg

from console.harness import migrations
from console.harness.appender import Appender, WitnessFailed
from console.harness.channel import Channel
from console.harness.context import Context, Place
from console.harness.faults import Fault
from console.harness.frames import OwnFrames
from console.harness.numbers import Numbers
from console.harness.redaction import Redactor
from console.harness.registry import declared_ids, find_scenario, scenario_ids
from console.harness.report import Reporter
from console.harness.tracer import Tracer
from console.harness.witness import driver_refusal, install

_PR_SET_PDEATHSIG = 1
_CONTEXT_KEYS = ("pack", "subject", "trace", "host", "port", "database", "sslmode", "passwords")


@dataclass(frozen=True, kw_only=True)
class Harness:
    """Everything that lives as long as the process."""

    channel: Channel
    appender: Appender
    tracer: Tracer
    reporter: Reporter
    context: Context


class _Refused(Exception):
    """The harness cannot start: one sentence, and whose fault it is."""

    def __init__(self, sentence: str, whose: str) -> None:
        super().__init__(sentence)
        self.whose = whose


def main() -> NoReturn:
    """Run the protocol to its end and leave the process: 0 after `end` or EOF, 1 after a failure."""
    channel = Channel()
    try:
        harness = _start(channel)
    except _Refused as refused:
        channel.reply({"failed": str(refused), "whose": refused.whose})
        _leave(1)
    channel.reply(
        {
            "ready": True,
            "pid": os.getpid(),
            "python": platform.python_version(),
            "driver": f"psycopg {psycopg.__version__} ({psycopg.pq.__impl__})",
            "scenarios": scenario_ids(),
            "declared": declared_ids(),
        }
    )
    _leave(_serve(harness))


def _leave(code: int) -> NoReturn:
    """End now: neither a thread nor an exit handler of the subject may hold the process."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _start(channel: Channel) -> Harness:
    try:
        given = channel.read()
        missing = [key for key in _CONTEXT_KEYS if key not in given]
    except (ValueError, TypeError) as wrong:
        raise _Refused("the first line is not a context", "harness") from wrong
    if missing:
        raise _Refused(f"the context lacks {', '.join(missing)}", "harness")
    refusal = driver_refusal(psycopg.__version__)
    if refusal:
        raise _Refused(refusal, "harness")
    if given.get("limits_ms"):
        _die_with_engine()
    try:
        appender, numbers = Appender(given["trace"]), Numbers(given.get("numbers", ""))
    except OSError as wrong:
        raise _Refused(
            f"the trace file {wrong.filename} cannot be opened: {wrong.strerror}", "harness"
        ) from wrong
    subject, pack = OwnFrames(given["subject"]), OwnFrames(given["pack"])
    tracer = Tracer(file=appender, redactor=Redactor(given["passwords"]), subject=subject, numbers=numbers)
    subject.clean = partial(tracer.redact, origin="frame")
    install(tracer)
    known = ("host", "port", "database", "sslmode", "passwords", "limits_ms")
    place = Place(**{key: given[key] for key in known if key in given})
    harness = Harness(
        channel=channel, appender=appender, tracer=tracer, context=Context(place, tracer, partial(_hold, channel)),
        reporter=Reporter(tracer=tracer, subject=subject, pack=pack),
    )  # fmt: skip
    sys.path.append(given["subject"])
    migration = given.get("migration")
    if migration:
        migrations.register(migration, given["subject"])
        tracer.look_at_each(partial(_pause, channel, threading.Lock()))
    if not migration or Path(given["pack"], "pack.py").exists():
        _import_pack(harness, Path(given["pack"], "pack.py"))
    return harness


def _die_with_engine() -> None:
    """Let the kernel end this process with the engine, so that no lock outlives who watches it (prctl(2))."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise _Refused("the kernel does not end the harness with its engine", "harness")


def _import_pack(harness: Harness, path: Path) -> None:
    """Import the pack, which imports the subject; the subject's folder comes last on the path."""
    spec = importlib.util.spec_from_file_location("drydock_pack", path)
    if spec is None or spec.loader is None:
        raise _Refused(f"the pack {path} is not a Python file", "pack")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except WitnessFailed as wrong:
        raise _Refused(str(wrong), "harness") from wrong
    except (Exception, SystemExit) as wrong:
        reporter = harness.reporter
        whose = "subject" if _is_subjects(reporter, wrong) else "pack"
        raise _Refused(f"the {whose} cannot be imported: {reporter.sentence(wrong)}", whose) from wrong
    finally:
        if not harness.channel.is_ours:
            os._exit(0)
    if not scenario_ids():
        raise _Refused(f"the pack {path} has no scenario", "pack")


def _is_subjects(reporter: Reporter, error: BaseException) -> bool:
    """Tell whose an import error is: a module that is not there at all is missing from the subject."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name.split(".")[0] not in ("psycopg", "console")
    return reporter.subject.raised(error)


def _serve(harness: Harness) -> int:
    channel = harness.channel
    while True:
        try:
            command = channel.read()
        except ValueError:
            command = {}
        if command is None or command == {"end": True}:
            _close_connections(harness)
            harness.appender.share()
            return 0
        if isinstance(command, dict) and set(command) == {"passwords"}:
            harness.tracer.learn(command["passwords"])
            harness.context.learn(command["passwords"])
            channel.reply({"learned": True})
            continue
        if not isinstance(command, dict) or not isinstance(command.get("scenario"), str):
            channel.reply({"failed": "a command is neither a scenario nor the end", "whose": "harness"})
            return 1
        faults = map(Fault.of, command.get("faults") or ())
        harness.tracer.induce({fault.attempt: fault for fault in faults})
        told = _perform(harness, command["scenario"])
        harness.tracer.induce({})
        if not channel.is_ours:
            os._exit(0)
        channel.reply(told)
        if told.get("whose") == "harness":
            return 1


def _hold(channel: Channel, name: str) -> None:
    """Let the engine look, and wait until it says to go on."""
    channel.reply({"checkpoint": name})
    if channel.read() != {"go": True}:
        raise RuntimeError(f"the engine does not go on after the checkpoint {name}")


def _pause(channel: Channel, one_at_a_time: threading.Lock, when: str, number: int) -> None:
    """Let the engine look at the server's locks before or after a statement, whichever thread sends it."""
    with one_at_a_time:
        _hold(channel, f"{when} {number}")


def _close_connections(harness: Harness) -> None:
    """Take leave of the server on every connection that is still open."""
    for pgconn in list(harness.tracer.sessions):
        pgconn.finish()
        harness.tracer.closed(pgconn)


def _perform(harness: Harness, identifier: str) -> dict[str, Any]:
    """Run one scenario and return what came of it."""
    told: dict[str, Any] = {"scenario": identifier, "attempts": []}
    function = find_scenario(identifier)
    if function is None:
        known = ", ".join(scenario_ids())
        return {**told, "failed": f"the pack has no scenario {identifier}; it has {known}", "whose": "pack"}
    harness.tracer.label(s=identifier, a="", p="")
    try:
        function(harness.context)
    except WitnessFailed as wrong:
        told |= {"failed": str(wrong), "whose": "harness"}
    except (Exception, SystemExit, KeyboardInterrupt) as wrong:  # noqa: BLE001 - the pack's code runs here
        whose = "subject" if harness.reporter.subject.raised(wrong) else "pack"
        sentence = harness.reporter.sentence(wrong)
        told |= {"failed": f"{identifier} ended outside an attempt: {sentence}", "whose": whose}
    return {**told, **_conclude(harness)}


def _conclude(harness: Harness) -> dict[str, Any]:
    """Close the scenario and return its attempts, and the witness's own failure when there is one."""
    concluded: dict[str, Any] = {}
    try:
        outcomes = harness.context.take_outcomes()
        concluded["attempts"] = [harness.reporter.attempt(outcome) for outcome in outcomes]
        harness.context.close_rivals()
        harness.tracer.label(s="", a="", p="")
    except WitnessFailed as wrong:
        concluded |= {"failed": str(wrong), "whose": "harness"}
    if harness.appender.failure:
        concluded |= {"failed": harness.appender.failure, "whose": "harness"}
        return concluded
    for file in (harness.tracer.numbers, harness.appender):
        if moved := file.displacement():
            sentence = f"the trace file {file.path} {moved} during the rehearsal"
            concluded |= {"failed": sentence, "whose": "subject"}
    return concluded
