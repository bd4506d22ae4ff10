"""A template whose content is changed past its change times, in a whole run."""

from __future__ import annotations

import mmap
import os
import signal
import time
from pathlib import Path

import pytest
from fix_runs import PATIENCE_S, Drydock, Living
from rewind_pack import write_rewind_pack
from test_rewound_runs import STEP_S, UP_TO_S4, copy_folder, somebody, words_for

from console.engine.copy_database import TEMPLATE_NAME

PAGE_BYTES = 8192
FIRST_OID_OF_USERS = 16384
MADE = f"SELECT oid::text FROM pg_database WHERE datname = '{TEMPLATE_NAME}'".encode()


@pytest.mark.matrix
def test_a_change_that_no_time_tells_of_fails(drydock: Drydock) -> None:
    """A byte of a page's hole, written through memory that was mapped and written before the first look, fails G-31.

    Each look finds the template as it was, S4 passes on a copy with that byte, and no gate before has anything to say.
    """
    folder = write_rewind_pack(drydock.place("mapped"))
    living = drydock.start("--supervise", "scenario", "--approve", UP_TO_S4, *words_for(folder))
    pid = living.engine_pid()
    template = _stopped_before_the_first_look(living, pid)
    file, hole = _hole_of(template)
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
        mapped[hole] = mapped[hole]
        os.kill(pid, signal.SIGCONT)
        living.wait_at("B-S4")
        mapped[hole] ^= 1
    living.approve("B-S4")
    ended = living.finish()
    assert ended.outcome == (1, "FAIL", "CLEAN", "environment"), ended.said.stderr[-3000:]
    assert ended.summary["failed_gate"] == "G-31"
    assert "at the end the content's sha256 is " in ended.summary["reason"]
    assert {ended.summary["gates"][gate] for gate in ("G-14", "G-27", "G-28")} == {"PASS"}
    assert ended.state.scenarios["S4"].verdict == "PASS"
    assert drydock.command("verify", str(ended.folder)).exit_code == 0


def _stopped_before_the_first_look(living: Living, pid: int) -> Path:
    """Stop the engine while the server makes the template, and return its folder once it is made."""
    living.wait_until(lambda state: "restore" in state.facts, "the restored copy")
    base = copy_folder(living) / "data" / "base"
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        os.kill(pid, signal.SIGSTOP)
        if len([it for it in base.iterdir() if int(it.name) >= FIRST_OID_OF_USERS]) > 1:
            return base / _made(living, deadline)
        os.kill(pid, signal.SIGCONT)
        time.sleep(STEP_S)
    pytest.fail(f"the moment did not come; the run had said:\n{living.narration}")


def _made(living: Living, deadline: float) -> str:
    assert "prepared" not in living.state.facts, "the moment was missed"
    with somebody(living, database="postgres") as connection:
        while time.monotonic() < deadline:
            for (oid,) in connection.execute(MADE).fetchall():
                return str(oid)
            time.sleep(STEP_S)
    pytest.fail("the server did not make the template")


def _hole_of(template: Path) -> tuple[Path, int]:
    """Return a file that has a page with free space between pd_lower and pd_upper, and where that lies."""
    for file in sorted(template.iterdir(), key=lambda it: -it.stat().st_size):
        content = file.read_bytes()
        for at in range(0, len(content) - PAGE_BYTES + 1, PAGE_BYTES):
            lower = int.from_bytes(content[at + 12 : at + 14], "little")
            upper = int.from_bytes(content[at + 14 : at + 16], "little")
            if 24 <= lower < upper <= PAGE_BYTES:
                return file, at + (lower + upper) // 2
    pytest.fail(f"no page of {template} has a hole")
