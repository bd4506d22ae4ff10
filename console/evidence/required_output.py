"""The required output of a rehearsal, row by row as the operators' own reports have it.

Owns the fields and their order. Each row is a pure function of the folded journal; what was not recorded is
"not measured" with the reason, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from console.evidence.page import code, shown
from console.evidence.recorded import (
    at,
    gate_verdicts,
    gate_word,
    listed,
    mapping,
    missing,
    not_measured,
    number,
    scenario_verdicts,
    stopped_at,
)
from console.model.run_state import RunState
from console.model.verdict import GateVerdict

Row = Callable[[RunState], str]
_COPY_KINDS = ("cluster", "container")
_BATTERY = "C-11"
_REFUSALS_SHOWN = 20
_LOOKS = (
    ("before", "source.before"),
    ("before the teardown", "source.after"),
    ("after it", "source.closing"),
)


def execution_status(state: RunState) -> str:
    """Return the verdict, closure, cause and place."""
    ended = state.ended
    if ended is None:
        return f"no verdict: the run has not ended ({state.condition})"
    words: list[str] = [ended.verdict, ended.closure]
    if ended.cause:
        words.append(f"cause {ended.cause}")
    words.append(stopped_at(state))
    return ", ".join(word for word in words if word)


def environment(state: RunState) -> str:
    """Return the copy's kind, exact names and system_identifier."""
    kind = at(state.created.config if state.created else None, "environment", "kind")
    names = [f"{one.kind} {one.name}" for one in state.receipts.values()
             if one.kind in _COPY_KINDS and one.part == "rehearsal"]  # fmt: skip
    named = ", ".join(code(name) for name in names) or not_measured(state, "C-04")
    sysid = at(state.facts.get("copy.asked"), "system_identifier")
    created = at(state.facts.get("copy.created"), "system_identifier")
    found = sysid or created
    identity = f"system_identifier {code(str(found))}" if found else missing(state, "copy.created")
    return f"{shown(kind or 'kind not recorded')}; {named}; {identity}; {gate_word(state, 'G-10')}"


def source_identity(state: RunState) -> str:
    """Return the source's system_identifier first, before the teardown and after it."""
    trouble = state.notes.get("source.closing")
    why = f"; the last look said: {shown(trouble)}" if trouble else ""
    return f"{_looks(state, 'system_identifier')}{why}; {gate_word(state, 'G-06', 'G-21', 'G-25')}"


def _looks(state: RunState, key: str) -> str:
    found = [(when, at(state.facts.get(name), key), name) for when, name in _LOOKS]
    if not any(value for _when, value, _name in found):
        return missing(state, _LOOKS[0][1])
    words = [f"{when} {code(str(value)) if value else missing(state, name)}" for when, value, name in found]
    values = {str(value) for _when, value, _name in found if value}
    first_and_last = found[0][1] and found[-1][1]
    return "; ".join(words) + ("; changed" if len(values) > 1 else "; unchanged" if first_and_last else "")


def dump(state: RunState) -> str:
    """Return path, sha256 and size of the copy's file, and whether what was restored is the same bytes."""
    note = state.notes.get("dump")
    path, sha256, size_bytes = at(note, "path"), at(note, "sha256"), number(at(note, "size_bytes"))
    if not (path and sha256 and size_bytes is not None):
        return not_measured(state, "C-03")
    restored = at(state.facts.get("restore"), "restored_sha256")
    same = "not restored" if restored is None else "restored from the same bytes" if restored == sha256 else (
        f"restored from other bytes: sha256 {code(str(restored))}"
    )  # fmt: skip
    return f"{code(str(path))}; sha256 {code(str(sha256))}; {size_bytes:,} bytes; {same}"


def digests(state: RunState) -> str:
    """Return the sha256 of every part that was approved, and whether the same was found in place."""
    parts = state.created.parts if state.created else {}
    if not parts:
        return "not measured: the run recorded no parts"
    words = [f"{shown(name)} {code(sha256)}" for name, sha256 in parts.items()]
    contents = state.facts.get("contents.found")
    found = mapping(at(contents, "digests") or contents)
    for name in sorted(found):
        if found[name] != parts.get(name):
            words.append(f"in place {shown(name)} differs: {code(str(found[name]))}")
    words.append(gate_word(state, "G-13") if found else f"in place {missing(state, 'contents.found')}")
    return "; ".join(words)


def driver_scope(state: RunState) -> str:
    """Return which driver was used and whether anything was installed outside the throwaway place."""
    driver = at(state.notes.get("harness"), "driver")
    python = at(state.notes.get("harness"), "python")
    said = f"{shown(driver)} on Python {shown(python or 'unknown')}" if driver else (
        f"driver {not_measured(state, 'C-09')}"
    )  # fmt: skip
    before, after = state.facts.get("site.before"), state.facts.get("site.after")
    folders = mapping(at(before, "digests"))
    if before is None or after is None:
        scope = missing(state, "site.before" if before is None else "site.after")
    elif not folders:
        scope = "not measured: no site folder was looked at"
    elif before == after:
        scope = f"nothing installed elsewhere: {len(folders)} site folders unchanged"
    else:
        later = mapping(at(after, "digests"))
        changed = [name for name in {**folders, **later} if folders.get(name) != later.get(name)]
        scope = "changed outside: " + ", ".join(code(name) for name in changed)
    return f"{said}; {scope}; {gate_word(state, 'G-11')}"


def scenarios(state: RunState) -> str:
    """Return every scenario with its verdict, in order, and last V, the verification after them."""
    words = [f"{shown(one)} {verdict}" for one, verdict in scenario_verdicts(state).items()]
    return " · ".join([*words, f"V {verification(state)}"])


def verification(state: RunState) -> str:
    """Return the verdict of the verification battery as a whole: the worst of its gates, asked there."""
    if _BATTERY not in state.steps_started:
        return GateVerdict.NOT_REACHED.value
    found = gate_verdicts(state)
    gates = [words.id for words in state.created.gates if words.step == _BATTERY] if state.created else []
    verdicts = {found[gate][0] for gate in gates} - {GateVerdict.NOT_APPLICABLE}
    worst = (GateVerdict.FAIL, GateVerdict.UNKNOWN, GateVerdict.NOT_REACHED, GateVerdict.PASS)
    return next((one.value for one in worst if one in verdicts), GateVerdict.UNKNOWN.value)


def matrix(state: RunState) -> str:
    """Return in one sentence how much of the matrix was measured; the cells have a section of their own."""
    created = state.created
    planned = [words.id for words in created.scenarios] if created else []
    measured = [one for one in planned if f"rows.{one}" in state.facts]
    if not measured:
        return not_measured(state, "C-10")
    counted = f"measured over {len(measured)} of {len(planned)} scenarios"
    return f"{counted}; {gate_word(state, 'G-15')}; see the matrix"


def baseline(state: RunState) -> str:
    """Return the final rows against the expected ones, table by table where they differ."""
    fact = state.facts.get("baseline")
    expected, found = mapping(at(fact, "expected")), mapping(at(fact, "found"))
    if not found:
        return f"{missing(state, 'baseline')}{_last_count(state)}"
    if any(number(count) is None for count in (*expected.values(), *found.values())):
        return "not measured: the recorded baseline cannot be read"
    wrong = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    total = sum(number(value) or 0 for value in found.values())
    wanted = sum(number(value) or 0 for value in expected.values())
    words = [f"{total} rows found, {wanted} expected"]
    words += [
        f"{shown(name)}: {_count(found, name)} found, {_count(expected, name)} expected" for name in wrong
    ]
    return "; ".join([*words, gate_word(state, "G-16")])


def _count(rows: dict[str, object], name: str) -> str:
    count = number(rows.get(name))
    return "no count" if count is None else str(count)


def _last_count(state: RunState) -> str:
    if not state.rows:
        return ""
    scenario, rows = next(reversed(state.rows.items()))
    when = f"after {shown(scenario)}" if scenario else "before the first scenario"
    return f"; the last count, {when}: {sum(rows.values())} rows in {len(rows)} tables"


def negatives(state: RunState) -> str:
    """Return for each negative and replay scenario how many rows it changed."""
    created = state.created
    words = []
    for one in created.scenarios if created else ():
        if one.kind != "happy":
            changes = row_changes(state, one.id)
            changed = "not measured" if changes is None else f"{sum(abs(by) for by in changes.values()):d}"
            words.append(f"{shown(one.id)} {changed}")
    if not words:
        return "not measured: the run recorded no negative or replay scenario"
    why = f"; {not_measured(state, 'C-10')}" if all(word.endswith("not measured") for word in words) else ""
    return f"rows changed: {' · '.join(words)}{why}; {gate_word(state, 'G-17')}"


def row_changes(state: RunState, scenario: str) -> dict[str, int] | None:
    """Return each table's change over a scenario, None where it was not counted before and after."""
    fact = state.facts.get(f"rows.{scenario}")
    before, after = mapping(at(fact, "before")), mapping(at(fact, "after"))
    if not before or set(before) != set(after):
        return None
    changes: dict[str, int] = {}
    for name in before:
        first, last = number(before[name]), number(after[name])
        if first is None or last is None:
            return None
        changes[name] = last - first
    return changes


def teardown(state: RunState) -> str:
    """Return how many objects were made and removed; the receipts have a section of their own."""
    if not state.receipts:
        return "nothing was made, so there are no receipts"
    open_names = [f"{one.kind} {one.name}" for one in state.open_receipts]
    closed = len(state.receipts) - len(open_names)
    words = f"{closed} of {len(state.receipts)} receipts closed"
    left = "; open: " + ", ".join(code(name) for name in open_names) if open_names else ""
    net_zero = gate_word(state, *(f"N-{digit}" for digit in range(1, 8)))
    return f"{words}{left}; {net_zero}; see the receipts"


def protected(state: RunState) -> str:
    """Return each protected object's id and start before and after."""
    before, after = state.facts.get("protected.before"), state.facts.get("protected.after")
    if before is None:
        return missing(state, "protected.before")
    first, last = mapping(at(before, "objects")), mapping(at(after, "objects"))
    if not first and not last:
        return f"the plan protects no object; {gate_word(state, 'G-03', 'G-24')}"
    if after is None:
        words = [f"{code(name)} {_identity(found)} before" for name, found in first.items()]
        words.append(f"after: {missing(state, 'protected.after')}")
    else:
        words = [_protected_words(name, first.get(name), last.get(name)) for name in {**first, **last}]
    return "; ".join([*words, gate_word(state, "G-03", "G-24")])


def _protected_words(name: str, first: object, last: object) -> str:
    if first == last and first is not None:
        return f"{code(name)} {_identity(first)} unchanged"
    return f"{code(name)} changed: {_identity(first)} before, {_identity(last)} after"


def _identity(value: object) -> str:
    found, started = at(value, "id"), at(value, "started_at")
    if not found:
        return "not found"
    return f"id {code(str(found))}" + (f" running since {code(str(started))}" if started else "")


def production(state: RunState) -> str:
    """Return how the source was read, and its start time first and last."""
    reading = state.facts.get("source.reading")
    if reading is None:
        how = missing(state, "source.reading")
    else:
        queries, staged = mapping(at(reading, "queries")), listed(at(reading, "staged"))
        how = (
            f"session read only {shown(at(reading, 'read_only'))}, {shown(at(reading, 'isolation'))}; "
            f"pg_dump ended with {shown(at(reading, 'dump_exit_code'))} in the same snapshot; "
            f"{len(queries)} named queries; "
            + ("nothing staged" if not staged else "staged: " + ", ".join(code(str(one)) for one in staged))
        )
    since = _looks(state, "started_at")
    return f"{how}; running since: {since}; {gate_word(state, 'G-05', 'G-21', 'G-25')}"


def forbidden_sql(state: RunState) -> str:
    """Return how many statements were judged, the verbs seen, and what was refused."""
    names = [name for name in state.facts if name.startswith("surface.")]
    if not names:
        return not_measured(state, "C-10")
    facts = [state.facts[name] for name in names]
    judged = sum(number(at(fact, "judged")) or 0 for fact in facts)
    refused = [str(one) for fact in facts for one in listed(at(fact, "refused"))]
    sent = sum(number(at(fact, "statements")) or 0 for fact in facts)
    unpaired = [one for fact in facts for one in listed(at(fact, "unpaired"))]
    words = [f"{judged} of {sent} statements judged in {len(names)} scenarios", f"verbs: {_verbs(state)}"]
    words.append(_found(refused[:_REFUSALS_SHOWN], f"{len(refused)} refused", nothing="none refused"))
    words += (
        [_found(unpaired, f"{len(unpaired)} transactions without an end", nothing="")] if unpaired else []
    )
    return "; ".join([*words, gate_word(state, "G-19", "G-20")])


def _verbs(state: RunState) -> str:
    """Return the verbs of the notes `verbs.SCENARIO`, each {verb: count}, of the judged scenarios."""
    noted = [f"verbs.{name.removeprefix('surface.')}" for name in state.facts if name.startswith("surface.")]
    absent = [name for name in noted if name not in state.notes]
    if absent:
        return f"not measured: they were not recorded for {len(absent)} of {len(noted)} scenarios"
    seen: dict[str, int] = {}
    for name in noted:
        for verb, count in mapping(state.notes[name]).items():
            seen[verb] = seen.get(verb, 0) + (number(count) or 0)
    return ", ".join(f"{shown(verb)} {seen[verb]}" for verb in sorted(seen)) or "none"


def secrets(state: RunState) -> str:
    """Return where secrets were kept, what the scans searched and found, and every redaction's count."""
    places = state.facts.get("secrets.places")
    files = {**mapping(at(places, "files")), **mapping(at(places, "folders"))}
    modes = [f"{code(path)} {_mode(at(looked, 'mode'))}" for path, looked in files.items()]
    words = [", ".join(modes) or missing(state, "secrets.places"), *(_scan(state, name) for name in (
        "scan.records", "scan.artefacts"))]  # fmt: skip
    words.append(f"{len(state.redactions)} redactions")
    return "; ".join([*words, gate_word(state, "G-04", "G-22", "G-23", "N-4")])


def _mode(mode: object) -> str:
    bits = number(mode)
    return "of unknown mode" if bits is None else f"{bits:04o}"


def _scan(state: RunState, name: str) -> str:
    fact = state.facts.get(name)
    if fact is None:
        return f"{name} {missing(state, name)}"
    findings = listed(at(fact, "findings"))
    cut = ", stopped by a limit" if at(fact, "limit_hit") else ""
    files, size = number(at(fact, "files_scanned")), number(at(fact, "bytes_scanned"))
    found = _found(findings, f"{len(findings)} findings", nothing="no finding")
    return f"{name} {files} files, {size} bytes{cut}: {found}"


def _found(findings: list[Any], counted: str, *, nothing: str) -> str:
    return f"{counted}: {', '.join(code(str(one)) for one in findings)}" if findings else nothing


def repository(state: RunState) -> str:
    """Return branch, HEAD and status of the subject's repository before and after."""
    before, after = state.facts.get("subject.before"), state.facts.get("subject.after")
    if before is None:
        return missing(state, "subject.before")
    words = [f"before: {_repository(before)}", f"after: {_repository(after)}" if after else (
        f"after: {missing(state, 'subject.after')}"
    )]  # fmt: skip
    if after:
        words.append("unchanged" if before == after else "changed")
    return "; ".join([*words, gate_word(state, "N-5")])


def _repository(fact: object) -> str:
    tree = f"tree {code(str(at(fact, 'tree_sha256')))}"
    head = at(fact, "head")
    if not head:
        return f"no repository around the subject; {tree}"
    status = str(at(fact, "status") or "")
    clean = f"status {code(status)}" if status else "status clean"
    return f"branch {code(str(at(fact, 'branch')))}; HEAD {code(str(head))}; {clean}; {tree}"


def hardcode(state: RunState) -> str:
    """Return what the search of pack and subject for literal addresses, DSNs and passwords found."""
    found = state.facts.get("hardcode", state.notes.get("hardcode"))
    files = number(at(found, "files"))
    if files is None:
        return not_measured(state, "C-09")
    findings = listed(at(found, "findings"))
    return f"{files} files searched: {_found(findings, f'{len(findings)} findings', nothing='no finding')}"


ROWS: tuple[tuple[str, Row], ...] = (
    ("execution_status", execution_status),
    ("dry-run environment name / sysid", environment),
    ("production sysid pre / post", source_identity),
    ("backup path, sha256 and size", dump),
    ("SQL, harness, pack and subject sha256", digests),
    ("driver install scope", driver_scope),
    ("scenarios", scenarios),
    ("row matrix", matrix),
    ("final baseline", baseline),
    ("negative Δ0", negatives),
    ("teardown", teardown),
    ("protected objects untouched", protected),
    ("production untouched", production),
    ("no forbidden SQL", forbidden_sql),
    ("no secret leakage", secrets),
    ("git SSOT", repository),
    ("hardcode control", hardcode),
)
"""Field and row, in the order of the operators' reports (seeds/dry-run-execution-fail.txt, section 3)."""


def required_output(state: RunState) -> list[tuple[str, str]]:
    """Return every field with its value as finished Markdown; the matrix says how many tables it has."""
    tables = len(state.created.tables) if state.created else 0
    return [(f"{tables}-table matrix" if name == "row matrix" else name, row(state)) for name, row in ROWS]
