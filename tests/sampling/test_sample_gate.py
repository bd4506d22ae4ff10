"""G-26 over made-up facts: every leaf decides, a missing fact is UNKNOWN; and what a reader is told of the copy."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.append(str(Path(__file__).parents[1] / "gates"))

from alterations import GONE, altered, alternatives, leaves
from fix_journals import passed

from console.evidence.gates_again import PLAN_GATES, end_that_does_not_follow
from console.evidence.report import markdown
from console.evidence.sample_output import sample_rows
from console.gates.sample_table import SAMPLE_GATES
from console.gates.table import GATES
from console.model.config import MaskConfig, RunConfig, SampleConfig, SourceConfig
from console.model.gate import Facts, judge
from console.model.run_state import RunState, fold
from console.model.sample_facts import (
    SAMPLE_FACTS,
    LoadedColumn,
    LoadedTable,
    MadeColumn,
    PlannedTable,
    SampleLoaded,
    SamplePlanned,
    SampleSent,
    SentTable,
)
from console.model.sample_words import sample_words
from console.model.verdict import GateVerdict
from console.plans.checks import problems
from console.plans.dry_run import cannot_claim, dry_run, steps
from console.plans.migration import migration

[G26] = SAMPLE_GATES
SAMPLED = RunConfig(sample=SampleConfig(rows="none"), mask=MaskConfig(columns={"a.b.c": "fake"}))
SHA = hashlib.sha256(b"rows").hexdigest()


def passing() -> dict[str, Any]:
    """Return the facts of a copy of four tables in which everything holds."""
    planned = SamplePlanned(
        tables={
            "public.whole": PlannedTable(mode="whole", where="", masked={}),
            "public.none": PlannedTable(mode="none", where="", masked={}),
            "public.some": PlannedTable(mode="where", where="id < 5", masked={}),
            "public.masked": PlannedTable(mode="whole", where="", masked={"email": "email"}),
        }
    )
    made = MadeColumn(sort="email", values=3, unchanged=0, digest="4711")
    sent = SampleSent(
        there={"public.whole": 9, "public.none": 8, "public.some": 7, "public.masked": 3},
        taken={"public.whole": 9, "public.none": 0, "public.some": 4, "public.masked": 3},
        sent={
            "public.some": SentTable(where="id < 5", rows=4, sha256=SHA, masked={}),
            "public.masked": SentTable(where="", rows=3, sha256=SHA, masked={"email": made}),
        },
        dumped=("public.whole",), orphans={"public.whole (foreign key k)": 0}, large_objects=0,
    )  # fmt: skip
    found = LoadedColumn(values=3, digest="4711")
    loaded = SampleLoaded(
        tables={
            "public.some": LoadedTable(rows=4, sha256=SHA, masked={}),
            "public.masked": LoadedTable(rows=3, sha256=SHA, masked={"email": found}),
        }
    )
    facts = {"sample.planned": planned, "sample.sent": sent, "sample.loaded": loaded}
    decoded: dict[str, Any] = json.loads(msgspec.json.encode(facts))
    return decoded


def test_passing_facts_pass_and_are_complete() -> None:
    """The gate refuses a copy in which everything holds, or rests on facts without a shape."""
    assert judge(G26, Facts(passing())).verdict == GateVerdict.PASS
    assert set(SAMPLE_FACTS) == set(passing()) == set(G26.rests_on)


@pytest.mark.parametrize("name", sorted(passing()))
def test_every_leaf_decides(name: str) -> None:
    """A leaf of a fact may be altered and the gate still holds; only what is there of a part has slack."""
    facts = passing()
    slack = [
        path
        for path, leaf in leaves(facts[name])
        for other in alternatives(leaf)
        if judge(G26, Facts(altered(facts, name, path, other))).verdict == GateVerdict.PASS
    ]
    assert set(slack) <= {("there", "public.none"), ("there", "public.some")}


@pytest.mark.parametrize("name", sorted(passing()))
@pytest.mark.parametrize("value", [GONE, None, [], {"x": 1}], ids=["gone", "null", "list", "other"])
def test_a_missing_or_malformed_fact_is_unknown(name: str, value: object) -> None:
    """Without one of its facts the gate passes or fails."""
    assert judge(G26, Facts(altered(passing(), name, (), value))).verdict == GateVerdict.UNKNOWN


CASES: list[tuple[str, tuple[str | int, ...], object, str]] = [
    ("sample.sent", ("sent", "public.masked", "masked", "email", "unchanged"), 1,
     "table public.masked: the mask left 1 values of column email as they were"),
    ("sample.loaded", ("tables", "public.masked", "masked", "email", "digest"), "1",
     "table public.masked: column email does not hold in the copy what the source's server made of it"),
    ("sample.sent", ("dumped",), ["public.masked", "public.whole"],
     "in pg_dump's archive, table public.masked is not expected"),
    ("sample.sent", ("taken", "public.none"), 1, "1 rows of public.none were taken, the plan takes none"),
    ("sample.sent", ("orphans", "public.whole (foreign key k)"), 3,
     "3 rows of public.whole (foreign key k) have no parent in the copy"),
    ("sample.planned", ("tables", "public.some", "where"), "id < 6",
     "table public.some: the rows were taken by another expression than the plan's"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "value", "sentence"), CASES, ids=[one[3][:50] for one in CASES])
def test_sentences(name: str, path: tuple[str | int, ...], value: object, sentence: str) -> None:
    """A difference fails in other words than these."""
    judged = judge(G26, Facts(altered(passing(), name, path, value)))
    assert (judged.verdict, judged.reason) == (GateVerdict.FAIL, sentence)


def test_only_a_plan_that_leaves_something_out_has_the_gate() -> None:
    """A sampled plan has no G-26, a whole one has, or a title and the limits of the claim do not say so."""
    for kind in (dry_run, migration):
        whole, partly = kind(RunConfig(), scenarios=()), kind(SAMPLED, scenarios=())
        assert "G-26" not in [gate.id for gate in whole.gates]
        assert [gate.id for gate in partly.gates if gate.step == "C-05"] == ["G-08", "G-26"]
        assert "G-26" in next(step for step in partly.steps if step.id == "C-05").gates
        b2 = next(step.boundary for step in partly.steps if step.id == "C-03")
        assert b2 is not None
        assert "masked columns as fakes" in b2.irrevocable
        assert partly.title.endswith("isolated copy, a SAMPLE of the source with MASKED columns")
        assert "SAMPLE" not in whole.title
    assert [gate.id for gate in PLAN_GATES["dry-run"] if gate not in GATES] == ["G-26"]
    assert any(
        "a PASS says nothing about rows that were not taken" in claim for claim in cannot_claim(SAMPLED)
    )
    assert not any("sample" in claim for claim in cannot_claim(RunConfig()))
    assert steps(RunConfig()) == steps(RunConfig(mask=MaskConfig(secret="alone")))


def test_other_kinds_of_source_refuse_it() -> None:
    """A dump file is sampled, or a container is not."""
    told = problems(msgspec.structs.replace(SAMPLED, source=SourceConfig(kind="dump_file", path="x.dump")))
    assert [(one.section, one.key) for one in told] == [("sample", ""), ("mask", "")]
    source = SourceConfig(kind="container", container="production", database="d", role="r")
    assert problems(msgspec.structs.replace(SAMPLED, source=source)) == []


def test_a_pass_without_its_gate_does_not_follow() -> None:
    """A journal whose plan takes a sample and whose PASS was never asked G-26 verifies."""
    state = fold(passed().entries())
    assert state.created is not None
    assert end_that_does_not_follow(state) == []
    config = {**state.created.config, "sample": {"rows": "none"}}
    sampled = msgspec.structs.replace(state, created=msgspec.structs.replace(state.created, config=config))
    assert end_that_does_not_follow(sampled) == [
        "the end is PASS and the copy was not the whole source, which G-26 was not asked of"
    ]


NOTE = {
    "tables": 4, "whole": 2, "key": "of this run alone",
    "other_than_whole": {
        "public.none": {"mode": "none", "where": "", "there": 8, "taken": 0, "masked": {}},
        "public.some": {"mode": "where", "where": "id < 5", "there": 7, "taken": 4, "masked": {}},
        "public.masked": {"mode": "whole", "where": "", "there": 3, "taken": 3, "masked": {"email": "email (text)"}},
    },
}  # fmt: skip


def test_every_reader_is_told_what_the_copy_is() -> None:
    """The sentence beside a verdict counts otherwise, or a report's table lacks a table, its words or its masks."""
    state = RunState(notes={"sample": NOTE})
    assert sample_words(state) == (
        "sampled copy: 2 of 4 tables whole, 1 without rows, 1 by WHERE, 1 columns masked"
    )  # fmt: skip
    assert sample_rows(state) == [
        ("public.none", "0", "8", "no row", "none"),
        ("public.some", "4", "7", "WHERE id < 5", "none"),
        ("public.masked", "3", "3", "every row", "email: email (text)"),
        ("the key of the fakes", "", "", "of this run alone", ""),
    ]
    assert (sample_words(RunState()), sample_rows(RunState())) == ("", [])


@pytest.mark.parametrize(
    "note", [None, 7, "x", [], {}, {"other_than_whole": [1]}, {"other_than_whole": {"t": 1}}], ids=repr
)
def test_a_note_of_any_shape_breaks_no_reader(note: object) -> None:
    """A note of another shape is an exception."""
    state = RunState(notes={"sample": note})
    sample_words(state)
    sample_rows(state)
    markdown(state)
