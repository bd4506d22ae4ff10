"""A source that is a running container: its own pg_dump by exec, and one read-only session beside it.

Never writes inside it, never starts, stops or changes it. Both go through exec streams, so that the engine may be
elsewhere and nothing needs to be published; a password is given to pg_dump's prompt, never to a variable or a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg
import psycopg.conninfo

from console.environments.cluster import folder_identity
from console.environments.docker_endpoint import Endpoint
from console.environments.docker_objects import DockerObjects, opened
from console.environments.docker_stream import AttachedStream, StreamEnded
from console.environments.owner import make_folder
from console.environments.programs import Programs
from console.errors import StepFailed
from console.model.protocols import Abort, Receipts
from console.secrets import SecretRegistry
from console.sources.connection import NO_PASSFILE, READ_ONLY, ConnectionSource, Target
from console.sources.container_programs import DUMP, RELAY
from console.sources.dumping import DUMP_ARGUMENTS, Progress
from console.sources.narration import Narration
from console.sources.source import Dumped, Look, Snapshot
from console.sql import EngineConnection, Ran
from console.witness.counting import SecondSession

_CHUNK_BYTES = 1 << 16
_POLL_S = 0.2
_CODE_POLL_S = 0.01
_END_PATIENCE_S = 15.0


class ContainerSource(ConnectionSource):
    """Copies from a container by its exact name."""

    kind = "container"

    def __init__(
        self, target: Target, programs: Programs, *, container: str, run_as: str, endpoint: Endpoint, folder: Path,
        receipts: Receipts, registry: SecretRegistry, observer: Callable[[Ran], None] | None,
    ) -> None:  # fmt: skip
        super().__init__(target, programs, scratch=folder, observer=observer)
        self._container = container
        self._run_as = run_as
        self._endpoint = endpoint
        self._folder = folder
        self._receipts = receipts
        self._registry = registry
        self._sessions = 0

    def prepare(self) -> None:
        """A container needs nothing made."""

    @contextmanager
    def _objects(self) -> Iterator[DockerObjects]:
        folder = self._folder.with_name(f"{self._folder.name}-ssh{self._sessions}")
        with opened(self._endpoint, folder=folder, receipts=self._receipts) as objects:
            yield objects

    def inspected(self, objects: DockerObjects) -> dict[str, Any]:
        """Return the running container. Raises StepFailed (source)."""
        found = objects.look("container", self._container)
        if found is None or not found["State"]["Running"]:
            state = "is not there" if found is None else "does not run"
            raise StepFailed(f"the source container {self._container} {state}", cause="source")
        return found

    @contextmanager
    def connect(self, options: str = "") -> Iterator[psycopg.Connection[Any]]:
        """Open one read-only autocommit session through an exec of the container's own interpreter."""
        self._sessions += 1
        with self._objects() as objects, self._way_in(objects) as folder:
            target = self._target
            try:
                connection = EngineConnection.connect(
                    host=str(folder), port=target.port, dbname=target.database, user=target.role,
                    password=target.password() or None, sslmode="disable",
                    options=f"{READ_ONLY} {options}".strip(), autocommit=True, connect_timeout=30,
                    application_name="drydock-engine", passfile=NO_PASSFILE,
                )  # fmt: skip
            except psycopg.OperationalError as wrong:
                raise self._refused("cannot be reached", wrong) from wrong
            connection.observer = self._observer
            try:
                yield connection
            except psycopg.Error as wrong:
                raise self._refused(f"refuses ({wrong.sqlstate})", wrong) from wrong
            finally:
                connection.close()

    def second_session(self, snapshot: Snapshot) -> SecondSession | None:
        """Return nothing: a session is a program inside the container, and costs more than it would save."""
        return None

    def _refused(self, what: str, wrong: Exception) -> StepFailed:
        words = " ".join(f"{wrong} {self._words}".split())[:500]
        return StepFailed(
            f"the source in container {self._container}, database {self._target.database}, {what}: {words}",
            cause="source",
        )

    @property
    def _words(self) -> str:
        return bytes(self._said[-500:]).decode("utf-8", "replace").strip()

    _said = bytearray()

    @contextmanager
    def _way_in(self, objects: DockerObjects) -> Iterator[Path]:
        """Give a folder whose socket leads to the container's server, for one connection."""
        folder = self._folder.with_name(f"{self._folder.name}-{self._sessions}")
        self._said = bytearray()
        self._receipts.opening("folder", str(folder))
        make_folder(folder)
        identity = folder_identity(folder)
        self._receipts.identified("folder", str(folder), identity)
        path = folder / f".s.PGSQL.{self._target.port}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        listener.bind(str(path))
        listener.listen(1)
        port = str(self._target.port)
        argv = ["sh", "-c", RELAY, "drydock", f"{self._target.host}/.s.PGSQL.{port}", port]
        carrying = _Carrying(listener, lambda: self._exec(objects, argv)[0], self._said)
        try:
            yield folder
        finally:
            carrying.end()
            listener.close()
            path.unlink(missing_ok=True)
            folder.rmdir()
            self._receipts.closed("folder", str(folder), identity=identity, how="removed")

    def _exec(self, objects: DockerObjects, argv: list[str]) -> tuple[Any, str]:
        """Start a program in the container and return its stream and the exec's id."""
        found = self.inspected(objects)
        with objects.said(f"an exec in container {self._container}"):
            made = objects.client.exec_create(
                found["Id"], argv, stdin=True, stdout=True, stderr=True, user=self._run_as, privileged=False
            )
            given = objects.client.exec_start(made["Id"], socket=True)
        return given, str(made["Id"])

    def staging_names(self) -> set[str]:
        """Return what was added to the container's own file system since its image, by path."""
        with self._objects() as objects:
            found = self.inspected(objects)
            with objects.said(f"what changed in container {self._container}"):
                changed = objects.client.diff(found["Id"]) or []
        return {str(one["Path"]) for one in changed if one["Kind"] == 1}

    def look_within(self, connection: psycopg.Connection[Any]) -> Look:
        """Return who the source is: the server's identity, the container's Id and since when each runs."""
        with self._objects() as objects:
            found = self.inspected(objects)
        look = super().look_within(connection)
        started = f"container {found['State']['StartedAt']} {found['Id']}, server {look.started_at}"
        return Look(system_identifier=look.system_identifier, started_at=started, read_only=look.read_only)

    def dump_kind(self, snapshot: Snapshot) -> Literal["file", "folder"]:
        """Return that it is one file: what is streamed out of a container is one stream."""
        del snapshot
        return "file"

    def dump(
        self, snapshot: Snapshot, into: Path, *, receipts: Receipts, abort: Abort, progress: Progress,
        leave_out: Sequence[str] = (),
    ) -> Dumped:  # fmt: skip
        """Stream the archive of the container's own pg_dump into `into`, hashed as it comes.

        Raises AbortRequested with pg_dump ended; an exec that fails is the dump's failure.
        """
        del receipts
        target, password = self._target, self._target.password()
        kept = [word for word in DUMP_ARGUMENTS if word != "--no-password"]
        arguments = (
            *kept,
            "--password" if password else "--no-password",
            f"--snapshot={snapshot.name}",
            *leave_out,
        )
        conninfo = psycopg.conninfo.make_conninfo(
            "", host=target.host, port=target.port, dbname=target.database, user=target.role, options=READ_ONLY,
            application_name="drydock-engine",
        )  # fmt: skip
        with self._objects() as objects:
            given, exec_id = self._exec(
                objects, ["sh", "-c", DUMP, "drydock", *arguments, f"--dbname={conninfo}"]
            )
            writing = _Writing(into, progress)
            stream = AttachedStream(given, stdout=writing.take, stderr=writing.said.hear)
            try:
                stream.write(f"{password}\n".encode())
                while not stream.wait_for_end(_POLL_S):
                    abort.raise_if_requested()
            except StreamEnded:
                pass
            except BaseException:
                _ask_to_end(stream)
                raise
            finally:
                stream.close()
                digest, size_bytes = writing.end()
            with objects.said("the end of pg_dump's exec"):
                code = _exit_code(objects, exec_id)
        complaints = writing.said.complaints().decode("utf-8", "replace")
        words = self._registry.redact(complaints, origin="tool")
        return Dumped(
            sha256=digest, size_bytes=size_bytes, returncode=code, words=words or writing.trouble,
            arguments=arguments,
        )  # fmt: skip


def _ask_to_end(stream: AttachedStream) -> None:
    """Let the exec end pg_dump: there is no call of the engine's that would."""
    with contextlib.suppress(StreamEnded):
        stream.write(b"end\n")
    stream.wait_for_end(_END_PATIENCE_S)


def _exit_code(objects: DockerObjects, exec_id: str) -> int:
    """Return an exec's code; one that still runs when its stream has ended did not end well."""
    deadline = time.monotonic() + _END_PATIENCE_S
    while True:
        found = objects.client.exec_inspect(exec_id)
        if not found["Running"]:
            return int(found["ExitCode"]) if found["ExitCode"] is not None else 1
        if time.monotonic() > deadline:
            return 1
        time.sleep(_CODE_POLL_S)


class _Writing:
    """A new file that is hashed as it is written. What goes wrong in the stream's thread is told at the end."""

    def __init__(self, into: Path, progress: Progress) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(into, flags, 0o600), "wb")
        self._total = hashlib.sha256()
        self._size_bytes = 0
        self._progress = progress
        self._told_at = time.monotonic()
        self._wrong: OSError | None = None
        self.said = Narration()
        self.trouble = ""

    def take(self, data: bytes) -> None:
        """Write and hash one piece."""
        if self._wrong is not None:
            return
        try:
            self._file.write(data)
        except OSError as wrong:
            self._wrong = wrong
            return
        self._total.update(data)
        self._size_bytes += len(data)
        if time.monotonic() - self._told_at >= 1.0:
            self._progress(self._size_bytes, self.said.begun)
            self._told_at = time.monotonic()

    def end(self) -> tuple[str, int]:
        """Close the file; return its sha256 and size. Raises StepFailed where it could not be written.

        It is thrown away and hashed again before it is restored: what reaches the disk need not outlive a crash.
        """
        try:
            self._file.close()
        except OSError as wrong:
            self._wrong = self._wrong or wrong
        if self._wrong is not None:
            reason = f"the dump cannot be written: {self._wrong.strerror}"
            raise StepFailed(reason, cause="environment") from self._wrong
        return self._total.hexdigest(), self._size_bytes


class _Carrying:
    """Carries one connection between a local socket and an exec's stream, in threads of its own."""

    def __init__(self, listener: socket.socket, open_way: Callable[[], Any], words: bytearray) -> None:
        self._listener = listener
        self._open_way = open_way
        self._words = words
        self._accepted: socket.socket | None = None
        self._stream: AttachedStream | None = None
        self._thread = threading.Thread(target=self._carry, name="source-way", daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        try:
            made, _ = self._listener.accept()
        except OSError:
            return
        self._accepted = made
        try:
            given = self._open_way()
        except StepFailed as wrong:
            self._words += wrong.reason.encode()
            made.close()
            return
        stream = self._stream = AttachedStream(
            given, stdout=made.sendall, stderr=self._words.extend, ended=lambda: _shut(made)
        )
        with contextlib.suppress(OSError):
            while data := made.recv(_CHUNK_BYTES):
                stream.write(data)
        stream.close()

    def end(self) -> None:
        """End the connection and the threads."""
        _shut(self._listener)
        if self._accepted is not None:
            _shut(self._accepted)
        self._thread.join()
        if self._stream is not None:
            self._stream.close()
        if self._accepted is not None:
            self._accepted.close()


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
