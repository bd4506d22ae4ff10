"""PostgreSQL's protocol 3.0 as far as a fake server needs it: messages in, messages out.

https://www.postgresql.org/docs/16/protocol-message-formats.html
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102


class Gone(Exception):
    """The client has closed its end."""


class Reader:
    """Takes values off a message's body, front to back."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def integer(self, form: str = "!h") -> int:
        """Return the next integer: !h of two bytes, !i of four."""
        value: int = struct.unpack_from(form, self._body, self._at)[0]
        self._at += struct.calcsize(form)
        return value

    def word(self) -> str:
        """Return the next text up to its zero byte."""
        end = self._body.index(b"\0", self._at)
        text = self._body[self._at : end].decode()
        self._at = end + 1
        return text

    def value(self) -> bytes | None:
        """Return the next counted bytes, None for NULL."""
        length = self.integer("!i")
        if length < 0:
            return None
        taken = self._body[self._at : self._at + length]
        self._at += length
        return taken

    def integers(self, form: str = "!h") -> list[int]:
        """Return the next counted list of integers."""
        return [self.integer(form) for _ in range(self.integer())]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a row description."""

    name: str
    oid: int
    format: int = 0


class Wire:
    """Both directions of one client's socket; what is written leaves at `flush`."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._in = client.makefile("rb")
        self._out = bytearray()

    def startup(self) -> dict[str, str] | None:
        """Return the startup packet's parameters, None for a cancel request. Raises Gone."""
        while True:
            (length,) = struct.unpack("!i", self._read(4))
            reader = Reader(self._read(length - 4))
            code = reader.integer("!i")
            if code not in (SSL_REQUEST, GSS_REQUEST):
                break
            self._client.sendall(b"N")
        if code == CANCEL_REQUEST:
            return None
        found: dict[str, str] = {}
        while name := reader.word():
            found[name] = reader.word()
        if code & 0xFFFF:
            self.put(b"v", struct.pack("!ii", 0, 0))
        return found

    def read(self) -> tuple[bytes, Reader]:
        """Return the next message's kind and body. Raises Gone."""
        kind = self._read(1)
        (length,) = struct.unpack("!i", self._read(4))
        return kind, Reader(self._read(length - 4))

    def _read(self, count: int) -> bytes:
        try:
            taken = self._in.read(count)
        except (OSError, ValueError) as closed:
            raise Gone from closed
        if taken is None or len(taken) < count:
            raise Gone
        return taken

    def put(self, kind: bytes, body: bytes = b"") -> None:
        """Add one message to what leaves next."""
        self._out += kind + struct.pack("!i", len(body) + 4) + body

    def flush(self) -> None:
        """Send what was added. Raises Gone."""
        try:
            self._client.sendall(self._out)
        except OSError as closed:
            raise Gone from closed
        self._out.clear()

    def close(self) -> None:
        """Close both directions."""
        self._in.close()
        self._client.close()

    def ready(self, status: str) -> None:
        """ReadyForQuery with the transaction's status."""
        self.put(b"Z", status.encode())
        self.flush()

    def parameter(self, name: str, value: str) -> None:
        """ParameterStatus."""
        self.put(b"S", _text(name) + _text(value))

    def trouble(self, kind: bytes, severity: str, sqlstate: str, message: str) -> None:
        """ErrorResponse (E) or NoticeResponse (N)."""
        fields = {"S": severity, "V": severity, "C": sqlstate, "M": message}
        self.put(kind, b"".join(key.encode() + _text(value) for key, value in fields.items()) + b"\0")

    def columns(self, columns: Sequence[Column]) -> None:
        """RowDescription."""
        body = struct.pack("!h", len(columns))
        for column in columns:
            body += _text(column.name) + struct.pack("!ihihih", 0, 0, column.oid, -1, -1, column.format)
        self.put(b"T", body)

    def row(self, values: Sequence[bytes | None]) -> None:
        """DataRow."""
        body = struct.pack("!h", len(values))
        for value in values:
            body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
        self.put(b"D", body)

    def done(self, tag: str) -> None:
        """CommandComplete; EmptyQueryResponse for no tag."""
        self.put(b"C", _text(tag)) if tag else self.put(b"I")


def _text(text: str) -> bytes:
    return text.replace("\0", "").encode() + b"\0"
