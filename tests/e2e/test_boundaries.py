"""What the operator does at a boundary, from another shell, by a signal, or not at all."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from functools import partial

import pytest
from fix_runs import Drydock, Ended, Living, Play, Said

BOUNDARIES = ("B-1", "B-2", "B-3", "B-4", "B-5")


@dataclass(kw_only=True)
class Watched:
    """A run that was led from outside: what other shells were told, and how it ended."""

    ended: Ended
    narration: str = ""
    said: dict[str, Said] = field(default_factory=dict)


def before(boundary: str) -> str:
    """Return the approvals that lead a run to a boundary."""
    return ",".join(BOUNDARIES[: BOUNDARIES.index(boundary)])


def led(drydock: Drydock, boundary: str, *words: str) -> Living:
    """Return a run that is on its way to wait at a boundary."""
    given = before(boundary)
    return drydock.start(*(["--approve", given] if given else []), *words)


def by_its_own_lines(drydock: Drydock) -> Watched:
    """Approve boundary after boundary with the line that stderr shows; ask and answer wrongly on the way."""
    living = drydock.start()
    runs = ("--runs-dir", str(living.runs))
    said: dict[str, Said] = {}
    digest = ""
    for boundary in BOUNDARIES:
        state = living.wait_at(boundary)
        assert state.armed is not None
        digest = state.armed.digest
        said[f"status {boundary}"] = drydock.command("status", living.folder.name, *runs)
        if boundary == "B-1":
            wrong = "0" * 12 if not digest.startswith("0") else "f" * 12
            for name, words in (
                ("wrong digest", ("B-1", "--digest", wrong)),
                ("short digest", ("B-1", "--digest", digest[:7])),
                ("no digest", ("B-1",)),
                ("other boundary", ("B-2", "--digest", digest)),
                ("hold", ("B-1", "--digest", digest, "--hold", "1")),
            ):
                said[name] = drydock.command("approve", living.folder.name, *words, *runs)
            said["still"] = drydock.command("status", living.folder.name, *runs)
        said[boundary] = living.approve(boundary)
    ended = living.finish()
    said["digest"] = Said(exit_code=0, stdout=digest, stderr="")
    return Watched(ended=ended, said=said)


def aborted_at(boundary: str, drydock: Drydock) -> Watched:
    """Abort from another shell while the run waits."""
    living = led(drydock, boundary)
    living.wait_at(boundary)
    said = drydock.command("abort", living.folder.name, "--runs-dir", str(living.runs))
    ended = living.finish()
    late = drydock.command("abort", living.folder.name, "--runs-dir", str(living.runs))
    return Watched(ended=ended, said={"abort": said, "late": late})


def signalled(drydock: Drydock) -> Watched:
    """Send SIGTERM to the engine while it waits with the copy standing."""
    living = led(drydock, "B-4")
    living.wait_at("B-4")
    os.kill(living.engine_pid(), signal.SIGTERM)
    return Watched(ended=living.finish())


def interrupted_while_it_waits(drydock: Drydock) -> Watched:
    """Press Ctrl+C at the command while the run waits at B-1."""
    living = led(drydock, "B-1")
    living.wait_at("B-1")
    living.process.send_signal(signal.SIGINT)
    return Watched(ended=living.finish())


def interrupted_at_work(drydock: Drydock) -> Watched:
    """Press Ctrl+C at the command while the source is copied."""
    living = drydock.start("--approve", "all", rows=60_000)
    living.wait_until(lambda it: it.current_step == "C-03", "C-03")
    living.process.send_signal(signal.SIGINT)
    return Watched(ended=living.finish())


def command_killed(drydock: Drydock) -> Watched:
    """Kill the command at B-1; approve what waits from another shell, and look at the end."""
    living = led(drydock, "B-1", "--approve", "B-2,B-3,B-4,B-5")
    living.wait_at("B-1")
    line = living.approve_line("B-1")
    living.process.kill()
    living.process.wait()
    runs = ("--runs-dir", str(living.runs))
    waiting = drydock.command("status", living.folder.name, *runs)
    approved = drydock.command(*line[1:])
    state = living.wait_until(lambda it: it.ended is not None, "the end")
    assert state.ended is not None
    after = drydock.command("status", living.folder.name, *runs)
    killed = Said(exit_code=state.ended.exit_code, stdout="", stderr="")
    return Watched(
        ended=Ended(said=killed, folder=living.folder),
        said={"waiting": waiting, "approved": approved, "after": after},
    )


def held_then_over(drydock: Drydock) -> Watched:
    """Hold the copy at B-5 for a moment and let its time run out."""
    living = led(drydock, "B-5")
    state = living.wait_at("B-5")
    assert state.armed is not None
    words = ("B-5", "--digest", state.armed.digest[:8], "--hold", "0.02", "--runs-dir", str(living.runs))
    held = drydock.command("approve", living.folder.name, *words)
    return Watched(ended=living.finish(), said={"held": held})


def nobody_at_b5(drydock: Drydock) -> Watched:
    """Let B-5's own time limit pass."""
    plan = drydock.place("plan").with_suffix(".toml")
    plan.write_text("[boundaries]\ndestroy_timeout_s = 1\n", "utf-8")
    return Watched(ended=led(drydock, "B-5", str(plan)).finish())


def nobody_at_b1(drydock: Drydock) -> Watched:
    """Let B-1's time limit pass."""
    return Watched(ended=drydock.start("--boundary-timeout", "2").finish())


PLAYS: dict[str, Play] = {
    "approved line by line": by_its_own_lines,
    **{f"aborted at {boundary}": partial(aborted_at, boundary) for boundary in BOUNDARIES},
    "SIGTERM": signalled,
    "Ctrl+C at B-1": interrupted_while_it_waits,
    "Ctrl+C in C-03": interrupted_at_work,
    "command killed": command_killed,
    "held": held_then_over,
    "nobody at B-5": nobody_at_b5,
    "nobody at B-1": nobody_at_b1,
}


@pytest.mark.parametrize("played", ["approved line by line"], indirect=True)
def test_the_shown_lines_lead_to_pass(played: Watched) -> None:
    """Without approval the run waits at each boundary, and the very line on stderr lets it go on, to PASS."""
    assert {name: played.said[name].exit_code for name in BOUNDARIES} == dict.fromkeys(BOUNDARIES, 0)
    assert [played.said[name].stderr for name in BOUNDARIES] == [
        f"drydock: {name} was approved\n" for name in BOUNDARIES
    ]
    assert played.ended.outcome == (0, "PASS", "CLEAN", None)
    decisions = played.ended.state.decisions
    assert list(decisions) == list(BOUNDARIES)
    for name in BOUNDARIES:
        made = decisions[name]
        assert (made.answer, made.how, made.digest) == ("proceed", "socket", played.said["digest"].stdout)
        assert made.operator is not None
        assert made.operator.uid == os.geteuid()


@pytest.mark.parametrize("played", ["approved line by line"], indirect=True)
def test_status_shows_the_digest(played: Watched) -> None:
    """While the run waits, `status` ends with 0 and shows boundary, digest and approve line."""
    digest = played.said["digest"].stdout
    for name in BOUNDARIES:
        status = played.said[f"status {name}"]
        assert status.exit_code == 0
        assert f"waits for you at {name}" in status.stdout
        assert digest in status.stdout
        assert f"{name} --digest {digest[:12]}" in status.stdout


@pytest.mark.parametrize("played", ["approved line by line"], indirect=True)
def test_wrong_answers_change_nothing(played: Watched) -> None:
    """A wrong, short or missing digest, another boundary and a hold of B-1 are refused; B-1 waits."""
    digest = "give the digest that status shows, 8 characters or more"
    said = {
        "wrong digest": "the digest is not the one of B-1: look at the status again",
        "short digest": digest,
        "other boundary": "the run waits at B-1, not at B-2",
        "hold": "B-1 cannot be held",
    }
    for name, sentence in said.items():
        assert (played.said[name].exit_code, played.said[name].stderr) == (2, f"drydock: {sentence}\n")
    assert played.said["no digest"].exit_code == 2
    assert "--digest" in played.said["no digest"].stderr
    assert "waits for you at B-1" in played.said["still"].stdout


@pytest.mark.parametrize("played", [f"aborted at {name}" for name in BOUNDARIES], indirect=True)
def test_abort_ends_clean(played: Watched) -> None:
    """`drydock abort` at a boundary ends ABORTED, CLEAN, exit 3; a second one finds nothing to end."""
    assert played.said["abort"].exit_code == 0
    assert played.ended.outcome == (3, "ABORTED", "CLEAN", None), played.ended.said.stderr
    assert played.ended.summary["reason"] == "the operator asked for the end (drydock abort)"
    assert played.said["late"].exit_code == 2
    assert "has ended already" in played.said["late"].stderr


@pytest.mark.parametrize("played", ["SIGTERM"], indirect=True)
def test_sigterm_ends_clean(played: Watched) -> None:
    """SIGTERM to a waiting engine ends the run ABORTED, CLEAN, exit 3."""
    assert played.ended.outcome == (3, "ABORTED", "CLEAN", None)
    assert played.ended.summary["reason"] == "the operator asked for the end (SIGTERM)"


@pytest.mark.parametrize("played", ["Ctrl+C at B-1", "Ctrl+C in C-03"], indirect=True)
def test_interrupt_ends_clean(played: Watched) -> None:
    """Ctrl+C at the command ends the run ABORTED, CLEAN, exit 3, whether it waits or works."""
    assert played.ended.outcome == (3, "ABORTED", "CLEAN", None), played.ended.said.stderr
    assert "Traceback" not in played.ended.said.stderr


@pytest.mark.parametrize("played", ["command killed"], indirect=True)
def test_engine_outlives_its_command(played: Watched) -> None:
    """After SIGKILL to the command the engine still waits, and approve leads it to PASS."""
    assert played.said["waiting"].exit_code == 0
    assert "waits for you at B-1" in played.said["waiting"].stdout
    assert (played.said["approved"].exit_code, played.said["approved"].stderr) == (
        0, "drydock: B-1 was approved\n",
    )  # fmt: skip
    assert played.said["after"].exit_code == 0
    assert "PASS, CLEAN" in played.said["after"].stdout


@pytest.mark.parametrize("played", ["held"], indirect=True)
def test_hold_ends_by_itself(played: Watched) -> None:
    """B-5 can be held for minutes; when they are over, the copy is destroyed and the run is PASS."""
    assert (played.said["held"].exit_code, played.said["held"].stderr) == (
        0, "drydock: held for 0.02 minutes\n",
    )  # fmt: skip
    assert played.ended.outcome == (0, "PASS", "CLEAN", None)
    assert played.ended.state.decisions["B-5"].how == "time limit"


@pytest.mark.parametrize("played", ["nobody at B-5"], indirect=True)
def test_b5_proceeds_without_an_answer(played: Watched) -> None:
    """B-5 alone means proceed when nobody answers: the copy is destroyed and the run is PASS."""
    assert played.ended.outcome == (0, "PASS", "CLEAN", None)
    made = played.ended.state.decisions["B-5"]
    assert (made.answer, made.how) == ("proceed", "time limit")


@pytest.mark.parametrize("played", ["nobody at B-1"], indirect=True)
def test_b1_aborts_without_an_answer(played: Watched) -> None:
    """B-1's time limit ends the run ABORTED, exit 3, and never as approved."""
    assert played.ended.outcome == (3, "ABORTED", "CLEAN", None)
    assert played.ended.summary["reason"] == "B-1 was answered with abort: nobody answered in time"
