"""The restoring client in a container of its own: no network, no host mount, nobody's user, gone when it ended.

Owns the dump in its volume and the owner's passfile there; the dump is hostile and never judged here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Literal

from psycopg import conninfo

from console.environments.cluster import PORT, folder_identity
from console.environments.docker_containers import DockerContainers
from console.environments.docker_files import Placed, packed
from console.environments.docker_names import CLIENT_UID, SOCKET_FOLDER, TOP
from console.environments.docker_stream import AttachedStream
from console.environments.environment import OWNER_SECRET
from console.environments.process import Finished
from console.environments.restoring import (
    PSQL_ARGUMENTS,
    RESTORE_ARGUMENTS,
    RESTORE_OPTIONS,
    Meanwhile,
    Parts,
    ended_beside,
)
from console.errors import StepFailed
from console.model.protocols import Abort, Receipts
from console.secrets import SecretRegistry
from console.sources.archive import NAME, dump_files

_DUMP = f"{TOP}/dump/given/{NAME}"
_PASSFILE = f"{TOP}/dump/given/owner.pass"
_LIST = f"{TOP}/dump/given/part"
_IN_PARTS = (
    'count=$1 list=$2 program=$3; shift 3; code=0 n=1; while [ "$n" -le "$count" ]; do '
    '[ "$n" -eq 1 ] || read -r _; '
    '"$program" "--use-list=$list-$n" "$@" || { ended=$?; [ "$code" -ne 0 ] || code=$ended; }; '
    'echo ended; n=$((n + 1)); done; exit "$code"'
)
"""One client for all parts: a container for each would cost half a second. It waits for a line before each but the
first; the first exit code that is not 0 counts."""
_TAIL_BYTES = 8192
_POLL_S = 0.2
_PART_POLL_S = 0.02


class DockerClient:
    """Runs pg_restore and psql of the copy's own image."""

    def __init__(self, containers: DockerContainers, registry: SecretRegistry, receipts: Receipts) -> None:
        self._containers = containers
        self._registry = registry
        self._receipts = receipts
        self._placed: Path | None = None

    def restore(
        self, dump: Path, *, kind: Literal["archive", "plain"], database: str, owner: str, abort: Abort,
        timeout_s: float, parts: Parts | None = None, meanwhile: Meanwhile = None,
    ) -> Finished:  # fmt: skip
        """Restore a dump as the database's owner; its password is gone from the volume afterwards.

        The engine takes half a second to say that a client has ended and to remove it: `meanwhile` is done beside that.
        """
        password = self._registry.value(OWNER_SECRET)
        self._put(dump, password=password, lists=parts.lists if parts is not None else ())
        target = conninfo.make_conninfo(
            "", host=SOCKET_FOLDER, port=PORT, dbname=database, user=owner, passfile=_PASSFILE, sslmode="disable",
            application_name="drydock-restore", options=RESTORE_OPTIONS,
        )  # fmt: skip
        words = [*RESTORE_ARGUMENTS, f"--dbname={target}", _DUMP]
        if kind == "plain":
            restrict = f"--command=\\restrict {token_hex(16)}"
            words = [*PSQL_ARGUMENTS, f"--dbname={target}", restrict, f"--file={_DUMP}"]
        client = "pg_restore" if kind == "archive" else "psql"
        try:
            if parts is not None:
                words = ["-c", _IN_PARTS, "drydock", str(len(parts.lists)), _LIST, client, *words]
                client = "sh"
            return self._run(
                client, words, abort=abort, timeout_s=timeout_s, parts=parts, meanwhile=meanwhile
            )
        finally:
            self._put(None, password="")

    def listed(self, dump: Path, text: Path, *, abort: Abort, timeout_s: float) -> Finished:
        """List a foreign archive, and write it out as SQL into the new file `text` where it can be."""
        self._put(dump, password="")
        with text.open("xb") as written:
            text.chmod(0o600)
            self._receipts.identified("file", str(text), folder_identity(text))
            done = self._run(
                "pg_restore", ["--file=-", _DUMP], abort=abort, timeout_s=timeout_s, into=written
            )
        if done.returncode:
            return done
        return self._run("pg_restore", ["--list", _DUMP], abort=abort, timeout_s=timeout_s)

    def place(self, dump: Path) -> None:
        """Put the dump into its volume before anybody restores it: while a server starts, nobody waits for it."""
        self._put(dump, password="")
        self._placed = dump

    def _put(self, dump: Path | None, *, password: str, lists: Sequence[str] = ()) -> None:
        """Put dump, passfile and the parts' lists into their volume, readable by the client alone."""
        entries = [Placed(name="given", mode=0o700, uid=CLIENT_UID)]
        if dump is not None and dump != self._placed:
            entries += _placed(dump)
        line = f"*:*:*:*:{password}\n".encode() if password else b""
        entries.append(Placed(name="given/owner.pass", mode=0o600, uid=CLIENT_UID, content=line))
        entries += [
            Placed(name=f"given/part-{number}", mode=0o400, uid=CLIENT_UID, content=listing.encode())
            for number, listing in enumerate(lists, 1)
        ]
        self._containers.put(f"{TOP}/dump", packed(entries))

    def _run(
        self, program: str, words: list[str], *, abort: Abort, timeout_s: float, into: BinaryIO | None = None,
        parts: Parts | None = None, meanwhile: Meanwhile = None,
    ) -> Finished:  # fmt: skip
        out, err = bytearray(), bytearray()
        keep: Callable[[bytes], object] = into.write if into is not None else out.extend
        given, _identity = self._containers.start_client(program, words)
        stream = AttachedStream(given, stdout=lambda data: _done(keep(data)), stderr=err.extend)
        deadline, begun = time.monotonic() + timeout_s, 1
        try:
            while not stream.wait_for_end(_POLL_S if parts is None else _PART_POLL_S):
                abort.raise_if_requested()
                if parts is not None and begun < len(parts.lists) and out.count(b"ended\n") == begun:
                    parts.between()
                    stream.write(b"go\n")
                    deadline, begun = time.monotonic() + timeout_s, begun + 1
                if time.monotonic() > deadline:
                    raise StepFailed(f"{program} took longer than {timeout_s:.0f} s", cause="environment")
        except BaseException:
            stream.close()
            self._containers.end_client()
            raise
        stream.close()
        code = ended_beside(self._containers.end_client, meanwhile)
        return Finished(
            returncode=code, stdout=bytes(out), stderr=bytes(err[-_TAIL_BYTES:]).decode("utf-8", "replace")
        )


def _placed(dump: Path) -> list[Placed]:
    """Return the dump's file, or its folder and the files in it, as the client's own to read."""
    name = f"given/{NAME}"
    if not dump.is_dir():
        return [Placed(name=name, mode=0o400, uid=CLIENT_UID, content=dump)]
    inside = [
        Placed(name=f"{name}/{file.name}", mode=0o400, uid=CLIENT_UID, content=file)
        for file in dump_files(dump)
    ]
    return [Placed(name=name, mode=0o700, uid=CLIENT_UID), *inside]


def _done(_: object) -> None:
    """A listener returns nothing."""
