"""The report of a run: one Markdown page, a pure fold of the journal.

Says what was found and, as plainly, what was not measured and what the evidence cannot claim. Never asks
the disk, the database or the clock, so that the same journal always gives the same page.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import msgspec

from console.evidence.migration_output import Page, pages
from console.evidence.page import bullets, code, shown, table
from console.evidence.proof_output import proof_output
from console.evidence.recorded import gate_verdicts, mapping, not_measured, place_of_end, scenario_verdicts
from console.evidence.required_output import required_output, row_changes
from console.evidence.sample_output import SAMPLE_HEADER, sample_rows
from console.model.event import (
    DecisionMade,
    Operator,
    RunCreated,
    ScenarioFinished,
    ScenarioWords,
    StepFinished,
)
from console.model.kept_words import kept_words
from console.model.rewinds import rewound_words
from console.model.run_state import RunState
from console.model.sample_words import sample_words

_NOTES_SHOWN_ELSEWHERE = frozenset(
    {
        "versions",
        "dump",
        "sample",
        "harness",
        "first_seal",
        "hardcode",
        "source.closing",
        "proof.reached",
        "proof.moved",
    }
)


def markdown(state: RunState) -> str:
    """Return the whole report; every recorded text in it is escaped and free of control characters."""
    created = state.created
    if created is None:
        return "# Drydock report\n\nThe journal holds no run.\n"
    sections = (
        ("", _headline(created, state)),
        *_outcome(created, state),
        *([("Sample and masks", table(SAMPLE_HEADER, taken))] if (taken := sample_rows(state)) else []),
        ("Boundaries and decisions", _decisions(created, state)),
        ("Timings", _timings(created, state)),
        ("Receipts", _receipts(state)),
        ("Redactions", _redactions(state)),
        ("Seals", _seals(state)),
        ("Notes", _notes(state)),
        ("Residue", _residue(state)),
        ("What this evidence cannot claim", _limits(created, state)),
    )
    body = "\n\n".join(f"## {title}\n\n{text}" if title else text for title, text in sections)
    return f"# Drydock report: run {shown(state.run)}\n\n{body}\n"


def _outcome(created: RunCreated, state: RunState) -> tuple[tuple[str, str], ...]:
    """Return the sections about what was found: those of the plan's kind."""
    if created.plan == "proof":
        return (
            ("Proof", table(("field", "value"), proof_output(state))),
            ("Gates", _gates(created, state)),
        )
    if created.plan == "migration":
        told = [(one.title, _page(one)) for one in pages(state)]
        return (("Gates", _gates(created, state)), ("Scenarios", _scenarios(created, state)), *told)
    return (
        ("Required output", table(("field", "value"), required_output(state))),
        ("Gates", _gates(created, state)),
        ("Scenarios", _scenarios(created, state)),
        ("Row matrix", _matrix(created, state)),
    )


def _page(page: Page) -> str:
    if not page.rows:
        return page.empty
    rows = table(page.header, [tuple(map(_or_nothing, row)) for row in page.rows])
    return f"{page.sentence}\n\n{rows}".strip()


def _headline(created: RunCreated, state: RunState) -> str:
    ended = state.ended
    verdict = f"**{ended.verdict}**" if ended else f"**none**: the run has not ended ({state.condition})"
    rows = [
        ("verdict", verdict),
        ("closure", f"**{ended.closure}**" if ended else "not judged yet"),
        ("cause", shown(ended.cause or "none") if ended else "not judged yet"),
        ("where", _where(created, state)),
        ("reason", shown(ended.reason) if ended and ended.reason else "none recorded"),
        *_failure_rows(state),
        *([("copy", f"**{shown(words)}**")] if (words := sample_words(state)) else []),
        *([("copy", f"**{shown(words)}**")] if (words := kept_words(state)) else []),
        *([("rewound", shown(anew))] if (anew := rewound_words(created.rewound, state.facts)) else []),
        ("plan", f"{shown(created.plan)}: {shown(created.title)}"),
        ("subject", shown(str(created.config.get("subject_folder") or "not recorded"))),
        ("approved digest", code(created.digest)),
        ("operator", _who(created.operator)),
        ("began, last event", f"{shown(state.created_at)}, {shown(state.last_at)}"),
        ("Drydock", shown(created.drydock)),
    ]
    versions = mapping(state.notes.get("versions"))
    if versions:
        said = "; ".join(f"{shown(name)} {shown(version)}" for name, version in versions.items())
        rows.append(("versions", said))
    return table(("what", "found"), rows)


def _where(created: RunCreated, state: RunState) -> str:
    ended = state.ended
    if ended is None or ended.verdict == "PASS":
        return "nowhere" if ended else "not judged yet"
    places = []
    if ended.failed_scenario:
        title = next((one.title for one in created.scenarios if one.id == ended.failed_scenario), "")
        places.append(f"scenario {shown(ended.failed_scenario)}" + (f" ({shown(title)})" if title else ""))
    if ended.failed_gate:
        title = next((one.title for one in created.gates if one.id == ended.failed_gate), "")
        places.append(f"gate {shown(ended.failed_gate)}" + (f" ({shown(title)})" if title else ""))
    return ", ".join(places) or shown(place_of_end(state) or "before the first step")


def _failure_rows(state: RunState) -> list[tuple[str, str]]:
    """Return what the failing scenario, the engine itself or its death add to the reason."""
    rows: list[tuple[str, str]] = []
    for finished in state.scenarios.values():
        if finished.verdict == "FAIL":
            rows.append(("culprit", _culprit(finished)))
            more = [finding for finding in finished.findings if finding != finished.reason]
            rows += [("finding", shown(finding)) for finding in more]
    if state.engine_failed is not None:
        broken = state.engine_failed
        rows.append(("drydock's own error", f"{shown(broken.type)}: {shown(broken.message)}"))
        rows += [("at", code(frame)) for frame in broken.where[-3:]]
    if state.engine_lost is not None:
        lost = state.engine_lost
        where = f"in {shown(lost.step)}" if lost.step else "between steps"
        rows.append(("engine lost", f"{where}, after event {lost.last_event}; finished by {shown(lost.by)}"))
    if state.reopened is not None:
        rows.append(("torn down once more", f"by {shown(state.reopened.by)}"))
    return rows


def _culprit(finished: ScenarioFinished) -> str:
    return shown(finished.culprit) if finished.culprit else "no line of the subject could be named"


def _who(operator: Operator | None) -> str:
    if operator is None:
        return "nobody"
    words = [f"{shown(operator.name)}, uid {operator.uid}"]
    words += [f"tty {shown(operator.tty)}"] if operator.tty else []
    words += [f"ssh {shown(operator.ssh)}"] if operator.ssh else []
    return ", ".join(words)


def _gates(created: RunCreated, state: RunState) -> str:
    titles = {words.id: words for words in created.gates}
    rows = [
        (
            shown(gate),
            shown(titles[gate].step),
            shown(verdict),
            shown(titles[gate].title),
            _or_nothing(reason),
        )
        for gate, (verdict, reason) in gate_verdicts(state).items()
    ]
    counted: dict[str, int] = {}
    for _gate, _step, verdict, _title, _reason in rows:
        counted[verdict] = counted.get(verdict, 0) + 1
    total = ", ".join(f"{count} {verdict}" for verdict, count in counted.items())
    after = [
        f"{shown(one.gate)} after {shown(one.scenario)}: {shown(one.verdict)}{_colon(one.reason)}"
        for one in state.gates_after_scenario.values()
    ]
    asked = "\n\nAsked after scenarios:\n\n" + bullets(after, empty="") if after else ""
    return f"{total}\n\n{table(('gate', 'step', 'verdict', 'holds when', 'reason'), rows)}{asked}"


def _scenarios(created: RunCreated, state: RunState) -> str:
    words = {one.id: one for one in created.scenarios}
    rows = [
        _scenario_row(scenario, verdict, words.get(scenario), state.scenarios.get(scenario))
        for scenario, verdict in scenario_verdicts(state).items()
    ]
    return table(("scenario", "kind", "title", "verdict", "statements", "duration", "reason"), rows)


def _scenario_row(
    scenario: str, verdict: str, words: ScenarioWords | None, finished: ScenarioFinished | None
) -> tuple[str, ...]:
    told = (shown(words.kind), shown(words.title)) if words else ("not recorded", "not recorded")
    if finished is None:
        return (shown(scenario), *told, verdict, "not measured", "not measured", "")
    took = _seconds(finished.duration_ms)
    return (shown(scenario), *told, verdict, str(finished.statements), took, _or_nothing(finished.reason))


def _matrix(created: RunCreated, state: RunState) -> str:
    """Found and expected change of each table in each scenario; G-15 judges the same cells."""
    scenarios = created.scenarios
    changes = {one.id: row_changes(state, one.id) for one in scenarios}
    rows = [
        (shown(name), *(_cell(changes[one.id], name, one.rows.get(name, 0)) for one in scenarios))
        for name in created.tables
    ]
    legend = "Change of the row count: found / expected, and whether they agree."
    if all(change is None for change in changes.values()):
        legend += f" Nothing was measured ({not_measured(state, 'C-10')})."
    return f"{legend}\n\n{table(('table', *(shown(one.id) for one in scenarios)), rows)}"


def _cell(changes: dict[str, int] | None, name: str, expected: int) -> str:
    if changes is None or name not in changes:
        return f"not measured / {_signed(expected)}"
    found = changes[name]
    return f"{_signed(found)} / {_signed(expected)} {'PASS' if found == expected else 'FAIL'}"


def _signed(change: int) -> str:
    return f"{change:+d}" if change else "0"


def _decisions(created: RunCreated, state: RunState) -> str:
    planned = [step.boundary for step in created.steps if step.boundary]
    rows = []
    for boundary in dict.fromkeys([*planned, *state.decisions]):
        made = state.decisions.get(boundary)
        if made is not None:
            rows.append(_decision_row(made, state.decided_at.get(boundary, "")))
        elif state.armed is not None and state.armed.boundary == boundary:
            waits = f"waits since {shown(state.armed_at)}"
            asks = f"{shown(state.armed.question)}; cannot be undone: {shown(state.armed.irrevocable)}"
            rows.append((shown(boundary), waits, "", "", "", code(state.armed.digest), asks))
        else:
            rows.append((shown(boundary), "NOT_REACHED", "", "", "", "", ""))
    header = ("boundary", "answer", "how", "who", "decided", "digest", "remarks")
    if state.abort is None:
        return table(header, rows)
    asked = f"The end was asked for: {shown(state.abort.how)}, {_who(state.abort.operator)}"
    return f"{table(header, rows)}\n\n{asked}"


def _decision_row(made: DecisionMade, decided_at: str) -> tuple[str, ...]:
    remarks = [shown(made.reason)] if made.reason else []
    remarks += [f"first approved by {_who(made.first)}"] if made.first else []
    remarks += [f"armed {shown(made.armed_at)}"] if made.armed_at else []
    remarks += [f"shown {shown(made.shown_at)}"] if made.shown_at else []
    remarks += [f"{made.early_keys} early keys ignored"] if made.early_keys else []
    digest = code(made.digest) if made.digest else ""
    return (
        shown(made.boundary), made.answer, made.how, _who(made.operator), shown(decided_at), digest,
        "; ".join(remarks),
    )  # fmt: skip


def _timings(created: RunCreated, state: RunState) -> str:
    rows = []
    for step in created.steps:
        began = state.steps_started.get(step.id)
        finished = state.steps_finished.get(step.id)
        if began is None:
            rows.append((shown(step.id), shown(step.does), "NOT_REACHED", "", ""))
            continue
        took = _seconds(finished.duration_ms) if finished else "not measured"
        rows.append((shown(step.id), shown(step.does), _step_end(finished), shown(began), took))
    scenario_ms = sum(one.duration_ms for one in state.scenarios.values())
    more = f"\n\nScenarios took {_seconds(scenario_ms)} in all, which no step's own duration includes."
    return table(("step", "does", "end", "began", "took"), rows) + (more if state.scenarios else "")


def _step_end(finished: StepFinished | None) -> str:
    if finished is None:
        return "did not finish"
    return f"failed: {shown(finished.failed)}" if finished.failed else "done"


def _seconds(duration_ms: int) -> str:
    return f"{duration_ms / 1000:.1f} s" if duration_ms >= 1000 else f"{duration_ms} ms"


def _receipts(state: RunState) -> str:
    rows = [
        (
            shown(one.kind),
            code(one.name),
            shown(one.part),
            code(one.identity) if one.identity else "never known",
            shown(one.closed) if one.closed else "**still open**",
            _or_nothing(one.trouble),
        )
        for one in state.receipts.values()
    ]
    if not rows:
        return "Nothing was made."
    return table(("kind", "exact name", "part", "identity", "gone", "trouble"), rows)


def _redactions(state: RunState) -> str:
    found = [
        f"{shown(one.secret)} in {shown(one.origin)}, form {shown(one.form)}, position {one.position}"
        for one in state.redactions
    ]
    return bullets(found, empty="None: no secret had to be taken out of anything.")


def _seals(state: RunState) -> str:
    """The trace's head at the end of each step, and what C-12 sealed; an offline check begins here."""
    rows = [(f"trace after {shown(step)}", code(end.trace_head)) for step, end in state.steps_finished.items()
            if end.trace_head]  # fmt: skip
    rows += [(f"first seal: {shown(name)}", code(str(digest))) for name, digest in
             mapping(state.notes.get("first_seal")).items()]  # fmt: skip
    if "first_seal" not in state.notes:
        rows.append(("first seal", not_measured(state, "C-12")))
    return table(("what", "sha256"), rows)


def _notes(state: RunState) -> str:
    """Notes that no other section shows, as they were recorded."""
    kept = {name: note for name, note in state.notes.items() if not _shown_elsewhere(name)}
    rows = [
        (shown(name), code(note if isinstance(note, str) else _json(note))) for name, note in kept.items()
    ]
    return table(("note", "as recorded"), rows) if rows else "None."


def _shown_elsewhere(note: str) -> bool:
    return note in _NOTES_SHOWN_ELSEWHERE or note.startswith("verbs.")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _or_nothing(text: str) -> str:
    return shown(text) if text else ""


def _colon(text: str) -> str:
    return f": {shown(text)}" if text else ""


def _residue(state: RunState) -> str:
    if state.ended is None:
        left = [f"{shown(one.kind)} {code(one.name)}" for one in state.open_receipts]
        return "The run has not ended; open receipts:\n\n" + bullets(left, empty="none")
    return bullets((shown(one) for one in state.ended.residue), empty="Nothing is left of the run.")


def _limits(created: RunCreated, state: RunState) -> str:
    declared = [f"{shown(gate)} does not apply: {shown(why)}" for gate, why in created.not_applicable.items()]
    claims = [shown(claim) for claim in created.cannot_claim]
    return bullets([*claims, *declared], empty="Nothing was declared.")


def write_report(path: Path, state: RunState) -> None:
    """Write the report to `path`, 0600, whole or not at all; an older one is replaced."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(markdown(state))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
