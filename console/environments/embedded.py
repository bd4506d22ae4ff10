"""The embedded environment: a throwaway cluster, a throwaway interpreter and a harness beside them.

Everything lies below one folder of the run; the copy's cluster and the harness run as two users of
their own when Drydock is root, and the harness reaches the server through a hard link of its socket
in its own 0700 folder. Shares the host's kernel and file system: a separate cluster, not a sandbox.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

from psycopg import conninfo

from console.environments.cluster import (
    PORT,
    SUPERUSER,
    WITNESS_SETTINGS,
    Cluster,
    folder_identity,
    read_system_identifier,
)
from console.environments.harness_process import HarnessProcess
from console.environments.interpreter import Interpreter, make_interpreter
from console.environments.owner import lease_uid, lend, make_folder
from console.environments.process import Finished, run_program
from console.environments.programs import Programs
from console.errors import StepFailed
from console.model.protocols import Abort, Receipts
from console.packs import copy_tree
from console.secrets import SecretRegistry, destroy_file, write_secret_file
from console.settings import default_cache_folder
from console.sql import EngineConnection
from console.witness.catalogue import read_identity

SUPERUSER_SECRET = "copy-superuser"
OWNER_SECRET = "copy-owner"
RESTORE_ARGUMENTS = ("--no-owner", "--no-password", "--no-publications", "--no-subscriptions")
PSQL_ARGUMENTS = ("--no-psqlrc", "--no-password", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=0")
"""Errors are judged by the server's log. `\\restrict` comes first, with a key that the dump cannot know: where a
COPY fails, psql reads its data as commands, and a variable may hold one (both measured with 16.14)."""


@dataclass(frozen=True, kw_only=True)
class HarnessPlace:
    """Folders of the harness: below `home`, where only `scratch` and the trace's folder are its own."""

    home: Path
    interpreter: Interpreter
    archive: Path
    pack: Path
    subject: Path
    socket: Path
    scratch: Path
    trace: Path
    log: Path


class EmbeddedEnvironment:
    """The isolated PostgreSQL on this machine, and the harness beside it."""

    kind = "embedded"

    def __init__(
        self, *, folder: Path, programs: Programs, registry: SecretRegistry, receipts: Receipts
    ) -> None:
        self._folder = folder
        self._registry = registry
        self._receipts = receipts
        self._leases = (lease_uid(below=folder.parent), lease_uid(below=folder.parent))
        self.uid, self.harness_uid = (lease.uid if lease is not None else None for lease in self._leases)
        self.cluster = Cluster(
            folder=folder / "copy", programs=programs, uid=self.uid, label="the copy",
            settings=WITNESS_SETTINGS, receipts=receipts, templates=default_cache_folder(),
        )  # fmt: skip
        self.harness: HarnessProcess | None = None
        self.engine_pids: set[int] = set()
        self.system_identifier = ""

    def provision(self) -> None:
        """Make and start the copy's empty cluster."""
        self.cluster.create(self._registry.value(SUPERUSER_SECRET))
        self.system_identifier = read_system_identifier(self.cluster.data_folder)
        self.cluster.start()

    @contextmanager
    def connect(self, database: str = "postgres", **options: Any) -> Iterator[EngineConnection]:
        """Open one autocommit superuser session on the copy, whose identity is asked before anything else.

        Raises StepFailed (G-10) when another server answers under the copy's name.
        """
        password = self._registry.value(SUPERUSER_SECRET)
        with self.cluster.connect(password=password, database=database, **options) as connection:
            self.engine_pids.add(connection.info.backend_pid)
            found = read_identity(connection).system_identifier
            if found != self.system_identifier:
                raise StepFailed(
                    f"another server answers on the copy's socket: it has system_identifier {found}, "
                    f"the copy {self.system_identifier}; nothing may be written",
                    cause="environment", gate="G-10",
                )  # fmt: skip
            yield connection

    @contextmanager
    def listed_archive(
        self, dump: Path, *, abort: Abort, timeout_s: float
    ) -> Iterator[tuple[Finished, Path]]:
        """Let the cluster's user list a foreign archive and write it out as SQL; both are gone afterwards.

        The second is whatever a hostile archive made of it: open it without following links.
        """
        place = self.cluster.folder / "archive"
        make_folder(place, uid=self.uid)
        readable, text = place / "source.dump", place / "source.sql"
        self._receipts.opening("file", str(text))
        _give(dump, readable, self.uid)
        program = self.cluster.programs.path("pg_restore")
        try:
            for words in ([f"--file={text}"], ["--list"]):
                done = run_program(
                    [program, *words, str(readable)],
                    name=f"pg_restore {words[0][:6]}", scratch=self.cluster.folder, uid=self.uid,
                    receipts=self._receipts, abort=abort, timeout_s=timeout_s,
                )  # fmt: skip
                if done.returncode:
                    break
            yield done, text
        finally:
            readable.unlink()
            destroy_file(text)

    def restore(
        self, dump: Path, *, kind: Literal["archive", "plain"], database: str, owner: str, abort: Abort,
        timeout_s: float,
    ) -> Finished:  # fmt: skip
        """Restore a dump as the database's owner, in the cluster's user; return how the client ended.

        The client gets no variable of ours; the owner's password lies in a 0600 file that is
        destroyed when it has ended.
        """
        place = self.cluster.folder / "restore"
        make_folder(place, uid=self.uid)
        passfile = place / "owner.pass"
        self._receipts.opening("file", str(passfile))
        line = f"*:*:*:*:{self._registry.value(OWNER_SECRET)}\n"
        write_secret_file(passfile, line, uid=self.uid)
        self._identified(passfile)
        readable = place / "source.dump"
        self._receipts.opening("file", str(readable))
        _give(dump, readable, self.uid)
        self._identified(readable)
        target = conninfo.make_conninfo(
            "", host=str(self.cluster.socket_folder), port=PORT, dbname=database, user=owner,
            passfile=str(passfile), sslmode="disable", application_name="drydock-restore",
        )  # fmt: skip
        client = "pg_restore" if kind == "archive" else "psql"
        words = [*RESTORE_ARGUMENTS, f"--dbname={target}", str(readable)]
        if kind == "plain":
            restrict = f"--command=\\restrict {token_hex(16)}"
            words = [*PSQL_ARGUMENTS, f"--dbname={target}", restrict, f"--file={readable}"]
        try:
            return run_program(
                [self.cluster.programs.path(client), *words],
                name=client, scratch=self.cluster.folder, uid=self.uid, receipts=self._receipts, abort=abort,
                timeout_s=timeout_s,
            )  # fmt: skip
        finally:
            for file in (passfile, readable):
                identity = folder_identity(file)
                destroy_file(file)
                self._receipts.closed("file", str(file), identity=identity, how="overwritten and removed")

    def _identified(self, file: Path) -> None:
        self._receipts.identified("file", str(file), folder_identity(file))

    def make_harness_place(
        self, *, archive: Path, pack: Path, subject: Path, socket: Path | None = None
    ) -> HarnessPlace:
        """Lay out the harness's folders with copies of pack and subject that it can only read.

        `socket` is linked into its place; without one the folder stays empty, for a database that is reached
        by its address.

        Under root all but the trace's folder and a scratch folder is root's. An ordinary user's harness
        runs as that user: there the modes stop an accident, and a subject that changes them is not stopped.
        """
        home = self._folder / "harness"
        self._receipts.opening("folder", str(home))
        make_folder(home)
        self._receipts.identified("folder", str(home), folder_identity(home))
        interpreter = make_interpreter(home / "interpreter", uid=self.harness_uid)
        place = HarnessPlace(
            home=home, interpreter=interpreter, archive=home / "harness.pyz", pack=home / "pack",
            subject=home / "subject", socket=home / "socket", scratch=home / "scratch",
            trace=home / "trace" / "client.jsonl", log=home / "harness.log",
        )  # fmt: skip
        shutil.copyfile(archive, place.archive)
        copy_tree(pack, place.pack)
        copy_tree(subject, place.subject)
        for made in (place.archive, place.pack, place.subject):
            _read_only(made, self.harness_uid)
        make_folder(place.socket)
        if socket is not None:
            _lead_to(socket, place.socket / socket.name)
        for own in (place.scratch, place.trace.parent):
            make_folder(own, uid=self.harness_uid)
        place.log.touch(mode=0o600)
        if self.harness_uid is not None:
            for folder in (place.socket, home):
                os.chown(folder, 0, self.harness_uid)
                folder.chmod(0o750)
        return place

    def start_harness(self, place: HarnessPlace) -> HarnessProcess:
        """Start the harness in its place."""
        self.harness = HarnessProcess(
            interpreter=place.interpreter, archive=place.archive, log=place.log, uid=self.harness_uid,
            receipts=self._receipts, home=place.scratch,
        )  # fmt: skip
        return self.harness

    def context(self, place: HarnessPlace, *, database: str, passwords: dict[str, str]) -> dict[str, Any]:
        """Return what the harness is told: where the copy is, and the rehearsal's own passwords."""
        return {
            "pack": str(place.pack), "subject": str(place.subject), "trace": str(place.trace),
            "host": str(place.socket), "port": PORT, "database": database, "sslmode": "disable",
            "passwords": passwords,
        }  # fmt: skip

    @property
    def superuser(self) -> str:
        """Return the engine's own role on the copy."""
        return SUPERUSER


def _lead_to(socket: Path, place: Path) -> None:
    """Put a socket under another name: itself where both lie on one file system, elsewhere a link that leads there."""
    try:
        os.link(socket, place)
    except OSError as wrong:
        if wrong.errno != errno.EXDEV:
            raise
        place.symlink_to(socket)


def _give(source: Path, target: Path, uid: int | None) -> None:
    """Let `uid` read a file under another name: a hard link where it can be, then owned by `uid`."""
    if uid is not None:
        os.chown(source, uid, uid, follow_symlinks=False)
    os.link(source, target, follow_symlinks=False)


def _read_only(path: Path, uid: int | None) -> None:
    """Make a file or a tree readable by `uid`, and root's; without a uid, read-only to its own user."""
    if uid is not None:
        lend(path, uid)
        return
    for one in [*path.rglob("*"), path]:
        one.chmod(0o500 if one.is_dir() else 0o400)
