"""Whole rehearsals of copies that are not the whole source: what a run, its screens' words and its evidence say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fix_runs import Drydock

from console.heads import read_head

PLAN = """
[source]
rows = 200
[sample]
rows = "none"
tables = ["public.cut_policy", "public.directus_roles", "public.directus_users"]
[sample.where]
"public.directus_files" = "folder IS NULL AND title LIKE 'Tài liệu số 1%'"
[mask]
secret = "file:{key}"
keys = ["public.directus_users.email"]
[mask.columns]
"public.directus_users.email" = "email"
"public.directus_users.first_name" = "fake"
"public.directus_users.preferences" = "fake"
"""


def plan_file(folder: Path, text: str = PLAN) -> str:
    """Write a plan and its key; return the plan's path."""
    key = folder / "mask.key"
    key.touch(mode=0o600)
    key.write_text("planted-key-of-the-tests\n")
    path = folder / "plan.toml"
    path.write_text(text.replace("{key}", str(key)))
    return str(path)


@pytest.mark.matrix
def test_a_sampled_copy_passes_and_says_so(drydock: Drydock, tmp_path: Path) -> None:
    """A sampled, masked run does not pass, its PASS looks like a whole one's, or an original or the key is kept."""
    ended = drydock.run(plan_file(tmp_path))
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.summary["reason"]
    assert ended.summary["gates"]["G-26"] == "PASS"
    words = ended.summary["copy"]
    assert words.startswith("sampled copy: 3 of ")
    assert words.endswith(" without rows, 1 by WHERE, 3 columns masked")
    assert ended.summary["sample"]["other_than_whole"]["public.directus_files"]["taken"] == 27
    there = (ended.folder.name, "--runs-dir", str(ended.folder.parent))
    for told in (drydock.command("report", *there), drydock.command("report", *there, "--format", "html")):
        assert words in told.stdout
        assert "SAMPLE of the source with MASKED columns" in told.stdout
        assert "WHERE folder IS NULL" in told.stdout
    assert words in drydock.command("status", *there).stdout
    assert "PASS of a sampled copy" in drydock.command("runs", *there[1:]).stdout
    assert read_head(ended.folder.parent, ended.folder.name).where == "sample"
    assert drydock.command("verify", str(ended.folder)).exit_code == 0
    kept = b"".join(path.read_bytes() for path in sorted(ended.folder.rglob("*")) if path.is_file())
    assert words.encode() in kept
    assert not any(one in kept for one in (b"planted-key-of-the-tests", b"user7@example.invalid"))


@pytest.mark.matrix
def test_rows_without_parents_stop_a_run(drydock: Drydock, tmp_path: Path) -> None:
    """A sample with orphans ends in another way than as the source's failure at G-26, with both numbers' words."""
    text = '[source]\nrows = 200\n[sample.where]\n"public.directus_users" = "first_name = \'Lê\'"\n'
    ended = drydock.run(plan_file(tmp_path, text))
    assert ended.outcome == (1, "FAIL", "CLEAN", "source"), ended.summary["reason"]
    assert ended.summary["failed_gate"] == "G-26"
    assert (
        "rows of public.directus_files (foreign key directus_files_uploaded_by_fkey)"
        in ended.summary["reason"]
    )
    assert "set [sample] follow = true" in ended.summary["reason"]
    assert json.loads(json.dumps(ended.summary["copy"])).startswith("sampled copy: ")
    followed = drydock.run(
        plan_file(tmp_path, text.replace("[sample.where]", "[sample]\nfollow = true\n[sample.where]"))
    )
    assert followed.outcome == (0, "PASS", "CLEAN", None), followed.summary["reason"]
    assert followed.summary["sample"]["other_than_whole"]["public.directus_files"]["mode"] == "followed"


@pytest.mark.matrix
def test_what_was_fetched_is_destroyed_when_a_run_is_aborted(drydock: Drydock, tmp_path: Path) -> None:
    """Rows that COPY fetched outlive a run that ends before they are loaded."""
    living = drydock.start(plan_file(tmp_path), "--approve", "B-1,B-2")
    state = living.wait_at("B-3")
    fetched = [one.name for one in state.open_receipts if one.name.endswith(".copy")]
    assert len(fetched) == 2
    assert all(Path(name).stat().st_size for name in fetched)
    assert drydock.command("abort", living.folder.name, "--runs-dir", str(living.runs)).exit_code == 0
    ended = living.finish()
    assert ended.outcome == (3, "ABORTED", "CLEAN", None), ended.said.stderr
    assert not any(Path(name).exists() for name in fetched)
    assert ended.summary["copy"].startswith("sampled copy: 3 of ")
