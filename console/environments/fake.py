"""An environment without a server, for tests of whatever drives one: it keeps the protocol and makes two folders.

Its harness answers what it is told to answer. Never a way to a PASS: it has no witnesses, and a session on its copy
is refused.
"""

from __future__ import annotations

import queue
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from console.environments.cluster import folder_identity
from console.environments.environment import HarnessPlace
from console.environments.harness_talk import HarnessTalk
from console.environments.owner import make_folder
from console.environments.process import Finished
from console.environments.programs import Programs
from console.environments.restoring import Meanwhile, Parts
from console.errors import StepFailed
from console.model.isolation_facts import DockerContainer, DockerIsolation, Isolation
from console.model.protocols import Abort, Receipts
from console.packs import copy_tree
from console.sql import EngineConnection
from console.witness.client import ClientTrace
from console.witness.server_log import ServerLog

_NO_SERVER = "a fake environment has no server"


class FakeHarness(HarnessTalk):
    """Answers the context with `ready`, and a scenario with what `answers` has for it."""

    def __init__(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self._answers = answers
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.asked: list[dict[str, Any]] = []
        self.ended = False

    def end(self) -> None:
        """Say nothing more."""
        self.ended = True
        self._said.put(b"")

    def _write(self, data: bytes) -> None:
        if self.ended:
            raise BrokenPipeError("the fake harness has ended")
        asked = msgspec.json.decode(data, type=dict[str, Any])
        self.asked.append(asked)
        scenario = asked.get("scenario")
        reply: Mapping[str, Any] = {"ready": True, "scenarios": sorted(self._answers)}
        if scenario is not None:
            reply = {"scenario": scenario, "attempts": [], **self._answers.get(str(scenario), {})}
        self._said.put(msgspec.json.encode(reply) + b"\n")

    def _read(self, timeout_s: float) -> bytes | None:
        try:
            return self._said.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _exit_code(self) -> int | None:
        return 0 if self.ended else None


class FakeEnvironment:
    """Folders and words only."""

    kind = "docker"
    superuser = "postgres"

    def __init__(
        self, *, folder: Path, receipts: Receipts, answers: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self._folder = folder
        self._receipts = receipts
        self._answers = answers or {}
        self._lost = ""
        self.harness: FakeHarness | None = None
        self.engine_pids: set[int] = set()
        self.system_identifier = ""

    def taken_names(self) -> dict[str, bool]:
        """Return the one name that is used."""
        return {"container fake-copy": bool(self.system_identifier)}

    def engine_identity(self) -> dict[str, str]:
        """Return nothing: there is no container engine."""
        return {}

    def made_up_users(self) -> dict[str, int | None]:
        """Return nobody."""
        return {}

    def provision(self, *, much: bool = False, dump: Path | None = None) -> None:
        """Make the folder of the copy and give it an identity."""
        folder = self._folder / "copy"
        self._receipts.opening("folder", str(folder))
        make_folder(folder)
        self._receipts.identified("folder", str(folder), folder_identity(folder))
        self.system_identifier = "7" + folder_identity(folder).partition(":")[2]

    def end_loading(self) -> None:
        """Nothing was loaded."""

    def isolation(self) -> Isolation:
        """Return a network with nobody else in it."""
        alone = DockerContainer(port_bindings={}, ports={}, networks=("fake-network",))
        return Isolation(
            docker=DockerIsolation(
                network="fake-network", network_internal=True, made={"f1": "fake-copy"},
                containers={"fake-copy": alone}, members={"f1": "fake-copy"}, moves=(), unwatched="",
                reached={"address 192.0.2.1": False},
            )
        )  # fmt: skip

    def restoring_programs(self) -> Programs:
        """Return the lowest version that may read foreign dumps."""
        return Programs(root=Path("/nonexistent"), major=16, minor=16)

    @contextmanager
    def connect(self, database: str = "postgres", **options: Any) -> Iterator[EngineConnection]:
        """Refuse: there is no server."""
        raise StepFailed(_NO_SERVER, cause="environment")
        yield

    @contextmanager
    def connect_as_owner(self, database: str, owner: str, *, options: str = "") -> Iterator[EngineConnection]:
        """Refuse: there is no server."""
        raise StepFailed(_NO_SERVER, cause="environment")
        yield

    def lose(self, why: str) -> None:
        """Be gone from now on."""
        self._lost = why

    def lost(self) -> str:
        """Return what `lose` was told."""
        return self._lost

    @contextmanager
    def listed_archive(
        self, dump: Path, *, abort: Abort, timeout_s: float
    ) -> Iterator[tuple[Finished, Path]]:
        """Refuse: there is no client."""
        raise StepFailed(_NO_SERVER, cause="environment")
        yield

    def restore(
        self, dump: Path, *, kind: Literal["archive", "plain"], database: str, owner: str, abort: Abort,
        timeout_s: float, parts: Parts | None = None, meanwhile: Meanwhile = None,
    ) -> Finished:  # fmt: skip
        """Say that the client could not connect."""
        abort.raise_if_requested()
        if meanwhile is not None:
            meanwhile()
        return Finished(returncode=1, stdout=b"", stderr=_NO_SERVER)

    def server_log(self) -> ServerLog:
        """Return a log that stays empty."""
        return ServerLog(self._folder / "copy" / "server.json")

    def client_trace(self, place: HarnessPlace) -> ClientTrace:
        """Return a trace that stays empty."""
        return ClientTrace(place.trace)

    def make_harness_place(self, *, archive: Path, pack: Path, subject: Path) -> HarnessPlace:
        """Copy harness, pack and subject below the folder."""
        home = self._folder / "harness"
        self._receipts.opening("folder", str(home))
        make_folder(home)
        self._receipts.identified("folder", str(home), folder_identity(home))
        place = HarnessPlace(
            archive=home / "harness.pyz", pack=home / "pack", subject=home / "subject",
            trace=home / "client.jsonl", log=home / "harness.log",
        )  # fmt: skip
        shutil.copyfile(archive, place.archive)
        copy_tree(pack, place.pack)
        copy_tree(subject, place.subject)
        place.log.touch(mode=0o600)
        return place

    def start_harness(self, place: HarnessPlace, *, database: str) -> FakeHarness:
        """Start what answers."""
        self.harness = FakeHarness(self._answers)
        return self.harness

    def context(self, place: HarnessPlace, *, database: str, passwords: dict[str, str]) -> dict[str, Any]:
        """Return what a harness is told."""
        return {
            "pack": str(place.pack), "subject": str(place.subject), "trace": str(place.trace), "host": "fake-copy",
            "port": 5432, "database": database, "sslmode": "disable", "passwords": passwords,
        }  # fmt: skip

    def close_harness_way(self, place: HarnessPlace) -> None:
        """There is no way."""

    def keep_logs(self) -> None:
        """There are no logs."""

    def close(self) -> None:
        """End the harness."""
        if self.harness is not None:
            self.harness.end()
