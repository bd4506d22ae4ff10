"""The gates of a run that keeps its copy (G-29, N-8), and of one that takes a kept one (G-30, G-10)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pytest
from alterations import GONE, Path, altered, alternatives, leaves
from fix_journals import created, ended
from passing import COPY, SOURCE, passing_facts, sha

from console.evidence.gates_again import end_that_does_not_follow
from console.gates.kept_table import KEEPING_GATES, TAKING_GATES, with_kept_gates
from console.gates.table import GATES
from console.model import kept_facts as shapes
from console.model.event import Entry, FactRecorded, GateWords
from console.model.gate import Facts, judge
from console.model.run_state import RunState, fold
from console.model.verdict import GateVerdict

KEPT = "7611578671664259999"
FOLDER = "/dev/shm/kept/kept-20261121-034512-7f3a"
KEEPING = {gate.id: gate for gate in with_kept_gates(GATES, "kept")}
TAKING = {gate.id: gate for gate in with_kept_gates(GATES, "reused")}
OWN = {"G-29": KEEPING["G-29"], "N-8": KEEPING["N-8"], "G-30": TAKING["G-30"], "G-10": TAKING["G-10"]}
OF_GATE = {
    "G-29": ("kept.place", "kept.made"),
    "N-8": ("left.kept",),
    "G-30": ("kept.taken", "kept.laid_out"),
    "G-10": ("kept.taken",),
}
TOLD_ONLY = {
    ("kept.place", ("told_by",)), ("kept.place", ("file_system",)), ("kept.place", ("protection",)),
    ("kept.place", ("folder",)), ("kept.taken", ("folder",)), ("kept.taken", ("run",)), ("kept.taken", ("read_at",)),
    ("left.kept", ("folder",)), ("left.kept", ("receipt",)), ("kept.made", ("files",)), ("kept.made", ("size_bytes",)),
    ("kept.made", ("system_identifier",)), ("kept.made", ("hours",)), ("left.kept", ("exists",)),
    ("kept.taken", ("kept_identifier",)),
}  # fmt: skip
"""Words that a sentence needs; values of a closed set, which no other text may stand for; numbers of the report; and
what cases of their own change: a copy that is gone, one that may be kept for longer, the kept cluster's identity."""


def at(hour: int, minute: int, second: int) -> datetime:
    """Return a time of one day."""
    return datetime(2026, 11, 21, hour, minute, second, tzinfo=UTC)


def facts() -> dict[str, object]:
    """Return the passing facts of a run that takes a kept copy, and of one that keeps it."""
    own = {
        "kept.place": shapes.KeptPlace(
            folder="/dev/shm/kept", mode=0o700, owner_uid=0, runner_uid=0, file_system="tmpfs", protection="memory",
            told_by="tmpfs, and no swap", free_bytes=9_000, needed_bytes=5_000,
        ),
        "kept.made": shapes.KeptMade(
            kept_at=at(3, 45, 12), until=at(11, 45, 12), hours=8.0, system_identifier=KEPT,
            files=900, size_bytes=4_000, sha256=sha("kept"), read_back_sha256=sha("kept"),
        ),
        "left.kept": shapes.KeptLeft(receipt="kept", folder=FOLDER, exists=True, same_folder=True),
        "kept.taken": shapes.KeptTaken(
            folder=FOLDER, mode=0o700, owner_uid=0, runner_uid=0, run="20261121-034512-7f3a",
            read_at="2026-11-21T03:45:10.123Z", until=at(11, 45, 12), taken_at=at(5, 0, 0),
            fits=sha("fits"), wanted=sha("fits"), sha256=sha("kept"), list_sha256=sha("list"),
            approved_sha256=sha("list"), files=900, size_bytes=4_000, source_identifier=SOURCE, configured=SOURCE,
            kept_identifier=KEPT,
        ),
        "kept.laid_out": shapes.KeptLaidOut(files=900, size_bytes=4_000, sha256=sha("kept"), differences=()),
    }  # fmt: skip
    decoded: dict[str, object] = json.loads(msgspec.json.encode(own))
    found = {**passing_facts(), **decoded}
    del found["source.before"]
    return found


def verdicts(recorded: dict[str, object]) -> dict[str, GateVerdict]:
    """Return what the four gates say."""
    return {name: judge(gate, Facts(recorded)).verdict for name, gate in OWN.items()}


def test_what_is_kept_and_taken_as_it_should_be_passes() -> None:
    """The four gates hold without any look at the source."""
    assert verdicts(facts()) == dict.fromkeys(OWN, GateVerdict.PASS)


def test_a_copy_that_is_thrown_away_has_none_of_these_gates() -> None:
    """A plan without [reuse] is as it was, G-10 with the source's own identity."""
    assert with_kept_gates(GATES, "new") == GATES
    assert {gate.id for gate in KEEPING_GATES} == set(KEEPING) - {gate.id for gate in GATES}
    assert {gate.id for gate in TAKING_GATES} == set(TAKING) - {gate.id for gate in GATES}
    assert (
        judge(next(gate for gate in GATES if gate.id == "G-10"), Facts(facts())).verdict
        == GateVerdict.UNKNOWN
    )


@pytest.mark.parametrize("name", sorted(set(facts()) - set(passing_facts())))
def test_every_leaf_decides(name: str) -> None:
    """Nothing in the facts is decoration but the words of a sentence: altering any other leaf flips a gate."""
    recorded: Any = facts()
    decorative = [
        path
        for path, leaf in leaves(recorded[name])
        if (name, path) not in TOLD_ONLY
        and not any(
            judge(OWN[gate], Facts(altered(recorded, name, path, other))).verdict != GateVerdict.PASS
            for other in alternatives(leaf)
            for gate, names in OF_GATE.items()
            if name in names
        )
    ]
    assert decorative == []


@pytest.mark.parametrize("name", sorted(set(facts()) - set(passing_facts())))
def test_a_fact_that_is_missing_or_malformed_is_never_a_pass(name: str) -> None:
    """Without it, and with another shape in its place, its gates are UNKNOWN and none breaks."""
    for value in (GONE, None, 7, "text", [], {"unknown_key": 1}):
        found = verdicts(altered(facts(), name, (), value))
        for gate, names in OF_GATE.items():
            if name in names:
                assert found[gate] == GateVerdict.UNKNOWN, (gate, value)


class Case(NamedTuple):
    """One alteration, and what which gate says to it."""

    gate: str
    fact: str
    path: Path
    value: object
    says: str


CASES = (
    Case("G-29", "kept.place", ("protection",), "", "/dev/shm/kept (tmpfs) is neither in memory nor encrypted: tmpfs"),
    Case("G-29", "kept.place", ("mode",), 0o750, "/dev/shm/kept has mode 0750, allowed is 0700"),
    Case("G-29", "kept.place", ("owner_uid",), 7, "/dev/shm/kept belongs to uid 7, the runner is 0"),
    Case("G-29", "kept.place", ("free_bytes",), 4_999, "/dev/shm/kept has 4999 bytes free, and the copy needs 5000"),
    Case("G-29", "kept.made", ("read_back_sha256",), "0" * 64, "what was kept reads back as sha256 0000"),
    Case("G-29", "kept.made", ("until",), "2026-11-21T11:45:14+00:00", "and the plan allows 8 h"),
    Case("G-29", "kept.made", ("until",), "2026-11-21T03:45:12+00:00", "and the plan allows 8 h"),
    Case("N-8", "left.kept", ("receipt",), "none", f"{FOLDER} exists, and no receipt names it"),
    Case("N-8", "left.kept", ("receipt",), "open", f"{FOLDER} still exists, and nothing in it was kept to the end"),
    Case("N-8", "left.kept", ("receipt",), "removed", f"{FOLDER} still exists"),
    Case("N-8", "left.kept", ("same_folder",), False, f"{FOLDER} is not the folder that was kept any more"),
    Case("G-30", "kept.taken", ("list_sha256",), "0" * 64, "the kept copy's list has sha256 0000"),
    Case("G-30", "kept.taken", ("fits",), "0" * 64, "is of another source, pack or PostgreSQL than the plan's"),
    Case("G-30", "kept.taken", ("taken_at",), "2026-11-21T11:45:12+00:00", "expired at 2026-11-21T11:45:12+00:00"),
    Case("G-30", "kept.taken", ("configured",), "5", "the plan expects 5"),
    Case("G-30", "kept.taken", ("mode",), 0o755, f"{FOLDER} has mode 0755"),
    Case("G-30", "kept.laid_out", ("differences",), ["base/5/1259 is another file"], "(base/5/1259 is another file)"),
    Case("G-30", "kept.laid_out", ("sha256",), "0" * 64, "its content is not what was kept"),
    Case("G-30", "kept.laid_out", ("files",), 899, "899 files of 4000 bytes were laid out, kept were 900 of 4000"),
    Case("G-30", "copy.created", ("system_identifier",), KEPT, f"no system_identifier of its own, but {KEPT}"),
    Case("G-30", "copy.created", ("system_identifier",), SOURCE, f"no system_identifier of its own, but {SOURCE}"),
    Case("G-10", "copy.asked", ("system_identifier",), KEPT, f"the copy has the system_identifier {KEPT} of the kept "),
    Case("G-10", "copy.asked", ("system_identifier",), SOURCE, f"has the system_identifier {SOURCE} of the source"),
    Case("G-10", "copy.asked", ("system_identifier",), "5", f"the server that was made for it {COPY}"),
    Case("G-10", "copy.asked", ("system_identifier",), "", "the copy said no system_identifier"),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.gate} {case.fact} {case.path} {case.value}")
def test_each_case_fails_with_its_sentence(case: Case) -> None:
    """The gate is FAIL, and says it in the operator's words."""
    found = judge(OWN[case.gate], Facts(altered(facts(), case.fact, case.path, case.value)))
    assert found.verdict == GateVerdict.FAIL
    assert case.says in found.reason


def test_what_is_gone_is_not_left() -> None:
    """A copy that was removed before the run ended, or never begun, leaves nothing: N-8 holds."""
    for receipt in ("none", "open", "kept", "removed"):
        left = {"receipt": receipt, "folder": FOLDER, "exists": False, "same_folder": False}
        assert judge(OWN["N-8"], Facts(facts() | {"left.kept": left})).verdict == GateVerdict.PASS


def test_the_facts_are_declared() -> None:
    """Each fact has its shape in the table, and every own gate rests on declared ones."""
    names = {name for gate in (*KEEPING_GATES, *TAKING_GATES) for name in gate.rests_on}
    assert set(shapes.KEPT_FACTS) == names - {"copy.created"}


def recorded(kind: str, *, without: str = "", gates: tuple[str, ...] | None = None) -> RunState:
    """Return a run that ended with PASS and CLEAN, of which only what concerns its kept copy is whole."""
    own = {"kept": KEEPING_GATES, "reused": TAKING_GATES, "new": ()}[kind]
    config = {"reuse": {"copy": kind != "new", "folder": "/dev/shm/kept", "hours": 8.0, "encrypted": False},
              "source": {"system_identifier": SOURCE}}  # fmt: skip
    names = [gate.id for gate in own] if gates is None else gates
    made = msgspec.structs.replace(
        created(),
        copy=kind,
        config=config,
        gates=tuple(GateWords(id=one, title="x", step="C-06") for one in names),
    )
    told = facts()
    facts_of = {"kept": ("kept.place", "kept.made"), "reused": ("kept.taken", "kept.laid_out"), "new": ()}[
        kind
    ]
    events = [FactRecorded(name=name, value=told[name], source="x") for name in facts_of if name != without]
    happened: list[Any] = [made, *events, ended("PASS")]
    return fold(Entry(n=n, at="2026-11-21T03:45:12.345Z", event=event) for n, event in enumerate(happened, 1))


def against(state: RunState) -> list[str]:
    """Return what is said of the kept copy."""
    words = ("kept", "reused", "new copy", "N-8 was not", "[reuse]")
    return [one for one in end_that_does_not_follow(state) if any(word in one for word in words)]


@pytest.mark.parametrize("kind", ["new", "kept", "reused"])
def test_a_pass_that_follows_is_not_spoken_against(kind: str) -> None:
    """A run as it should be does not verify."""
    assert [one for one in against(recorded(kind)) if "NOT_REACHED" not in one] == []


@pytest.mark.parametrize(
    ("kind", "fact", "key", "value", "says"),
    [
        ("kept", "kept.place", "folder", "/mnt", "kept.place has another folder than the plan"),
        (
            "kept",
            "kept.place",
            "protection",
            "word",
            "the plan does not say that the folder of the kept copy is ",
        ),
        ("kept", "kept.made", "hours", 9.0, "kept.made has another hours than the plan"),
        ("kept", "kept.made", "", None, "of a kept copy and the fact kept.made says otherwise"),
        ("kept", "kept.taken", "run", "x", "of a kept copy and the fact kept.taken says otherwise"),
        ("reused", "kept.taken", "configured", "", "kept.taken has another configured than the plan"),
        ("reused", "kept.taken", "", None, "of a reused copy and the fact kept.taken says otherwise"),
        ("reused", "source.reading", "x", "y", "source.reading says that the source was reached"),
        ("new", "kept.taken", "run", "x", "of a new copy and the fact kept.taken says otherwise"),
    ],
)
def test_a_pass_whose_journal_contradicts_itself_does_not_follow(
    kind: str, fact: str, key: str, value: object, says: str
) -> None:
    """Offline verification believes a journal whose facts are not those of its plan."""
    state = recorded(kind, without="" if key else fact)
    if key:
        state.facts[fact] = {**state.facts.get(fact, {}), key: value}
    assert [one for one in against(state) if says in one]


def test_a_kept_copy_whose_gates_were_not_asked_does_not_follow() -> None:
    """A plan without G-29, G-30 or N-8 verifies; or a plan that asks for nothing of the kind has a kept copy."""
    says = "the end is PASS of a kept copy, which G-29, N-8 was not asked of"
    assert says in end_that_does_not_follow(recorded("kept", gates=()))
    assert "and N-8 was not asked" in " ".join(end_that_does_not_follow(recorded("kept", gates=())))
    says = "the end is PASS of a reused copy, which G-30 was not asked of"
    assert says in end_that_does_not_follow(recorded("reused", gates=()))
    state = recorded("kept")
    assert state.created is not None
    state = msgspec.structs.replace(state, created=msgspec.structs.replace(state.created, config={}))
    says = "the end is PASS of a kept copy, and the plan's [reuse] copy is False"
    assert says in end_that_does_not_follow(state)
