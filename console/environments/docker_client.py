"""The restoring client in a container of its own: no network, no host mount, nobody's user, gone when it ended.

Owns the dump in its volume and the owner's passfile there; the dump is hostile and never judged here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
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
    Parts,
    restored_in_parts,
)
from console.errors import StepFailed
from console.model.protocols import Abort, Receipts
from console.secrets import SecretRegistry
from console.sources.archive import NAME, dump_files

_DUMP = f"{TOP}/dump/given/{NAME}"
_PASSFILE = f"{TOP}/dump/given/owner.pass"
_LIST = f"{TOP}/dump/given/part.list"
_TAIL_BYTES = 8192
_POLL_S = 0.2


class DockerClient:
    """Runs pg_restore and psql of the copy's own image."""

    def __init__(self, containers: DockerContainers, registry: SecretRegistry, receipts: Receipts) -> None:
        self._containers = containers
        self._registry = registry
        self._receipts = receipts

    def restore(
        self, dump: Path, *, kind: Literal["archive", "plain"], database: str, owner: str, abort: Abort,
        timeout_s: float, parts: Parts | None = None,
    ) -> Finished:  # fmt: skip
        """Restore a dump as the database's owner; its password is gone from the volume afterwards."""
        self._put(dump, password=self._registry.value(OWNER_SECRET))
        target = conninfo.make_conninfo(
            "", host=SOCKET_FOLDER, port=PORT, dbname=database, user=owner, passfile=_PASSFILE, sslmode="disable",
            application_name="drydock-restore", options=RESTORE_OPTIONS,
        )  # fmt: skip
        words = [*RESTORE_ARGUMENTS, f"--dbname={target}", _DUMP]
        if kind == "plain":
            restrict = f"--command=\\restrict {token_hex(16)}"
            words = [*PSQL_ARGUMENTS, f"--dbname={target}", restrict, f"--file={_DUMP}"]
        client = "pg_restore" if kind == "archive" else "psql"

        def one_part(listing: str) -> Finished:
            self._put(None, password=self._registry.value(OWNER_SECRET), listing=listing)
            return self._run(client, [f"--use-list={_LIST}", *words], abort=abort, timeout_s=timeout_s)

        try:
            if parts is not None:
                return restored_in_parts(one_part, parts)
            return self._run(client, words, abort=abort, timeout_s=timeout_s)
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

    def _put(self, dump: Path | None, *, password: str, listing: str = "") -> None:
        """Put dump, passfile and a part's list into their volume, readable by the client alone."""
        entries = [Placed(name="given", mode=0o700, uid=CLIENT_UID)]
        if dump is not None:
            entries += _placed(dump)
        line = f"*:*:*:*:{password}\n".encode() if password else b""
        entries.append(Placed(name="given/owner.pass", mode=0o600, uid=CLIENT_UID, content=line))
        if listing:
            content = listing.encode()
            entries.append(Placed(name="given/part.list", mode=0o400, uid=CLIENT_UID, content=content))
        self._containers.put(f"{TOP}/dump", packed(entries))

    def _run(
        self, program: str, words: list[str], *, abort: Abort, timeout_s: float, into: BinaryIO | None = None
    ) -> Finished:
        out, err = bytearray(), bytearray()
        keep: Callable[[bytes], object] = into.write if into is not None else out.extend
        given, _identity = self._containers.start_client(program, words)
        stream = AttachedStream(given, stdout=lambda data: _done(keep(data)), stderr=err.extend)
        deadline = time.monotonic() + timeout_s
        try:
            while not stream.wait_for_end(_POLL_S):
                abort.raise_if_requested()
                if time.monotonic() > deadline:
                    raise StepFailed(f"{program} took longer than {timeout_s:.0f} s", cause="environment")
        finally:
            stream.close()
            code = self._containers.end_client()
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
