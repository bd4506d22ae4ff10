"""The engine of one run as it is, and a fault: what a cell names happens just before or just after one event.

Usage: armed_engine.py console.engine.worker SPEC.json FOLDER, or armed_engine.py recover SPEC.json FOLDER. It also
notes the hash of each event whose writing was acknowledged, so that a lost one shows.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from moments import moment_of, short

from console import journal as journal_module
from console.engine import worker
from console.journal import JournalWriter
from console.secrets import SecretRegistry

HALF = b'{"hash":"' + b"0" * 40
STRANGE = b'{"hash":"' + b"0" * 64 + b'","n":1}\n'
A_DAY_S = 86400.0


class Fault:
    """What happens to one process, once."""

    def __init__(self, spec: dict[str, Any], folder: Path) -> None:
        self.spec, self.folder = spec, folder
        self.begun = False
        self.pids: dict[str, int] = {}
        self.containers: dict[str, str] = {}
        self.whom = ""
        self.whole = JournalWriter.append

    def arm(self) -> None:
        """Put the fault into this process."""
        fault = self
        acknowledged = os.open(
            self.spec["acks"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )

        def append(self: JournalWriter, event: Any, *, origin: str = "engine") -> Any:
            name = type(event).__name__
            if name == "ReceiptIdentified" and event.object == "process":
                fault.pids[event.name] = int(event.identity.split(":")[0])
            if name == "ReceiptIdentified" and event.object == "container":
                fault.containers[short(event.name)] = event.identity
            here = not fault.begun and fault.is_at(moment_of(event))
            if here and fault.spec["when"] == "before":
                fault.begin()
            entries = fault.whole(self, event, origin=origin)
            os.write(acknowledged, f"{self.n} {self.head}\n".encode())
            if here and fault.spec["when"] == "after":
                fault.begin()
            return entries

        JournalWriter.append = append  # type: ignore[method-assign]

    def is_at(self, moment: str) -> bool:
        """Tell whether this is the moment; one that ends in a star stands for all that begin like it."""
        wanted = self.spec["moment"]
        return moment.startswith(wanted[:-1]) if wanted.endswith("*") else moment == wanted

    def begin(self) -> None:
        """Let it happen."""
        self.begun = True
        act, _, whom = self.spec["act"].partition(" ")
        Path(self.spec["acks"] + ".met").touch()
        if act.startswith("SIG"):
            self.signal(signal.Signals[act], whom)
        else:
            self.whom = whom
            getattr(self, f"do_{act}")()

    def signal(self, number: signal.Signals, whom: str) -> None:
        """Signal the engine itself, its watchdog as well, the console, or a process that a receipt names."""
        if whom == "both":
            os.kill(os.getppid(), number)
        if whom in ("engine", "both"):
            os.kill(os.getpid(), number)
        elif whom == "console":
            os.kill(self.spec["console"], number)
        else:
            os.kill(self.pids[whom], number)

    def do_full(self) -> None:
        """Fill the file system of the folder that the cell names; what the last page still takes is left."""
        with Path(self.spec["ballast"]).open("wb", buffering=0) as file:
            for size in (1 << 16, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError as wrong:
                    if wrong.errno != errno.ENOSPC:
                        raise

    def do_container(self) -> None:
        """Kill a container that a receipt names, as its engine's owner would."""
        words = ["docker", "--host", self.spec["docker"], "kill", self.containers[self.whom]]
        subprocess.run(words, check=True, capture_output=True)

    def do_daemon(self) -> None:
        """Kill the copy's daemon, or stop it as its service would be stopped."""
        sys.path.append(str(Path(__file__).parents[1] / "docker"))
        from docker_engine import Engine

        engine = Engine(folder=Path(self.spec["daemon"]))
        engine.kill() if self.whom == "killed" else engine.end()

    def do_torn(self) -> None:
        """Die with the watchdog in the middle of a line."""
        self._put(HALF)
        self.signal(signal.SIGKILL, "both")

    def do_half(self) -> None:
        """Die in the middle of a line; the watchdog lives."""
        self._put(HALF)
        self.signal(signal.SIGKILL, "engine")

    def do_stranger(self) -> None:
        """Let somebody append a line that does not verify."""
        self._put(STRANGE)

    def do_changed(self) -> None:
        """Let somebody change a byte of the last line, and die."""
        with (self.folder / "journal.jsonl").open("r+b") as file:
            file.seek(-30, os.SEEK_END)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        self.signal(signal.SIGKILL, "engine")

    def _put(self, line: bytes) -> None:
        with (self.folder / "journal.jsonl").open("ab", buffering=0) as file:
            file.write(line)

    def do_readonly(self) -> None:
        """Make the run's scratch folder, its folder or the work folder a read-only mount."""
        places = {"": self.folder / "scratch", "run": self.folder, "work": Path(self.spec["work"])}
        place = str(places[self.whom])
        for words in (["--bind", place, place], ["-o", "remount,ro,bind", place]):
            subprocess.run(["mount", *words], check=True)

    def do_fds(self) -> None:
        """Leave no further file descriptor."""
        highest = max(map(int, os.listdir("/proc/self/fd")))
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (highest + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )

    def do_processes(self) -> None:
        """Let nobody but root start a process (RLIMIT_NPROC, checked at execve after setuid)."""
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))

    def do_socket(self) -> None:
        """Let somebody remove the control socket."""
        (self.folder / "control.sock").unlink()

    def do_tomorrow(self) -> None:
        """Set this process's clocks a day ahead."""
        self._shift(A_DAY_S)

    def do_yesterday(self) -> None:
        """Set them back by a day."""
        self._shift(-A_DAY_S)

    def _shift(self, by_s: float) -> None:
        now, now_at = time.time, journal_module.now_at
        from datetime import datetime, timedelta

        time.time = lambda: now() + by_s

        def shifted() -> str:
            moved = datetime.fromisoformat(now_at()) + timedelta(seconds=by_s)
            return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")

        journal_module.now_at = shifted

    def do_nothing(self) -> None:
        """Only be there."""


def main(which: str, spec: Path, folder: Path) -> int:
    """Run the worker with an armed engine, or take the run over with an armed recovery."""

    def fault() -> Fault:
        return Fault(json.loads(spec.read_text("utf-8")), folder)

    if which == "recover":
        from console.engine.rehearse import take_over

        fault().arm()
        return take_over(folder, by="drydock recover")
    whole = worker._engine_process

    def armed(place: Path, registry: SecretRegistry) -> int:
        fault().arm()
        return whole(place, registry)

    vars(worker)["_engine_process"] = armed
    return worker.main([str(folder)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
