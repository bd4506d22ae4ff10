"""What a harness container runs first: probes what it can reach, then becomes the harness in the same process.

Sent into the container as text and run by its Python, so it imports the standard library alone. Never resolves
or connects to anything but what it is told to try; the engine judges what it says.
"""

import errno
import json
import os
import selectors
import socket
import threading
import time
from typing import Any

_ANSWERS = (0, errno.ECONNREFUSED, errno.ECONNRESET)
"""A refusal is an answer too: the other side is reached."""


def line() -> bytes:
    """Read one line from stdin and not a byte more: the rest is the harness's."""
    said = b""
    while not said.endswith(b"\n"):
        part = os.read(0, 1)
        if not part:
            os._exit(0)
        said += part
    return said


def next_hops() -> list[str]:
    """Return the gateways in the routing table (/proc/net/route, little-endian)."""
    found = []
    with open("/proc/net/route") as table:
        for row in table.read().splitlines()[1:]:
            gateway = row.split()[2]
            if gateway != "00000000":
                found.append(socket.inet_ntoa(bytes.fromhex(gateway)[::-1]))
    return sorted(set(found))


def answering(targets: list[tuple[str, int]], patience_s: float) -> set[tuple[str, int]]:
    """Return which of the targets answer in any way, all tried at once."""
    found: set[tuple[str, int]] = set()
    under_way: dict[tuple[str, int], socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        for target in targets:
            made = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET, socket.SOCK_STREAM)
            made.setblocking(False)
            try:
                code = made.connect_ex(target)
            except OSError:
                made.close()
                continue
            if code in _ANSWERS:
                found.add(target)
                made.close()
            elif code == errno.EINPROGRESS:
                selector.register(made, selectors.EVENT_WRITE, target)
                under_way[target] = made
            else:
                made.close()
        deadline = time.monotonic() + patience_s
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                done = under_way.pop(key.data)
                if done.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in _ANSWERS:
                    found.add(key.data)
                selector.unregister(done)
                done.close()
        for left in under_way.values():
            left.close()
    return found


def resolved(names: list[str], patience_s: float) -> dict[str, str]:
    """Return the address of each name that has one; a question that hangs has none."""
    found: dict[str, str] = {}

    def ask(name: str) -> None:
        try:
            found[name] = str(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0][4][0])
        except (OSError, UnicodeError):
            return

    asking = [threading.Thread(target=ask, args=(name,), daemon=True) for name in names]
    for one in asking:
        one.start()
    deadline = time.monotonic() + patience_s
    for one in asking:
        one.join(max(0.0, deadline - time.monotonic()))
    return dict(found)


def probed(asked: "dict[str, Any]") -> "dict[str, object]":
    """Return what the probe found; `answered` is None where the addresses could not be tried."""
    hops = next_hops()
    addresses = sorted({*asked["addresses"], *hops})
    tried = {(address, port) for address in addresses for port in asked["ports"]}
    tried |= {(address, port) for address, port in asked["targets"]}
    targets = sorted(tried)
    patience_s = float(asked["patience_s"])
    found: list[tuple[str, int]] | None = None

    def try_addresses() -> None:
        nonlocal found
        found = sorted(answering(targets, patience_s))

    trying = threading.Thread(target=try_addresses)
    trying.start()
    names = resolved(asked["names"], patience_s)
    trying.join()
    # None where that thread died: no list at all is no answer, and the engine says so.
    return {"hops": hops, "tried": len(targets), "answered": found, "resolved": names}


def main() -> None:
    """Answer the probe, then run what the second line says."""
    told = probed(json.loads(line()))
    os.write(1, json.dumps(told).encode() + b"\n")
    words = json.loads(line())
    os.execv(words[0], words)  # noqa: S606 - the words are the engine's


if __name__ == "__main__":
    main()
