"""From inside the harness's container nothing answers but the rehearsal's database, and no secret shows anywhere."""

from __future__ import annotations

import base64
import secrets

import pytest
from container_production import PRODUCTION, PRODUCTION_NETWORK, PROTECTED, ContainerProduction
from docker_engine import HOST_ADDRESS, Engine
from docker_images import PYTHON_IMAGE
from docker_plans import COPY
from fix_engine import Ears
from fix_rehearsals import Neighbourhood, Watched
from inside import reached_from
from secret_search import forms, found_in, places_of_engine, places_of_processes


def test_the_rehearsal_passes(watched: Watched) -> None:
    """The reference subject fails on an engine, leaves something, or changes other rows than embedded."""
    assert watched.ended.outcome == (0, "PASS", "CLEAN", None), watched.ended.said.stderr
    assert watched.ended.summary["rows_total"] == 15


def test_only_the_copy_answers(watched: Watched) -> None:
    """Any container, gateway or listener but the copy's PostgreSQL lets the harness's container in."""
    [copy] = watched.reached.doors
    assert copy.endswith(":5432")
    assert watched.reached.names == [f"{COPY} is {copy.partition(':')[0]}"]


def test_nobody_came_to_the_host(watched: Watched) -> None:
    """A connection or a question for a name reached the engine's host, or a packet left it, during a rehearsal."""
    assert watched.visits == []
    assert watched.packets == 0


@pytest.mark.parametrize("options", [["--internal"], []], ids=["internal", "ordinary"])
def test_an_open_way_is_found(
    engine: Engine,
    production: ContainerProduction,
    protected: tuple[str, ...],
    ears: Ears,
    options: list[str],
) -> None:
    """Inside an ordinary or a merely internal network the same probe reaches nothing of the host."""
    heard = len(ears.visits())
    engine.docker("network", "create", *options, "open-way")
    engine.docker(
        "run", "--detach", "--init", "--name=visitor", "--network=open-way", PYTHON_IMAGE, "sleep", "600"
    )
    found = reached_from(engine, "visitor")
    engine.docker("rm", "--force", "visitor")
    engine.docker("network", "rm", "open-way")
    assert f"{HOST_ADDRESS}:5432" in found.doors
    assert f"leak.example is {HOST_ADDRESS}" in found.names
    assert "dns leak.example" in ears.visits()[heard:]


def test_production_is_found_from_its_own_network(
    engine: Engine, production: ContainerProduction, protected: tuple[str, ...], ears: Ears
) -> None:
    """On production's network the same probe does not reach production and the protected containers."""
    engine.docker(
        "run", "--detach", "--init", "--name=visitor", f"--network={PRODUCTION_NETWORK}", PYTHON_IMAGE, "sleep", "600"
    )  # fmt: skip
    found = reached_from(engine, "visitor")
    engine.docker("rm", "--force", "visitor")
    assert f"{production.address}:5432" in found.doors
    assert {name.partition(" is ")[0] for name in found.names} >= {PRODUCTION, *PROTECTED}


def test_no_secret_shows_while_the_copy_stands(watched: Watched) -> None:
    """A password stands in inspect, logs, history, the engine's files or log, or in /proc, plain or encoded."""
    hits, searched = watched.seen_alive
    assert hits == []
    assert len(watched.secrets) >= 5 and min(map(len, watched.secrets)) >= 16
    assert searched > 50


def test_no_secret_is_left(watched: Watched) -> None:
    """A password stands in the run's folder, its copy of the server's log, or in what the engine kept."""
    assert watched.seen_afterwards[0] == []
    said = watched.ended.said
    assert found_in(watched.secrets, [("said", (said.stdout + said.stderr).encode())])[0] == []


def test_a_secret_that_shows_is_found() -> None:
    """A form of a secret within other text is overlooked."""
    secret = secrets.token_urlsafe(24)
    overlooked = [
        form
        for form in forms(secret)
        if found_in([secret], [("clean", b"nothing here"), ("dirty", b"x=" + form + b"&y")]) != (["dirty"], 2)
    ]
    assert overlooked == []
    for before in ("", "a", "ab", "user:"):
        within = base64.b64encode(f"{before}{secret}, and more".encode())
        assert found_in([secret], [(before, within)]) == ([before], 1)


def test_a_secret_in_the_environment_is_found_everywhere(
    engine: Engine, neighbourhood: Neighbourhood
) -> None:
    """A password given to a container as a variable is not found in inspect, the engine's files and /proc."""
    secret = secrets.token_urlsafe(24)
    engine.docker(
        "run", "--detach", "--init", "--network=none", "--name=careless", f"--env=PASSWORD={secret}", PYTHON_IMAGE,
        "sh", "-c", "echo $PASSWORD; exec sleep 600",
    )  # fmt: skip
    hits, _ = found_in([secret], [*places_of_engine(engine), *places_of_processes()])
    engine.docker("rm", "--force", "careless")
    kinds = {hit.partition(" of process")[0] for hit in hits}
    assert {"inspect of careless", "logs of careless", "the engine's config.v2.json", "environ"} <= kinds


def test_neighbours_survive_a_rehearsal_that_passes(watched: Watched, neighbourhood: Neighbourhood) -> None:
    """A container, volume, network or image on the engine is not what it was, or production's rows are not."""
    assert watched.changes == []
    assert neighbourhood.production_now() == neighbourhood.production
