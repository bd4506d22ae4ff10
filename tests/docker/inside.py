"""What can be reached from inside a container: a program that tries, and everything that must be tried.

Sent to the container's own python3; contacts only addresses that it is told, which are this machine's own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from container_production import address_of
from docker_engine import HOST_ADDRESS, HOST_RESOLVER, Engine

PORTS = (22, 53, 80, 443, 2375, 2376, 5432, 8000)
OUTSIDE = (
    "leak.example",
    "example.org",
    "host.docker.internal",
    "gateway.docker.internal",
    "localhost.localdomain",
)

PROGRAM = """
import concurrent.futures, errno, json, select, socket, sys, time
asked = json.loads(sys.argv[1])
def opened(targets):
    poller, waiting, found = select.poll(), {}, []
    for address, port in targets:
        tried = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        tried.setblocking(False)
        if tried.connect_ex((address, port)) in (0, errno.EINPROGRESS):
            waiting[tried.fileno()] = (tried, "%s:%d" % (address, port))
            poller.register(tried, select.POLLOUT)
    ends = time.monotonic() + 2
    while waiting and time.monotonic() < ends:
        for number, _ in poller.poll(1000 * max(0, ends - time.monotonic())):
            poller.unregister(number)
            tried, name = waiting.pop(number)
            if tried.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                found.append(name)
            tried.close()
    return found
def resolved(name):
    try:
        return "%s is %s" % (name, socket.gethostbyname(name))
    except OSError:
        return None
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    asking = pool.map(resolved, asked["names"])
    doors = [it for at in range(0, len(asked["targets"]), 500) for it in opened(asked["targets"][at : at + 500])]
    names = [it for it in asking if it]
print(json.dumps({"doors": sorted(doors), "names": sorted(names)}))
"""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """Which addresses let somebody in ("ADDRESS:PORT"), and which names resolve ("NAME is ADDRESS")."""

    doors: list[str]
    names: list[str]


def reached_from(engine: Engine, container: str) -> Reached:
    """Try everything of the engine's host and of every container on it, by address and by name."""
    gateways, neighbourhood = set(), set()
    for one in json.loads(
        engine.docker("network", "inspect", *engine.docker("network", "ls", "--quiet").split())
    ):
        for pool in one["IPAM"]["Config"] or []:
            gateways.add(pool["Gateway"])
            begin = pool["Gateway"].rpartition(".")[0]
            neighbourhood |= {f"{begin}.{last}" for last in range(1, 9)}
    running = engine.docker("ps", "--format={{.Names}}").split()
    own = address_of(engine, container)
    addresses = (gateways | neighbourhood | {HOST_ADDRESS, HOST_RESOLVER}) - {own}
    asked = {
        "targets": [(address, port) for address in sorted(addresses) for port in PORTS],
        "names": sorted({*running, *OUTSIDE} - {container}),
    }
    told = json.loads(engine.docker("exec", container, "python3", "-I", "-c", PROGRAM, json.dumps(asked)))
    return Reached(**told)
