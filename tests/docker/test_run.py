"""The whole rehearsal on a real engine: production in a container, the copy and its harness in others."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import pytest
from container_production import ContainerProduction
from docker_engine import Engine
from docker_plans import NAMES, Setting
from engine_objects import Objects, changes, look_at_engine
from fix_runs import Drydock, Ended, names_played, played_together
from subjects import KNOWN_BAD, random_copy

sys.path.insert(0, str(Path(__file__).parents[1] / "gates"))
from alterations import GONE, altered, alternatives, leaves

from console.evidence.storage import open_kept
from console.gates.table import by_id
from console.journal import read_journal
from console.model.event import ReceiptClosed, ReceiptIdentified, ReceiptOpened
from console.model.gate import Facts, judge
from console.model.verdict import GateVerdict
from console.subjects import read_patch

GATES = 25
ISOLATIONS = ("isolation", "isolation.before", "isolation.after")
DOCKER_KINDS = ("container", "volume", "network")


def unnamed(plan: Path) -> Path:
    """Return a plan file without exact names, so that two runs can go on at once."""
    lines = plan.read_text("utf-8").splitlines()
    kept = [line for line in lines if not any(f'"{name}"' in line for name in NAMES)]
    made = plan.with_name(f"unnamed-{plan.name}")
    made.write_text("\n".join(kept), "utf-8")
    return made


def busy(engine: Engine) -> list[str]:
    """Return the volumes whose files a living server changes."""
    return ["incomex_pgdata"]


class Passed:
    """One PASS with everything that was looked at around it."""

    def __init__(self, ended: Ended, before: Objects, after: Objects, identities: tuple[str, str]) -> None:
        self.ended = ended
        self.before, self.after = before, after
        self.identities = identities


@pytest.fixture(scope="module")
def passed(drydock: Drydock, setting: Setting, engine: Engine, production: ContainerProduction) -> Passed:
    """The reference subject rehearsed with the seeds' exact names; share it, never change it."""
    before, was = look_at_engine(engine, busy=busy(engine)), production.identity
    plan = setting.plan(
        "pass", role="rehearsal_reader", secret=f"file:{secret_file(setting, production)}",
        system_identifier=production.system_identifier,
    )  # fmt: skip
    ended = drydock.run(str(plan), "--environment", "docker")
    return Passed(
        ended, before, look_at_engine(engine, busy=busy(engine)), identities=(was, production.identity)
    )


def secret_file(setting: Setting, production: ContainerProduction) -> Path:
    """Return a 0600 file with the reading role's password."""
    path = setting.folder / "reader.secret"
    path.write_text(production.reader_password, "utf-8")
    path.chmod(0o600)
    return path


def test_the_whole_demo_passes(passed: Passed) -> None:
    """Production in a container, read by a role with a password, rehearsed on docker: PASS, CLEAN, fifteen rows."""
    assert passed.ended.outcome == (0, "PASS", "CLEAN", None), passed.ended.said.stderr
    assert passed.ended.summary["rows_total"] == 15
    assert set(passed.ended.summary["scenarios"].values()) == {"PASS"}


def test_every_gate_is_asked(passed: Passed) -> None:
    """No gate of a docker run against a container is left out or not applicable."""
    gates = passed.ended.summary["gates"]
    assert set(gates.values()) == {"PASS"}
    assert {"N-1", "N-2", "N-3", "G-03", "G-24"} <= gates.keys()
    assert len([gate for gate in gates if gate.startswith("G-")]) == GATES


def test_nothing_of_the_engine_has_changed(passed: Passed) -> None:
    """Containers, volumes with their bytes, networks and images are after a run what they were before."""
    assert changes(passed.before, passed.after) == []
    assert passed.identities[0] == passed.identities[1]


def test_every_object_had_its_receipt_first_and_its_id_after(passed: Passed) -> None:
    """Each container, volume and network was opened, then identified, then closed as removed, in this order."""
    found: dict[str, list[str]] = {}
    for entry in passed.ended.entries:
        event = entry.event
        if (
            isinstance(event, ReceiptOpened | ReceiptIdentified | ReceiptClosed)
            and event.object in DOCKER_KINDS
        ):
            how = event.how if isinstance(event, ReceiptClosed) else ""
            found.setdefault(f"{event.object} {event.name}", []).append(type(event).__name__ + how)
    assert {key.partition(" ")[0] for key in found} == set(DOCKER_KINDS)
    assert set(map(tuple, found.values())) == {("ReceiptOpened", "ReceiptIdentified", "ReceiptClosedremoved")}
    assert {f"container {NAMES[0]}", f"container {NAMES[1]}", f"network {NAMES[2]}"} <= found.keys()


def test_the_probe_found_no_way_out(passed: Passed) -> None:
    """From inside, the gateway, production's address and every other name were tried, and none answered."""
    reached = passed.ended.state.facts["isolation"]["docker"]["reached"]
    assert "name postgres" in reached
    assert sum(name.startswith("address ") for name in reached) >= 4
    assert set(reached.values()) == {False}


def test_who_was_in_the_network_is_known(passed: Passed) -> None:
    """The copy and its harness alone were in the network at each look, and all moves between were theirs."""
    facts = passed.ended.state.facts
    looks = [facts[name]["docker"] for name in ISOLATIONS]
    assert [sorted(look["members"].values()) for look in looks] == [sorted(NAMES[:2])] * 2 + [[NAMES[0]]]
    assert {(move["network"], move["how"]) for move in looks[2]["moves"]} >= {
        (looks[0]["network"], "disconnect")
    }
    assert [look["unwatched"] for look in looks] == [""] * 3


@pytest.mark.parametrize("name", ISOLATIONS)
def test_every_leaf_of_the_isolation_decides(passed: Passed, name: str) -> None:
    """A real PASS is one of G-07 too, or some leaf of what was recorded of the isolation is decoration."""
    facts = passed.ended.state.facts
    gate = by_id("G-07")
    assert judge(gate, Facts(facts)).verdict == GateVerdict.PASS
    slack = [
        path for path, leaf in leaves(facts[name])
        if any(judge(gate, Facts(altered(facts, name, path, it))).verdict == GateVerdict.PASS
               for it in alternatives(leaf))
    ]  # fmt: skip
    assert slack == []
    assert judge(gate, Facts(altered(facts, name, (), GONE))).verdict == GateVerdict.UNKNOWN


def test_which_engine_it_was_is_recorded(passed: Passed, engine: Engine) -> None:
    """The engine's id, host, folder and address stand in the journal before anything is made there."""
    asked = engine.docker("info", "--format={{.ID}} {{.Name}} {{.DockerRootDir}}").split()
    assert passed.ended.state.notes["docker_engine"] == dict(
        zip(("id", "name", "root", "address"), [*asked, engine.address], strict=True)
    )


def test_both_witnesses_spoke(passed: Passed) -> None:
    """The server's log was read out of the container and agrees with the client's trace."""
    witnesses = passed.ended.state.facts["witnesses"]
    assert witnesses["client_statements"] > 100
    assert witnesses["server_statements"] > 100
    with open_kept(passed.ended.folder / "artefacts" / "server.jsonl") as log:
        assert len(log.read()) > 10_000


def test_the_source_was_not_left_with_anything(passed: Passed, production: ContainerProduction) -> None:
    """Nothing was staged inside production, and no session of ours stayed."""
    assert passed.ended.state.facts["source.reading"]["staged"] == []
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drydock%'"
    assert production.psql(asked) == "0"


def test_production_never_lost_a_session(passed: Passed, engine: Engine) -> None:
    """No program of ours ended as an orphan of production's first process, which it would take for a crash."""
    said = engine.docker("logs", "postgres")
    assert "was terminated by signal" not in said
    assert "reinitializing" not in said


IN_EVERY_RUN = ("find_leaves_transaction_open", "write_on_unseen_connection")
"""Caught on docker in every test run: at a scenario and by the witnesses; the others by `-m matrix`."""


@pytest.fixture(scope="module")
def caught(drydock: Drydock, setting: Setting, request: pytest.FixtureRequest) -> dict[str, Ended]:
    """The chosen planted defects rehearsed on docker, two at a time."""
    plan = unnamed(setting.plan("bad"))
    plays = {
        name: partial(lambda folder, given: given.run(str(plan), "--subject", str(random_copy(given, folder))), one)
        for name, one in KNOWN_BAD.items() if name in names_played(request, "defect")
    }  # fmt: skip
    return {name: done.result() for name, done in played_together(drydock, plays).items()}


@pytest.mark.parametrize(
    "defect",
    [
        pytest.param(name, marks=() if name in IN_EVERY_RUN else pytest.mark.matrix)
        for name in sorted(KNOWN_BAD)
    ],
)
def test_each_defect_is_caught_as_on_embedded(caught: dict[str, Ended], defect: str) -> None:
    """A planted defect ends FAIL and CLEAN at the place, with the cause and in the words that its file expects."""
    patch = read_patch(KNOWN_BAD[defect])
    assert patch is not None
    ended, expected = caught[defect], patch.expect
    assert ended.outcome == (1, "FAIL", "CLEAN", expected["cause"]), ended.said.stderr
    found = ended.summary
    assert (found["failed_scenario"] or found["failed_gate"]) == expected["place"]
    assert expected["says"] in ended.said.stderr


def test_the_sealed_pack_verifies(passed: Passed, drydock: Drydock) -> None:
    """The evidence of a docker run is sealed, every gate holds again from its facts, and a report can be made of it."""
    assert drydock.command("verify", str(passed.ended.folder)).exit_code == 0
    for form in ("md", "html", "json", "junit"):
        said = drydock.command(
            "report",
            passed.ended.folder.name,
            "--runs-dir",
            str(passed.ended.folder.parent),
            "--format",
            form,
        )
        assert said.exit_code == 0, said.stderr
        assert said.stdout


def test_the_journal_verifies(passed: Passed) -> None:
    """The journal of a docker run is a whole chain, and names no secret of production's."""
    assert read_journal(passed.ended.folder / "journal.jsonl")
    text = (passed.ended.folder / "journal.jsonl").read_text("utf-8")
    secret = passed.ended.folder.parent.parent / "reader.secret"
    if secret.exists():
        assert secret.read_text("utf-8") not in text
    assert json.dumps(passed.ended.summary)
