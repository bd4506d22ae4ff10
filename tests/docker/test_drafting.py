"""`drydock init` against production in a container: what it writes is checked, and rehearsed on docker as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from container_production import DATABASE, ContainerProduction
from docker_engine import Engine
from docker_plans import Setting
from fix_runs import Drydock, Said
from test_run import secret_file

from console.plans.file import read_plan_file

WRITER = "cutter_exec"


@pytest.fixture(scope="module")
def drafted(
    drydock: Drydock, engine: Engine, production: ContainerProduction, setting: Setting
) -> tuple[Path, Said]:
    """Return the folder that init wrote into, with the images of the tests in its plan, and what it said."""
    folder = drydock.place("drafted")
    said = drydock.command(
        "init", str(folder), "--yes", "--source", "container", "--container", production.name, "--endpoint",
        engine.address, "--database", DATABASE, "--role", "rehearsal_reader", "--secret",
        f"file:{secret_file(setting, production)}", "--writer", WRITER, "--environment", "docker",
    )  # fmt: skip
    assert said.exit_code == 0, said.stderr
    plan = folder / "plan.toml"
    images = f'image = "{setting.images.postgres}"\nharness_image = "{setting.images.python}"\n'
    plan.write_text(
        plan.read_text("utf-8").replace('kind = "docker"\n', f'kind = "docker"\n{images}'), "utf-8"
    )
    return folder, said


def test_a_container_is_drafted_from(
    drafted: tuple[Path, Said], drydock: Drydock, engine: Engine, production: ContainerProduction
) -> None:
    """The engine is named in both sections, the server by its own identity, and nothing is wrong with the plan."""
    folder, said = drafted
    assert f"drydock run {folder / 'plan.toml'}" in said.stdout
    config = read_plan_file(folder / "plan.toml")
    assert (config.source.container, config.source.endpoint) == (production.name, engine.address)
    assert config.source.system_identifier == production.system_identifier
    assert (config.environment.kind, config.environment.endpoint) == ("docker", engine.address)
    assert production.reader_password not in "".join(
        path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()
    )
    checked = drydock.command("check", str(folder / "plan.toml"))
    assert checked.exit_code == 0, checked.stdout + checked.stderr


def test_an_engine_without_a_container_is_refused(drydock: Drydock) -> None:
    """An engine that neither the source nor the copy is on is no silent nothing."""
    said = drydock.command(
        "init", str(drydock.place("no")), "--yes", "--source", "demo", "--endpoint", "unix:///x"
    )
    assert said.exit_code == 2 and "--endpoint names a docker engine" in said.stderr


@pytest.mark.matrix
def test_what_was_drafted_passes(drafted: tuple[Path, Said], drydock: Drydock) -> None:
    """From a container that nobody described to a finished rehearsal on docker."""
    folder, _said = drafted
    ended = Drydock(root=drydock.root, numbers=drydock.numbers).run(str(folder / "plan.toml"))
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
