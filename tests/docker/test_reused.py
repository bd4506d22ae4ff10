"""Production in a container, its copy on this machine: one run keeps it, the next takes it and reaches no engine."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from container_production import ADMIN, DATABASE
from docker_plans import Setting
from fix_kept import keepers_below
from fix_runs import Drydock

from console.kept import kept_copies


@pytest.mark.matrix
def test_a_copy_out_of_a_container_is_kept_and_taken(drydock: Drydock, setting: Setting) -> None:
    """A copy out of a container cannot be kept, or production's engine is asked for the second one."""
    production, folder = setting.production, Path(tempfile.mkdtemp(prefix="ddr-", dir="/dev/shm"))
    plan = drydock.place("reused.toml")
    words = (
        f'[source]\nkind = "container"\ncontainer = "{production.name}"\nendpoint = "{production.engine.address}"\n'
        f'database = "{DATABASE}"\nrole = "{ADMIN}"\n[reuse]\ncopy = true\nencrypted = true\nfolder = "{folder}"\n'
    )
    plan.write_text(words, "utf-8")
    mine = replace(drydock, variables={**drydock.variables, "DRYDOCK_KEPT_DIR": str(folder)})
    try:
        first = mine.run(str(plan))
        assert first.outcome == (0, "PASS", "CLEAN", None), first.said.stderr[-3000:]
        [kept] = kept_copies(folder)
        second = mine.run(str(plan))
        assert second.outcome == (0, "PASS", "CLEAN", None), second.said.stderr[-3000:]
        assert second.state.created is not None
        assert second.state.created.copy == "reused"
        assert "source.before" in first.state.facts
        assert "source.before" not in second.state.facts
        assert second.summary["rows_total"] == first.summary["rows_total"] == 15
        assert mine.command("kept", "remove", kept.path.name).exit_code == 0
        assert list(folder.iterdir()) == []
    finally:
        for pid in keepers_below(drydock.root):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder)
