"""Runs a source's pg_dump: one stream into a file that is hashed as it comes, or several sessions into a folder.

Owns the program while it runs; what connects it to the source is its caller's. Ends with the engine, however that ends.
"""

from __future__ import annotations

import hashlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from console.environments.process import close_ended, end_process, ended_code, spawn
from console.model.protocols import Abort, Receipts
from console.sources.archive import destroy_dump, dump_bytes, dump_sha256
from console.sources.narration import Narration
from console.sources.source import Dumped

Progress = Callable[[int, list[str]], None]
"""Told about once a second: bytes of the dump so far, and the tables whose contents were begun, in order."""

_ALWAYS = ("--verbose", "--no-password", "--no-publications", "--no-subscriptions")
DUMP_ARGUMENTS = ("--format=custom", "--compress=1", *_ALWAYS)
"""One file, which comes as a stream."""

FOLDER_ARGUMENTS = ("--format=directory", "--no-sync", *_ALWAYS)
"""A folder, by several sessions in the one snapshot. Not synced: it is thrown away, and hashed again before it is
restored."""

_TAKES_ONE = re.compile(r"could not obtain lock on relation|connection to server .* failed")
"""Words of pg_dump and libpq where a second session is refused: by a lock that somebody waits for (pg_dump asks for
each table with NOWAIT there), or by a limit of connections. One session alone needs neither."""

_IS_FULL = re.compile(r"connection to server .* failed: .*too many (?:connections|clients)", re.DOTALL)
"""Words of a server whose limit of connections is reached: a session counts until its backend has ended."""

_WITH_US = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0); "
    "os.getppid() == int(sys.argv[1]) or os._exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)
"""PR_SET_PDEATHSIG: a stream ends with whoever reads it, a folder would be written on (prctl(2))."""

_COMPRESSED = "--compress=1"
_CHUNK_BYTES = 1 << 20
_POLL_S = 0.2
_TOLD_EVERY_S = 1.0
_END_PATIENCE_S = 5.0
_LEAVING_PATIENCE_S = 10.0


class _OutgrownError(Exception):
    """A dump that was not to be compressed takes more room than it may."""


@dataclass(frozen=True, kw_only=True)
class Dumping:
    """One dump: the program, what it connects to, its receipt's name, and more words for it.

    `progress` is told about once a second. Everything raises AbortRequested with pg_dump ended, and StepFailed when it
    cannot be started.
    """

    program: str
    dbname: str
    name: str
    more: tuple[str, ...]
    scratch: Path
    receipts: Receipts
    abort: Abort
    progress: Progress

    def into_file(self, into: Path) -> Dumped:
        """Stream the archive into a new file; the hash is of what was written."""
        return self._run([], (*DUMP_ARGUMENTS, *self.more), into, self._stream)

    def into_folder(self, into: Path, *, jobs: int, plain_bytes: int = 0) -> Dumped:
        """Let so many sessions write an archive into an empty folder; where they are refused, one alone.

        Compressing and unpacking takes longer than reading: it is left out where the dump does not outgrow
        `plain_bytes`. One that does (what the server keeps compressed comes as text) is begun anew, compressed.
        """
        how = "--compress=0" if plain_bytes else _COMPRESSED
        arguments = (*FOLDER_ARGUMENTS, how, f"--jobs={jobs}", *self.more)
        watch = partial(self._watch, most_bytes=plain_bytes)
        try:
            dumped = self._run([f"--file={into}"], arguments, into, watch)
        except _OutgrownError:
            destroy_dump(into)
            return self.into_folder(into, jobs=jobs)
        if dumped.returncode and jobs > 1 and _TAKES_ONE.search(dumped.words):
            return self._alone(into, plain_bytes)
        return dumped

    def _alone(self, into: Path, plain_bytes: int) -> Dumped:
        """Begin anew with one session; again while the server still counts those that were just refused."""
        patience = time.monotonic() + _LEAVING_PATIENCE_S
        while True:
            destroy_dump(into)
            dumped = self.into_folder(into, jobs=1, plain_bytes=plain_bytes)
            full = dumped.returncode and _IS_FULL.search(dumped.words)
            if not full or time.monotonic() > patience:
                return dumped
            self.abort.raise_if_requested()
            time.sleep(_POLL_S)

    def _run(
        self, target: list[str], arguments: tuple[str, ...], into: Path,
        follow: Callable[[subprocess.Popen[bytes], Path, IO[bytes]], tuple[str, int]],
    ) -> Dumped:  # fmt: skip
        words = self.scratch / "pg_dump.words"
        argv = [self.program, *arguments, *target, f"--dbname={self.dbname}"]
        with_us = [sys.executable, "-I", "-S", "-c", _WITH_US, str(os.getpid())]
        try:
            with words.open("wb") as spoken, words.open("rb") as heard:
                child = spawn(
                    [*with_us, *argv] if target else argv, name=self.name, receipts=self.receipts,
                    stdout=subprocess.DEVNULL if target else subprocess.PIPE, stderr=spoken,
                )  # fmt: skip
                try:
                    digest, size_bytes = follow(child.process, into, heard)
                except BaseException:
                    end_process(child.identity, ask=signal.SIGTERM, patience_s=_END_PATIENCE_S)
                    raise
                finally:
                    if child.process.stdout is not None:
                        child.process.stdout.close()
                    child.process.wait()
                    close_ended(child)
            said = Narration()
            said.hear(words.read_bytes())
        finally:
            words.unlink(missing_ok=True)
        return Dumped(
            sha256=digest, size_bytes=size_bytes, returncode=child.process.returncode,
            words=said.complaints().decode("utf-8", "replace"), arguments=arguments,
        )  # fmt: skip

    def _watch(
        self, process: subprocess.Popen[bytes], into: Path, heard: IO[bytes], *, most_bytes: int
    ) -> tuple[str, int]:
        """Wait until pg_dump has written its folder; return hash and bytes of what lies there.

        Raises _OutgrownError once there is more than `most_bytes` (0: any number is taken).
        """
        told_at, said = time.monotonic(), Narration()
        look_at = told_at
        while process.poll() is None:
            self.abort.raise_if_requested()
            ended_code(process, within_s=_POLL_S)
            if most_bytes and (began := time.monotonic()) >= look_at:
                if dump_bytes(into) > most_bytes:
                    raise _OutgrownError
                # Each large object is a file of its own: a look at very many takes a tenth of the time at most.
                look_at = began + 10 * (time.monotonic() - began)
            if time.monotonic() - told_at >= _TOLD_EVERY_S:
                said.hear(heard.read())
                self.progress(dump_bytes(into), said.begun)
                told_at = time.monotonic()
        return dump_sha256(into, self.abort), dump_bytes(into)

    def _stream(self, process: subprocess.Popen[bytes], into: Path, heard: IO[bytes]) -> tuple[str, int]:
        pipe = process.stdout
        assert pipe is not None
        total, size_bytes, told_at, said = hashlib.sha256(), 0, time.monotonic(), Narration()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with (
            os.fdopen(os.open(into, flags, 0o600), "wb") as file,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                self.abort.raise_if_requested()
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
                    self.progress(size_bytes, said.begun)
                    told_at = time.monotonic()
        return total.hexdigest(), size_bytes  # thrown away, and hashed again before the restore: never synced
