"""Checks of the privilege matrix: as frozen, as at the source, and refused where nothing is granted.

Pure functions over recorded facts: None when the truth holds, otherwise the sentence that says why not.
"""

from __future__ import annotations

import msgspec

from console.gates.sentences import said
from console.model.catalogue import Inventory, Privileges
from console.model.facts import Probe, Probes
from console.model.gate import Facts
from console.witness.privilege_matrix import REFUSED, differences, ungranted_cells

POWERS = ("superuser", "bypassrls", "createrole", "createdb", "replication")
"""Attributes that make every other privilege meaningless (CREATE ROLE, PostgreSQL manual)."""


def privileges_are_frozen(facts: Facts) -> str | None:
    """The copy's privileges are the frozen ones and the source's, and every other cell is refused."""
    frozen = facts.need("privileges.frozen", Privileges)
    source = facts.need("privileges.source", Privileges)
    phrases = _matrix_differences(facts, "privileges.copy", "privileges.probes")
    expected = _as_far_as_known(frozen, source)
    phrases += [f"at the source: {phrase}" for phrase in _differences(expected, source)]
    return said(phrases)


def privileges_are_still_frozen(facts: Facts) -> str | None:
    """After the scenarios the copy's privileges are the frozen ones, and every other cell is refused."""
    return said(_matrix_differences(facts, "privileges.after", "privileges.probes_after"))


def _matrix_differences(facts: Facts, found_name: str, probes_name: str) -> list[str]:
    frozen = facts.need("privileges.frozen", Privileges)
    found = facts.need(found_name, Privileges)
    inventory = facts.need("inventory.frozen", Inventory)
    return matrix_faults(frozen, found, inventory, facts.need(probes_name, Probes))


def matrix_faults(frozen: Privileges, found: Privileges, inventory: Inventory, probes: Probes) -> list[str]:
    """Return what differs between a frozen matrix and what a copy grants and refuses."""
    if not frozen.roles or not frozen.grants:
        return ["the frozen matrix names no role or no grant"]
    phrases = _differences(frozen, found)
    phrases += [
        f"role {name} has {power}"
        for name, role in found.roles.items()
        for power in POWERS
        if getattr(role, power)
    ]
    return phrases + _probe_faults(frozen, inventory, probes)


def _differences(frozen: Privileges, found: Privileges) -> list[str]:
    phrases = differences(frozen, found)
    phrases += [
        f"the frozen matrix lets {grant.grantee} pass on {grant.privilege} on {grant.object}"
        for grant in (*frozen.grants, *frozen.public)
        if grant.grantable
    ]
    if not phrases and _sorted(frozen) != _sorted(found):
        phrases.append("a grant is listed twice")
    return phrases


def _sorted(privileges: Privileges) -> Privileges:
    return msgspec.structs.replace(
        privileges, grants=tuple(sorted(privileges.grants)), public=tuple(sorted(privileges.public))
    )


def _as_far_as_known(frozen: Privileges, source: Privileges) -> Privileges:
    """Return the part of the frozen matrix that a source with only some of the roles must have.

    Where the source has none of them, PUBLIC's grants are compared only if there are any.
    """
    grants = tuple(grant for grant in frozen.grants if grant.grantee in source.roles)
    roles = {name: role for name, role in frozen.roles.items() if name in source.roles}
    public = frozen.public if source.roles or source.public else ()
    return Privileges(roles=roles, grants=grants, public=public)


def _probe_faults(frozen: Privileges, inventory: Inventory, probes: Probes) -> list[str]:
    """Return what is wrong with the deny probes; a cell that nobody tried is wrong too."""
    expected = {
        (cell.role, cell.table, cell.privilege, cell.column)
        for cell in ungranted_cells(frozen, inventory.tables, probes.schema)
    }
    tried = {(probe.role, probe.table, probe.privilege, probe.column) for probe in probes.cells}
    phrases = [f"{_words(cell)} was never tried" for cell in sorted(expected - tried)]
    phrases += [
        f"{_words(cell)} was tried, but it is granted or unknown" for cell in sorted(tried - expected)
    ]
    if len(tried) != len(probes.cells):
        phrases.append(f"{len(probes.cells)} cells were tried, only {len(tried)} of them different")
    return phrases + [_probe_sentence(probe) for probe in probes.cells if probe.sqlstate != REFUSED]


def _probe_sentence(probe: Probe) -> str:
    words = _words((probe.role, probe.table, probe.privilege, probe.column))
    answer = f"answered with {probe.sqlstate}" if probe.sqlstate else "allowed"
    return f"{words} was {answer}, expected {REFUSED}"


def _words(cell: tuple[str, str, str, str]) -> str:
    role, table, privilege, column = cell
    return f"{role} {privilege} {table}({column})" if column else f"{role} {privilege} {table}"
