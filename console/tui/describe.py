"""What the inspector tells of one thing: a statement, a gate, a scenario, a boundary, a cell of the matrix.

Pure: state and record in, labelled texts out. The texts are raw; who draws them makes them visible.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from console.model.event import BoundaryArmed, StepWords
from console.model.kept_words import KEPT_NOTE, TAKEN_NOTE, kept_note_words, taken_note_words
from console.model.rewinds import REWIND_NOTE, rewind_words
from console.model.run_state import RunState, needed_words
from console.model.trace import ClientStatement, EngineStatement, ServerLine
from console.tui.matrix import Matrix
from console.tui.spans import VERDICT_ROLES, duration, milliseconds
from console.tui.trace_file import Record

_DIGEST_GROUP = 16
_UNDO = "the teardown removes everything that is made"


class Told(NamedTuple):
    """One labelled text; `role` colours it."""

    label: str
    text: str
    role: str = "plain"


def statement(number: int, record: Record | None) -> list[Told]:
    """Return everything that is recorded of one statement."""
    if record is None:
        return [Told("record", f"{number + 1} cannot be read: drydock verify tells why", "fail")]
    if isinstance(record, ClientStatement):
        return _client(number, record)
    if isinstance(record, ServerLine):
        return _server(number, record)
    return _engine(number, record)


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")


def _client(number: int, record: ClientStatement) -> list[Told]:
    types = ", ".join(record.types) or "none"
    driver = ", sent by the driver itself" if record.implicit else ""
    transaction = f"{record.transaction} of connection pid {record.pid}, before sending: {record.tx}"
    return [
        Told("statement", f"{number + 1}, the client's {record.n}{driver}"),
        Told("SQL", record.sql, "fail" if record.sqlstate else "plain"),
        *_error(record.sqlstate, record.message),
        Told("parameters", f"{types} (types only: values are never recorded)"),
        Told("principal", record.principal),
        Told("scenario", " ".join(filter(None, (record.scenario, record.attempt, record.phase)))),
        Told("transaction", transaction),
        Told(
            "duration",
            milliseconds(record.duration_us) if record.answered else "no answer was recorded",
            "plain" if record.answered else "wait",
        ),
        Told("rows", str(record.rows) if record.rows >= 0 else "none"),
        *([Told("prepared", record.prepared)] if record.prepared else []),
        Told("callers", "\n".join(record.callers) or "not recorded"),
        Told("sent", _when(record.sent_at)),
        Told("witness", "client: a claim of the harness, the server's log decides", "dim"),
    ]


def _server(number: int, record: ServerLine) -> list[Told]:
    return [
        Told("log line", f"{number + 1}, {record.kind}, {record.severity}"),
        *([Told("SQL", record.sql, "fail" if record.sqlstate else "plain")] if record.sql else []),
        *_error(record.sqlstate, record.message),
        Told("principal", record.user),
        Told("scenario", record.scenario or "outside scenarios"),
        Told("transaction", record.vxid or "outside one"),
        Told("session", f"{record.session} line {record.line}, pid {record.pid}"),
        Told("application", record.application or "no name"),
        Told("logged", _when(record.at)),
        Told("witness", "server: the isolated copy's own log", "dim"),
    ]


def _engine(number: int, record: EngineStatement) -> list[Told]:
    return [
        Told("query", f"{number + 1}, {record.name}"),
        Told("on", record.target),
        Told("text", f"sql/{record.name}.sql, sha256 {record.sha256}"),
        Told("duration", milliseconds(record.duration_us)),
        Told("rows", str(record.rows) if record.rows >= 0 else "none"),
        Told("sent", _when(record.at)),
        Told("witness", "engine: drydock's own named queries", "dim"),
    ]


def _error(sqlstate: str, message: str) -> list[Told]:
    found = [Told("SQLSTATE", sqlstate, "fail")] if sqlstate else []
    return found + ([Told("message", message, "fail" if sqlstate else "plain")] if message else [])


def gate(state: RunState, name: str) -> list[Told]:
    """Return a gate: its truth, its verdict and why."""
    assert state.created is not None
    words = next((one for one in state.created.gates if one.id == name), None)
    judged = state.gates.get(name)
    told = [Told("gate", name), Told("truth", words.title if words else "")]
    if name in state.created.not_applicable:
        return [*told, Told("does not apply", state.created.not_applicable[name])]
    if judged is None:
        asked = "not asked yet" if state.ended is None else "never asked: the run had ended before"
        return [*told, Told("verdict", asked, "dim")]
    verdict = str(judged.verdict)
    told.append(Told("verdict", verdict, VERDICT_ROLES.get(verdict, "plain")))
    if judged.reason:
        told.append(Told("reason", judged.reason, VERDICT_ROLES.get(verdict, "plain")))
    if judged.cause:
        told.append(Told("cause", judged.cause))
    after = [key.partition(" ")[2] for key, one in state.gates_after_scenario.items() if one.gate == name]
    return [*told, *([Told("also asked after", " ".join(after))] if after else [])]


def step(state: RunState, name: str) -> list[Told]:
    """Return a step: what it does, how it went, the objects and facts are in the report."""
    assert state.created is not None
    words = next((one for one in state.created.steps if one.id == name), None)
    finished = state.steps_finished.get(name)
    told = [Told("step", name), Told("does", words.does if words else "")]
    if words and words.boundary:
        told.append(Told("boundary", f"{words.boundary} asks before it"))
    if words and words.gates:
        told.append(Told("gates", " ".join(words.gates)))
    if copied := _kept_in(state, name):
        told.append(Told("copy", copied))
    if name in state.steps_started:
        told.append(Told("started", state.steps_started[name]))
    if finished is not None:
        told.append(Told("took", duration(finished.duration_ms / 1000)))
        if finished.failed:
            told.append(Told("failed", finished.failed, "fail"))
        if finished.trace_head:
            told.append(Told("trace head", finished.trace_head, "dim"))
    return told


def _kept_in(state: RunState, step: str) -> str:
    """Return how the copy was kept or laid out, in the step that did it."""
    if step == "C-06":
        return kept_note_words(state.notes.get(KEPT_NOTE))
    return taken_note_words(state.notes.get(TAKEN_NOTE)) if step == "C-04" else ""


def scenario(state: RunState, name: str) -> list[Told]:
    """Return a scenario: what it does, its verdict, what was found."""
    assert state.created is not None
    words = next((one for one in state.created.scenarios if one.id == name), None)
    done = state.scenarios.get(name)
    told = [
        Told("scenario", f"{name} ({words.kind})" if words else name),
        Told("does", words.title if words else ""),
    ]
    if words:
        expected = ", ".join(f"{table} {delta:+d}" for table, delta in words.rows.items()) or "no row changes"
        told.append(Told("expected", expected))
    if fresh := rewind_words(state.notes.get(f"{REWIND_NOTE}{name}")):
        told.append(Told("rewound", fresh))
    if done is None:
        return [
            *told,
            Told("verdict", "running" if name in state.scenarios_started else "not reached", "dim"),
        ]
    told.append(Told("verdict", done.verdict, VERDICT_ROLES[done.verdict]))
    for label, text in (
        ("reason", done.reason),
        ("culprit", done.culprit),
        ("findings", "\n".join(done.findings)),
    ):
        if text:
            told.append(Told(label, text, VERDICT_ROLES[done.verdict]))
    if done.cause:
        told.append(Told("cause", done.cause))
    return [*told, Told("statements", str(done.statements)), Told("took", duration(done.duration_ms / 1000))]


def boundary(state: RunState, name: str) -> list[Told]:
    """Return a boundary: its question and its answer."""
    if state.armed is not None and state.armed.boundary == name:
        armed = state.armed
        return [
            Told("boundary", name),
            Told("asks to", armed.question),
            _undo(armed),
            Told("digest", armed.digest),
            *([Told("two", needed_words(armed, state.approvals), "wait")] if armed.needs > 1 else []),
            Told("armed", state.armed_at),
            Told("or type", armed.approve_line),
        ]
    decision = state.decisions.get(name)
    if decision is None:
        return [Told("boundary", name), Told("state", "will ask when the run comes to it", "dim")]
    who = decision.operator
    told = [
        Told("boundary", name),
        Told("answer", decision.answer),
        Told("how", decision.how),
        Told("digest", decision.digest),
        Told("decided", state.decided_at.get(name, "")),
    ]
    for label, one in (("first", decision.first), ("operator", who)):
        if one is not None:
            told.append(Told(label, f"{one.name} (uid {one.uid}) {one.tty} {one.ssh}".strip()))
    if decision.shown_at:
        told.append(Told("shown", decision.shown_at))
    return [*told, Told("early keys", str(decision.early_keys))]


def _first_with_scenarios(state: RunState) -> StepWords | None:
    """Return the step that runs the subject: the one whose truths are the scenarios', not gates of its own."""
    assert state.created is not None
    return next((one for one in state.created.steps if not one.gates), None)


def _undo(armed: BoundaryArmed) -> Told:
    if armed.irrevocable:
        return Told("undo", f"CANNOT be undone: {armed.irrevocable}", "fail")
    return Told("undo", _UNDO)


def matrix_cell(told: Matrix, row: int, column: int) -> list[Told]:
    """Return one cell of the matrix in words."""
    if not (0 <= row < len(told.tables) and 0 <= column < len(told.scenarios)):
        return []
    cell = told.cells[row][column]
    role = VERDICT_ROLES.get(cell.verdict, "dim")
    return [
        Told("table", told.tables[row]),
        Told("scenario", told.scenarios[column]),
        Told("rows", cell.words(), role),
    ]


def target(state: RunState) -> str:
    """Return what the run works on and which one it is, for the header."""
    if state.created is None:
        return ""
    environment = state.created.config.get("environment", {})
    made = state.facts.get("copy.created")
    identity = made.get("system_identifier", "") if isinstance(made, dict) else ""
    kind = f"{environment.get('kind', '')} PostgreSQL {environment.get('major', '')}".strip()
    return f"{kind}, system {identity}" if identity else f"{kind}, not made yet"


def source(state: RunState) -> str:
    """Return the source and which one it is."""
    if state.created is None:
        return ""
    configured = state.created.config.get("source", {})
    seen = state.facts.get("source.before")
    identity = seen.get("system_identifier", "") if isinstance(seen, dict) else ""
    place = configured.get("host") or configured.get("path") or ""
    named = " ".join(
        str(part) for part in (configured.get("kind", ""), place, configured.get("database", "")) if part
    )
    return f"{named}, system {identity}" if identity else f"{named}, not read yet"


def time_left(armed: BoundaryArmed, armed_at: str, now: datetime) -> str:
    """Return how long an answer is still waited for; hours without their seconds."""
    until = datetime.fromisoformat(armed_at).timestamp() + armed.timeout_s
    left_s = max(0.0, until - now.timestamp())
    if left_s >= 3600:
        return duration(left_s // 60 * 60)
    return duration(float(int(left_s))).replace(".0 s", " s")


def makes_a_copy(state: RunState) -> bool:
    """Tell whether the plan works on a copy; a proof works on the database itself."""
    return state.created is None or state.created.plan != "proof"


def worked_on(state: RunState) -> str:
    """Return in one line what a question is about."""
    if makes_a_copy(state):
        return f"source: {source(state)}; copy: {target(state)}"
    return f"the real database: {source(state)}"


def asked(state: RunState, armed: BoundaryArmed) -> list[Told]:
    """Return what the boundary's question rests on: what will happen, on what, over which digest."""
    assert state.created is not None
    step_words = next((one for one in state.created.steps if one.boundary == armed.boundary), None)
    then = f"; then {step_words.id}: {step_words.does}" if step_words else ""
    groups = [armed.digest[at : at + _DIGEST_GROUP] for at in range(0, len(armed.digest), _DIGEST_GROUP)]
    parts = ", ".join(state.created.parts)
    two = [Told("two", needed_words(armed, state.approvals), "wait")] if armed.needs > 1 else []
    runs_code = step_words in (state.created.steps[0], _first_with_scenarios(state)) if step_words else False
    code = str(state.created.config.get("subject_folder", ""))
    return [
        *two,
        Told("will", f"{armed.question}{then}"),
        *([Told("code", code)] if runs_code and code else []),
        Told("on", worked_on(state)),
        _undo(armed),
        Told("digest", f"{' '.join(groups)} over {parts}"),
    ]
