"""Listens on the engine's host, on every address and as its name server, and writes down whoever comes.

    python host_ears.py PORT FILE

Run there by `Engine.on_host`. Answers every question for a name with the host's own address, so that a name
that somebody was let to ask for would resolve. Connects nowhere. One line a visit: "tcp ADDRESS" or "dns NAME".
"""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

from docker_engine import HOST_ADDRESS, HOST_RESOLVER


def listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    """Return a listening socket."""
    made = socket.socket(family)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind((address, port))
    made.listen(64)
    return made


def answer(question: bytes) -> tuple[str, bytes]:
    """Return the name asked for, and an A record for it (RFC 1035); nothing for another kind of question."""
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("latin-1"))
        at += 1 + question[at]
    wants_address = question[at + 1 : at + 3] == b"\0\1"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(HOST_ADDRESS) if wants_address else b""
    head = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if wants_address else b"\0\0") + b"\0\0\0\0"
    return ".".join(labels), head + question[12 : at + 5] + record


def main(port: int, path: Path) -> None:
    """Listen until killed; the file's first line, "ready", comes when all sockets are there."""
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind((HOST_RESOLVER, 53))
    doors = [listen(socket.AF_INET, "0.0.0.0", port), listen(socket.AF_INET6, "::", port)]
    with path.open("w", buffering=1) as out:

        def open_door(door: socket.socket) -> None:
            while True:
                guest, address = door.accept()
                out.write(f"tcp {address[0]}\n")
                guest.close()

        for door in doors:
            threading.Thread(target=open_door, args=(door,), daemon=True).start()
        print("ready", flush=True)
        while True:
            question, sender = names.recvfrom(4096)
            name, said = answer(question)
            out.write(f"dns {name}\n")
            names.sendto(said, sender)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
