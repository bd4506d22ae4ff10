"""The gates of a run whose copy is rewound: G-27, G-28 and G-31, and what G-15 and G-20 ask of every copy."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec
import pytest
from alterations import GONE, Path, altered, alternatives, leaves
from passing import frozen_inventory, frozen_privileges, passing_facts, refused_probes, sha

from console.gates.rewind_table import REWIND_GATES, with_rewind_gates
from console.gates.table import GATES, by_id
from console.model import rewind_facts as shapes
from console.model.facts import Effects
from console.model.gate import Facts, Gate, judge
from console.model.verdict import GateVerdict

TABLE = {gate.id: gate for gate in with_rewind_gates(GATES)}
OWN = ("G-15", "G-20", "G-27", "G-28", "G-31")
START = {"entry": 7, "history": 0}


def effects(copy: str) -> Effects:
    """Return effects on one of the copies: what is per database differs from copy to copy."""
    return Effects(
        harness_backends=0, deleted={"public.entry": 0}, elsewhere={"public.neighbour": (0, 0)},
        sequences={"public.neighbour_id_seq": "20,true"},
        catalogue={"pg_class": sha("pg_class"), "pg_database": sha(f"pg_database {copy}")},
    )  # fmt: skip


def template() -> shapes.Template:
    """Return a template that nobody has touched."""
    return shapes.Template(
        name="drydock_prepared", oid="16500", version="750", connectable=False, is_template=False, of_superuser=True,
        grantees=(), settings=0, sessions=0, files=300, size_bytes=9_000_000, sha256=sha("files"),
    )  # fmt: skip


def content() -> shapes.TemplateContent:
    """Return every byte of its files; the look counts their folder, too."""
    return shapes.TemplateContent(files=299, size_bytes=8_995_904, sha256=sha("content"))


def rewound(*, ended: str, left: dict[str, int], dropped: str, made: str) -> shapes.Rewound:
    """Return one rewind as it should be."""
    return shapes.Rewound(
        ended=effects(ended), left=left, written=dict.fromkeys(left, 0), began=effects(made),
        sequences=sequences(), database=words(), privileges=frozen_privileges(), probes=refused_probes(),
        inventory=frozen_inventory(), before=template(), after=template(), dropped=dropped, made=made, visitors=(),
    )  # fmt: skip


def sequences() -> dict[str, str]:
    """Return every sequence, also one that feeds the pack's table."""
    return {"public.neighbour_id_seq": "20,true", "public.entry_id_seq": "7,true"}


def words() -> dict[str, str]:
    """Return some of a database's words."""
    return {"owner": "keeper", "privileges": "keeper=CTc/keeper writer=c/keeper", "datconnlimit": "-1"}


def facts() -> dict[str, object]:
    """Return the passing facts of a run that rewinds the copy before S2 and S3."""
    start, marked = START, {"entry": 8, "history": 2}
    first: Any = passing_facts()["rows.S1"]
    after_s1 = dict(first["after"])
    own = {
        "prepared": shapes.Prepared(
            rewound=("S2", "S3"), rows=start, sequences=sequences(), catalogue={"pg_class": sha("pg_class")},
            database=words(), oid="16384", template=template(),
        ),
        "content.before": content(),
        "content.after": content(),
        "effects.before": effects("16384"),
        "rows.S2": {"before": start, "after": marked},
        "rows.S3": {"before": start, "after": start},
        "rewound.S2": rewound(ended="16384", left=after_s1, dropped="16384", made="16600"),
        "rewound.S3": rewound(ended="16600", left=marked, dropped="16600", made="16700"),
        "effects.after": effects("16700"),
        **{
            f"template.{scenario}": shapes.AfterScenario(template=template(), oid=oid)
            for scenario, oid in (("S1", "16384"), ("S2", "16600"), ("S3", "16700"))
        },
    }  # fmt: skip
    decoded: dict[str, object] = json.loads(msgspec.json.encode(own))
    return {**passing_facts(), **decoded}


def verdicts(recorded: dict[str, object]) -> dict[str, tuple[GateVerdict, str]]:
    """Return what the five gates say."""
    found = {gate: judge(TABLE[gate], Facts(recorded)) for gate in OWN}
    return {gate: (one.verdict, one.reason) for gate, one in found.items()}


def flips(recorded: dict[str, object]) -> bool:
    """Tell whether one of the five gates does not pass."""
    return any(verdict != GateVerdict.PASS for verdict, _reason in verdicts(recorded).values())


def test_a_run_that_rewinds_as_it_should_passes() -> None:
    """The five gates hold, and G-15 of other runs does not: there S3 had to follow on S2."""
    assert verdicts(facts()) == dict.fromkeys(OWN, (GateVerdict.PASS, ""))
    assert judge(by_id("G-15"), Facts(facts())).verdict == GateVerdict.FAIL
    assert judge(by_id("G-20"), Facts(facts())).verdict == GateVerdict.FAIL


def test_before_the_second_scenario_only_the_first_is_judged() -> None:
    """After S1 no rewind is missing yet; S2's counts without its rewind, or the look after S1, are missed."""
    known = ("rows.", "surface.", "rewound.", "template.")
    early = {
        name: value for name, value in facts().items() if not name.startswith(known) or name.endswith("S1")
    }
    for gate in ("G-15", "G-27", "G-28"):
        assert judge(TABLE[gate], Facts(early)).verdict == GateVerdict.PASS, gate
    more = {**early, "rows.S2": facts()["rows.S2"], "surface.S2": facts()["surface.S2"]}
    assert judge(TABLE["G-27"], Facts(more)).reason == "the fact rewound.S2 was never recorded"
    assert judge(TABLE["G-28"], Facts(early | {"template.S1": None})).verdict == GateVerdict.UNKNOWN


@pytest.mark.parametrize(
    "name", ["prepared", "rewound.S2", "rewound.S3", "template.S1", "template.S2", "template.S3"]
)
def test_every_leaf_decides(name: str) -> None:
    """Nothing in the facts of a rewind is decoration: altering any leaf flips a gate."""
    recorded: Any = facts()
    decorative = [
        path
        for path, leaf in leaves(recorded[name])
        if not any(flips(altered(recorded, name, path, other)) for other in alternatives(leaf))
    ]
    assert decorative == []


@pytest.mark.parametrize("name", sorted(set(facts()) - set(passing_facts())))
def test_a_fact_that_is_missing_or_malformed_is_never_a_pass(name: str) -> None:
    """Without it, and with another shape in its place, some gate is UNKNOWN and none breaks."""
    for value in (GONE, None, 7, "text", [], {"unknown_key": 1}):
        found = verdicts(altered(facts(), name, (), value))
        assert GateVerdict.UNKNOWN in {verdict for verdict, _reason in found.values()}, value


class Case(NamedTuple):
    """One alteration, and what which gate says to it."""

    gate: str
    fact: str
    path: Path
    value: object
    says: str


CASES = (
    Case("G-27", "prepared", ("rewound",), [], "no scenario is to be rewound"),
    Case("G-27", "prepared", ("rewound",), ["S2", "S9"], "the rewound scenarios are not scenarios of the plan in its "),
    Case("G-27", "prepared", ("rewound",), ["S2"], "the copy was rewound before S3, which the plan does not say"),
    Case("G-27", "rewound.S2", ("made",), "16384", "before S2 database 16384 is none that was made anew"),
    Case("G-27", "rewound.S3", ("dropped",), "5", "before S3 database 5 was dropped, and the scenarios had "),
    Case("G-27", "template.S3", ("oid",), "16600", "S3 ended in database 16600, and its copy was 16700"),
    Case("G-27", "rewound.S3", ("visitors",), ["backend 9 (writer): SELECT 1"],
         "before S3 backend 9 (writer): SELECT 1 came while the copy was rewound"),
    Case("G-27", "rewound.S2", ("sequences", "public.entry_id_seq"), "8,true",
         "before S2 the sequence public.entry_id_seq is 8,true, expected 7,true"),
    Case("G-27", "rewound.S2", ("database", "privileges"), "",
         "before S2 the database's privileges is nothing, expected keeper=CTc/keeper writer=c/keeper"),
    Case("G-27", "rewound.S2", ("began", "catalogue", "pg_class"), "0", "before S2 the digest of catalogue pg_class "),
    Case("G-27", "effects.before", ("catalogue", "pg_class"), "0", "at the first scenario the digest of "),
    Case("G-27", "rewound.S2", ("probes", "cells", 0, "sqlstate"), "", "was allowed, expected 42501"),
    Case("G-27", "rewound.S2", ("privileges", "grants"), [], "before S2 "),
    Case("G-27", "rewound.S2", ("inventory", "tables", "entry", "checks"), ["CHECK (true)"],
         "before S2 table entry: check CHECK (true) is not expected"),
    Case("G-28", "prepared", ("template", "connectable"), True, "the template takes connections"),
    Case("G-28", "prepared", ("template", "is_template"), True, "whoever may create databases can copy the template"),
    Case("G-28", "prepared", ("template", "of_superuser"), False, "the template does not belong to the copy's "),
    Case("G-28", "prepared", ("template", "grantees"), ["PUBLIC"], "PUBLIC has a privilege on the template"),
    Case("G-28", "prepared", ("template", "settings"), 1, "the template has 1 settings of its own"),
    Case("G-28", "prepared", ("template", "sessions"), 1, "the template has had 1 sessions"),
    Case("G-28", "template.S1", ("template", "sha256"), "0" * 64, "after S1 the template's sha256 is 0000"),
    Case("G-28", "template.S3", ("template", "version"), "751", "after S3 the template's version is 751, expected 750"),
    Case("G-28", "rewound.S2", ("before", "sessions"), 1, "before S2 the template's sessions is 1, expected 0"),
    Case("G-28", "rewound.S2", ("after", "files"), 301, "when S2 had its copy the template's files is 301"),
    Case("G-31", "content.after", ("sha256",), "0" * 64, "at the end the content's sha256 is 0000"),
    Case("G-31", "content.after", ("size_bytes",), 9, "at the end the content's size_bytes is 9, expected 8995904"),
    Case("G-31", "prepared", ("template", "files"), 301, "299 of the template's 300 files were read"),
    Case("G-20", "rewound.S2", ("ended", "deleted", "public.entry"), 1,
         "on the copy of S1: the count of deleted tuples of public.entry is 1, expected 0"),
    Case("G-20", "rewound.S3", ("ended", "elsewhere", "public.neighbour"), [1, 0],
         "on the copy of S2: the tuples written in public.neighbour is 1, 0, expected 0, 0"),
    Case("G-20", "rewound.S3", ("ended", "catalogue", "pg_database"), "0",
         "on the copy of S2: the digest of catalogue pg_database is 0"),
    Case("G-20", "rewound.S2", ("ended", "harness_backends"), 1,
         "on the copy of S1: 1 sessions of the harness lived when effects were read after"),
    Case("G-20", "effects.after", ("sequences", "public.neighbour_id_seq"), "21,true",
         "on the copy of S3: the sequence public.neighbour_id_seq is 21,true, expected 20,true"),
    Case("G-15", "rows.S3", ("before", "entry"), 8, "before S3: entry is 8, expected 7"),
    Case("G-15", "rewound.S3", ("left", "entry"), 9,
         "after S2, before the copy was rewound: entry is 9, expected 8"),
    Case("G-15", "rewound.S3", ("written", "entry"), 1,
         "after S2 was counted, before the copy was rewound: rows written in entry is 1, expected 0"),
    Case("G-15", "rewound.S3", ("written",), {"entry": 0},
         "after S2 was counted, before the copy was rewound: rows written in history is missing"),
    Case("G-15", "rows.S1", ("before", "entry"), 6, "before S1: entry is 6, expected 7"),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.gate} {case.fact} {case.path}")
def test_each_case_fails_with_its_sentence(case: Case) -> None:
    """The gate is FAIL, and says it in the operator's words."""
    found = judge(TABLE[case.gate], Facts(altered(facts(), case.fact, case.path, case.value)))
    assert found.verdict == GateVerdict.FAIL
    assert case.says in found.reason


@pytest.mark.parametrize("gate", [TABLE[name] for name in OWN], ids=lambda gate: gate.id)
def test_a_check_reads_what_its_row_names(gate: Gate) -> None:
    """Taking away any fact that a row rests on makes its gate something else than PASS."""
    for name in facts():
        by_name_alone = name.startswith("rows.") and gate.id in (
            "G-27",
            "G-28",
        )  # who ran, and G-15 needs the counts
        rests = any(name.startswith(it) if it.endswith(".") else name == it for it in gate.rests_on)
        if rests and not by_name_alone:
            changed = altered(facts(), name, (), GONE)
            assert judge(gate, Facts(changed)).verdict != GateVerdict.PASS, name


def test_the_facts_are_declared() -> None:
    """Each fact of a rewind has its shape in the table, and every own gate rests on declared ones."""
    names = {name for gate in REWIND_GATES for name in gate.rests_on}
    assert set(shapes.REWIND_FACTS) <= names
    assert all(msgspec.convert(facts()[name], shapes.Rewound) for name in ("rewound.S2", "rewound.S3"))
