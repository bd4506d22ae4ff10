"""A sample with masks on a real engine: read from a container by a role that is no superuser, loaded in another."""

from __future__ import annotations

import pytest
from container_production import ContainerProduction
from docker_plans import Setting
from fix_runs import Drydock
from test_run import secret_file, unnamed

MORE = """
[sample]
rows = "none"
follow = true
tables = ["public.cut_policy", "public.directus_roles", "public.directus_folders"]
[sample.where]
"public.directus_users" = "first_name = 'Lê'"
"public.directus_files" = "title LIKE 'Tài liệu số 1%'"
[mask]
keys = ["public.directus_users.email"]
[mask.columns]
"public.directus_users.email" = "email"
"public.directus_users.last_name" = "fake"
"""


@pytest.mark.matrix
def test_a_sample_of_a_container(drydock: Drydock, setting: Setting, production: ContainerProduction) -> None:
    """COPY through an exec of the source's container, or the load as the copy's owner, does not hold G-26."""
    secret = f"file:{secret_file(setting, production)}"
    plan = setting.plan("sampled", role="rehearsal_reader", secret=secret, more=MORE)
    ended = drydock.run(str(unnamed(plan)), "--environment", "docker")
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert ended.summary["gates"]["G-26"] == "PASS"
    taken = {
        name: one["taken"]
        for name, one in ended.summary["sample"]["other_than_whole"].items()
        if one["taken"]
    }
    assert taken["public.directus_users"] == 12
    assert 0 < taken["public.directus_files"] < 111
    kept = b"".join(path.read_bytes() for path in sorted(ended.folder.rglob("*")) if path.is_file())
    assert b"user2@example.invalid" not in kept
