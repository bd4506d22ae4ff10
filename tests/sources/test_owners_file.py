"""The file beside a dump that says what a role does not own in its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.errors import PlanError
from console.model.migration_facts import OwnedElsewhere
from console.sources.manifest import owners_path, read_owners_file, write_owners

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
