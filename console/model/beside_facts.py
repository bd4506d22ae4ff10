"""What a source has beside its dump and a migration meets: settings of its sessions, publications.

Owns the shapes only. Values of settings may be secrets: they are in `Beside`, which is never recorded, and not in the
facts.
"""

from __future__ import annotations

import msgspec

from console.model.fact import Fact, Text


class Publication(Fact, frozen=True, kw_only=True):
    """What follows CREATE PUBLICATION name, and whether the role that migrates owns it."""

    publishes: Text
    owned: bool


class Beside(Fact, frozen=True, kw_only=True):
    """What sessions of one role in one database begin with (settings by name), and the database's publications.

    `connection_limit` is the role's, -1 for none; `roles` are the server's, by name.
    """

    settings: dict[str, str]
    connection_limit: int
    publications: dict[str, Publication]
    roles: tuple[Text, ...]


class BesideSource(Fact, frozen=True, kw_only=True):
    """C-03, M-9: the same in the source, by name. `witnessed` are settings of the server's log: they are the copy's."""

    settings: tuple[Text, ...]
    witnessed: tuple[Text, ...]
    connection_limit: int
    publications: tuple[Text, ...]
    roles: tuple[Text, ...]


class BesideCopy(Fact, frozen=True, kw_only=True):
    """C-10, M-9: what of it the copy has exactly so, read back; `refused`: the server's words."""

    settings: tuple[Text, ...]
    connection_limit: int
    publications: tuple[Text, ...]
    refused: dict[str, Text]


BESIDE_FACTS: dict[str, type[msgspec.Struct]] = {"beside.source": BesideSource, "beside.copy": BesideCopy}
