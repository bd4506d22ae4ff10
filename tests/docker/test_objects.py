"""What may be removed: the receipt's own object and nothing that only looks like it. Nothing is chosen by pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker_engine import Engine, EngineFailed
from docker_images import Images
from environment_contract import Ledger

import console
from console.environments.docker_endpoint import Endpoint
from console.environments.docker_objects import AnotherEngine, DockerObjects, Taken, opened
from console.errors import StepFailed

FORBIDDEN = re.compile(
    r"prune\w*\(|filters\s*=|\ball=True, filters|remove_image|pull\(|\.stop\(|\.restart\(|\.rename\("
)


@pytest.fixture
def ledger() -> Ledger:
    """Receipts in memory."""
    return Ledger()


@pytest.fixture
def objects(engine: Engine, ledger: Ledger, tmp_path: Path) -> Iterator[DockerObjects]:
    """The engine as a run sees it."""
    endpoint = Endpoint(address=engine.address)
    with opened(endpoint, folder=tmp_path, run="r", nonce=ledger.mark, receipts=ledger) as found:
        yield found


def container(objects: DockerObjects, images: Images, name: str) -> str:
    """Make a container of the run's that is not started."""
    host = objects.client.create_host_config(network_mode="none")
    return objects.make_container(name, images.python, host_config=host, command=["true"])


def test_a_made_object_is_removed_by_its_receipt(objects: DockerObjects, images: Images) -> None:
    """Container, volume and network go by name, id and nonce, and are then not there."""
    identity = container(objects, images, "objects-one")
    network = objects.make_network("objects-net", {})
    objects.make_volume("objects-volume")
    volume = objects.identity("volume", objects.look("volume", "objects-volume") or {})
    assert objects.remove("container", "objects-one", identity) == "removed"
    assert objects.remove("network", "objects-net", network) == "removed"
    assert objects.remove("volume", "objects-volume", volume) == "removed"
    assert objects.remove("container", "objects-one", identity) == "was not there"


def test_an_object_that_took_over_a_name_is_left_alone(
    objects: DockerObjects, images: Images, engine: Engine
) -> None:
    """A later container under the receipt's name stays, even with the run's own labels."""
    identity = container(objects, images, "objects-taken")
    engine.docker("rm", "objects-taken")
    other = container(objects, images, "objects-taken")
    with pytest.raises(Taken, match="another one than the run made"):
        objects.remove("container", "objects-taken", identity)
    assert objects.remove("container", "objects-taken", other) == "removed"


def test_a_renamed_object_is_left_alone(objects: DockerObjects, images: Images, engine: Engine) -> None:
    """A container that somebody renamed is named and not removed."""
    identity = container(objects, images, "objects-renamed")
    engine.docker("rename", "objects-renamed", "objects-other")
    with pytest.raises(Taken, match="was renamed to objects-other"):
        objects.remove("container", "objects-renamed", identity)
    assert objects.exists("container", "objects-renamed", identity)
    engine.docker("rm", "objects-other")


def test_a_stranger_without_the_nonce_is_left_alone(objects: DockerObjects, engine: Engine) -> None:
    """A volume of the receipt's name that nobody identified and that lacks the nonce stays."""
    engine.docker("volume", "create", "objects-stranger")
    with pytest.raises(Taken, match="does not carry this run's nonce"):
        objects.remove("volume", "objects-stranger", None)
    assert objects.look("volume", "objects-stranger") is not None
    engine.docker("volume", "rm", "objects-stranger")


def test_an_older_volume_is_never_taken_for_a_new_one(
    objects: DockerObjects, engine: Engine, ledger: Ledger
) -> None:
    """The engine gives back an existing volume when asked to make it; that is refused, with no receipt left."""
    engine.docker("volume", "create", "objects-old")
    with pytest.raises(StepFailed, match="exists already") as refused:
        objects.make_volume("objects-old")
    assert refused.value.gate == "G-02"
    assert ledger.opened == {}
    engine.docker("volume", "rm", "objects-old")


def test_a_volume_is_told_by_who_holds_it_or_by_when_it_was_made(
    objects: DockerObjects, images: Images, engine: Engine
) -> None:
    """The ids of all containers that have a volume are known, running or not; the engine removes no such volume."""
    engine.docker("volume", "create", "objects-held")
    assert objects.holders("objects-held") == []
    made = engine.docker(
        "create",
        "--network=none",
        "--volume=objects-held:/kept",
        "--name=objects-holder",
        images.python,
        "true",
    )
    assert objects.holders("objects-held") == [made]
    assert objects.holders("objects-hel") == []
    with pytest.raises(EngineFailed, match="volume is in use"):
        engine.docker("volume", "rm", "--force", "objects-held")
    engine.docker("rm", "objects-holder")
    engine.docker("volume", "rm", "objects-held")


def test_another_engine_is_refused(engine: Engine, tmp_path: Path) -> None:
    """An engine whose id, host or folder is not the recorded one is named and never used."""
    endpoint = Endpoint(address=engine.address)
    with opened(endpoint, folder=tmp_path) as found:
        known = found.engine()
    assert set(known) == {"id", "name", "root", "address"} and all(known.values())
    with opened(endpoint, folder=tmp_path, engine=known) as found:
        assert found.engine() == known
    for key in ("id", "name", "root"):
        with (
            pytest.raises(AnotherEngine, match="another docker engine answers at unix://") as refused,
            opened(endpoint, folder=tmp_path, engine={**known, key: "another"}),
        ):
            pass
        assert known["id"] in refused.value.reason
        assert "let the endpoint lead there again, then drydock recover" in refused.value.reason


def test_a_prefix_is_no_name(objects: DockerObjects, images: Images) -> None:
    """Neither the beginning of an id nor of a name finds an object."""
    identity = container(objects, images, "objects-exact")
    assert objects.look("container", identity[:12]) is None
    assert objects.look("container", "objects-exac") is None
    assert objects.look("container", identity) is not None
    objects.remove("container", "objects-exact", identity)


def test_a_foreign_network_member_keeps_its_network(
    objects: DockerObjects, images: Images, engine: Engine, client: docker.DockerClient
) -> None:
    """A network that somebody else's container uses is not torn away from it."""
    network = objects.make_network("objects-shared", {})
    engine.docker(
        "run", "--detach", "--name=objects-guest", "--network=objects-shared", images.python, "sleep", "60"
    )
    with pytest.raises(StepFailed, match="active endpoints"):
        objects.remove("network", "objects-shared", network)
    engine.docker("rm", "--force", "objects-guest")
    assert objects.remove("network", "objects-shared", network) == "removed"


def test_nothing_is_pruned_filtered_or_pulled() -> None:
    """No line of the package prunes, filters a list, pulls an image, or stops, restarts or renames a container."""
    found = [
        f"{path.name}: {line.strip()}"
        for path in Path(console.__file__).parent.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if "docker" in path.read_text("utf-8")
        and FORBIDDEN.search(line)
        and not line.strip().startswith(("#", '"'))
        and line.strip() != "cluster.stop()"  # PostgreSQL's, of init's own demo
    ]
    assert found == []
