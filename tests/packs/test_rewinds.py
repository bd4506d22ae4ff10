"""Which scenarios are rewound, what a plan says of it, and what a pack may not ask for."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from fix_journals import created, ended
from rewind_pack import ADDS_TWICE, write_rewind_pack

from console.engine.runner import describe
from console.evidence.gates_again import end_that_does_not_follow
from console.evidence.html import html
from console.evidence.report import markdown
from console.gates.table import GATES
from console.model.config import PackConfig, RunConfig, RunOrder
from console.model.event import Entry, FactRecorded, NoteRecorded, RowsCounted
from console.model.pack import Pack
from console.model.plan import Plan
from console.model.rewinds import (
    REWIND_NOTE,
    rewind_words,
    rewound_scenarios,
    rewound_words,
    scenarios_since_rewind,
)
from console.model.run_state import RunState, fold
from console.packs import load_pack, read_pack
from console.plans.order import plan_of
from console.tui.matrix import matrix
from console.tui.plain import lines_of

SAID = {"way": "FILE_COPY, file_copy_method = clone, blocks shared", "took_ms": 520, "copied_ms": 31}


def pack(tmp_path: Path, **words: str) -> Pack:
    """Return the pack of the tests with its word on rewinding."""
    return load_pack(write_rewind_pack(tmp_path / "pack", **words)).pack


def plan(tmp_path: Path, *, asked: bool = False, **words: str) -> Plan:
    """Return the plan of a run of that pack."""
    loaded = load_pack(write_rewind_pack(tmp_path / "pack", **words))
    config = RunConfig(pack=PackConfig(name="pack", rewind=asked))
    return plan_of(loaded, RunOrder(run="r", config=config))


@pytest.mark.parametrize(
    ("rewind", "asked", "expected"),
    [
        ("", False, ("S2", "S4")),
        ("each", False, ("S2", "S3", "S4")),
        ("allowed", False, ("S2", "S4")),
        ("allowed", True, ("S2", "S3", "S4")),
    ],
)
def test_who_is_rewound(tmp_path: Path, rewind: str, asked: bool, expected: tuple[str, ...]) -> None:
    """The first one and a replay never are; others by their own word, the pack's, or the run's where allowed."""
    found = pack(tmp_path, rewind=rewind, baseline="source" if rewind == "allowed" else "")
    assert rewound_scenarios(found, asked=asked) == expected


def test_what_the_last_copy_has_seen(tmp_path: Path) -> None:
    """Rows at the end count from the last rewind on; without one all scenarios count."""
    order = ["S1", "S1-again", "S2", "S3", "S4"]
    assert scenarios_since_rewind(order, ("S2",)) == ["S2", "S3", "S4"]
    assert scenarios_since_rewind(order, ()) == order
    found = pack(tmp_path, baseline="source")
    source = dict.fromkeys(found.tables, 0)
    assert found.expected_rows(source)["decision_backlog_entry"] == 2
    assert found.expected_rows(source, since=["S2", "S3"])["decision_backlog_entry"] == 1
    assert found.expected_rows(source, since=["S4"])["decision_backlog_entry"] == 0


def test_a_plan_says_what_it_rewinds(tmp_path: Path) -> None:
    """Title, steps, gates and digest tell; the gates of the copy stand before the rows'."""
    found = plan(tmp_path)
    does = {step.id: step.does for step in found.steps}
    assert found.title.endswith(", REWOUND before S2, S4")
    assert does["C-08"].startswith("a template of the prepared copy; ")
    assert does["C-10"] == "scenarios, with a fresh copy before S2, S4"
    asked = [gate.id for gate in found.gates_of(found.steps[10])]
    assert asked[:4] == ["G-14", "G-27", "G-28", "G-31"]
    assert "4 times" in found.gate("G-01").title
    assert msgspec.json.decode(describe(found))["rewound"] == ["S2", "S4"]


def test_a_plan_without_rewinds_is_what_it_was(tmp_path: Path) -> None:
    """The rows of the table, and not a word of rewinding in title, steps and digest."""
    found = plan(tmp_path, pack=ADDS_TWICE.replace(", rewind=True", ""))
    assert (found.gates, found.rewound) == (GATES, ())
    assert b"rew" not in describe(found).lower()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"rewind": "allowed"}, 'rewind = "allowed" and a baseline in numbers'),
        ({"pack": ADDS_TWICE.replace('kind="negative", principal', 'kind="replay", principal')},
         "scenario S4 is a replay and has rewind"),
        ({"rewind": "always"}, "always"),
    ],
)  # fmt: skip
def test_what_a_pack_may_not_ask_for(tmp_path: Path, words: dict[str, str], says: str) -> None:
    """It is told before a run exists, in a sentence."""
    loaded, wrong = read_pack(write_rewind_pack(tmp_path / "pack", **words))
    assert loaded is None
    assert any(says in one.what for one in wrong), [one.what for one in wrong]


def state_of(*events: object) -> tuple[list[Entry], RunState]:
    """Return entries and their fold."""
    entries = [Entry(n=n, at="2026-01-01T00:00:00.000Z", event=event) for n, event in enumerate(events, 1)]  # type: ignore[arg-type]
    return entries, fold(entries)


def test_a_rewind_has_a_line_and_hostile_notes_have_none() -> None:
    """How and how long is one line; a note of another shape says nothing, and no control character gets out."""
    entries, state = state_of(NoteRecorded(name=f"{REWIND_NOTE}S2", value=SAID))
    [line] = lines_of(entries[0], state)
    assert line == (
        "  S2 copy made anew from its template in 0.52 s: FILE_COPY, file_copy_method = clone, blocks shared"
    )
    assert rewind_words(["x"]) == rewind_words({"took_ms": "1"}) == rewind_words(None) == ""
    entries, state = state_of(NoteRecorded(name=f"{REWIND_NOTE}S2\x1b[2J", value=SAID | {"way": "\x1b[2J"}))
    assert "\x1b" not in lines_of(entries[0], state)[0]


def test_reports_say_whose_rows_the_last_ones_are(tmp_path: Path) -> None:
    """Both reports tell that the final counts are the last copy's, and neither of a run that rewinds nothing."""
    says = "made anew before S2, S4: the rows at the end are the last copy"
    done = [FactRecorded(name=f"rewound.{scenario}", value={}, source="x") for scenario in ("S2", "S4")]
    for rewound in (("S2", "S4"), ()):
        begun = msgspec.structs.replace(created(), rewound=rewound)
        _entries, state = state_of(begun, *done, ended("PASS"))
        for text in (markdown(state), html(state, tmp_path)):
            assert (says in text) == bool(rewound)
    every = [f"S{number}" for number in range(9)]
    words = rewound_words(every, [f"rewound.{scenario}" for scenario in every])
    assert words.startswith("made anew before S0, S1, S2 and 6 more: ")


def test_reports_say_of_no_rewind_that_it_was_done_before_it_was(tmp_path: Path) -> None:
    """A run that failed before its first rewind, or between two, names those that it did not come to."""
    begun = msgspec.structs.replace(created(), rewound=("S2", "S4"))
    none, last = "not made anew before S2, S4, as was planned", "; not made anew before S4, as was planned"
    done = FactRecorded(name="rewound.S2", value={}, source="x")
    for events, says in (((), none), ((done,), f"the rows at the end are the last copy's{last}")):
        _entries, state = state_of(begun, *events, ended("FAIL"))
        assert says in markdown(state)
        assert rewound_words(begun.rewound, state.facts).endswith(says)
        assert ("copy made anew" in html(state, tmp_path)) == bool(events)


def test_the_matrix_counts_from_the_prepared_copy() -> None:
    """A rewound scenario's cell begins where the first one's did, not where the scenario before it ended."""
    begun = msgspec.structs.replace(created(), tables=("entry",), rewound=("S2",))
    first, second, *_others = begun.scenarios
    counted = [RowsCounted(scenario=name, rows={"entry": rows}) for name, rows in (("", 0), (first.id, 1))]
    counted.append(RowsCounted(scenario=second.id, rows={"entry": 1}))
    for rewound, expected in (((second.id,), 0), ((), 1)):
        _entries, state = state_of(msgspec.structs.replace(begun, rewound=rewound), *counted)
        assert matrix(state).cells[0][1].before == expected


def test_a_pass_over_other_rewinds_than_planned_does_not_follow() -> None:
    """Evidence whose rewinds are not those of its plan, or that lacks their gates, is told."""
    says = "the end is PASS and the copy was not rewound before the scenarios that the plan names"
    for rewound, recorded in ((("S2",), None), ((), ["S2"]), (("S2",), ["S3"])):
        events: list[object] = [msgspec.structs.replace(created(), rewound=rewound)]
        if recorded is not None:
            events.append(FactRecorded(name="prepared", value={"rewound": recorded}, source="x"))
        _entries, state = state_of(*events, ended("PASS"))
        assert says in end_that_does_not_follow(state)
    _entries, state = state_of(msgspec.structs.replace(created(), rewound=("S2",)), ended("PASS"))
    assert (
        "the end is PASS and the copy was rewound, which G-27, G-28, G-31 was not asked of"
        in end_that_does_not_follow(state)
    )
