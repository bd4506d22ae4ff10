"""Every docker-side gate with the real thing wrong: on a real engine, in a real run."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from container_production import PRODUCTION_NETWORK, PROTECTED, ContainerProduction, await_server
from docker_engine import Engine
from docker_plans import COPY, Setting
from engine_proxy import proxied
from fix_runs import Drydock, Ended, Living, Play, played_together
from subjects import random_copy
from test_run import unnamed

from console.engine.control import Request, ask
from console.model.run_state import RunState
from console.settings import data_folder

REFERENCE = data_folder("scenarios") / "cutter_dry_run" / "subject"
END_WAIT_S = 120
STEPS = [f"B-C-{number:02d}" for number in range(2, 13)]
SCENARIOS = [f"B-S{name}" for name in (1, 2, 3, 4, "4b", 5, 6, 7, 8, 9, 10, 11, 12)]
BOUNDARIES = ["B-1", "B-2", "B-3", "B-4", "B-5"]


class Scene:
    """What the plays of this module need."""

    def __init__(self, setting: Setting, engine: Engine, production: ContainerProduction) -> None:
        self.setting, self.engine, self.production = setting, engine, production


def paused(
    given: Drydock, plan: Path, boundary: str, deed: Any, *words: str, supervise: str = "step"
) -> Ended:  # fmt: skip
    """Return the run in which `deed` is done while it waits at one boundary and all others are approved."""
    asked = [*BOUNDARIES, *STEPS, *(SCENARIOS if supervise == "scenario" else ())]
    approved = ",".join(name for name in asked if name != boundary)
    living = given.start(str(plan), "--supervise", supervise, "--approve", approved, *words)
    try:
        living.wait_at(boundary)
        deed(living)
        approve_until_the_end(living)
        return living.finish()
    finally:
        if living.process.poll() is None:
            living.process.send_signal(signal.SIGINT)
            living.process.wait(END_WAIT_S)


def approve_until_the_end(living: Living) -> None:
    """Approve whatever the run waits at, with its digest as shown: what was given in advance ends with a change."""

    def done(state: RunState) -> bool:
        if state.armed is not None:
            ask(
                living.folder,
                Request(verb="approve", boundary=state.armed.boundary, digest=state.armed.digest),
            )
        return state.ended is not None

    living.wait_until(done, "end")


def published(scene: Scene, given: Drydock) -> Ended:
    """Somebody between publishes the copy's port."""

    def change(what: str, asked: dict[str, Any]) -> None:
        if what == f"container {COPY}":
            asked["ExposedPorts"] = {"5432/tcp": {}}
            asked["HostConfig"]["PortBindings"] = {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "15432"}]}

    with proxied(scene.setting.folder, scene.engine.socket, change) as proxy:
        return given.run(str(scene.setting.plan("published", endpoint=proxy.address)))


def open_network(scene: Scene, given: Drydock) -> Ended:
    """Somebody between makes the network an ordinary one."""

    def change(what: str, asked: dict[str, Any]) -> None:
        if what.startswith("network "):
            asked["Internal"] = False
            asked["Options"] = {}

    with proxied(scene.setting.folder, scene.engine.socket, change) as proxy:
        return given.run(str(unnamed(scene.setting.plan("open", endpoint=proxy.address))))


def second_network_later(scene: Scene, given: Drydock) -> Ended:
    """Somebody connects the copy to production's network after C-04, and a protected container to the copy's."""

    def deed(living: Living) -> None:
        name = receipt_of(living, "container", "-copy")
        scene.engine.docker("network", "connect", PRODUCTION_NETWORK, name)
        scene.engine.docker("network", "connect", receipt_of(living, "network", "-net"), PROTECTED[1])

    try:
        return paused(given, unnamed(scene.setting.plan("second")), "B-C-09", deed)
    finally:
        disconnect_everybody(scene, PROTECTED[1])


def disconnect_everybody(scene: Scene, *names: str) -> None:
    """Take what is not the run's out of its network again, and remove the network that was left because of it."""
    for name in names:
        networks = json.loads(
            scene.engine.docker("inspect", "--format={{json .NetworkSettings.Networks}}", name)
        )
        for network in sorted(networks.keys() - {PRODUCTION_NETWORK, "none"}):
            scene.engine.docker("network", "disconnect", network, name)
            scene.engine.docker("network", "rm", network)


def ways_at_b4(scene: Scene, given: Drydock) -> Ended:
    """While B-4 waits production itself is connected to the copy's network, and the harness to production's."""

    def deed(living: Living) -> None:
        network = receipt_of(living, "network", "-net")
        scene.engine.docker("network", "connect", network, scene.production.name)
        scene.engine.docker(
            "network", "connect", PRODUCTION_NETWORK, receipt_of(living, "container", "-harness")
        )

    try:
        return paused(given, unnamed(scene.setting.plan("b4")), "B-4", deed)
    finally:
        disconnect_everybody(scene, scene.production.name)


def visited_at_b4(scene: Scene, given: Drydock) -> Ended:
    """While B-4 waits a container comes to the copy's network and goes again."""

    def deed(living: Living) -> None:
        network = receipt_of(living, "network", "-net")
        scene.engine.docker("network", "connect", network, PROTECTED[0])
        scene.engine.docker("network", "disconnect", network, PROTECTED[0])

    return paused(given, unnamed(scene.setting.plan("visited")), "B-4", deed)


def visited_in_scenarios(scene: Scene, given: Drydock) -> Ended:
    """Between two scenarios a container comes to the copy's network and goes again."""

    def deed(living: Living) -> None:
        network = receipt_of(living, "network", "-net")
        scene.engine.docker("network", "connect", network, PROTECTED[0])
        scene.engine.docker("network", "disconnect", network, PROTECTED[0])

    return paused(given, unnamed(scene.setting.plan("scenarios")), "B-S5", deed, supervise="scenario")


def shared_network(scene: Scene, given: Drydock) -> Ended:
    """While B-4 waits somebody's container runs in the copy's own network namespace, and has ended before the look."""

    def deed(living: Living) -> None:
        copy = receipt_of(living, "container", "-copy")
        scene.engine.docker(
            "run",
            "--name=drydock-test-sharer",
            f"--network=container:{copy}",
            scene.setting.images.python,
            "true",
        )

    try:
        return paused(given, unnamed(scene.setting.plan("shared")), "B-4", deed)
    finally:
        scene.engine.docker("rm", "--force", "drydock-test-sharer")


def protected_restarted(scene: Scene, given: Drydock) -> Ended:
    """A protected container is restarted before C-05."""
    deed = lambda living: scene.engine.docker("restart", "--time=1", PROTECTED[0])  # noqa: E731
    return paused(given, unnamed(scene.setting.plan("restarted")), "B-C-05", deed)


def source_restarted(scene: Scene, given: Drydock) -> Ended:
    """Production's container is restarted before C-11."""

    def deed(living: Living) -> None:
        scene.engine.docker("restart", scene.production.name)
        await_server(scene.engine, scene.production.name)

    return paused(given, unnamed(scene.setting.plan("source")), "B-C-11", deed)


def replaced(scene: Scene, given: Drydock) -> Ended:
    """A container and a volume of the run are replaced under their names, labels and all, before the teardown."""

    def deed(living: Living) -> None:
        carrier = receipt_of(living, "container", "-carrier")
        volume = receipt_of(living, "volume", "-dump")
        said = scene.engine.docker("inspect", '--format={{index .Config.Labels "drydock.nonce"}}', carrier)
        label = f"--label=drydock.nonce={said}"
        scene.engine.docker("rm", "--force", carrier)
        scene.engine.docker("volume", "rm", volume)
        scene.engine.docker(
            "create", label, "--network=none", f"--name={carrier}", scene.setting.images.python, "true"
        )
        scene.engine.docker("volume", "create", label, volume)

    return paused(given, unnamed(scene.setting.plan("replaced")), "B-5", deed)


def subject_changed(scene: Scene, given: Drydock) -> Ended:
    """The subject's folder changes between approval and copying."""
    copy = random_copy(given, REFERENCE)
    deed = lambda living: (copy / "cutter_agent" / "added.py").write_text("x = 1\n", "utf-8")  # noqa: E731
    return paused(given, unnamed(scene.setting.plan("subject")), "B-C-08", deed, "--subject", str(copy))


def receipt_of(living: Living, kind: str, ending: str) -> str:
    """Return the exact name of one of the run's objects."""
    [name] = [
        it.name for it in living.state.receipts.values() if it.kind == kind and it.name.endswith(ending)
    ]
    return name


def copy_paused(scene: Scene, given: Drydock) -> Ended:
    """The copy's container is paused between two scenarios, and nobody lets it go on."""

    def deed(living: Living) -> None:
        scene.engine.docker("pause", receipt_of(living, "container", "-copy"))

    return paused(given, unnamed(scene.setting.plan("paused")), "B-S5", deed, supervise="scenario")


def relay_paused(scene: Scene, given: Drydock) -> Ended:
    """The relay's container is paused between two steps before the scenarios, and nobody lets it go on."""

    def deed(living: Living) -> None:
        scene.engine.docker("pause", receipt_of(living, "container", "-relay"))

    return paused(given, unnamed(scene.setting.plan("relay")), "B-C-07", deed)


def harness_paused(scene: Scene, given: Drydock) -> Ended:
    """The harness's container is paused between two scenarios, whose time limit then passes."""
    pack = scene.setting.folder / "short-pack"
    shutil.copytree(
        REFERENCE.parent, pack, ignore=shutil.ignore_patterns("__pycache__", "known_bad", "variants")
    )
    file = pack / "pack.toml"
    file.write_text("scenario_timeout_s = 10\n" + _LIMIT.sub("", file.read_text("utf-8")), "utf-8")

    def deed(living: Living) -> None:
        scene.engine.docker("pause", receipt_of(living, "container", "-harness"))

    words = ("--pack", str(pack))
    return paused(given, unnamed(scene.setting.plan("harness")), "B-S5", deed, *words, supervise="scenario")


_LIMIT = re.compile(r"^scenario_timeout_s = .*\n", re.MULTILINE)


def volume_replaced(scene: Scene, given: Drydock) -> Ended:
    """A protected volume that no container holds is removed and made again under its name before the teardown."""
    scene.engine.docker("volume", "create", "kept-apart")

    def deed(living: Living) -> None:
        scene.engine.docker("volume", "rm", "kept-apart")
        scene.engine.docker("volume", "create", "kept-apart")

    more = '[protect]\nvolumes = ["kept-apart"]\n'
    try:
        plan = scene.setting.plan("kept", endpoint=scene.engine.address, more=more)
        return paused(given, unnamed(plan), "B-5", deed)
    finally:
        scene.engine.docker("volume", "rm", "kept-apart")


PLAYS: dict[str, Any] = {
    "published": published, "open network": open_network, "second network": second_network_later,
    "replaced": replaced, "subject changed": subject_changed,
}  # fmt: skip
OF_THE_MATRIX: dict[str, Any] = {
    "ways at B-4": ways_at_b4, "visited at B-4": visited_at_b4, "visited in scenarios": visited_in_scenarios,
    "shared": shared_network, "volume replaced": volume_replaced, "copy paused": copy_paused,
    "relay paused": relay_paused, "harness paused": harness_paused,
}  # fmt: skip


@pytest.fixture(scope="module")
def plays(
    drydock: Drydock, setting: Setting, engine: Engine, production: ContainerProduction
) -> Iterator[dict[str, Future[Ended]]]:
    """Every play of this module, two at a time; what all runs look at is restarted when the others have ended."""
    scene = Scene(setting, engine, production)
    chosen: dict[str, Play] = {name: partial(play, scene) for name, play in PLAYS.items()}
    done = played_together(drydock, chosen)
    done |= played_together(drydock, {"protected restarted": partial(protected_restarted, scene)})
    done |= played_together(drydock, {"source restarted": partial(source_restarted, scene)})
    yield done
    ended = done["replaced"].result()
    for receipt in ended.state.open_receipts:
        engine.docker(*(["rm"] if receipt.kind == "container" else ["volume", "rm"]), receipt.name)


@pytest.fixture(scope="module")
def more_plays(
    drydock: Drydock, setting: Setting, engine: Engine, production: ContainerProduction
) -> dict[str, Future[Ended]]:
    """The plays of the full matrix, two at a time."""
    scene = Scene(setting, engine, production)
    return played_together(drydock, {name: partial(play, scene) for name, play in OF_THE_MATRIX.items()})


def assert_fails(ended: Ended, gate: str, says: str, closure: str = "CLEAN") -> None:
    """Fail unless the run ended FAIL at this gate, in these words."""
    assert (ended.summary["failed_gate"], ended.summary["closure"]) == (gate, closure), ended.said.stderr
    assert ended.summary["verdict"] == "FAIL"
    assert says in ended.state.gates[gate].reason


def test_a_published_port(plays: dict[str, Future[Ended]]) -> None:
    """A copy whose port is published fails G-07 by container and port."""
    assert_fails(plays["published"].result(), "G-07", f"container {COPY} binds port 5432/tcp")


def test_a_network_that_is_not_internal(plays: dict[str, Future[Ended]]) -> None:
    """A network with a way out fails G-07, by the engine's word and by what was reached from inside."""
    ended = plays["open network"].result()
    assert_fails(ended, "G-07", "is not internal")
    assert "is reached from inside" in ended.state.gates["G-07"].reason


def test_a_second_network(plays: dict[str, Future[Ended]]) -> None:
    """A copy in another network later, and a stranger in its own, fail G-07 before the subject runs."""
    ended = plays["second network"].result()
    assert_fails(ended, "G-07", "allowed is only", closure="UNCLEAN")
    reason = ended.state.gates["G-07"].reason
    assert f"container {PROTECTED[1]} (" in reason
    assert "and is not one of the run's" in reason
    assert ended.state.scenarios == {}


@pytest.mark.matrix
def test_ways_that_are_opened_at_b4(
    more_plays: dict[str, Future[Ended]], production: ContainerProduction
) -> None:
    """Production in the copy's network, and the harness in production's, fail G-07 after B-4, before any scenario."""
    ended = more_plays["ways at B-4"].result()
    assert_fails(ended, "G-07", "-harness is in network ", closure="UNCLEAN")
    assert f"container {production.name} (" in ended.state.gates["G-07"].reason
    assert "looked at before the first scenario" in ended.state.gates["G-07"].reason
    assert ended.state.scenarios == {}


@pytest.mark.matrix
def test_a_visit_at_b4(more_plays: dict[str, Future[Ended]]) -> None:
    """A container that came to the copy's network and went again while B-4 waited fails G-07 by the engine's events."""
    ended = more_plays["visited at B-4"].result()
    assert_fails(ended, "G-07", " came to network ")
    assert " left network " in ended.state.gates["G-07"].reason
    assert ended.state.scenarios == {}


@pytest.mark.matrix
def test_a_visit_between_scenarios(more_plays: dict[str, Future[Ended]]) -> None:
    """A container that came and went between two scenarios fails G-07 after the last, which all held themselves."""
    ended = more_plays["visited in scenarios"].result()
    assert_fails(ended, "G-07", " came to network ")
    assert "looked at after the last scenario" in ended.state.gates["G-07"].reason
    assert {one.verdict for one in ended.state.scenarios.values()} == {"PASS"}


@pytest.mark.matrix
def test_a_container_that_shares_the_copys_network(more_plays: dict[str, Future[Ended]]) -> None:
    """A container in the copy's own network namespace, which no network lists, fails G-07 also after it has ended."""
    ended = more_plays["shared"].result()
    assert_fails(ended, "G-07", "container drydock-test-sharer (")


def test_a_protected_container_restarted(plays: dict[str, Future[Ended]]) -> None:
    """A protected container that was restarted in mid-run fails G-12 by its exact name; G-24 and N-6 say so too."""
    ended = plays["protected restarted"].result()
    assert_fails(ended, "G-12", f"protected container {PROTECTED[0]} started at ", closure="UNCLEAN")
    assert ended.summary["gates"]["G-24"] == "FAIL"


def test_production_restarted(plays: dict[str, Future[Ended]]) -> None:
    """A source container that was restarted fails G-21 with both start times."""
    assert_fails(plays["source restarted"].result(), "G-21", "the source started at container", "UNCLEAN")


def test_the_subject_changed_in_mid_run(plays: dict[str, Future[Ended]]) -> None:
    """A subject that is not the approved one any more fails G-13 before any scenario."""
    assert_fails(plays["subject changed"].result(), "G-13", "sha256 of subject", "UNCLEAN")


def test_objects_replaced_under_their_names(plays: dict[str, Future[Ended]], engine: Engine) -> None:
    """Another container and another volume under a receipt's name are left alone and named; all else is removed."""
    ended = plays["replaced"].result()
    assert (ended.summary["verdict"], ended.summary["closure"]) == ("FAIL", "UNCLEAN")
    gates = ended.summary["gates"]
    assert (gates["N-1"], gates["N-2"], gates["N-3"]) == ("FAIL", "FAIL", "PASS")
    left = {receipt.kind: receipt for receipt in ended.state.open_receipts}
    assert left.keys() == {"container", "volume"}
    for kind, receipt in left.items():
        assert "it is left alone" in receipt.trouble
        assert receipt.name in engine.docker(kind, "inspect", receipt.name)


@pytest.mark.matrix
@pytest.mark.parametrize("what", ["copy", "relay", "harness"])
def test_a_paused_container_is_the_environments(more_plays: dict[str, Future[Ended]], what: str) -> None:
    """A container that stands still is told as Drydock's or the subject's failure, holds the run up, or is left."""
    ended = more_plays[f"{what} paused"].result()
    assert ended.outcome[:4] == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr
    assert f"-{what} is paused" in ended.summary["reason"]


@pytest.mark.matrix
def test_a_protected_volume_made_again(more_plays: dict[str, Future[Ended]]) -> None:
    """A protected volume that was removed and made again under its name fails G-24 by when it was made."""
    assert_fails(more_plays["volume replaced"].result(), "G-24", "protected volume kept-apart: CreatedAt is ")


def test_a_name_that_is_taken(drydock: Drydock, setting: Setting, engine: Engine) -> None:
    """A container under the copy's exact name stops the run at G-02 before anything is made, and stays."""
    engine.docker("create", f"--name={COPY}", "--network=none", setting.images.python, "true")
    try:
        ended = drydock.run(str(setting.plan("taken")))
        assert_fails(ended, "G-02", f"container {COPY} exists already")
        assert not [
            it for it in ended.state.receipts.values() if it.kind in ("container", "volume", "network")
        ]
    finally:
        engine.docker("rm", COPY)
