"""What every environment of a copy offers to the engine's steps, as one small protocol and its values."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from console.environments.harness_talk import HarnessTalk
from console.environments.process import Finished
from console.environments.programs import Programs
from console.environments.restoring import Meanwhile, Parts
from console.model.isolation_facts import Isolation
from console.model.protocols import Abort
from console.sql import EngineConnection
from console.witness.client import ClientTrace
from console.witness.server_log import ServerLog

SUPERUSER_SECRET = "copy-superuser"
OWNER_SECRET = "copy-owner"


@dataclass(frozen=True, kw_only=True)
class HarnessPlace:
    """Where this machine can read what is in the harness's place: archive, pack and subject, trace and log."""

    archive: Path
    pack: Path
    subject: Path
    trace: Path
    log: Path


class Environment(Protocol):
    """The isolated PostgreSQL, and the harness beside it. Nothing exists before `provision`."""

    kind: str
    superuser: str
    system_identifier: str
    engine_pids: set[int]

    @property
    def harness(self) -> HarnessTalk | None:
        """Return the harness once it was started."""

    def taken_names(self) -> dict[str, bool]:
        """Return each exact name to be used beyond the work folder, as "kind name", and whether it exists."""

    def engine_identity(self) -> dict[str, str]:
        """Return which container engine this is; empty where there is none."""

    def made_up_users(self) -> dict[str, int | None]:
        """Return the users of this machine that were made up for the run, by what they are for."""

    def provision(self, *, much: bool = False, dump: Path | None = None) -> None:
        """Make and start the copy's empty server, and record who it is by its own files; `much` is to be loaded.

        The dump that will be restored may be brought to its place meanwhile.
        Its durability is off (bulk.DURABILITY) until that is reset in it.
        """

    def end_loading(self) -> None:
        """Give the server the settings that it was started without because much was to be loaded."""

    def isolation(self) -> Isolation:
        """Return what shows that there is no way in or out."""

    def restoring_programs(self) -> Programs:
        """Return the version of the client that restores."""

    def connect(self, database: str = "postgres", **options: Any) -> AbstractContextManager[EngineConnection]:
        """Open one autocommit superuser session on the copy, whose identity is asked before anything else."""

    def connect_as_owner(
        self, database: str, owner: str, *, options: str = ""
    ) -> AbstractContextManager[EngineConnection]:
        """Open one autocommit session of the database's owner on the copy: what is restored runs with its power."""

    def lost(self) -> str:
        """Return what of the environment is gone, in a sentence; empty while it stands."""

    def listed_archive(
        self, dump: Path, *, abort: Abort, timeout_s: float
    ) -> AbstractContextManager[tuple[Finished, Path]]:
        """Let the restoring client list a foreign archive and write it out as SQL; both are gone afterwards."""

    def restore(
        self, dump: Path, *, kind: Literal["archive", "plain"], database: str, owner: str, abort: Abort,
        timeout_s: float, parts: Parts | None = None, meanwhile: Meanwhile = None,
    ) -> Finished:  # fmt: skip
        """Restore a dump as the database's owner, in parts where some are given; return how the client ended.

        Once it has ended well or not, `meanwhile` is done beside the removal of what it was given.
        """

    def server_log(self) -> ServerLog:
        """Return the server witness."""

    def make_harness_place(self, *, archive: Path, pack: Path, subject: Path) -> HarnessPlace:
        """Put harness, pack and subject where the harness can read them and not change them."""

    def start_harness(self, place: HarnessPlace, *, database: str) -> HarnessTalk:
        """Start the harness in its place."""

    def context(self, place: HarnessPlace, *, database: str, passwords: dict[str, str]) -> dict[str, Any]:
        """Return what the harness is told: where the copy is, and the rehearsal's own passwords."""

    def client_trace(self, place: HarnessPlace) -> ClientTrace:
        """Return the client witness."""

    def close_harness_way(self, place: HarnessPlace) -> None:
        """Leave no way from the ended harness to the copy, and everything that it wrote where it is searched."""

    def keep_logs(self) -> None:
        """Bring what the run's evidence keeps to this machine, as far as it can be had."""

    def close(self) -> None:
        """Let go of what this process holds (idempotent); removes nothing."""
