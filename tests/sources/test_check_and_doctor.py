"""check and doctor before a run against a real production: the digest is the run's, the version is the server's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from fix_runs import Drydock, Said
from productions import Production


def source_row(said: Said) -> dict[str, Any]:
    """Return what doctor says of the source."""
    [found] = [row for row in json.loads(said.stdout)["things"] if row["thing"] == "source"]
    return dict(found)


def test_check_shows_the_digest_that_the_run_asks_about(drydock: Drydock, production: Production) -> None:
    """The digest of check is another than the one that B-1 asks about, or check leaves something or shows a secret."""
    plan = production.plan("[subject]", f'path = "{drydock.reference}"', rows="200")
    there = sorted(drydock.work.iterdir())
    said = drydock.command("check", str(plan), "--json")
    assert said.exit_code == 0, said.stdout
    told = json.loads(said.stdout)
    assert (told["problems"], told["plan"]["source"]) == (
        [],
        f"connection {production.cluster.socket_folder}",
    )
    assert sorted(drydock.work.iterdir()) == there
    living = drydock.start(str(plan))
    state = living.wait_at("B-1")
    assert state.created is not None
    drydock.command("abort", living.folder.name, "--runs-dir", str(living.runs))
    assert living.finish().outcome[:2] == (3, "ABORTED")
    assert state.created.digest == told["plan"]["digest"]
    line = drydock.command("check", str(plan))
    assert line.stdout.count("\n") == 1
    assert f"digest {state.created.digest[:12]}" in line.stdout
    assert production.password not in said.stdout + said.stderr + line.stdout + line.stderr


def test_doctor_asks_the_source_for_its_version(drydock: Drydock, production: Production) -> None:
    """Another version than the server's is told, a refused password passes or shows, or production changes."""
    before, there = production.digest(), sorted(drydock.work.iterdir())
    said = drydock.command("doctor", str(production.plan()), "--json")
    assert said.exit_code == 0, said.stdout
    row = source_row(said)
    assert (row["state"], row["found"]) == ("OK", "PostgreSQL 16.14")
    newer = drydock.command("doctor", str(production.plan("[environment]", "major = 18")), "--json")
    assert source_row(newer)["state"] == "LIMITED"
    wrong = "not-the-password-1234"
    plan = production.plan(secret=f'"file:{production.secret_file(wrong)}"')
    refused = drydock.command("doctor", str(plan), "--json")
    row = source_row(refused)
    assert (row["state"], "password authentication failed" in row["found"]) == ("MISSING", True)
    typed = source_row(drydock.command("doctor", str(production.plan(secret='"prompt:reader"')), "--json"))
    assert (typed["state"], typed["found"]) == ("UNKNOWN", "not asked: its secret is typed when a run begins")
    shown = "".join(one.stdout + one.stderr for one in (said, newer, refused))
    assert [secret for secret in (production.password, wrong) if secret in shown] == []
    assert production.digest() == before
    assert sorted(drydock.work.iterdir()) == there


def test_a_secret_that_cannot_be_had_is_named_and_not_shown(drydock: Drydock, production: Production) -> None:
    """A password's file that others can read passes, or what stands in it is shown."""
    open_file = production.secret_file()
    open_file.chmod(0o640)
    said = drydock.command("check", str(production.plan(secret=f'"file:{open_file}"')))
    assert said.exit_code == 2
    assert f"the secret's file {open_file} has mode 0640, allowed is 0600" in said.stderr
    assert production.password not in said.stderr
    shutil.rmtree(Path(open_file).parent)
