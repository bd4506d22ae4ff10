"""What differs between two runs: the cause first, then gates, statements, rows, privileges, shas, timings.

Pure functions of two folded journals and their statements. Timings and identifiers always differ: they are told
and never counted. Never says which of the two is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from console.evidence.documents import matrix
from console.evidence.fingerprint import Sent
from console.evidence.page import bullets, code, shown, table
from console.evidence.recorded import gate_verdicts, mapping, place_of_end, scenario_verdicts
from console.model.run_state import RunState
from console.model.sample_words import sample_kind

_LONGEST_SEQUENCE = 5000
"""Longer ones are compared by how often each statement was sent, not by their order."""

_ENDS = ("COMMIT", "ROLLBACK", "END", "ABORT")
_SHOWN_SQL_CHARS = 110
_MOST_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Side:
    """One run: its folded journal and what its subject sent."""

    state: RunState
    statements: Sequence[Sent]

    @property
    def end(self) -> str:
        """Return verdict, place and closure in a few words."""
        ended = self.state.ended
        if ended is None:
            return f"has not ended ({self.state.condition})"
        place = place_of_end(self.state)
        of = f" of a {kind}" if (kind := sample_kind(self.state)) else ""
        return f"{ended.verdict}{of}{f' at {place}' if place else ''}, {ended.closure}"


@dataclass(frozen=True, kw_only=True)
class Changed:
    """One thing that both runs have and that differs; None where a run has it not."""

    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Differences:
    """Everything in which two runs differ; `causes` are sentences, the most telling first."""

    before: Side
    after: Side
    causes: tuple[str, ...]
    ends: tuple[Changed, ...]
    gates: tuple[Changed, ...]
    scenarios: tuple[Changed, ...]
    statements: tuple[Changed, ...]
    rows: tuple[Changed, ...]
    privileges: tuple[Changed, ...]
    shas: tuple[Changed, ...]
    timings: tuple[Changed, ...]

    @property
    def any(self) -> bool:
        """Tell whether the runs differ in anything but their timings."""
        counted = (
            self.ends,
            self.gates,
            self.scenarios,
            self.statements,
            self.rows,
            self.privileges,
            self.shas,
        )
        return any(counted)


def compare(before: Side, after: Side) -> Differences:
    """Return the differences; `before` and `after` are only names for the first and the second run."""
    causes, statements = _statements(before.statements, after.statements)
    return Differences(
        before=before, after=after, causes=(*causes, *_reasons(before, after)),
        ends=_changed({"verdict and closure": before.end}, {"verdict and closure": after.end}),
        gates=_changed(_gates(before.state), _gates(after.state)),
        scenarios=_changed(scenario_verdicts(before.state), scenario_verdicts(after.state)),
        statements=statements, rows=_changed(_rows(before.state), _rows(after.state)),
        privileges=_changed(_privileges(before.state), _privileges(after.state)),
        shas=_changed(_shas(before.state), _shas(after.state)),
        timings=_changed(_timings(before.state), _timings(after.state)),
    )  # fmt: skip


def _changed(before: dict[str, str], after: dict[str, str]) -> tuple[Changed, ...]:
    return tuple(
        Changed(what=name, before=before.get(name), after=after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    )


def _gates(state: RunState) -> dict[str, str]:
    return {gate: verdict for gate, (verdict, _reason) in gate_verdicts(state).items()}


def _rows(state: RunState) -> dict[str, str]:
    scenarios = mapping(matrix(state)["scenarios"])
    return {
        f"{scenario} {name}": f"{change:+d}"
        for scenario, cells in scenarios.items()
        if cells["found"] is not None
        for name, change in cells["found"].items()
    }


def _privileges(state: RunState) -> dict[str, str]:
    found: dict[str, str] = {}
    for fact in ("privileges.source", "privileges.copy", "privileges.after"):
        if fact in state.facts:
            _leaves(state.facts[fact], fact, found)
    return found


def _leaves(value: Any, place: str, into: dict[str, str]) -> None:
    """List every leaf below a fact by its path; a list counts as a set, because its order says nothing."""
    if isinstance(value, dict):
        for key, below in value.items():
            _leaves(below, f"{place} {key}", into)
    elif isinstance(value, list | tuple):
        for item in value:
            into[f"{place}: {item}"] = "there"
    else:
        into[place] = str(value)


def _shas(state: RunState) -> dict[str, str]:
    parts = dict(state.created.parts) if state.created else {}
    versions = {
        f"version of {name}": str(version) for name, version in mapping(state.notes.get("versions")).items()
    }
    return {**{f"sha256 of {name}": sha256 for name, sha256 in parts.items()}, **versions}


def _timings(state: RunState) -> dict[str, str]:
    steps = {step: f"{end.duration_ms} ms" for step, end in state.steps_finished.items()}
    return steps | {name: f"{end.duration_ms} ms" for name, end in state.scenarios.items()}


def _reasons(before: Side, after: Side) -> list[str]:
    """Return what each run's own end says, where the other one did not end so."""
    found = []
    for name, side in (("first", before), ("second", after)):
        ended = side.state.ended
        if ended is not None and ended.reason and before.end != after.end:
            culprits = [one.culprit for one in side.state.scenarios.values() if one.culprit]
            by = f"; culprit {culprits[0]}" if culprits else ""
            found.append(f"the {name} run's own reason: {ended.reason}{by}")
    return found


def _statements(before: Sequence[Sent], after: Sequence[Sent]) -> tuple[list[str], tuple[Changed, ...]]:
    """Return the sentence about the first statement that differs, and every difference by scenario."""
    causes: list[str] = []
    changed: list[Changed] = []
    for scenario in dict.fromkeys(one.scenario for one in (*before, *after)):
        first = [one for one in before if one.scenario == scenario]
        second = [one for one in after if one.scenario == scenario]
        if not first or not second:
            which = "second" if first else "first"
            only = (
                f"{len(first)} statements" if first else None,
                f"{len(second)} statements" if second else None,
            )
            changed.append(
                Changed(what=f"{_said(scenario)} (not in the {which} run)", before=only[0], after=only[1])
            )
            continue
        divided = _first_difference(scenario, first, second)
        causes += [divided] if divided else []
        changed += _of_scenario(scenario, first, second)
    return causes, tuple(changed)


def _said(scenario: str) -> str:
    return scenario or "outside scenarios"


def _first_difference(scenario: str, first: Sequence[Sent], second: Sequence[Sent]) -> str:
    same = 0
    for one, other in zip(first, second, strict=False):
        if _key(one) != _key(other):
            break
        same += 1
    if same == len(first) == len(second):
        return ""
    nexts = [side[same] if same < len(side) else None for side in (first, second)]
    where = f"{_said(scenario)}: the runs go apart" + (
        f" after {_described(first[same - 1])}" if same else " at once"
    )
    told = [f"the {name} run goes on with {_described(one)}" if one else f"the {name} run ends there"
            for name, one in zip(("first", "second"), nexts, strict=True)]  # fmt: skip
    left = _left_open(first[same - 1], nexts) if same else ""
    return "; ".join([*([left] if left else []), where, *told])


def _left_open(last: Sent, nexts: Sequence[Sent | None]) -> str:
    """Say so when one run ended the last common transaction and the other sent more inside it."""
    names = ("first", "second")
    ends = [
        one is not None and one.pid is not None and one.fingerprint.upper().startswith(_ENDS) for one in nexts
    ]
    for number, one in enumerate(nexts):
        if one is not None and not ends[number] and ends[1 - number] and one.before in ("intrans", "inerror"):
            return (
                f"CAUSE: in the {names[number]} run {_described(last)} left its transaction open; "
                f"in the {names[1 - number]} run it was ended"
            )
    return ""


def _key(one: Sent) -> tuple[str, str, str]:
    return one.principal, one.fingerprint, one.sqlstate


def _described(one: Sent) -> str:
    sql = (
        one.fingerprint
        if len(one.fingerprint) <= _SHOWN_SQL_CHARS
        else one.fingerprint[: _SHOWN_SQL_CHARS - 1] + "…"
    )
    by = f", sent by {one.sender}" if one.sender else ""
    error = f" (error {one.sqlstate}: {one.message})" if one.sqlstate else ""
    return f"statement {one.n}, {sql}{by}{error}"


def _of_scenario(scenario: str, first: Sequence[Sent], second: Sequence[Sent]) -> list[Changed]:
    before, after = [[_key(one) for one in side] for side in (first, second)]
    if before == after:
        return []
    if max(len(before), len(after)) > _LONGEST_SEQUENCE:
        return _by_count(scenario, before, after)
    found: list[Changed] = []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, begin, end, other_begin, other_end in matcher.get_opcodes():
        if kind == "equal":
            continue
        pairs = max(end - begin, other_end - other_begin)
        for number in range(pairs):
            one = first[begin + number] if begin + number < end else None
            other = second[other_begin + number] if other_begin + number < other_end else None
            what = f"{_said(scenario)} {'changed' if one and other else 'gone' if one else 'added'}"
            found.append(
                Changed(
                    what=what,
                    before=_described(one) if one else None,
                    after=_described(other) if other else None,
                )
            )
    return found


def _by_count(
    scenario: str, before: list[tuple[str, str, str]], after: list[tuple[str, str, str]]
) -> list[Changed]:
    counts: dict[tuple[str, str, str], list[int]] = {}
    for number, keys in enumerate((before, after)):
        for key in keys:
            counts.setdefault(key, [0, 0])[number] += 1
    return [
        Changed(
            what=f"{_said(scenario)}: {key[1][:_SHOWN_SQL_CHARS]}",
            before=f"{one} times",
            after=f"{other} times",
        )
        for key, (one, other) in counts.items()
        if one != other
    ]


SECTIONS = (
    ("Gates", "gates"), ("Scenarios", "scenarios"), ("Statements", "statements"), ("Rows", "rows"),
    ("Privileges", "privileges"), ("Shas and versions", "shas"), ("Timings (never counted)", "timings"),
)  # fmt: skip


def as_markdown(found: Differences) -> str:
    """Return the page: who, how each ended and why they differ on its first screen, then every section."""
    runs = (found.before, found.after)
    head = table(
        ("", "first", "second"),
        [
            ("run", *(shown(side.state.run) for side in runs)),
            ("end", *(shown(side.end) for side in runs)),
            ("subject", *(shown(_subject(side.state)) for side in runs)),
        ],
    )
    same = "Nothing differs but the timings." if not found.any else "No statement explains the difference."
    parts = [
        "# Drydock: two runs compared",
        head,
        "## Why",
        bullets(map(shown, found.causes[:4]), empty=same),
    ]
    for title, name in SECTIONS:
        changed: tuple[Changed, ...] = getattr(found, name)
        rows = [(shown(one.what), _cell(one.before), _cell(one.after)) for one in changed[:_MOST_SHOWN]]
        more = f"\n\nand {len(changed) - _MOST_SHOWN} more" if len(changed) > _MOST_SHOWN else ""
        parts += [f"## {title}", (table(("what", "first", "second"), rows) + more) if rows else "The same."]
    return "\n\n".join(parts) + "\n"


def _cell(value: str | None) -> str:
    return "none" if value is None else code(value) if " " in value else shown(value)


def _subject(state: RunState) -> str:
    return str(state.created.config.get("subject_folder", "unknown")) if state.created else "unknown"


def as_json(found: Differences) -> dict[str, Any]:
    """Return every difference; `before` and `after` are null where a run has no such thing."""
    told: dict[str, Any] = {
        "differ": found.any,
        "runs": [
            {"run": side.state.run, "end": side.end, "subject": _subject(side.state)}
            for side in (found.before, found.after)
        ],
        "causes": list(found.causes),
    }
    for _title, name in SECTIONS:
        told[name] = [
            {"what": one.what, "before": one.before, "after": one.after} for one in getattr(found, name)
        ]
    return told
