"""A source that is reached by a connection: its own read-only snapshot and pg_dump within it.

Never writes there: every session is opened with default_transaction_read_only and the snapshot's
transaction is READ ONLY. The password reaches libpq through memory or a 0600 passfile, never through
argv or an environment.
"""

from __future__ import annotations

import hashlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import psycopg
import psycopg.conninfo

from console.environments.cluster import folder_identity
from console.environments.process import CLEAN_ENVIRONMENT, close_ended, end_process, spawn
from console.environments.programs import Programs
from console.errors import StepFailed
from console.model.protocols import Abort, Receipts
from console.model.text import one_line
from console.secrets import destroy_file, write_secret_file
from console.sources.archive import dump_bytes, dump_sha256
from console.sources.narration import Narration
from console.sources.source import Dumped, Look, Snapshot
from console.sql import EngineConnection, Ran, run
from console.witness.catalogue import read_identity
from console.witness.counting import SecondSession

Progress = Callable[[int, list[str]], None]
"""Told about once a second: bytes of the dump so far, and the tables whose contents were begun, in order."""

READ_ONLY = "-c default_transaction_read_only=on -c statement_timeout=0 -c lock_timeout=10s"
_CHUNK_BYTES = 1 << 20
NO_PASSFILE = "/dev/null/none"
"""A path that cannot exist: libpq then looks into no passfile, not the operator's own either, and says nothing."""
_POLL_S = 0.2
_TOLD_EVERY_S = 1.0
_WORDS_CHARS = 500
TLS_MODES = ("require", "verify-ca", "verify-full")
_ALWAYS = ("--verbose", "--no-password", "--no-publications", "--no-subscriptions")
DUMP_ARGUMENTS = ("--format=custom", "--compress=1", *_ALWAYS)
"""One file, which comes as a stream."""

PARALLEL_ARGUMENTS = ("--format=directory", "--compress=1", *_ALWAYS)
"""A folder, by several sessions in the one snapshot. Compressed: what the server keeps compressed (TOAST) could fill
the disk that G-01 looked at."""

PARALLEL_FROM_BYTES = 128 << 20
"""The size of a database from which more sessions are worth their start."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where the source's server is. `password` is a callable, so that no repr can show it."""

    host: str
    port: int
    database: str
    role: str
    password: Callable[[], str]
    sslmode: str = "prefer"
    jobs: int = 2


class ConnectionSource:
    """Copies over a connection (design section 4: one exported snapshot for everything)."""

    kind = "connection"
    living = True

    def __init__(
        self, target: Target, programs: Programs, *, scratch: Path, observer: Callable[[Ran], None] | None
    ) -> None:
        self._target = target
        self._programs = programs
        self._scratch = scratch
        self._observer = observer
        self.snapshot_options = ""

    def prepare(self) -> None:
        """A connection needs nothing made, and nothing connects here (design section 4: not before B-2).

        Raises StepFailed (environment) when pg_dump cannot speak TLS and the plan asks for it.
        """
        if self._target.sslmode in TLS_MODES and not _speaks_tls(self._programs):
            raise StepFailed(
                f"{self._programs.path('pg_dump')} was built without TLS, and [source] sslmode is "
                f"{self._target.sslmode}: name a system PostgreSQL {self._programs.major} with --pg-programs",
                cause="environment",
            )

    def staging_names(self) -> set[str]:
        """Return nothing: a connection shows no files."""
        return set()

    @contextmanager
    def connect(self, options: str = "") -> Iterator[psycopg.Connection[Any]]:
        """Open one read-only autocommit session, with more of libpq's options. Raises StepFailed (source)."""
        target = self._target
        cut_off_libpq_variables()
        try:
            connection = EngineConnection.connect(
                host=target.host, port=target.port, dbname=target.database, user=target.role,
                password=target.password(), sslmode=target.sslmode, options=f"{READ_ONLY} {options}".strip(),
                autocommit=True, connect_timeout=15, application_name="drydock-engine", passfile=NO_PASSFILE,
            )  # fmt: skip
        except psycopg.OperationalError as wrong:
            reason = f"the source at {target.host}, database {target.database}, cannot be reached: {wrong}"
            raise StepFailed(one_line(reason, limit_chars=_WORDS_CHARS), cause="source") from wrong
        connection.observer = self._observer
        try:
            yield connection
        except psycopg.Error as wrong:
            place = f"the source at {target.host}, database {target.database}"
            reason = f"{place}, refuses ({wrong.sqlstate}): {wrong}"
            raise StepFailed(one_line(reason, limit_chars=_WORDS_CHARS), cause="source") from wrong
        finally:
            connection.close()

    def look(self) -> Look:
        """Return the source's identity now, from a session of its own."""
        with self.connect() as connection:
            found = read_identity(connection)
        return Look(
            system_identifier=found.system_identifier, started_at=found.started_at, read_only=found.read_only
        )

    def database_bytes(self) -> int:
        """Return pg_database_size of the database."""
        with self.connect() as connection:
            return read_identity(connection).database_size_bytes

    def server_major(self) -> int:
        """Return the server's major version."""
        with self.connect() as connection:
            return read_identity(connection).server_version_num // 10_000

    @contextmanager
    def snapshot(self) -> Iterator[tuple[psycopg.Connection[Any], Snapshot]]:
        """Open the one read-only transaction that dump, counts and catalogue reads share.

        Its session is started with `snapshot_options`: that is how the keys of masks come to the server.
        """
        with self.connect(self.snapshot_options) as connection:
            run(connection, "source/begin_snapshot")
            found = read_identity(connection)
            name = run(connection, "source/export_snapshot")[0][0]
            yield (
                connection,
                Snapshot(
                    name=name,
                    server_version_num=found.server_version_num,
                    database_bytes=found.database_size_bytes,
                ),
            )
            run(connection, "source/end_snapshot")

    def second_session(self, snapshot: Snapshot) -> SecondSession | None:
        """Return how a second read-only session in the open snapshot is had: it counts beside the first."""
        return SecondSession(open=self.connect, snapshot=snapshot.name)

    def dump(
        self, snapshot: Snapshot, into: Path, *, receipts: Receipts, abort: Abort, progress: Progress,
        leave_out: Sequence[str] = (),
    ) -> Dumped:  # fmt: skip
        """Let pg_dump write its archive to `into`; the hash is of what was written. `leave_out` are more words for it.

        Raises AbortRequested with pg_dump ended, StepFailed (source) when it cannot be started.
        """
        folder = self.dump_kind(snapshot) == "folder"
        passfile = self._scratch / "source.pass"
        receipts.opening("file", str(passfile))
        write_secret_file(passfile, self._passfile_line())
        identity = folder_identity(passfile)
        receipts.identified("file", str(passfile), identity)
        form = (*PARALLEL_ARGUMENTS, f"--jobs={self._target.jobs}") if folder else DUMP_ARGUMENTS
        arguments = (*form, f"--snapshot={snapshot.name}", *leave_out)
        words = self._scratch / "pg_dump.words"
        try:
            with words.open("wb") as spoken, words.open("rb") as heard:
                child = spawn(
                    [
                        self._programs.path("pg_dump"), *arguments, *([f"--file={into}"] if folder else []),
                        f"--dbname={self._conninfo(passfile)}",
                    ],
                    name=f"pg_dump of {self._target.database}", receipts=receipts,
                    stdout=subprocess.DEVNULL if folder else subprocess.PIPE, stderr=spoken,
                )  # fmt: skip
                following = _watch if folder else _stream
                try:
                    digest, size_bytes = following(
                        child.process, into, heard=heard, abort=abort, progress=progress
                    )
                except BaseException:
                    end_process(child.identity, ask=signal.SIGTERM, patience_s=5.0)
                    raise
                finally:
                    if child.process.stdout is not None:
                        child.process.stdout.close()
                    child.process.wait()
                    close_ended(child)
            said = Narration()
            said.hear(words.read_bytes())
            return Dumped(
                sha256=digest, size_bytes=size_bytes, returncode=child.process.returncode,
                words=said.complaints().decode("utf-8", "replace"), arguments=arguments,
            )  # fmt: skip
        finally:
            destroy_file(passfile)
            receipts.closed("file", str(passfile), identity=identity, how="overwritten and removed")
            words.unlink(missing_ok=True)

    def dump_kind(self, snapshot: Snapshot) -> Literal["file", "folder"]:
        """Return what the dump will be: a large database is read by several sessions, which takes a folder."""
        several = self._target.jobs > 1 and snapshot.database_bytes >= PARALLEL_FROM_BYTES
        return "folder" if several else "file"

    def _passfile_line(self) -> str:
        """One line for whatever is asked: libpq calls the default socket folder localhost (libpq, 34.16)."""
        return f"*:*:*:*:{_escaped(self._target.password())}\n"

    def _conninfo(self, passfile: Path) -> str:
        target = self._target
        return psycopg.conninfo.make_conninfo(
            "", host=target.host, port=target.port, dbname=target.database, user=target.role,
            passfile=str(passfile), sslmode=target.sslmode, options=READ_ONLY,
            application_name="drydock-engine",
        )  # fmt: skip


def cut_off_libpq_variables() -> None:
    """Take every PG* variable out of this process: PGHOSTADDR would lead elsewhere (libpq, 34.15)."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _speaks_tls(programs: Programs) -> bool:
    """Tell whether pg_dump's libpq has TLS, by its refusal of the option; connects to nothing."""
    asked = "host=/dev/null/nowhere sslmode=require"
    said = subprocess.run(
        [programs.path("pg_dump"), "--no-password", f"--dbname={asked}"],
        env=CLEAN_ENVIRONMENT, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    return "SSL support is not compiled in" not in said.stderr


def _escaped(field: str) -> str:
    """Return a passfile field (libpq, The Password File: backslash escapes colon and backslash)."""
    return field.replace("\\", "\\\\").replace(":", "\\:")


def _watch(
    process: subprocess.Popen[bytes], into: Path, *, heard: IO[bytes], abort: Abort, progress: Progress
) -> tuple[str, int]:
    """Wait until pg_dump has written its folder; return hash and bytes of what lies there."""
    told_at, said = time.monotonic(), Narration()
    while process.poll() is None:
        abort.raise_if_requested()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_POLL_S)
        if time.monotonic() - told_at >= _TOLD_EVERY_S:
            said.hear(heard.read())
            progress(dump_bytes(into), said.begun)
            told_at = time.monotonic()
    return (dump_sha256(into), dump_bytes(into)) if into.exists() else (hashlib.sha256().hexdigest(), 0)


def _stream(
    process: subprocess.Popen[bytes], into: Path, *, heard: IO[bytes], abort: Abort, progress: Progress
) -> tuple[str, int]:
    pipe = process.stdout
    assert pipe is not None
    total, size_bytes, told_at, said = hashlib.sha256(), 0, time.monotonic(), Narration()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(into, flags, 0o600), "wb") as file, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            abort.raise_if_requested()
            if not selector.select(_POLL_S):
                continue
            chunk = os.read(pipe.fileno(), _CHUNK_BYTES)
            if not chunk:
                break
            file.write(chunk)
            total.update(chunk)
            size_bytes += len(chunk)
            if time.monotonic() - told_at >= _TOLD_EVERY_S:
                said.hear(heard.read())
                progress(size_bytes, said.begun)
                told_at = time.monotonic()
    return total.hexdigest(), size_bytes  # thrown away, and hashed again before the restore: never synced
