"""What runs in the engine's own container: carries database connections and reads two files, over one stream.

Sent into the container as text and run by its Python, so it imports the standard library alone. Frames are
kind, channel and length (network order), then the payload; `relay.py` on the other side speaks the same.
"""

import json
import os
import platform
import select
import socket
import stat
import struct
import sys

HEADER = struct.Struct("!BII")
OPEN, DATA, CLOSE, READ, REPLY, HELLO = 1, 2, 3, 4, 5, 6
CHUNK_BYTES = 1 << 16
MOST_READ_BYTES = 4 << 20


def send(kind: int, channel: int, payload: bytes = b"") -> None:
    """Write one frame whole."""
    rest = memoryview(HEADER.pack(kind, channel, len(payload)) + payload)
    while rest:
        rest = rest[os.write(1, rest) :]


def read_file(request: dict[str, object]) -> None:
    """Answer with which file it is, its size, and its bytes from an offset on."""
    told: dict[str, object] = {"identity": "", "size": 0}
    data = b""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(str(request["path"]), flags)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode):
                told = {"identity": f"{found.st_dev}:{found.st_ino}", "size": found.st_size}
                data = os.pread(descriptor, MOST_READ_BYTES, int(str(request["offset"])))
            else:
                told["wrong"] = "no regular file"
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        pass
    except OSError as wrong:
        told["wrong"] = wrong.strerror
    send(REPLY, 0, json.dumps(told).encode() + b"\n" + data)


def hello() -> None:
    """Say which Python this image has."""
    told = {
        "version": list(sys.version_info[:3]), "executable": os.path.realpath(sys.executable),
        "machine": platform.machine(), "libc": platform.libc_ver()[0],
        "implementation": sys.implementation.name,
    }  # fmt: skip
    send(HELLO, 0, json.dumps(told).encode())


def main(target: str) -> None:
    """Serve until stdin ends."""
    sockets: dict[int, socket.socket] = {}
    pending = b""
    hello()
    while True:
        ready, _, _ = select.select([0, *(one.fileno() for one in sockets.values())], [], [])
        for channel, one in list(sockets.items()):
            if one.fileno() in ready:
                try:
                    data = one.recv(CHUNK_BYTES)
                except OSError:
                    data = b""
                if data:
                    send(DATA, channel, data)
                else:
                    sockets.pop(channel).close()
                    send(CLOSE, channel)
        if 0 not in ready:
            continue
        part = os.read(0, CHUNK_BYTES)
        if not part:
            return
        pending += part
        while len(pending) >= HEADER.size:
            kind, channel, size = HEADER.unpack_from(pending)
            if len(pending) < HEADER.size + size:
                break
            payload = pending[HEADER.size : HEADER.size + size]
            pending = pending[HEADER.size + size :]
            serve(sockets, target, kind, channel, payload)


def serve(sockets: dict[int, socket.socket], target: str, kind: int, channel: int, payload: bytes) -> None:
    """Do what one frame asks for."""
    if kind == READ:
        read_file(json.loads(payload))
    elif kind == OPEN:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.connect(target)
        except OSError:
            made.close()
            send(CLOSE, channel)
        else:
            sockets[channel] = made
    elif channel in sockets and kind == DATA:
        try:
            sockets[channel].sendall(payload)
        except OSError:
            sockets.pop(channel).close()
            send(CLOSE, channel)
    elif channel in sockets and kind == CLOSE:
        sockets.pop(channel).close()


if __name__ == "__main__":
    main(sys.argv[1])
