"""The engine's SQL files: each tells what it is for, holds one statement and is PostgreSQL's grammar."""

from __future__ import annotations

import re
from pathlib import Path

import pg_query
import pytest
from psycopg.sql import Literal

from console import sql
from console.errors import SqlMissing

HEADER = re.compile(
    r"\A-- Purpose: \S.*\n(-- .*\n)*-- Columns: \S.*\n(-- .*\n)*-- Lowest server version: 1[5-9]\.\n(?!--)\S"
)
SAMPLES = {
    "attributes": "LOGIN",
    "connection_limit": "2",
    "verifier": "NULL",
    "value": "'x'",
    "snapshot_text": "'x'",
    "comment": "'x'",
    "publishes": "FOR ALL TABLES",
    "privilege": "SELECT",
}
"""What stands for a place whose grammar is no identifier."""


def parsable(text: str) -> str:
    """Return the text with bound parameters and places filled by samples."""
    bound = re.sub(r"%\((\w+)\)s", "$1", text)
    bound = re.sub(r"\{\w+_rows\}", "SELECT 1", bound)  # a whole SELECT fills such a place
    return re.sub(r"\{(\w+)\}", lambda place: SAMPLES.get(place[1], f'"{place[1]}"'), bound)


@pytest.mark.parametrize("path", sql.files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_file_has_its_header_and_one_statement(path: Path) -> None:
    """A SQL file without purpose, columns and lowest version, or with two statements, is found."""
    text = path.read_text(encoding="utf-8")
    assert HEADER.search(text), f"{path} lacks its header"
    assert len(pg_query.parse(parsable(text)).stmts) == 1
    assert text.rstrip().endswith(";")


def test_there_are_files() -> None:
    """An empty sql folder does not pass for a tested one."""
    assert len(sql.files()) > 30


def tree(folder: Path, files: dict[str, str]) -> Path:
    """Write a sql folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an own sql folder that the loader reads."""
    monkeypatch.setattr(sql, "data_folder", lambda _name: tmp_path)
    return tree(
        tmp_path,
        {
            "a/one.sql": "-- Purpose: p\n-- Columns: c\nSELECT 1;\n",
            "a/one.16.sql": "-- Purpose: p\nSELECT 16;\n",
            "a/one.18.sql": "-- Purpose: p\nSELECT 18;\n",
            "a/one_more.sql": "SELECT 2;",
        },
    )


@pytest.mark.parametrize(
    ("major", "text"),
    [(None, "SELECT 1"), (15, "SELECT 1"), (16, "SELECT 16"), (17, "SELECT 16"), (18, "SELECT 18")],
)
def test_the_newest_file_up_to_the_servers_version_is_taken(
    folder: Path, major: int | None, text: str
) -> None:
    """A server never gets the text written for a newer one."""
    assert sql.load("a/one", major).text == text
    assert sql.load("a/one_more", major).text == "SELECT 2"


def test_what_was_loaded_is_sent_and_what_is_shipped_is_looked_at(folder: Path) -> None:
    """A file that changes after it was loaded is not sent, and its changed hash is seen."""
    before = sql.load("a/one_more")
    assert sql.shipped_sha256("a/one_more") == before.sha256
    (folder / "a/one_more.sql").write_text("SELECT 666;")
    assert sql.load("a/one_more") == before
    assert sql.shipped_sha256("a/one_more") != before.sha256


@pytest.mark.parametrize("name", ["a/none", "../a/one", "/etc/passwd", "a//one", "", "a/one.sql"])
def test_a_name_without_a_file_is_missing(folder: Path, name: str) -> None:
    """A wrong name raises SqlMissing and reads nothing outside the folder."""
    with pytest.raises(SqlMissing):
        sql.load(name)


def test_the_digest_of_the_tree_sees_every_byte_and_name(folder: Path) -> None:
    """A changed byte or a renamed file changes the tree's digest."""
    first = sql.tree_sha256()
    (folder / "a/one_more.sql").rename(folder / "a/one_less.sql")
    renamed = sql.tree_sha256()
    (folder / "a/one_less.sql").write_text("SELECT 3;")
    assert len({first, renamed, sql.tree_sha256()}) == 3
    assert sql.load("a/one_less").text == "SELECT 3"


def test_a_prepared_statement_does_not_show_its_values(folder: Path) -> None:
    """The repr of a statement with a verifier in it does not hold the verifier."""
    tree(folder, {"role.sql": "ALTER ROLE x PASSWORD {verifier};"})
    prepared = sql.prepare("role", {"verifier": Literal("SCRAM-SHA-256$secret")})
    assert "SCRAM-SHA-256$secret" not in repr(prepared)
    assert "SCRAM-SHA-256$secret" in prepared.query.as_string()
