"""The plan files that travel with a pack can be read, and ask for what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.errors import PlanError
from console.plans.file import read_plan_file
from console.settings import data_folder

EXAMPLES = sorted(data_folder("scenarios").glob("*/*.example.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_has_no_problem(path: Path) -> None:
    """An example with an unknown key, a name that an engine refuses or a missing word is found."""
    assert read_plan_file(path).source.database


def test_the_operators_own_setting() -> None:
    """The docker example names production's container, its server and the seeds' three protected containers."""
    [path] = [one for one in EXAMPLES if one.name == "production.example.toml"]
    config = read_plan_file(path)
    assert (config.source.kind, config.source.container, config.environment.kind) == (
        "container",
        "postgres",
        "docker",
    )
    assert config.source.system_identifier == "7611578671664259111"
    assert len([name for name in config.protect.containers if name.startswith("pg-dry-run-")]) == 3


def test_the_copy_cannot_have_a_protected_name(tmp_path: Path) -> None:
    """A plan whose copy would have a protected container's name is refused with the line."""
    path = tmp_path / "plan.toml"
    path.write_text(
        '[environment]\nkind = "docker"\ncontainer = "kept"\n[protect]\ncontainers = ["kept"]\n', "utf-8"
    )
    with pytest.raises(PlanError, match="line 3: 'kept' is protected"):
        read_plan_file(path)


@pytest.mark.parametrize("name", ["deadbeefcafe", "UPPER", "a*", "x/y", "a"])
def test_a_name_that_an_engine_could_take_for_another(tmp_path: Path, name: str) -> None:
    """A name of hexadecimal digits alone, with a wildcard or that an engine refuses is no exact name."""
    path = tmp_path / "plan.toml"
    path.write_text(f'[environment]\nkind = "docker"\nnetwork = "{name}"\n', "utf-8")
    with pytest.raises(PlanError, match="no exact name of a docker object"):
        read_plan_file(path)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ('endpoint = "tcp://10.0.0.1:2376"', "without TLS"),
        ('endpoint = "http://x"', "no address of a docker engine"),
        ('context = "c"\nendpoint = "unix:///x"', "its own endpoint"),
        ('probe = ["nowhere"]', "no address and port"),
    ],
)
def test_an_endpoint_that_is_refused(tmp_path: Path, key: str, says: str) -> None:
    """An engine without TLS, of another scheme, or named twice, and a probe without a port, are refused."""
    path = tmp_path / "plan.toml"
    path.write_text(f'[environment]\nkind = "docker"\n{key}\n', "utf-8")
    with pytest.raises(PlanError, match=says):
        read_plan_file(path)
