"""Tests of packs on disk: found, decoded, and refused when they contradict themselves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from console.errors import PackError
from console.packs import find_pack, load_pack, pack_folders, tree_files, tree_sha256

PACK = """\
id = "ledger"
title = "a ledger"
database = "books"
schema = "public"
owner = "keeper"
tables = ["entry", "line"]
[baseline]
entry = 1
line = 0
[subject]
folder = "subject"
package = "agent"
[[scenario]]
id = "S1"
title = "write"
kind = "happy"
rows = { entry = 1 }
attempt = [{ name = "mark", commits = 1 }]
[[scenario]]
id = "S2"
title = "again"
kind = "replay"
attempt = [{ name = "mark" }]
"""
TABLE = {"columns": [{"name": "id", "type": "uuid", "not_null": True}]}
ONE_MORE = {"tables": {"entry": TABLE, "line": TABLE, "x": TABLE}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a small pack that is right."""
    folder = tmp_path / "ledger"
    (folder / "frozen").mkdir(parents=True)
    (folder / "pack.toml").write_text(PACK, "utf-8")
    (folder / "pack.py").write_text("", "utf-8")
    inventory = {"tables": {"entry": TABLE, "line": TABLE}}
    (folder / "frozen" / "inventory.json").write_bytes(msgspec.json.encode(inventory))
    (folder / "frozen" / "privileges.json").write_bytes(msgspec.json.encode({"roles": {}, "grants": []}))
    return folder


def test_a_right_pack_is_loaded(folder: Path) -> None:
    """Its scenarios, tables and baseline come back as written."""
    loaded = load_pack(folder)
    assert [one.id for one in loaded.pack.scenario] == ["S1", "S2"]
    assert (loaded.pack.baseline_total_rows, set(loaded.inventory.tables)) == (1, {"entry", "line"})


def test_the_shipped_packs_are_right() -> None:
    """Each shipped pack loads, is found by its name and by its path, and counts its design's rows."""
    names = [folder.name for folder in pack_folders()]
    assert "cutter_dry_run" in names
    for folder in pack_folders():
        assert find_pack(folder.name) == find_pack(str(folder)) == folder.resolve()
        load_pack(folder)
    assert load_pack(find_pack("cutter_dry_run")).pack.baseline_total_rows == 15


@pytest.mark.parametrize("name", ["cutter", "", "../scenarios", "/nowhere", "cutter_dry_run/subject"])
def test_an_unknown_pack_names_the_known_ones(name: str) -> None:
    """A name that is no pack is refused with the shipped packs' names."""
    with pytest.raises(PackError) as refused:
        find_pack(name)
    assert refused.value.what == f"there is no pack {name!r} (a pack is a folder with a pack.toml)"
    assert "cutter_dry_run" in refused.value.remedy


def replaced(old: str, new: str) -> Callable[[Path], object]:
    """Return a change of pack.toml's text."""

    def change(folder: Path) -> None:
        assert PACK.count(old) >= 1
        (folder / "pack.toml").write_text(PACK.replace(old, new), "utf-8")

    return change


def written(name: str, content: bytes) -> Callable[[Path], object]:
    """Return a change of another file."""
    return lambda folder: (folder / name).write_bytes(content)


def piped(name: str) -> Callable[[Path], object]:
    """Return a change that puts a pipe, on which a reader would wait for ever, in a file's place."""

    def change(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return change


def linked(name: str, target: str) -> Callable[[Path], object]:
    """Return a change that puts a link in a file's place."""

    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (replaced('id = "S2"', 'id = "S1"'), "pack.toml, line 20: a scenario id occurs twice"),
        (replaced("line = 0\n", ""), "pack.toml, line 7: [baseline] does not name exactly the tables"),
        (replaced("line = 0\n", "line = 0\nmore = 0\n"),
         "pack.toml, line 7: [baseline] does not name exactly the tables"),
        (written("frozen/inventory.json", msgspec.json.encode({"tables": {"entry": TABLE}})),
         "frozen/inventory.json does not hold exactly the tables"),
        (written("frozen/inventory.json", msgspec.json.encode(ONE_MORE)),
         "frozen/inventory.json does not hold exactly the tables"),
        (replaced("rows = { entry = 1 }", "rows = { other = 1 }"),
         "a scenario expects rows in a table that the pack does not name"),
        (replaced('kind = "replay"\n', 'kind = "replay"\nrows = { line = 1 }\n'),
         "a negative or replay scenario expects row changes"),
        (replaced('kind = "replay"\n', 'kind = "negative"\nrows = { line = -1 }\n'),
         "a negative or replay scenario expects row changes"),
        (replaced('kind = "replay"', 'kind = "sad"'), "kind is 'sad', not"),
        (replaced("commits = 1", "commits = '1'"), "commits is a string, not a whole number"),
        (replaced("commits = 1", "comits = 1"), "unknown key 'comits' in scenario.0.attempt.0"),
        (replaced('owner = "keeper"\n', ""), "the required key owner is missing"),
        (replaced('owner = "keeper"', 'owner = '), "pack.toml, line 5: the file cannot be read"),
        (written("pack.toml", b"\xff\xfe"), "pack.toml: the file cannot be read"),
        (written("frozen/privileges.json", b"{"), "privileges.json, line 1: the file cannot be read"),
        (written("frozen/privileges.json", b'{"roles": []}'),
         "privileges.json, line 1: roles is a list, not a table of tables"),
        (lambda folder: (folder / "frozen" / "privileges.json").unlink(), "privileges.json: the file cannot be read"),
        (lambda folder: (folder / "pack.toml").unlink(), "pack.toml: the file cannot be read"),
        (lambda folder: (folder / "pack.py").unlink(), "the pack has no pack.py"),
    ],
)  # fmt: skip
def test_a_pack_that_contradicts_itself_is_one_sentence(
    folder: Path, change: Callable[[Path], object], says: str
) -> None:
    """Each contradiction and each unreadable file names the file, what is wrong in it, and a remedy."""
    change(folder)
    with pytest.raises(PackError) as refused:
        load_pack(folder)
    assert says in refused.value.what
    assert str(folder) in refused.value.what
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (replaced('id = "ledger"', 'id = "../../mini"'), "the id '../../mini' is not a word"),
        (replaced('id = "S1"', 'id = "S1/../x [bold]"'), "the scenario id 'S1/../x [bold]' is not a word"),
        (replaced('id = "S1"', 'id = "S1\\u001b[2J"'), r"the scenario id 'S1\x1b[2J' is not a word"),
        (replaced('owner = "keeper"', 'owner = "keep\\u0000er"'), r"the owner 'keep\x00er' is no name"),
        (replaced('owner = "keeper"', 'owner = "\\u202ekeeper"'), r"the owner '\u202ekeeper' is no name"),
        (replaced('owner = "keeper"', f'owner = "{"k" * 64}"'), "1 to 63 bytes"),
        (replaced('owner = "keeper"', 'owner = "postgres"'), "the owner 'postgres' is PostgreSQL's own"),
        (replaced('owner = "keeper"', 'owner = "pg_write_all_data"'), "is PostgreSQL's own"),
        (replaced('schema = "public"', 'schema = "pg_catalog"'), "the schema 'pg_catalog' is PostgreSQL's own"),
        (replaced('folder = "subject"', 'folder = "../../../etc"'), "does not stay inside the pack"),
        (replaced('folder = "subject"', 'folder = "/etc"'), "does not stay inside the pack"),
        (replaced('package = "agent"', 'package = "os; import x"'), "is not the name of a package"),
        (replaced('owner = "keeper"', 'owner = "keeper"\nscenario_timeout_s = -5'), "-5 is not between 1 and 86400"),
        (written("pack.toml", b"a = " + b"[" * 100_000), "it is nested too deep"),
        (written("pack.toml", b"#" * ((1 << 20) + 1)), "it is longer than 1048576 bytes"),
        (piped("pack.py"), "has no pack.py"),
        (piped("frozen/inventory.json"), "it is no regular file"),
        (linked("frozen/inventory.json", "/dev/zero"), "Too many levels of symbolic links"),
        (linked("frozen/privileges.json", "/etc/shadow"), "Too many levels of symbolic links"),
    ],
)  # fmt: skip
def test_a_hostile_pack_is_one_sentence(folder: Path, change: Callable[[Path], object], says: str) -> None:
    """A name that is none, a way out of the pack, a file that never ends or is another: refused, none of it read."""
    change(folder)
    with pytest.raises(PackError) as refused:
        load_pack(folder)
    assert says in refused.value.what
    assert refused.value.remedy


def test_loading_a_pack_runs_none_of_its_code(folder: Path) -> None:
    """A pack.py that would leave a mark when imported leaves none."""
    (folder / "pack.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n", "utf-8")
    load_pack(folder)
    assert not (folder / "ran").exists()


def test_a_tree_s_hash_covers_names_and_contents(tmp_path: Path) -> None:
    """A changed byte, a changed name and a moved file change the hash; caches do not."""
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a" / "x.py").write_text("1", "utf-8")
    first = tree_sha256(tree)
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "x.pyc").write_text("1", "utf-8")
    (tree / ".git").mkdir()
    assert tree_sha256(tree) == first
    (tree / "a" / "x.py").write_text("2", "utf-8")
    second = tree_sha256(tree)
    (tree / "a" / "x.py").rename(tree / "a" / "y.py")
    third = tree_sha256(tree)
    (tree / "a" / "y.py").rename(tree / "y.py")
    assert len({first, second, third, tree_sha256(tree)}) == 4


def test_a_tree_s_hash_does_not_depend_on_where_it_is(folder: Path, tmp_path: Path) -> None:
    """A copy elsewhere has the same hash."""
    shutil.copytree(folder, tmp_path / "copy")
    assert tree_sha256(tmp_path / "copy") == tree_sha256(folder)


def test_files_are_listed_in_one_order(tmp_path: Path) -> None:
    """The order is that of the relative paths, folders between files."""
    for name in ("b/z", "a", "b/a", "B", "c/d/e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", "utf-8")
    assert [path.relative_to(tmp_path).as_posix() for path in tree_files(tmp_path)] == [
        "B",
        "a",
        "b/a",
        "b/z",
        "c/d/e",
    ]


@pytest.mark.parametrize(
    "make", [lambda odd: odd.symlink_to("/etc"), lambda odd: odd.symlink_to("x"), os.mkfifo]
)
def test_links_and_special_files_are_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A tree with anything but folders and regular files cannot be hashed."""
    make(tmp_path / "odd")
    with pytest.raises(PackError, match="odd is a link or a special file; replace it by a regular file"):
        tree_files(tmp_path)


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ('baseline = "source"', {"entry": 41, "line": 7}),
        ('[baseline]\nentry = "source"\nline = 3', {"entry": 41, "line": 3}),
    ],
)
def test_a_baseline_can_be_the_sources(folder: Path, baseline: str, expected: dict[str, int]) -> None:
    """A table that is as the source has another number than the source's rows and what the scenarios add."""
    head, _old, rest = PACK.partition("[baseline]\nentry = 1\nline = 0\n")
    (folder / "pack.toml").write_text(f"{head}{baseline}\n{rest}", "utf-8")
    pack = load_pack(folder).pack
    assert pack.baseline_total_rows is None
    assert pack.expected_rows({"entry": 40, "line": 7}) == expected


def test_another_word_than_source_is_no_baseline(folder: Path) -> None:
    """A misspelt word is taken for a baseline."""
    head, _old, rest = PACK.partition("[baseline]\nentry = 1\nline = 0\n")
    (folder / "pack.toml").write_text(f'{head}baseline = "sauce"\n{rest}', "utf-8")
    with pytest.raises(PackError, match='baseline is a string, not a table of whole numbers or "source"'):
        load_pack(folder)
