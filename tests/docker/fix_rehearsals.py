"""One whole rehearsal on the tests' engine, looked at while it waits for its first write and after it has passed."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from container_production import PRODUCTION_VOLUME
from docker_engine import Engine
from docker_images import Images
from docker_plans import HARNESS, NAMES, Setting
from engine_objects import Objects, changes, look_at_engine, make_neighbours
from fix_engine import Ears
from fix_runs import Drydock, Ended, Living
from inside import Reached, reached_from
from secret_search import found_in, places_of_engine, places_of_folder, places_of_processes


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """Everything on the engine but a rehearsal: how it was, and what has changed of it since."""

    engine: Engine
    before: Objects
    setting: Setting
    production: str

    def production_now(self) -> str:
        """Return the digest of production's rows, roles and privileges as they are."""
        return self.setting.production.digest()

    def changes(self) -> list[str]:
        """Return what is not as it was; production's rows are compared, its files are a living server's."""
        return changes(self.before, look_at_engine(self.engine, busy=[PRODUCTION_VOLUME]))


@pytest.fixture(scope="session")
def neighbours(engine: Engine, images: Images) -> tuple[str, ...]:
    """Objects whose names and labels resemble a rehearsal's, before, after and within each of its exact names."""
    labels = ["drydock.run=20260101-000000-0000", "drydock.nonce=0000000000000000", "com.example.drydock=1"]
    make_neighbours(engine, names=NAMES, labels=labels, image=images.python)
    return NAMES


@pytest.fixture(scope="module")
def neighbourhood(engine: Engine, neighbours: tuple[str, ...], setting: Setting, ears: Ears) -> Neighbourhood:
    """Production, protected containers and neighbours, as they are when a module begins."""
    assert neighbours and ears.visits() is not None
    before = look_at_engine(engine, busy=[PRODUCTION_VOLUME])
    return Neighbourhood(
        engine=engine, before=before, setting=setting, production=setting.production.digest()
    )


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A rehearsal that has ended, and what was seen on the way."""

    ended: Ended
    secrets: list[str]
    reached: Reached
    visits: list[str]
    packets: int
    seen_alive: tuple[list[str], int]
    seen_afterwards: tuple[list[str], int]
    changes: list[str]


def secrets_of(living: Living) -> list[str]:
    """Return the rehearsal's own passwords."""
    told = json.loads((living.folder / "secrets" / "rehearsal.json").read_text("utf-8"))
    return [value for value in told.values() if isinstance(value, str)]


@pytest.fixture(scope="module")
def watched(drydock: Drydock, setting: Setting, neighbourhood: Neighbourhood, ears: Ears) -> Watched:
    """The reference subject against production in its container; share it."""
    engine = neighbourhood.engine
    visits, packets = len(ears.visits()), engine.packets_out()
    living = drydock.start(str(setting.plan("watched")), "--approve", "B-1,B-2,B-3,B-5")
    living.wait_at("B-4")
    production = setting.production
    secrets = [*secrets_of(living), production.superuser_password, production.reader_password]
    reached = reached_from(engine, HARNESS)
    alive = found_in(secrets, [*places_of_engine(engine), *places_of_processes()])
    assert living.approve("B-4").exit_code == 0
    ended = living.finish()
    return Watched(
        ended=ended, secrets=secrets, reached=reached, visits=ears.visits()[visits:],
        packets=engine.packets_out() - packets, seen_alive=alive,
        seen_afterwards=found_in(secrets, [*places_of_engine(engine), *places_of_folder(ended.folder)]),
        changes=neighbourhood.changes(),
    )  # fmt: skip
