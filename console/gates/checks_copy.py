"""Checks of the copy: isolated, completely restored, another server than its source, as frozen.

Pure functions over recorded facts: None when the truth holds, otherwise the sentence that says why not.
"""

from __future__ import annotations

from typing import Any

import msgspec

from console.errors import Unsettled
from console.gates.sentences import said, unequal, unlisted
from console.model.catalogue import Inventory, Manifest, Table
from console.model.facts import Identifier, Restore, RestoreError, SourceIdentity
from console.model.gate import Facts
from console.model.isolation_facts import DockerIsolation, EmbeddedIsolation, Isolation

SOCKET_FOLDER_MODE = 0o700


_LOOKS = (("isolation", ""), ("isolation.before", "effects.before"), ("isolation.after", "effects.after"))
"""Each look at the isolation, and the fact that is never recorded without it."""


def nothing_is_published(facts: Facts) -> str | None:
    """There is no way in or out, at any look: no port bound or published, an internal network, or no TCP at all."""
    looks = [name for name, beside in _LOOKS if not beside or facts.names(name) or facts.names(beside)]
    isolations = [facts.need(name, Isolation) for name in looks]
    for name, isolation in zip(looks, isolations, strict=True):
        ways = _ways_in(isolation)
        if ways:
            return f"{ways}{_WHEN[name]}"
    unwatched = [
        one.docker.unwatched for one in isolations if one.docker is not None and one.docker.unwatched
    ]
    if unwatched:
        raise Unsettled(f"{NOBODY_KNOWS}: {unwatched[0]}")
    return None


NOBODY_KNOWS = "nobody knows who came to the copy's network in between"


_WHEN = {
    "isolation": "",
    "isolation.before": " (looked at before the first scenario)",
    "isolation.after": " (looked at after the last scenario)",
}


def _ways_in(isolation: Isolation) -> str | None:
    match isolation:
        case Isolation(embedded=EmbeddedIsolation() as found, docker=None):
            return said(_embedded_ways_in(found))
        case Isolation(embedded=None, docker=DockerIsolation() as found):
            return said(docker_ways_in(found))
        case _:
            return "the isolation of exactly one environment must be recorded"


def _embedded_ways_in(found: EmbeddedIsolation) -> list[str]:
    phrases: list[str] = []
    if found.listen_addresses_asked:
        phrases.append(f"listen_addresses is {found.listen_addresses_asked}, it must be empty")
    if found.socket_folder_mode != SOCKET_FOLDER_MODE:
        phrases.append(f"the socket folder has mode {found.socket_folder_mode:04o}, allowed is 0700")
    if found.socket_folder_owner_uid != found.server_uid:
        phrases.append(
            f"the socket folder belongs to uid {found.socket_folder_owner_uid}, "
            f"the server runs as {found.server_uid}"
        )
    pairs = (
        ("unix_socket_directories", found.socket_folder, found.socket_folder_asked),
        ("data_directory", found.data_folder, found.data_folder_asked),
        ("the postmaster", found.postmaster_started, found.postmaster_found),
    )
    phrases += [
        f"{what} is {asked or 'nothing'}, we made {made}" for what, made, asked in pairs if asked != made
    ]
    return phrases


def docker_ways_in(found: DockerIsolation) -> list[str]:
    """Return one phrase for every way in or out that a docker environment has."""
    phrases: list[str] = []
    if not found.network_internal:
        phrases.append(f"network {found.network} is not internal")
    if not found.containers:
        phrases.append("no container was inspected")
    if not found.reached:
        phrases.append("no probe was made from inside")
    for name, container in found.containers.items():
        phrases += [f"container {name} binds port {port}" for port in container.port_bindings]
        phrases += [f"container {name} publishes port {port}" for port, to in container.ports.items() if to]
        phrases += [
            f"container {name} is in network {network}, allowed is only {found.network}"
            for network in container.networks
            if network != found.network
        ]
    phrases += _strangers(found)
    phrases += [f"{what} is reached from inside" for what, reached in found.reached.items() if reached]
    return phrases


def _strangers(found: DockerIsolation) -> list[str]:
    """Return one phrase for everybody who is or was in the network and is not the run's, and each way elsewhere."""
    phrases = unlisted("container", found.made.values(), found.containers)
    if not found.members:
        phrases.append(f"nobody is in network {found.network}, not even the copy")
    phrases += [
        f"container {name} ({identity[:_SHORT_ID]}) is in network {found.network} and is not one of the run's"
        for identity, name in found.members.items()
        if found.made.get(identity) != name
    ]
    return phrases + [
        f"container {found.made.get(move.container) or move.container[:_SHORT_ID]} {_MOVED[move.how]} "
        f"network {move.network[:_SHORT_ID]} in between"
        for move in found.moves
        if move.network != found.network or move.container not in found.made
    ]


_SHORT_ID = 12
_MOVED = {"connect": "came to", "disconnect": "left"}


def restore_is_complete(facts: Facts) -> str | None:
    """What the source sent is what was restored, with allowed errors only, and nothing is missing."""
    restore = facts.need("restore", Restore)
    source = facts.need("manifest.source", Manifest)
    copy = facts.need("manifest.copy", Manifest)
    phrases: list[str] = []
    if not restore.trailer:
        phrases.append("the dump has no trailer, so it was cut off")
    if restore.restored_sha256 != restore.streamed_sha256:
        phrases.append(
            f"the client read sha256 {restore.restored_sha256}, the source sent {restore.streamed_sha256}"
        )
    expected_exit = int(restore.tool == "pg_restore" and bool(restore.errors))
    if restore.exit_code != expected_exit:
        phrases.append(f"{restore.tool} ended with exit code {restore.exit_code}, expected {expected_exit}")
    phrases += [_error_sentence(error) for error in restore.errors if not _is_allowed(error)]
    phrases += [
        f"{role} has privileges at the source, and neither the copy nor the allow-list has that role"
        for role in restore.unknown_grantees
    ]
    if not source.rows:
        phrases.append("the manifest of the source names no table")
    return said(phrases + manifest_differences(source, copy))


def _is_allowed(error: RestoreError) -> bool:
    return (error.sqlstate, error.object) == (error.allowed_sqlstate, error.allowed_object)


def _error_sentence(error: RestoreError) -> str:
    return f"the server raised {error.sqlstate} for {error.object}, which the allow-list does not hold"


def manifest_differences(source: Manifest, copy: Manifest) -> list[str]:
    """Return one phrase for everything that the copy lacks or has too much, rows first."""
    phrases = [f"the row count of {phrase}" for phrase in unequal(source.rows, copy.rows)]
    phrases += [f"sequence {phrase}" for phrase in unequal(source.sequences, copy.sequences)]
    for field in ("constraints", "indexes", "triggers", "views", "functions", "extensions"):
        expected, found = getattr(source, field), getattr(copy, field)
        listed = unlisted(field.removesuffix("s"), expected, found)
        phrases += listed
        if not listed and sorted(expected) != sorted(found):
            phrases.append(f"{field} are listed {len(found)} times, at the source {len(expected)} times")
    return phrases


def copy_is_another_server(facts: Facts) -> str | None:
    """The copy is the server that was made for it, and not the source."""
    created = facts.need("copy.created", Identifier).system_identifier
    asked = facts.need("copy.asked", Identifier).system_identifier
    source = facts.need("source.before", SourceIdentity).system_identifier
    if not asked:
        return "the copy said no system_identifier"
    if asked == source:
        return f"the copy has the source's own system_identifier {source}; nothing may be written"
    if asked != created:
        return f"the copy has system_identifier {asked}, the server that was made for it {created}"
    return None


def inventory_is_frozen(facts: Facts) -> str | None:
    """The pack's tables have exactly the frozen columns, types and keys, and nothing undeclared."""
    frozen = facts.need("inventory.frozen", Inventory)
    return said(inventory_differences(frozen, facts.need("inventory.copy", Inventory)))


def inventory_differences(frozen: Inventory, found: Inventory) -> list[str]:
    """Return what differs between the frozen inventory and a copy's."""
    if not frozen.tables:
        return ["the frozen inventory names no table"]
    phrases = unlisted("table", frozen.tables, found.tables)
    for name in sorted(frozen.tables.keys() & found.tables.keys()):
        phrases += [
            f"table {name}: {it}" for it in _table_differences(frozen.tables[name], found.tables[name])
        ]
    return phrases


def _table_differences(frozen: Table, found: Table) -> list[str]:
    phrases: list[str] = []
    expected = {column.name: _described(column) for column in frozen.columns}
    actual = {column.name: _described(column) for column in found.columns}
    phrases += [f"column {phrase}" for phrase in unequal(expected, actual)]
    if not phrases and frozen.columns != found.columns:
        phrases.append("the columns are in another order")
    for field in ("keys", "checks", "indexes", "triggers", "rules", "enums"):
        before, after = getattr(frozen, field), getattr(found, field)
        listed = unlisted(field.removesuffix("s"), before, after)
        phrases += listed
        if not listed and sorted(before) != sorted(after):
            phrases.append(f"{field} are listed {len(after)} times, frozen {len(before)} times")
    return phrases


def _described(value: Any) -> str:
    fields = msgspec.structs.asdict(value)
    return " ".join(f"{name}={content}" for name, content in fields.items() if name != "name")
