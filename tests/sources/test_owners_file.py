"""The files beside a dump that say what a role does not own in its source, and what its sessions begin with there."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.errors import PlanError
from console.model.beside_facts import Beside, Publication
from console.model.migration_facts import OwnedElsewhere
from console.sources.manifest import (
    beside_path,
    owners_path,
    read_beside_file,
    read_owners_file,
    write_beside,
    write_owners,
)

FOUND = OwnedElsewhere(relations=("public.ledger",), objects=("CREATE in other", "pg_class public.ledger"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """What was written comes back otherwise, is readable by others, or is written over."""
    path = owners_path(tmp_path / "shop.sql")
    assert path.name == "shop.sql.owners.json"
    assert read_owners_file(path) is None
    write_owners(path, FOUND)
    assert read_owners_file(path) == FOUND
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_owners(path, FOUND)


@pytest.mark.parametrize(
    "content", ["{}", "[]", '{"relations": [], "objects": [], "more": 1}', '{"relations": [""]']
)
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    """A file that is no list of owners is taken for one that lists none."""
    path = tmp_path / "shop.sql.owners.json"
    path.write_text(content, "utf-8")
    with pytest.raises(PlanError, match="is no list of owners"):
        read_owners_file(path)


def test_settings_and_publications_are_read_again(tmp_path: Path) -> None:
    """What was written of settings and publications comes back otherwise, or another file is taken for it."""
    path = beside_path(tmp_path / "shop.sql")
    assert (path.name, read_beside_file(path)) == ("shop.sql.beside.json", None)
    found = Beside(
        settings={"work_mem": "1MB"}, connection_limit=2,
        publications={"pub": Publication(publishes="FOR ALL TABLES", owned=False)}, roles=("app",),
    )  # fmt: skip
    write_beside(path, found)
    assert (read_beside_file(path), path.stat().st_mode & 0o777) == (found, 0o600)
    path.write_text("{}", "utf-8")
    with pytest.raises(PlanError, match="is no list of settings and publications"):
        read_beside_file(path)
