"""Whole proofs on a real database by the real command: what passes, and what each planted wrong is caught at."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import pytest
from fix_runs import AT_A_TIME, Drydock, Ended
from functions import SEQUENCE, planted
from targets import PACK, Target, a_subject, another

from console.subjects import read_patch

KNOWN_BAD = {path.parent.name: path.parent for path in sorted(PACK.glob("known_bad/*/subject.toml"))}
DYNAMIC = "EXECUTE 'SELECT next' || 'val(''public.unit_number'')';"
SIGNATURE = (
    "public.fn_iu_create(p_unit_ref text, p_kind text, p_title text, p_body text, p_payload jsonb, p_actor text, "
    "p_source text, p_parent_ref text, p_idempotency_key text)"
)
DBLINK = "CREATE FUNCTION public.dblink_exec(a text, b text) RETURNS text LANGUAGE internal AS 'textcat'"
COMMITS = "CREATE PROCEDURE public.keep() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'"
MOVES = (
    "CREATE FUNCTION public.number_it() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN PERFORM nextval(''public.unit_number''); RETURN NEW; END'"
)
TRIGGER = "CREATE TRIGGER numbered AFTER INSERT ON public.unit_version FOR EACH ROW EXECUTE FUNCTION public.number_it()"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One proof: what is planted, and where it must be caught with which words."""

    place: str
    says: str
    sql: tuple[str, ...] = ()
    proof: tuple[str, ...] = ()
    subject: str = ""
    cause: str = "subject"
    leaves: bool = False


def _known_bad() -> dict[str, Case]:
    found = {}
    for name, folder in KNOWN_BAD.items():
        patch = read_patch(folder)
        assert patch is not None
        place = patch.expect["place"]
        found[name] = Case(place=place, says=patch.expect["says"], subject=name, leaves=place == "A-1")
    return found


CASES = {
    **_known_bad(),
    "function_calls_nextval": Case(
        place="H-1", says="moves a sequence, and no ROLLBACK moves it back",
        sql=(SEQUENCE, planted("PERFORM nextval('public.unit_number');")),
    ),
    "trigger_moves_a_sequence": Case(
        place="H-1", says="public.number_it() names nextval", sql=(SEQUENCE, MOVES, TRIGGER)
    ),
    "function_reaches_dblink": Case(
        place="H-1", says="works over a connection of its own, which commits by itself",
        sql=(DBLINK, planted("PERFORM public.dblink_exec('dbname=directus', 'SELECT 1');")),
    ),
    "procedure_commits": Case(
        place="H-1", says="holds COMMIT: it would end the transaction",
        sql=(COMMITS, planted("CALL public.keep();")),
    ),
    "dynamic_sql_is_not_accepted": Case(
        place="H-1", says=f'the plan may accept "{SIGNATURE}"', sql=(SEQUENCE, planted(DYNAMIC))
    ),
    "accepted_dynamic_sql_moves_a_sequence": Case(
        place="A-1", says="sequence public.unit_number is 1,true, expected 1,false",
        sql=(SEQUENCE, planted(DYNAMIC)), proof=(f'accept = ["{SIGNATURE}"]',), leaves=True,
    ),
    "statement_takes_too_long": Case(
        place="P-5", says="57014", sql=(planted("PERFORM pg_sleep(60);"),),
        proof=("statement_timeout_s = 0.5",),
    ),
    "locks_are_held_too_long": Case(
        place="L-1", says="held its locks for more than 0.5 s", sql=(planted("PERFORM pg_sleep(60);"),),
        proof=("longest_lock_s = 0.5", "statement_timeout_s = 30"),
    ),
    "baseline_of_an_earlier_report_is_another": Case(
        place="P-8", says="information_unit went from 49 to 50 rows: nothing shows that another transaction did that",
        proof=("baseline = {information_unit = 49, unit_version = 50, decision_backlog_entry = 12, "
               "decision_backlog_history = 12, review_decision = 0, dot_pair_signature = 0, cut_change_set = 0, "
               "cut_change_set_affected_row = 0, verify_result = 0}",),
        cause="drydock",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Played:
    """One proof that has ended, and the target's digests around it."""

    ended: Ended
    before: str
    after: str


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, template: Target, drydock: Drydock
) -> Iterator[dict[str, Future[Played]]]:
    """Play the proofs of the selected tests, two at a time, each in a database of its own."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    wanted = dict.fromkeys(
        str(item.callspec.params["name"]) for item in items
        if item.module is request.module and hasattr(item, "callspec") and "name" in item.callspec.params
    )  # fmt: skip
    targets = {name: another(template, f"p{at}", CASES[name].sql) for at, name in enumerate(wanted)}

    def play(name: str) -> Played:
        case, target = CASES[name], targets[name]
        before = target.digest()
        ended = target.run(drydock, *case.proof, subject=case.subject)
        return Played(ended=ended, before=before, after=target.digest())

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {name: pool.submit(play, name) for name in wanted}


@pytest.mark.parametrize("name", CASES)
def test_a_planted_wrong_is_caught_at_its_place(name: str, played: dict[str, Future[Played]]) -> None:
    """A planted wrong passes, is caught elsewhere, or leaves something that nobody names."""
    case, found = CASES[name], played[name].result()
    ended = found.ended
    assert ended.outcome == (1, "FAIL", "CLEAN", case.cause), ended.said.stderr
    assert (ended.summary["failed_gate"], case.says in ended.summary["reason"]) == (case.place, True), (
        ended.said.stderr
    )
    assert (found.before != found.after) is case.leaves


@pytest.mark.parametrize("major", [pytest.param("16", marks=pytest.mark.matrix), "18"])
def test_the_demo_is_proven(major: str, drydock: Drydock) -> None:
    """Without a plan file the proof of the demo's production is anything else than 9 of 9, PASS and CLEAN."""
    ended = drydock.start(
        "--plan", "proof", "--approve", "B-1,B-2=directus,B-3", "--pg-major", major,
        "--subject", str(a_subject(drydock, "")),
    ).finish()  # fmt: skip
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    gates = ended.summary["gates"]
    assert {name: gates[name] for name in gates if name.startswith("P-")} == {
        f"P-{n}": "PASS" for n in range(1, 10)
    }
    certificate = msgspec.json.decode((ended.folder / "artefacts" / "certificate.json").read_bytes())
    assert certificate["judged"]["A-1"] == {"verdict": "PASS", "reason": ""}
    assert list(certificate["proof.certificate"]["statuses"].values()) == ["aborted"]
    assert "certificate.json" in (ended.folder / "artefacts" / "manifest.json").read_text()
