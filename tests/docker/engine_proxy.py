"""An engine's socket with somebody in between: creations are changed on the way, starts are told.

A real engine behind it does what it is asked; what was asked is not what Drydock sent. Threads end with the block.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHUNK = 1 << 16
Change = Callable[[str, dict[str, Any]], None]
"""Given "container NAME" or "network NAME" and the request's body, to change in place."""


@dataclass(kw_only=True)
class Proxy:
    """Listens at `place` for the engine at `engine`."""

    place: Path
    engine: Path
    change: Change
    before: Callable[[str], None] = lambda line: None
    living: list[socket.socket] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Return the endpoint to write into a plan."""
        return f"unix://{self.place}"

    def serve(self, listener: socket.socket) -> None:
        """Accept until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.engine))
            self.living += [client, server]
            threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answers, args=(server, client), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(CHUNK):
                line = data.partition(b"\r\n")[0].decode("latin-1")
                if line.startswith("POST ") and "/start" in line:
                    self.before(line)
                if line.startswith("POST ") and "/create" in line and "exec" not in line:
                    data = self._changed(line, self._whole(data, client))
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(CHUNK):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)

    def _whole(self, data: bytes, client: socket.socket) -> bytes:
        while b"\r\n\r\n" not in data:
            data += client.recv(CHUNK)
        head, _, body = data.partition(b"\r\n\r\n")
        size = next(
            int(line.partition(b":")[2]) for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )  # fmt: skip
        while len(body) < size:
            body += client.recv(CHUNK)
        return head + b"\r\n\r\n" + body

    def _changed(self, line: str, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        asked = json.loads(body)
        kind = line.split("/")[2].rstrip("s") if line.count("/") > 2 else ""
        name = asked.get("Name") or line.partition("name=")[2].partition(" ")[0].partition("&")[0]
        self.change(f"{kind} {name}", asked)
        new = json.dumps(asked).encode()
        lines = [one for one in head.split(b"\r\n") if not one.lower().startswith(b"content-length:")]
        return b"\r\n".join([*lines, f"Content-Length: {len(new)}".encode()]) + b"\r\n\r\n" + new


@contextmanager
def proxied(
    folder: Path, engine: Path, change: Change, before: Callable[[str], None] = lambda line: None
) -> Iterator[Proxy]:
    """Give a proxy that listens below `folder` as long as the block lasts."""
    path = folder / f"proxy-{threading.get_ident()}.sock"
    made = Proxy(place=path, engine=engine, change=change, before=before)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(16)
    thread = threading.Thread(target=made.serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for one in made.living:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        thread.join()
        path.unlink()
