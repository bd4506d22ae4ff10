"""Each row of the proof just inside and just outside what it allows, and what is UNKNOWN: never a pass."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from proof_facts import COUNTED, passing_proof

from console.gates import document
from console.gates.proof_table import PROOF_GATES, PROOFS
from console.model.gate import Facts, Gate, judge
from console.model.proof_facts import PROOF_FACTS
from console.model.verdict import GateVerdict

sys.path.insert(0, str(Path(__file__).parents[1] / "gates"))
from alterations import GONE, altered, alternatives, leaves
from alterations import Path as LeafPath

PAGE = Path(__file__).parents[2] / "docs" / "proofs.md"
BY_ID = {gate.id: gate for gate in PROOFS}
NINE = tuple(f"P-{number}" for number in range(1, 10))


class Case(NamedTuple):
    """Some alterations of the passing facts, and what a row says then."""

    gate: str
    verdict: GateVerdict
    says: str
    changes: tuple[tuple[str, LeafPath, object], ...]


FAIL, PASS, UNKNOWN = GateVerdict.FAIL, GateVerdict.PASS, GateVerdict.UNKNOWN
ROWS = ("rows", "information_unit")
MORE = (("proof.after", ROWS, 53),)
FEWER = (("proof.after", ROWS, 48),)
NEW, OTHERS = ("new_rows", "information_unit"), ("of_others", "information_unit")

CASES = (
    Case("P-1", FAIL, "the module sets it to True", (("proof.switch", ("assigned",), ["True"]),)),
    Case("P-1", FAIL, "the module does not set it", (("proof.switch", ("assigned",), []),)),
    Case("P-1", FAIL, "the module sets it 2 times", (("proof.switch", ("assigned",), ["False", "False"]),)),
    Case("P-1", FAIL, "its value is True", (("proof.switch", ("claimed",), "True"),)),
    Case("P-2", FAIL, "find begins with no call, not with guard", (("proof.refusals", ("first_calls", "find"), ""),)),
    Case("P-2", FAIL, "mark ended with no refusal", (("proof.refusals", ("claimed", "mark"), ""),)),
    Case("P-2", FAIL, "called 1 times, not 0", (("proof.refusals", ("provider_calls",), 1),)),
    Case("P-2", FAIL, "1 sessions were opened", (("proof.refusals", ("sessions",), 1),)),
    Case("P-2", FAIL, "no method was named", (("proof.refusals", ("methods",), []),)),
    Case("P-3", FAIL, "a fake was accepted", (("proof.acceptance", ("claimed", "a fake"), ""),)),
    Case("P-3", FAIL, "the real adapter was not given back", (("proof.acceptance", ("same",), False),)),
    Case("P-4", FAIL, "the session for writer is one of reader",
         (("proof.seam", ("sessions", "writer", "user"), "reader"),)),
    Case("P-4", FAIL, "writer is a superuser",
         (("proof.seam", ("sessions", "writer", "attributes"), ["is a superuser"]),)),
    Case("H-1", FAIL, "f moves a sequence", (("proof.hazards", ("unaccepted",), ["f moves a sequence"]),)),
    Case("H-1", FAIL, "no function was reached", (("proof.hazards", ("functions",), 0),)),
    Case("P-5", FAIL, "statement 3 was COMMIT, expected ROLLBACK", (("proof.write", ("sent", 2), "COMMIT"),)),
    Case("P-5", FAIL, "statement 4, COMMIT, was sent too",
         (("proof.write", ("sent",), ["BEGIN", "SELECT 1", "ROLLBACK", "COMMIT"]),)),
    Case("P-5", FAIL, "statement 3, ROLLBACK, was not sent", (("proof.write", ("sent",), ["BEGIN", "SELECT 1"]),)),
    Case("P-5", FAIL, "changed by +0, expected +1", (("proof.write", ("change",), 0),)),
    Case("P-5", FAIL, f"{COUNTED} was not locked for writing", (("proof.write", ("writes",), []),)),
    Case("P-5", FAIL, "backend 7 of writer was not opened through the driver",
         (("proof.write", ("strangers",), ["backend 7 of writer"]),)),
    Case("P-5", FAIL, "the server saw the transaction as nobody's", (("proof.write", ("user",), ""),)),
    Case("P-6", FAIL, "it locked public.x for writing", (("proof.read", ("writes",), ["public.x"]),)),
    Case("L-1", PASS, "", (("proof.locks", ("open_ms", "P-5"), 100), ("proof.locks", ("held_ms",), 100),
                           ("proof.locks", ("held_at_most_ms",), 100), ("proof.locks", ("waited_ms",), 50))),
    Case("L-1", FAIL, "the transaction of P-5 was open for 101 ms, at most 100 ms are allowed",
         (("proof.locks", ("open_ms", "P-5"), 101),)),
    Case("L-1", FAIL, "locks were held for 101 ms, at most 100 ms are allowed", (("proof.locks", ("held_ms",), 101),)),
    Case("L-1", FAIL, "was waited for for 51 ms, the lock timeout is 50 ms", (("proof.locks", ("waited_ms",), 51),)),
    Case("L-1", FAIL, "transaction P-6 is missing", (("proof.locks", ("open_ms", "P-6"), GONE),)),
    Case("L-1", UNKNOWN, "the looks from outside lie too far apart", (("proof.locks", ("held_at_most_ms",), 101),)),
    Case("L-1", UNKNOWN, "looks", (("proof.locks", ("looks",), 0),)),
    Case("A-1", UNKNOWN, "the server could not be asked: no password",
         (("proof.certificate", ("unmade",), "no password"),)),
    Case("A-1", FAIL, "transaction 739 is committed", (("proof.certificate", ("statuses", "739"), "committed"),)),
    Case("A-1", FAIL, "transaction 739 is in progress", (("proof.certificate", ("statuses", "739"), "in progress"),)),
    Case("A-1", UNKNOWN, "transaction 739 (forgotten)", (("proof.certificate", ("statuses", "739"), ""),)),
    Case("A-1", UNKNOWN, "transaction 739 (never begun)", (("proof.certificate", ("statuses", "739"), "never begun"),)),
    Case("A-1", UNKNOWN, "was never seen to give the transaction a number",
         (("proof.certificate", ("statuses",), {}),)),
    Case("A-1", FAIL, f"{COUNTED} has 1 rows of it", (("proof.certificate", ("rows", COUNTED), 1),)),
    Case("A-1", FAIL, f"{COUNTED} was not looked at", (("proof.certificate", ("rows", COUNTED), GONE),)),
    Case("A-1", PASS, "", (("proof.certificate", ("sequences_after", "public.s"), "9,true"),)),
    Case("A-1", FAIL, "sequence public.s is 9,true",
         (("proof.certificate", ("sequences_after", "public.s"), "9,true"),
          ("proof.certificate", ("locked",), ["public.s"]))),
    Case("A-1", UNKNOWN, "the transaction was not looked at inside",
         (("proof.certificate", ("sequences_after", "public.s"), "9,true"),
          ("proof.certificate", ("looked_inside",), False))),
    Case("P-5", FAIL, "it was not looked at from outside", (("proof.write", ("looked_inside",), False),)),
    Case("A-1", FAIL, "sequence public.s is missing", (("proof.certificate", ("sequences_after", "public.s"), GONE),)),
    Case("A-1", FAIL, "backend 7 still lives", (("proof.certificate", ("backends",), [7]),)),
    Case("P-7", UNKNOWN, "went from 50 to 53 rows: nothing shows that another transaction did that", MORE),
    Case("P-7", PASS, "", (*MORE, ("proof.others", NEW, 4), ("proof.others", OTHERS, 4))),
    Case("P-7", UNKNOWN, "50 to 53 rows", (*MORE, ("proof.others", NEW, 4), ("proof.others", OTHERS, 3))),
    Case("P-7", UNKNOWN, "50 to 53 rows", (*MORE, ("proof.others", NEW, 2), ("proof.others", OTHERS, 2))),
    Case("P-7", UNKNOWN, "50 to 48 rows", FEWER),
    Case("P-7", PASS, "", (*FEWER, ("proof.after", ("deleted", "information_unit"), 2))),
    Case("P-7", UNKNOWN, "50 to 48 rows", (*FEWER, ("proof.after", ("deleted", "information_unit"), 1))),
    Case("P-7", UNKNOWN, "does not call our transaction aborted",
         (*MORE, ("proof.others", NEW, 4), ("proof.others", OTHERS, 4), ("proof.certificate", ("statuses",), {}))),
    Case("P-7", FAIL, "table unit_version is missing", (("proof.after", ("rows", "unit_version"), GONE),)),
    Case("P-8", PASS, "", (("proof.baseline", ("snapshot",), ""),)),
    Case("P-8", UNKNOWN, "went from 49 to 50 rows",
         (("proof.baseline", ("snapshot",), ""), ("proof.baseline", ROWS, 49))),
    Case("P-9", FAIL, "the module sets it to True", (("proof.switch_after", ("assigned",), ["True"]),)),
    Case("P-9", FAIL, "before it ran", (("proof.contents", ("after",), "b" * 64),)),
)  # fmt: skip


def changed(changes: tuple[tuple[str, LeafPath, object], ...]) -> dict[str, object]:
    """Return the passing facts with some alterations."""
    facts = passing_proof()
    for name, path, value in changes:
        facts = altered(facts, name, path, value)
    return facts


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.gate} {case.verdict} {case.says[:30]}")
def test_a_row_at_its_edge(case: Case) -> None:
    """A row holds where it must not, fails where it must not, or says something else."""
    judged = judge(BY_ID[case.gate], Facts(changed(case.changes)))
    assert (judged.verdict, case.says in judged.reason) == (case.verdict, True), judged.reason


@pytest.mark.parametrize("gate", PROOFS, ids=lambda gate: gate.id)
def test_a_missing_fact_is_unknown(gate: Gate) -> None:
    """A row whose fact is missing or malformed passes or fails."""
    assert judge(gate, Facts(passing_proof())).verdict == PASS
    for name in gate.rests_on:
        for wrong in (GONE, 7, {}):
            assert judge(gate, Facts(altered(passing_proof(), name, (), wrong))).verdict == UNKNOWN


def test_every_leaf_decides() -> None:
    """A leaf of a fact can be altered without any row that rests on it noticing."""
    facts, free = passing_proof(), set()
    for name, fact in facts.items():
        resting = [gate for gate in PROOFS if name in gate.rests_on]
        for path, leaf in leaves(fact):
            flips = any(
                judge(gate, Facts(altered(facts, name, path, other))).verdict != PASS
                for gate in resting for other in alternatives(leaf)
            )  # fmt: skip
            if not flips:
                free.add((name, str(path[0])))
    needed_only_when_counts_moved = {
        (name, part)
        for name in ("proof.before", "proof.after", "proof.baseline")
        for part in ("snapshot", "deleted")
    } | {
        (name, part)
        for name in ("proof.others", "proof.others_since_baseline")
        for part in ("new_rows", "of_others")
    }
    needed_only_when_a_sequence_moved = {
        ("proof.certificate", part)
        for part in ("sequences_before", "sequences_after", "locked", "looked_inside")
    }
    assert free == needed_only_when_counts_moved | needed_only_when_a_sequence_moved


def test_facts_and_rows_cover_each_other() -> None:
    """A declared fact that no row rests on, or a row that rests on an undeclared one, is found."""
    assert set(PROOF_FACTS) == {name for gate in PROOFS for name in gate.rests_on} == set(passing_proof())
    for name, value in passing_proof().items():
        msgspec.convert(value, PROOF_FACTS[name], strict=True)


def test_the_table_is_the_designs() -> None:
    """The nine proofs stand in their order, and each row of the plan once."""
    ids = [gate.id for gate in PROOF_GATES]
    assert tuple(one for one in ids if one.startswith("P-")) == NINE
    assert len(set(ids)) == len(ids)


def test_the_committed_page_is_the_tables() -> None:
    """docs/proofs.md is what the table says now."""
    assert PAGE.read_text(encoding="utf-8") == document.proofs()
