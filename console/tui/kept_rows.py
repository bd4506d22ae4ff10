"""One run's evidence as rows: timeline, every event, kept files, decisions, answers of the verification.

Pure: entries and values in, rows out. Texts are raw in what is told, and made visible in what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from console.errors import DrydockError
from console.model.browsing import Artefact, Checked
from console.model.event import (
    AbortAsked,
    BoundaryArmed,
    DecisionMade,
    EngineFailed,
    EngineLost,
    Entry,
    RunEnded,
    ScenarioFinished,
    ScenarioStarted,
    StepFinished,
    StepStarted,
)
from console.model.run_state import RunState
from console.model.text import one_line
from console.tui import describe
from console.tui.describe import Told
from console.tui.spans import GLYPHS, VERDICT_ROLES, Spans, cell, cell_right, duration
from console.tui.widgets.rows import Row

UNREADABLE = (DrydockError, OSError)
BAR_COLUMNS = 24
MOST_TOLD_CHARS = 20_000
CHECK_GLYPHS = {"holds": ("✓", "pass"), "differs": ("✗", "fail"), "not checked": ("·", "wait")}


def _since(began_at: str, at: str) -> float:
    try:
        return max(0.0, (datetime.fromisoformat(at) - datetime.fromisoformat(began_at)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _bar(begin_s: float, took_s: float, whole_s: float) -> str:
    """Return where in the whole run something lay, and how long; never empty."""
    if whole_s <= 0:
        return " " * BAR_COLUMNS
    first = min(BAR_COLUMNS - 1, int(begin_s / whole_s * BAR_COLUMNS))
    columns = max(1, round(took_s / whole_s * BAR_COLUMNS))
    return cell(" " * first + "▇" * min(columns, BAR_COLUMNS - first), BAR_COLUMNS)


def timeline(entries: Sequence[Entry], state: RunState) -> list[Row]:
    """Return steps, boundaries and scenarios in the order in which they began, each with its bar and its time."""
    if not entries:
        return []
    began, whole_s = entries[0].at, _since(entries[0].at, entries[-1].at)
    since: dict[str, Entry] = {}
    rows: dict[int, Row] = {}
    for entry in entries:
        key, spans, told = _happening(entry, state)
        if not key:
            continue
        if not spans:
            since[key] = entry
            continue
        start = since.pop(key, entry)
        begin_s, took_s = _since(began, start.at), _since(start.at, entry.at)
        time: Spans = ((cell_right(f"+{begin_s:.1f} s", 10), "dim"), (" ", "plain"),
                       (_bar(begin_s, took_s, whole_s), "name"), (cell_right(duration(took_s), 9), "dim"),
                       (" ", "plain"))  # fmt: skip
        rows[start.n] = Row(spans=(*time, *spans), told=tuple(told), key=f"time {start.n}")
    for key, entry in since.items():
        time = (
            (cell_right(f"+{_since(began, entry.at):.1f} s", 10), "dim"),
            (cell(" ", BAR_COLUMNS + 11), "plain"),
        )
        rows[entry.n] = Row(
            spans=(*time, (f"? {one_line(key)} ", "wait"), ("was not finished", "wait")), key=f"time {entry.n}",
            told=(Told("began", entry.at), Told("ended", "never", "wait")),
        )  # fmt: skip
    return [rows[n] for n in sorted(rows)]


def _happening(entry: Entry, state: RunState) -> tuple[str, Spans, Iterable[Told]]:
    """Return which thing an event begins (no spans) or ends (its row's spans, and what is told of it)."""
    event = entry.event
    match event:
        case StepStarted():
            return event.step, (), ()
        case ScenarioStarted():
            return event.scenario, (), ()
        case BoundaryArmed():
            return event.boundary, (), ()
        case StepFinished():
            role = "fail" if event.failed else "plain"
            does = (
                next((one.does for one in state.created.steps if one.id == event.step), "")
                if state.created
                else ""
            )
            spans: Spans = ((f"{event.step} ", "name"), (one_line(event.failed or does), role))
            return event.step, spans, describe.step(state, event.step)
        case ScenarioFinished():
            glyph, role = GLYPHS.get(event.verdict, "?"), VERDICT_ROLES.get(event.verdict, "dim")
            spans = ((f"  {glyph} {event.scenario} {event.verdict} ", role), (one_line(event.reason), "dim"))
            return event.scenario, spans, describe.scenario(state, event.scenario)
        case DecisionMade():
            role = "pass" if event.answer == "proceed" else "wait"
            spans = ((f"● {event.boundary} ", "wait"), (f"{event.answer}, {event.how}", role))
            return event.boundary, spans, describe.boundary(state, event.boundary)
        case RunEnded() | AbortAsked() | EngineLost() | EngineFailed():
            words = _ending(event)
            return (
                f"end {entry.n}",
                ((one_line(words), "fail"),),
                (Told("event", words), Told("at", entry.at)),
            )
        case _:
            return "", (), ()


def _ending(event: RunEnded | AbortAsked | EngineLost | EngineFailed) -> str:
    if isinstance(event, RunEnded):
        return f"{event.verdict}, {event.closure}: {event.reason}".removesuffix(": ")
    if isinstance(event, AbortAsked):
        return f"the end was asked for: {event.how}"
    if isinstance(event, EngineLost):
        return f"the engine died in {event.step or 'no step'}; {event.by} went on"
    return f"the engine's own failure: {event.type}: {event.message}"


def events(entries: Sequence[Entry]) -> list[Row]:
    """Return every event as one row; what it holds is told in full up to a limit."""
    began = entries[0].at if entries else ""
    found = []
    for entry in entries:
        kind, held = type(entry.event).__name__, _held(entry)
        spans: Spans = (
            (cell_right(str(entry.n), 6), "dim"), (cell_right(f"+{_since(began, entry.at):.1f} s", 10), "dim"),
            (f" {kind} ", "name"), (one_line(held, limit_chars=200), "plain"),
        )  # fmt: skip
        found.append(Row(spans=spans, key=f"event {entry.n}"))
    return found


def event_told(entry: Entry) -> list[Told]:
    """Return all of one event."""
    text = msgspec.json.format(msgspec.json.encode(entry.event), indent=1).decode()
    return [
        Told("event", f"{entry.n}, {type(entry.event).__name__}"),
        Told("at", entry.at),
        _value("holds", text),
    ]


def _held(entry: Entry) -> str:
    text = msgspec.json.encode(entry.event)[:600].decode("utf-8", "replace")
    return text.partition(",")[2].rstrip("}")


def _value(label: str, text: str) -> Told:
    """Return a text, told to be shortened where it is longer than anybody reads."""
    if len(text) > MOST_TOLD_CHARS:
        text = f"{text[:MOST_TOLD_CHARS]}\n… {len(text) - MOST_TOLD_CHARS} characters more in journal.jsonl"
    return Told(label, text)


def facts_told(state: RunState, gate: str, rests_on: Mapping[str, Sequence[str]]) -> list[Told]:
    """Return each fact that a gate rests on, by what it was observed, and its value; a missing one is told."""
    told: list[Told] = []
    for wanted in rests_on.get(gate, ()):
        names = [
            name
            for name in state.facts
            if name == wanted or (wanted.endswith(".") and name.startswith(wanted))
        ]
        if not names:
            told.append(Told("fact", f"{wanted}: not recorded", "wait"))
        for name in names:
            value = msgspec.json.format(msgspec.json.encode(state.facts[name]), indent=1).decode()
            told += [
                Told("fact", name, "name"),
                Told("seen by", state.fact_sources.get(name, "")),
                _value("value", value),
            ]
    return told


def decisions(state: RunState) -> list[Row]:
    """Return each boundary's answer: who, from where, how, when."""
    rows = []
    for boundary, made in state.decisions.items():
        who = made.operator
        name = f"{who.name} (uid {who.uid}){f' from {who.ssh}' if who.ssh else ''}" if who else "nobody"
        role = "pass" if made.answer == "proceed" else "wait"
        spans: Spans = (
            (cell(one_line(boundary), 8), "name"), (cell(made.answer, 9), role), (cell(made.how, 13), "dim"),
            (cell(state.decided_at.get(boundary, "").partition(".")[0], 21), "dim"), (one_line(name), "plain"),
        )  # fmt: skip
        told = (*describe.boundary(state, boundary), Told("over digest", made.digest))
        rows.append(Row(spans=spans, told=told, key=f"boundary {boundary}"))
    return rows


def artefacts(kept: Sequence[Artefact]) -> list[Row]:
    """Return each kept file with its size and the beginning of its sha256."""
    rows = []
    for one in kept:
        packed = one.unpacked_bytes >= 0
        spans: Spans = (
            (cell_right(f"{one.size_bytes:,}", 14), "plain"), ("  ", "plain"),
            (cell(one.sha256[:12] or "not listed", 14), "dim"),
            (one_line(one.path, limit_chars=200), "name" if one.there else "fail"),
            (f"  unpacks to {one.unpacked_bytes:,}" if packed else "", "dim"),
            ("" if one.there else "  IS GONE", "fail"),
        )  # fmt: skip
        told = [Told("file", one.path), Told("size", f"{one.size_bytes:,} bytes")]
        told.append(
            Told(
                "sha256",
                one.sha256 or "none: the manifest does not list it",
                "plain" if one.sha256 else "fail",
            )
        )
        if packed:
            told += [
                Told("unpacked", f"{one.unpacked_bytes:,} bytes"),
                Told("its sha256", one.unpacked_sha256),
            ]
        rows.append(Row(spans=spans, told=tuple(told), key=f"file {one.path}"))
    return rows


def checks(answers: Sequence[Checked], *, done: bool, trouble: str) -> list[Row]:
    """Return each answer of the verification so far, and what is still being asked."""
    rows = []
    for one in answers:
        glyph, role = CHECK_GLYPHS[one.state]
        words = one.words if one.state != "differs" else one.words.replace("; ", "\n")
        spans: Spans = (
            (f"{glyph} {cell(one.name, 12)} ", role),
            (cell(one.state, 12), role),
            (one_line(one.words), "plain"),
        )
        told = (Told("check", one.name), Told("answer", one.state, role), Told("says", words))
        rows.append(Row(spans=spans, told=told, key=f"check {one.name}"))
    if trouble:
        rows.append(
            Row(spans=((f"✗ {one_line(trouble)}", "fail"),), told=(Told("trouble", trouble, "fail"),))
        )
    elif not done:
        rows.append(Row(spans=(("▶ asking on", "wait"),), told=(Told("verification", "goes on", "wait"),)))
    return rows


def times_of(state: RunState) -> float | None:
    """Return how long a run went on, None before its first event."""
    return _since(state.created_at, state.last_at) if state.created_at else None
