"""Migrations rehearsed on a Docker engine: up, down, and what they did to the copy, as on embedded."""

from __future__ import annotations

import pytest
from docker_engine import Engine
from docker_images import Images
from fix_runs import Drydock

from console.settings import data_folder


@pytest.mark.matrix
def test_sql_migrations_are_rehearsed(drydock: Drydock, engine: Engine, images: Images) -> None:
    """The shipped migrations pass in containers, CLEAN, and the rewrite is seen there too."""
    plan = drydock.root / "migrations.toml"
    plan.write_text(
        f'plan = "migration"\n[source]\nkind = "demo"\n[environment]\nkind = "docker"\nendpoint = "{engine.address}"\n'
        f'image = "{images.postgres}"\nharness_image = "{images.python}"\n',
        "utf-8",
    )
    ended = drydock.run(str(plan), "--subject", str(data_folder("scenarios") / "migrations_sql" / "subject"))
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    gates = ended.summary["gates"]
    assert {gates[f"M-{number}"] for number in range(1, 9)} == {"PASS"}
    report = drydock.command(
        "report", ended.folder.name, "--runs-dir", str(ended.folder.parent), "--format", "md"
    )
    assert "AccessExclusive on public.purchase" in report.stdout
    lines = [line for line in report.stdout.splitlines() if line.startswith("| U1 |")]
    assert any("`public.purchase`" in line for line in lines)
