"""What the kernel tells of a command's processor time, beside what the command's own processes say of themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from processor_time import POSTGRESQL, Task, measured, seconds_by_owner

BURNS_S = 0.2
COMMAND = f"""
import os, sys, threading, time

def burn(until_s):
    while time.thread_time() < until_s:
        pass

def say(name):
    with open(name, "w") as file:
        file.write(str(time.process_time()))

thread = threading.Thread(target=burn, args=({BURNS_S},))
thread.start()
thread.join()
burn(time.thread_time() + {BURNS_S})
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1)
        os.close(2)
        burn(time.thread_time() + {BURNS_S})
        say("orphan")
    os._exit(0)
os.wait()
print("printed")
say("command")
"""
"""Two threads that work, and a process that works on when its parent has ended and another one has adopted it."""

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="the kernel tells root alone: run the tests as root"
)


@needs_root
def test_every_thread_and_orphan_counts_and_nobody_else(tmp_path: Path) -> None:
    """The kernel's sum is what the processes say of themselves; a neighbour's work at the same time is not in it."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as neighbour:
        try:
            printed, tasks = measured([sys.executable, "-c", COMMAND], tmp_path)
        finally:
            neighbour.kill()
    said_s = sum(float((tmp_path / name).read_text()) for name in ("command", "orphan"))
    assert printed == "printed\n"
    assert neighbour.pid not in {task.number for task in tasks}
    assert len(tasks) == 4  # the command, its thread, the process between, the orphan
    assert said_s >= 3 * BURNS_S
    assert said_s * 0.98 <= sum(task.seconds for task in tasks) <= said_s + BURNS_S / 2
    assert seconds_by_owner(tasks)["python"] == pytest.approx(sum(task.seconds for task in tasks))


@needs_root
def test_a_command_that_fails_is_no_figure(tmp_path: Path) -> None:
    """What it printed and said is in the error."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        measured(["sh", "-c", "echo printed; echo said >&2; exit 3"], tmp_path)
    assert (failed.value.returncode, failed.value.output, failed.value.stderr) == (3, "printed\n", "said\n")


def test_whose_time_it_is() -> None:
    """PostgreSQL's own programs, Python and this command by their names, the rest as other, in this order."""
    names = [*sorted(POSTGRESQL), "python3.11", "drydock", "git", "sh"]
    found = seconds_by_owner(
        Task(number=number, name=name, seconds=0.25) for number, name in enumerate(names)
    )
    assert list(found.items()) == [("postgresql", 0.25 * len(POSTGRESQL)), ("python", 0.5), ("other", 0.5)]
