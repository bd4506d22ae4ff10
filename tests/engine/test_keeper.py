"""The process that ends a kept copy: when its time is over, when it is asked to, and never another one's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fix_journals import created

from console.engine.keeper import Keeper, start_keeper
from console.engine.recorder import Recorder
from console.kept import DATA_FOLDER, FORMAT, KeptFile, KeptList, kept_path, write_list
from console.model.config import ReuseConfig, RunConfig, RunOrder
from console.model.event import RunEnded
from console.runs import JOURNAL_FILE, ORDER_FILE
from console.secrets import SecretRegistry

RUN = "20261121-034512-7f3a"
PATIENCE_S = 30.0


class Place:
    """A run's folder with its order, and the folder of kept copies."""

    def __init__(self, root: Path) -> None:
        self.run, self.kept = root / RUN, root / "kept"
        self.run.mkdir()
        self.kept.mkdir(mode=0o700)
        self.order = RunOrder(run=RUN, config=RunConfig(reuse=ReuseConfig(copy=True, folder=str(self.kept))))
        (self.run / ORDER_FILE).write_bytes(msgspec.json.encode(self.order))
        self.path = kept_path(str(self.kept), RUN)

    def keep(self, *, for_s: float) -> None:
        """Keep something, as C-06 does: the list is written last."""
        self.path.mkdir(mode=0o700)
        (self.path / DATA_FOLDER).mkdir()
        (self.path / DATA_FOLDER / "row").write_text("production's")
        at = datetime.now(UTC)
        write_list(
            self.path,
            KeptList(
                format=FORMAT, run=RUN, drydock="1", kept_at=at, until=at + timedelta(seconds=for_s), read_at="now",
                fits="ab" * 32, source="s", source_identifier="1", system_identifier="2", protection="memory",
                folders=[], files={"row": KeptFile(size=1, sha256="ab" * 32)}, size_bytes=1, sha256="ab" * 32,
                facts={}, grantees=[],
            ),
        )  # fmt: skip

    def end_run(self) -> None:
        """Let the run's journal say that it ended."""
        recorder = Recorder(self.run / JOURNAL_FILE, SecretRegistry())
        recorder.record(created())
        recorder.record(
            RunEnded(
                verdict="FAIL",
                closure="CLEAN",
                cause="subject",
                failed_gate=None,
                failed_scenario=None,
                reason="x",
                residue=(),
                exit_code=1,
            )
        )
        recorder.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Where one run keeps its copy."""
    return Place(tmp_path)


@pytest.fixture
def keeper(place: Place) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start the real process; it is gone afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(start_keeper(place.run))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_what_is_kept_goes_when_its_time_is_over(place: Place, keeper: Any) -> None:
    """A copy outlives its end, goes before it, or the process stays when it is done."""
    process = keeper()
    place.keep(for_s=3)
    began = time.monotonic()
    assert process.wait(PATIENCE_S) == 0
    assert not place.path.exists()
    assert place.kept.exists()
    assert time.monotonic() - began > 2


def test_whoever_ends_the_process_ends_the_copy(place: Place, keeper: Any) -> None:
    """SIGTERM, as at a machine's end, leaves the copy without anybody who would end it."""
    process = keeper()
    place.keep(for_s=3600)
    _until(lambda: _waits_for_term(process.pid))
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    assert not place.path.exists()


def test_whoever_ends_it_before_there_is_a_copy_ends_the_copy_to_come(place: Place, keeper: Any) -> None:
    """The run keeps its copy after that, and nobody waits for its time to be over."""
    process = keeper()
    _until(lambda: _waits_for_term(process.pid))
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    place.keep(for_s=3600)
    assert process.wait(PATIENCE_S) == 0
    assert not place.path.exists()


def test_what_took_the_copys_place_is_nobodys_of_ours(place: Place) -> None:
    """Another folder of the same name goes when the copy's time is over."""
    place.keep(for_s=1)
    keeper = Keeper(place.run, place.order)
    kept = keeper.kept()
    assert kept is not None
    place.path.rename(place.kept / "elsewhere")
    place.path.mkdir(mode=0o700)
    (place.path / "theirs").write_text("x")
    keeper.end(kept)
    assert (place.path / "theirs").read_text() == "x"


def test_a_clock_that_is_set_back_gives_a_copy_no_more_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy stays for as long as somebody has set the clock back."""
    place.keep(for_s=2)
    keeper = Keeper(place.run, place.order)
    kept = keeper.kept()
    assert kept is not None and kept.listed is not None
    told = iter([kept.listed.kept_at])
    back = kept.listed.kept_at - timedelta(days=1)
    monkeypatch.setattr("console.engine.keeper.now", lambda: next(told, back))
    keeper.end(kept)
    assert not place.path.exists()


def test_a_copy_that_somebody_removed_ends_the_process(place: Place) -> None:
    """It waits for hours for what is gone, or removes what took over the place's content."""
    place.keep(for_s=1)
    keeper = Keeper(place.run, place.order)
    kept = keeper.kept()
    assert kept is not None
    place.path.rename(place.kept / "elsewhere")
    keeper.end(kept)
    assert (place.kept / "elsewhere" / DATA_FOLDER / "row").read_text() == "production's"


def test_a_run_that_kept_nothing_is_waited_for_no_longer_than_it_lives(place: Place, keeper: Any) -> None:
    """The process of a run that failed before C-06 stays for ever."""
    place.end_run()
    assert keeper().wait(PATIENCE_S) == 0


def test_a_run_that_was_killed_before_it_kept_anything_is_given_up(place: Place) -> None:
    """Engine and watchdog are gone, and the process waits on."""
    assert Keeper(place.run, place.order, lost_after_s=0).kept() is None


def test_the_process_is_small_and_knows_no_database() -> None:
    """It waits for hours: psycopg, Textual and the docker SDK stay out of it."""
    heavy = "{'psycopg', 'textual', 'docker', 'rich', 'cryptography', 'hyperscan'}"
    code = f"import sys, console.engine.keeper; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def _waits_for_term(pid: int) -> bool:
    """Tell whether it ignores SIGHUP, which comes after SIGTERM is blocked; sigtimedwait(2) shows that as unblocked."""
    status = Path(f"/proc/{pid}/status").read_text()
    ignored = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored, 16) & 1 << (signal.SIGHUP - 1))


def _until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline
        os.sched_yield()
