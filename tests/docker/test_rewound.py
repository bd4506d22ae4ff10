"""A copy in a container that is made anew between scenarios."""

from __future__ import annotations

import pytest
from docker_plans import Setting
from fix_runs import Drydock
from rewind_pack import write_rewind_pack
from test_run import unnamed


@pytest.mark.matrix
def test_a_copy_in_a_container_is_rewound(drydock: Drydock, setting: Setting) -> None:
    """Scenarios that disturb one another pass on fresh copies, and each copy is another database."""
    folder = write_rewind_pack(drydock.place("rewound"))
    plan = unnamed(setting.plan("rewound"))
    words = ("--environment", "docker", "--pack", str(folder), "--subject", str(folder / "subject"))
    ended = drydock.run(str(plan), *words)
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr[-3000:]
    facts = ended.state.facts
    made = {facts["prepared"]["oid"], facts["rewound.S2"]["made"], facts["rewound.S4"]["made"]}
    assert len(made) == 3
    assert {ended.summary["gates"][gate] for gate in ("G-15", "G-20", "G-27", "G-28", "G-31")} == {"PASS"}
