"""Tests of the driver's kept bytecode: what is believed of it, and that Python runs the source in place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_places import place_for_clusters
from fix_uids import own_uid

from console.environments.bytecode import compiled
from console.environments.interpreter import Interpreter, make_interpreter
from console.environments.process import CLEAN_ENVIRONMENT

SOURCES = {
    "driver/__init__.py": b"SAYS = 'the source'\n",
    "driver/part.py": b"def answer():\n    return 42\n",
}
PLACES = {
    name: f"driver/__pycache__/{name}.{sys.implementation.cache_tag}.pyc" for name in ("__init__", "part")
}
AFTER_HASH = 16
"""Bytes of a file of bytecode that say for which Python and which source it is (PEP 552)."""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="users are made up only under root: start as root")


def kept(cache: Path) -> Path:
    """Return the file in which bytecode is kept."""
    [found] = cache.iterdir()
    return found


def laid_out(site: Path, sources: dict[str, bytes], files: dict[str, bytes]) -> None:
    """Write sources and bytecode below a folder."""
    for name, content in {**sources, **files}.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)


def said(site: Path, code: str) -> str:
    """Return what a Python prints that finds its modules in a folder and writes no bytecode."""
    words = [sys.executable, "-I", "-B", "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {code}"]
    return subprocess.run(words, env=CLEAN_ENVIRONMENT, capture_output=True, text=True, check=True).stdout


def test_a_module_is_read_from_what_was_kept(tmp_path: Path) -> None:
    """The second time nothing is compiled, and Python loads what lies beside the source."""
    first = compiled(SOURCES, cache=tmp_path / "cache")
    before = kept(tmp_path / "cache").stat()
    assert set(PLACES.values()) == set(first)
    assert compiled(SOURCES, cache=tmp_path / "cache") == first
    assert kept(tmp_path / "cache").stat().st_ino == before.st_ino
    other = compiled(
        {**SOURCES, "driver/part.py": b"def answer():\n    return 43\n"}, cache=tmp_path / "other"
    )
    forged = first[PLACES["part"]][:AFTER_HASH] + other[PLACES["part"]][AFTER_HASH:]
    laid_out(tmp_path / "site", SOURCES, {PLACES["part"]: forged})
    assert said(tmp_path / "site", "import driver.part as p; print(p.answer(), p.__file__)") == (
        f"43 {tmp_path}/site/driver/part.py\n"
    )


def test_another_source_in_place_is_what_runs(tmp_path: Path) -> None:
    """Bytecode of a source that is not the one beside it is left alone, whatever the file's times are."""
    files = compiled(SOURCES, cache=tmp_path / "cache")
    laid_out(tmp_path / "site", {**SOURCES, "driver/__init__.py": b"SAYS = 'an edited'\n"}, files)
    same = tmp_path / "site" / "driver" / "__init__.py"
    os.utime(same, ns=(0, 0))
    assert said(tmp_path / "site", "import driver; print(driver.SAYS)") == "an edited\n"


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_changed_source_is_compiled_anew(tmp_path: Path, name: str) -> None:
    """One other byte of one source, and nothing of what was kept is used."""
    first = compiled(SOURCES, cache=tmp_path / "cache")
    second = compiled({**SOURCES, name: SOURCES[name] + b"#"}, cache=tmp_path / "cache")
    assert {one for one in first if first[one] != second[one]} == {PLACES[Path(name).stem]}
    assert compiled(SOURCES, cache=tmp_path / "cache") == first


@pytest.mark.parametrize("at", [0, 20, 60, 200, -1])
def test_altered_bytecode_is_not_used(tmp_path: Path, at: int) -> None:
    """One changed byte anywhere in the kept file, and it is made anew."""
    first = compiled(SOURCES, cache=tmp_path / "cache")
    file = kept(tmp_path / "cache")
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    assert compiled(SOURCES, cache=tmp_path / "cache") == first
    assert file.read_bytes() != bytes(content)


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_bytecode_that_others_could_write_is_not_used(tmp_path: Path, what: str) -> None:
    """Neither a file nor a folder that another may write is believed, nor a link in the file's place."""
    cache = tmp_path / "cache"
    compiled(SOURCES, cache=cache)
    file = kept(cache)
    whole = file.read_bytes()
    if what == "link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    else:
        (file if what == "file" else cache).chmod(0o777)
    before = os.lstat(file).st_ino
    compiled(SOURCES, cache=cache)
    assert os.lstat(file).st_ino != before
    assert (file.read_bytes(), file.is_symlink()) == (whole, False)


def test_a_source_that_is_no_python_has_no_bytecode(tmp_path: Path) -> None:
    """What this Python cannot compile is laid out as it is."""
    assert set(compiled({**SOURCES, "driver/new.py": b"match match match"}, cache=tmp_path / "cache")) == set(
        PLACES.values()
    )


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    """Where nothing can be kept, the bytecode is the same."""
    (tmp_path / "cache").write_text("no folder", "utf-8")
    assert compiled(SOURCES, cache=tmp_path / "cache") == compiled(SOURCES, cache=tmp_path / "other")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short folder that other users can pass."""
    made = Path(tempfile.mkdtemp(prefix="ddb-", dir=place_for_clusters()))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def modules_from_bytecode(interpreter: Interpreter, uid: int | None) -> int:
    """Return how many of psycopg's modules a harness's Python loads from what lies beside their sources."""
    code = (
        "import sys, os, psycopg;"
        "print(sum(bool(m.__cached__) and os.path.exists(m.__cached__) for n, m in sys.modules.items()"
        " if n.startswith('psycopg') and (m.__file__ or '').endswith('.py')))"
    )
    done = subprocess.run(
        [str(interpreter.python), "-I", "-B", "-c", code], env={**CLEAN_ENVIRONMENT, **interpreter.environment},
        user=uid, group=uid, extra_groups=[] if uid is not None else None, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


@as_root
def test_a_harness_of_another_user_has_its_driver_compiled(folder: Path) -> None:
    """What is kept is root's and out of its reach, and it loads all of psycopg from copies that it cannot write."""
    uid = own_uid()
    made = make_interpreter(folder / "other", uid=uid, cache=folder / "cache")
    assert modules_from_bytecode(made, uid) > 30
    assert kept(folder / "cache").stat().st_mode & 0o777 == 0o600
    assert not [
        one for one in (folder / "other").rglob("*.pyc") if one.stat().st_mode & 0o222 or one.stat().st_uid
    ]


def test_a_harness_of_the_same_user_has_none(folder: Path) -> None:
    """A subject that could write what is kept is never watched by it: its driver is compiled anew."""
    made = make_interpreter(folder / "same", uid=None, cache=folder / "never")
    assert modules_from_bytecode(made, None) == 0
    assert not (folder / "never").exists()
