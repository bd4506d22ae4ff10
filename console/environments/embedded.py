"""The embedded environment: a throwaway cluster, a throwaway interpreter and a harness beside them.

Everything lies below one folder of the run; the copy's cluster and the harness run as two users of
their own when Drydock is root, and the harness reaches the server through a hard link of its socket
in its own 0700 folder. Shares the host's kernel and file system: a separate cluster, not a sandbox.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
    read_postmaster_file,
    read_system_identifier,
)
from console.environments.environment import OWNER_SECRET, SUPERUSER_SECRET, HarnessPlace
from console.environments.giving import give, lead_to, read_only
from console.environments.harness_process import HarnessProcess
from console.environments.interpreter import Interpreter, make_interpreter
from console.environments.owner import lease_two_uids, make_folder
from console.environments.packages import lock_of, package_files
from console.environments.process import Finished, is_alive, process_identity, run_program
from console.environments.programs import Programs
from console.environments.restoring import (
    PSQL_ARGUMENTS,
    RESTORE_ARGUMENTS,
    RESTORE_OPTIONS,
    Meanwhile,
    Parts,
    ended_beside,
    restored_in_parts,
)
from console.errors import StepFailed
from console.model.isolation_facts import EmbeddedIsolation, Isolation
from console.model.protocols import Abort, Receipts
from console.packs import copy_tree
from console.secrets import SecretRegistry, destroy_file, write_secret_file
from console.settings import default_cache_folder
from console.sources.archive import CONTENTS, NAME, destroy_dump
from console.sql import EngineConnection, run
from console.witness.catalogue import read_identity
from console.witness.client import ClientTrace
from console.witness.client_numbers import numbers_of
from console.witness.server_log import ServerLog


@dataclass(frozen=True, kw_only=True)
class EmbeddedPlace(HarnessPlace):
    """Folders of the harness: below `home`, where only `scratch` and the trace's folder are its own."""

    home: Path
    interpreter: Interpreter
    socket: Path
    scratch: Path


class EmbeddedEnvironment:
    """The isolated PostgreSQL on this machine, and the harness beside it."""

    kind = "embedded"
    superuser = SUPERUSER

    def __init__(
        self, *, folder: Path, programs: Programs, registry: SecretRegistry, receipts: Receipts
    ) -> None:
        self._folder = folder
        self._registry = registry
        self._receipts = receipts
        self._leases = lease_two_uids(below=folder.parent)
        self.uid, self.harness_uid = (lease.uid if lease is not None else None for lease in self._leases)
        self.cluster = Cluster(
            folder=folder / "copy", programs=programs, uid=self.uid, label="the copy",
            settings=WITNESS_SETTINGS, receipts=receipts, templates=default_cache_folder(), loads=True,
        )  # fmt: skip
        self.harness: HarnessProcess | None = None
        self.engine_pids: set[int] = set()
        self._started_for_much = False
        self.system_identifier = ""

    def taken_names(self) -> dict[str, bool]:
        """Return nothing: the work folder holds it all."""
        return {}

    def engine_identity(self) -> dict[str, str]:
        """Return nothing: there is no container engine."""
        return {}

    def made_up_users(self) -> dict[str, int | None]:
        """Return the users of cluster and harness."""
        return {"copy": self.uid, "harness": self.harness_uid}

    def lost(self) -> str:
        """Return that the copy's server has ended; empty while it runs."""
        child = self.cluster.child
        return "" if child is None or is_alive(child.identity) else "the copy's server has ended"

    def restoring_programs(self) -> Programs:
        """Return the cluster's own programs."""
        return self.cluster.programs

    def server_log(self) -> ServerLog:
        """Return the server witness: the cluster's jsonlog."""
        return ServerLog(self.cluster.server_log)

    def client_trace(self, place: HarnessPlace) -> ClientTrace:
        """Return the client witness: the file that the harness appends to."""
        return ClientTrace(place.trace)

    def keep_logs(self) -> None:
        """The logs are on this machine already."""

    def close(self) -> None:
        """End the harness; nothing else is held."""
        if self.harness is not None:
            self.harness.end()

    def isolation(self) -> Isolation:
        """Return what the running server says, what lies in the socket's place and which process it is."""
        cluster = self.cluster
        assert cluster.child is not None
        with self.connect() as connection:
            [(listen, sockets, data)] = run(connection, "environment/isolation")
        folder = cluster.socket_folder.lstat()
        lines = read_postmaster_file(cluster.data_folder)
        found = process_identity(int(lines[0])) if lines else None
        return Isolation(
            embedded=EmbeddedIsolation(
                listen_addresses_asked=listen,
                socket_folder=str(cluster.socket_folder),
                socket_folder_asked=sockets,
                socket_folder_mode=stat.S_IMODE(folder.st_mode),
                socket_folder_owner_uid=folder.st_uid,
                server_uid=Path(f"/proc/{lines[0].strip()}").stat().st_uid if lines else -1,
                data_folder=str(cluster.data_folder),
                data_folder_asked=data,
                postmaster_started=cluster.child.identity,
                postmaster_found=found or "",
            )
        )

    def provision(self, *, much: bool = False, dump: Path | None = None) -> None:
        """Make and start the copy's empty cluster, with the settings for loading much where that is to come."""
        del dump  # it lies where the client reads it
        self._started_for_much = much
        self.cluster.create(self._registry.value(SUPERUSER_SECRET))
        self._start(bulk=much)

    def provision_kept(self, fill: Callable[[Path], None]) -> None:
        """Make and start the copy's server from what `fill` lays into its data folder, with an identity of its own."""
        self.cluster.create(self._registry.value(SUPERUSER_SECRET), kept=fill)
        self._start()

    def _start(self, *, bulk: bool = False) -> None:
        self.system_identifier = read_system_identifier(self.cluster.data_folder)
        self.cluster.start(bulk=bulk)

    def end_loading(self) -> None:
        """Start the server once more where it was started for loading."""
        if self._started_for_much:
            self.cluster.restart()
            self._started_for_much = False

    @contextmanager
    def connect(self, database: str = "postgres", **options: Any) -> Iterator[EngineConnection]:
        """Open one autocommit superuser session on the copy, whose identity is asked before anything else.

        Raises StepFailed (G-10) when another server answers under the copy's name.
        """
        password = self._registry.value(SUPERUSER_SECRET)
        with self._session(password=password, database=database, **options) as connection:
            yield connection

    @contextmanager
    def connect_as_owner(self, database: str, owner: str, *, options: str = "") -> Iterator[EngineConnection]:
        """Open one autocommit session of the database's owner, after the same question."""
        password = self._registry.value(OWNER_SECRET)
        with self._session(
            password=password,
            user=owner,
            database=database,
            application_name="drydock-restore",
            options=options,
        ) as connection:
            yield connection

    @contextmanager
    def _session(self, **options: Any) -> Iterator[EngineConnection]:
        with self.cluster.connect(**options) as connection:
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
        readable, text = place / NAME, place / "source.sql"
        self._receipts.opening("file", str(text))
        give(dump, readable, self.uid)
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
        timeout_s: float, parts: Parts | None = None, meanwhile: Meanwhile = None,
    ) -> Finished:  # fmt: skip
        """Restore a dump as the database's owner, in the cluster's user; return how the client ended.

        The client gets no variable of ours; the owner's password lies in a 0600 file that is
        destroyed when it has ended, as the dump is: `meanwhile` is done beside that. A folder's rows are
        overwritten from when the client needs no row any more: that waits for the disk, what follows for a processor.
        """
        place = self.cluster.folder / "restore"
        make_folder(place, uid=self.uid)
        passfile = place / "owner.pass"
        self._receipts.opening("file", str(passfile))
        line = f"*:*:*:*:{self._registry.value(OWNER_SECRET)}\n"
        write_secret_file(passfile, line, uid=self.uid)
        self._identified(passfile)
        readable = place / NAME
        kind_of_receipt = "folder" if dump.is_dir() else "file"
        self._receipts.opening(kind_of_receipt, str(readable))
        give(dump, readable, self.uid)
        self._receipts.identified(kind_of_receipt, str(readable), folder_identity(readable))
        target = conninfo.make_conninfo(
            "", host=str(self.cluster.socket_folder), port=PORT, dbname=database, user=owner,
            passfile=str(passfile), sslmode="disable", application_name="drydock-restore", options=RESTORE_OPTIONS,
        )  # fmt: skip
        client = "pg_restore" if kind == "archive" else "psql"
        words = [*RESTORE_ARGUMENTS, f"--dbname={target}", str(readable)]
        if kind == "plain":
            restrict = f"--command=\\restrict {token_hex(16)}"
            words = [*PSQL_ARGUMENTS, f"--dbname={target}", restrict, f"--file={readable}"]

        def run(words: list[str]) -> Finished:
            return run_program(
                [self.cluster.programs.path(client), *words],
                name=client, scratch=self.cluster.folder, uid=self.uid, receipts=self._receipts, abort=abort,
                timeout_s=timeout_s,
            )  # fmt: skip

        def one_part(listing: str) -> Finished:
            part = place / "part.list"
            part.unlink(missing_ok=True)
            write_secret_file(part, listing, uid=self.uid)
            return run([f"--use-list={part}", *words])

        rows_gone: list[Future[None]] = []

        def end() -> None:
            for file, what in ((passfile, "file"), (readable, kind_of_receipt)):
                identity = folder_identity(file)
                for overwriting in rows_gone if file == readable else ():
                    overwriting.result()
                destroy_dump(file)
                if what == "folder":
                    file.rmdir()
                self._receipts.closed(what, str(file), identity=identity, how="overwritten and removed")

        with ThreadPoolExecutor(1) as beside:

            def loaded() -> None:
                if kind_of_receipt == "folder":
                    rows_gone.append(beside.submit(destroy_dump, readable, spare=CONTENTS))

            try:
                done = restored_in_parts(one_part, parts, loaded=loaded) if parts is not None else run(words)
            except BaseException:
                end()
                raise
            ended_beside(end, meanwhile)
        return done

    def _identified(self, file: Path) -> None:
        self._receipts.identified("file", str(file), folder_identity(file))

    def make_harness_place(
        self, *, archive: Path, pack: Path, subject: Path, socket: Path | Literal["copy"] | None = "copy"
    ) -> EmbeddedPlace:
        """Lay out the harness's folders with copies of pack and subject that it can only read.

        `socket` is linked into its place, the copy's own unless another is named; with None the folder stays
        empty, for a database that is reached by its address.

        Under root all but the trace's folder and a scratch folder is root's. An ordinary user's harness
        runs as that user: there the modes stop an accident, and a subject that changes them is not stopped.
        """
        home = self._folder / "harness"
        self._receipts.opening("folder", str(home))
        make_folder(home)
        self._receipts.identified("folder", str(home), folder_identity(home))
        lock = lock_of(pack)
        packages = package_files(lock) if lock is not None else ()
        interpreter = make_interpreter(
            home / "interpreter", uid=self.harness_uid, packages=packages, cache=default_cache_folder()
        )
        place = EmbeddedPlace(
            home=home, interpreter=interpreter, archive=home / "harness.pyz", pack=home / "pack",
            subject=home / "subject", socket=home / "socket", scratch=home / "scratch",
            trace=home / "trace" / "client.jsonl", log=home / "harness.log",
        )  # fmt: skip
        shutil.copyfile(archive, place.archive)
        copy_tree(pack, place.pack)
        copy_tree(subject, place.subject)
        for made in (place.archive, place.pack, place.subject):
            read_only(made, self.harness_uid)
        make_folder(place.socket)
        if socket == "copy":
            socket = self.cluster.socket_path
        if socket is not None:
            lead_to(socket, place.socket / socket.name)
        for own in (place.scratch, place.trace.parent):
            make_folder(own, uid=self.harness_uid)
        place.log.touch(mode=0o600)
        if self.harness_uid is not None:
            for folder in (place.socket, home):
                os.chown(folder, 0, self.harness_uid)
                folder.chmod(0o750)
        return place

    def start_harness(self, place: HarnessPlace, *, database: str | None) -> HarnessProcess:
        """Start the harness in its place, once the copy is who answers on the socket that lies there.

        Without a database there is no copy, and nobody is asked.
        """
        assert isinstance(place, EmbeddedPlace)
        if database is not None:
            with self.connect(database, socket_folder=place.socket):
                pass
        self.harness = HarnessProcess(
            interpreter=place.interpreter, archive=place.archive, log=place.log, uid=self.harness_uid,
            receipts=self._receipts, home=place.scratch,
        )  # fmt: skip
        return self.harness

    def context(self, place: HarnessPlace, *, database: str, passwords: dict[str, str]) -> dict[str, Any]:
        """Return what the harness is told: where the copy is, and the rehearsal's own passwords."""
        assert isinstance(place, EmbeddedPlace)
        return {
            "pack": str(place.pack), "subject": str(place.subject), "trace": str(place.trace),
            "numbers": str(numbers_of(place.trace)),
            "host": str(place.socket), "port": PORT, "database": database, "sslmode": "disable",
            "passwords": passwords,
        }  # fmt: skip

    def close_harness_way(self, place: HarnessPlace) -> None:
        """Take the socket out of the harness's place; what it wrote lies on this machine."""
        assert isinstance(place, EmbeddedPlace)
        for entry in place.socket.iterdir():
            entry.unlink()
