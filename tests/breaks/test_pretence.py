"""A pack or a harness that does nothing and reports success: the witnesses, and not its words, decide."""

from __future__ import annotations

from driver import Ended, Stage
from expected import assert_closure
from props import pack

LAZY = """
import tomllib
from pathlib import Path

from console.harness import scenario

PACK = tomllib.loads(Path(__file__).with_name("pack.toml").read_text("utf-8"))


def register(planned):
    @scenario(planned["id"])
    def nothing(ctx):
        for attempt in planned["attempt"]:
            with ctx.attempt(attempt["name"]):
                pretend(attempt)


def pretend(attempt):
    pass


for planned in PACK["scenario"]:
    register(planned)
"""

PRETENDING = """
    if "raises" in attempt:
        raise type(attempt["raises"], (Exception,), {})(attempt.get("message_has", ""))
"""

FORGING = '''
from console.harness import program


def forged(harness, identifier):
    """Answer for the harness itself what pack.toml would like to hear."""
    planned = next(one for one in PACK["scenario"] if one["id"] == identifier)
    told = [
        {
            "name": one["name"], "outcome": "raised" if "raises" in one else "returned",
            "type": one.get("raises", ""), "module": "cutter_agent.errors",
            "message": one.get("message_has", ""), "sqlstate": "",
            "frames": ["find (cutter_agent/db_adapter.py:1)"] if "raises" in one else [],
        }
        for one in planned["attempt"]
    ]
    return {"scenario": identifier, "attempts": told}


program._perform = forged
'''


def _rehearse(scene: Stage, code: str) -> Ended:
    folder = pack(scene)
    (folder / "pack.py").write_text(code, "utf-8")
    return scene.drive("--pack", str(folder), supervise="boundary")


def _assert_stopped_at(ended: Ended, scenario: str, says: str) -> None:
    told = ended.summary
    assert (told["verdict"], told["failed_scenario"]) == ("FAIL", scenario), ended.words[-2000:]
    assert says in told["reason"]
    assert_closure(ended, ())


def test_scenarios_that_do_nothing(scene: Stage) -> None:
    """A pack whose scenarios only return fails at the first one that had to be refused."""
    _assert_stopped_at(_rehearse(scene, LAZY), "S2", "ConfigMissing")


def test_scenarios_that_raise_what_is_expected(scene: Stage) -> None:
    """A pack that raises every expected error and connects to nothing fails at the first session it lacks."""
    code = LAZY.replace("    pass\n", PRETENDING.lstrip("\n"))
    _assert_stopped_at(_rehearse(scene, code), "S3", "session")


def test_harness_that_only_reports_success(scene: Stage) -> None:
    """A harness whose every report is as expected, and which does nothing at all, ends FAIL."""
    _assert_stopped_at(_rehearse(scene, LAZY + FORGING), "S1", "")
