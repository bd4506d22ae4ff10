"""Migrations found in a folder, split into statements, and what is wrong with a folder in one sentence."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from console.engine.migration_files import harness_words, split, with_migrations
from console.environments import packages
from console.environments.packages import fill_wheelhouse
from console.errors import PackError, StepFailed
from console.model.config import MigrationConfig, RunConfig
from console.packs import LoadedPack, load_pack
from console.settings import data_folder

PACK = data_folder("scenarios") / "migrations_sql"
CONFIG = RunConfig(plan="migration")


@pytest.fixture
def subject(tmp_path: Path) -> Path:
    """Return a copy of the shipped subject."""
    return Path(shutil.copytree(PACK / "subject", tmp_path / "subject"))


def test_the_ups_come_in_order_and_the_downs_in_reverse(subject: Path) -> None:
    """Migrations in another order, or a way back that is not the reverse, are found."""
    loaded = with_migrations(load_pack(PACK), subject, CONFIG)
    ups = ["0001_amount_in_bigint", "0002_email_key", "0003_fill_email_key", "0004_index_email_key"]
    expected = [f"up {name}" for name in ups] + [f"down {name}" for name in reversed(ups)]
    assert [one.title for one in loaded.pack.scenario] == expected
    assert [one.id for one in loaded.pack.scenario] == ["U1", "U2", "U3", "U4", "D4", "D3", "D2", "D1"]
    steps = harness_words(loaded, subject)["steps"].values()
    assert [len(step["statements"]) for step in steps] == [1, 1, 4, 1, 1, 4, 1, 1]
    assert [step["one_transaction"] for step in steps] == [True, True, False, False, False, False, True, True]


@pytest.mark.parametrize(
    ("steps", "title"), [(("b",), "b"), (("b", "c"), "b to c"), (("b", "c", "d", "e"), "b to e")]
)
def test_alembic_s_revisions_are_one_command(steps: tuple[str, ...], title: str) -> None:
    """Revisions that production runs by one command, perhaps in one transaction, are rehearsed apart."""
    loaded = load_pack(PACK.parent / "migrations_alembic")
    assert loaded.pack.migration is not None
    words = msgspec.structs.replace(loaded.pack.migration, steps=steps)
    loaded = replace(loaded, pack=msgspec.structs.replace(loaded.pack, migration=words))
    found = with_migrations(loaded, loaded.folder / "subject", CONFIG)
    assert [(one.id, one.title) for one in found.pack.scenario] == [
        ("U1", f"up {title}"),
        ("D1", f"down {title}"),
    ]
    told = harness_words(found, loaded.folder / "subject")["steps"].values()
    assert [tuple(step["names"]) for step in told] == [steps, steps]


def test_without_a_way_back_no_down_is_needed(subject: Path) -> None:
    """A plan that says why there is no way back still asks for a down, or runs one."""
    (subject / "migrations" / "0002_email_key.down.sql").unlink()
    config = msgspec.structs.replace(CONFIG, migration=MigrationConfig(irreversible="mail was sent"))
    assert [one.id for one in with_migrations(load_pack(PACK), subject, config).pack.scenario] == [
        "U1",
        "U2",
        "U3",
        "U4",
    ]


@pytest.mark.parametrize(
    ("text", "statements", "one_transaction"),
    [
        ("SELECT 1; SELECT ';'", ["SELECT 1", "SELECT ';'"], True),
        ("DO $$ BEGIN PERFORM 1; END $$;\nSELECT 2;\n", ["DO $$ BEGIN PERFORM 1; END $$", "SELECT 2"], True),
        ("BEGIN; SELECT 1; COMMIT;", ["BEGIN", "SELECT 1", "COMMIT"], False),
        ("-- No transaction, because\nSELECT 1", ["-- No transaction, because\nSELECT 1"], False),
        ("\n-- what it does\n--no-transaction\nSELECT 1", None, False),
        ("-- no transaction\r\nSELECT 1", None, False),
        ("-- no transaction: in batches\nSELECT 1", None, False),
        ("-- no transactions are lost\nSELECT 1", None, True),
        ("-- no transaction is needed\nSELECT 1", None, True),
        ("SELECT 1;\n-- no transaction\nSELECT 2", None, True),
        ("SELECT '\n-- no transaction\n'", None, True),
        ("SAVEPOINT one; SELECT 1; ROLLBACK TO one; RELEASE one", None, True),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT 1", None, True),
        ("SELECT 1; COMMIT", None, False),
    ],
    ids=[
        "strings",
        "bodies",
        "own transaction",
        "no transaction",
        "below other comments",
        "line ends of Windows",
        "with its reason",
        "another word",
        "another sentence",
        "below a statement",
        "in a string",
        "savepoints",
        "isolation",
        "only its end",
    ],
)
def test_files_are_split_by_the_grammar(
    tmp_path: Path, text: str, statements: list[str] | None, one_transaction: bool
) -> None:
    """A semicolon within a string or a body splits a statement, or a transaction is missing or inside another."""
    path = tmp_path / "one.up.sql"
    path.write_text(text, encoding="utf-8")
    found, around = split(path)
    assert around == one_transaction
    assert statements is None or found == statements


def _gone(folder: Path) -> None:
    shutil.rmtree(folder)


def _no_down(folder: Path) -> None:
    (folder / "0003_fill_email_key.down.sql").unlink()


def _psql(folder: Path) -> None:
    (folder / "0001_amount_in_bigint.up.sql").write_text("\\i other.sql\n", encoding="utf-8")


def _empty(folder: Path) -> None:
    (folder / "0001_amount_in_bigint.up.sql").write_text("-- later\n", encoding="utf-8")


def _bytes(folder: Path) -> None:
    (folder / "0001_amount_in_bigint.up.sql").write_bytes(b"SELECT '\xff';")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_gone, "holds no migration (a file NAME.up.sql)"),
        (_no_down, "0003_fill_email_key.up.sql has no 0003_fill_email_key.down.sql beside it"),
        (_psql, "0001_amount_in_bigint.up.sql: PostgreSQL 16's grammar refuses it"),
        (_empty, "0001_amount_in_bigint.up.sql holds no statement"),
        (_bytes, "0001_amount_in_bigint.up.sql cannot be read"),
    ],
    ids=["no folder", "no down", "psql", "empty", "bytes"],
)
def test_a_wrong_folder_is_told_in_a_sentence(subject: Path, spoil: object, says: str) -> None:
    """A folder that cannot be rehearsed begins a run, or is refused without the file's name and a remedy."""
    assert callable(spoil)
    spoil(subject / "migrations")
    with pytest.raises(PackError) as refused:
        with_migrations(load_pack(PACK), subject, CONFIG)
    assert says in refused.value.what
    assert refused.value.remedy


def _with(**words: object) -> LoadedPack:
    loaded = load_pack(PACK)
    assert loaded.pack.migration is not None
    changed = msgspec.structs.replace(loaded.pack.migration, **words)
    pack = msgspec.structs.replace(loaded.pack, migration=changed)
    return LoadedPack(folder=PACK, pack=pack, inventory=loaded.inventory, privileges=loaded.privileges)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"steps": ("0009_none",)}, "there is no migration"),
        ({"kind": "alembic"}, "names no steps"),
        ({"kind": "django", "steps": ("shop.0002",)}, "lacks settings"),
        ({"kind": "django", "steps": ("0002",), "settings": "shop.settings"}, "a step is not app.name"),
    ],
    ids=["step", "alembic", "settings", "app"],
)
def test_wrong_words_are_told_in_a_sentence(subject: Path, words: dict[str, object], says: str) -> None:
    """A [migration] that cannot be rehearsed begins a run."""
    with pytest.raises(PackError) as refused:
        with_migrations(_with(**words), subject, CONFIG)
    assert says in refused.value.what


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("longest_block_ms = 0", "migration.longest_block_ms 0 is no time that somebody may wait"),
        ('folder = "../elsewhere"', "migration.folder '../elsewhere' does not stay inside the subject"),
        ('rewrites = ["purchase"]', "migration.rewrites 'purchase' is not schema.name"),
        ('rewrites = ["index purchase"]', "migration.rewrites 'purchase' is not schema.name"),
        ("rows = { purchase = 1 }", "migration.rows 'purchase' is not schema.name"),
        ('values = ["public."]', "migration.values 'public.' is not schema.name"),
        ('changes = ["column public.t.a"]', "migration.changes 'column public.t.a' is no change as a report writes it"),
    ],
)  # fmt: skip
def test_a_pack_declares_what_can_be(tmp_path: Path, line: str, says: str) -> None:
    """A declaration that nothing can be held against is taken."""
    pack = Path(shutil.copytree(PACK, tmp_path / "pack"))
    lines = (pack / "pack.toml").read_text("utf-8").partition("[migration]")[0]
    given = line if line.startswith("folder") else f'folder = "migrations"\n{line}'
    (pack / "pack.toml").write_text(f'{lines}[migration]\nkind = "sql"\n{given}\n', "utf-8")
    with pytest.raises(PackError, match=re.escape(says)):
        load_pack(pack)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("alembic==1.0\n", "pins no package with its hash"),
        ("", "pins no package with its hash"),
        ("psycopg==3.1.0 --hash=sha256:" + "a" * 64, "pins psycopg 3.1.0, and the harness traces psycopg"),
    ],
    ids=["no hash", "empty", "other driver"],
)
def test_a_wrong_lock_is_told_in_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    """A lock without hashes, or of a driver that cannot be traced, is taken."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(text, encoding="utf-8")
    with pytest.raises(PackError) as refused:
        fill_wheelhouse(lock)
    assert says in refused.value.what


def _wheel(place: Path, name: str, **files: str) -> str:
    """Write a wheel and return its sha256."""
    path = place / name
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in files.items():
            archive.writestr(inside.replace("__", "/"), text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_only_pinned_wheels_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel whose bytes changed, the driver's own, or a path out of site-packages gets into the interpreter."""
    monkeypatch.setattr(packages, "default_cache_folder", lambda: tmp_path)
    lock, made = tmp_path / "requirements.lock", tmp_path / "made"
    made.mkdir()
    own = _wheel(
        made, "shop-1-py3-none-any.whl", shop__core="x = 1", **{"..__evil": "no", "shop-1.data__s": "no"}
    )
    driver = _wheel(made, "psycopg_binary-9-py3-none-any.whl", psycopg__evil="no")
    lock.write_text(f"shop==1 --hash=sha256:{own} --hash=sha256:{driver}\n", encoding="utf-8")
    with pytest.raises(StepFailed, match="is not filled"):
        list(packages.package_files(lock))
    place = packages.wheelhouse_of(lock)
    shutil.copytree(made, place)
    (place / packages.FULL).touch()
    assert list(packages.package_files(lock)) == [("shop/core", b"x = 1")]
    _wheel(place, "shop-1-py3-none-any.whl", shop__core="x = 2")
    with pytest.raises(StepFailed, match="is not a wheel that"):
        list(packages.package_files(lock))
