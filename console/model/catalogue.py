"""What a database is made of, as values that can be compared: inventory, privileges, manifest."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

_QUOTED = re.compile(r'"((?:[^"]|"")*)"[.]')
"""A schema in quotes, before its table."""


def split_name(schema: str, name: str) -> tuple[str, str]:
    """Return schema and table of a pack's name for a table: a bare one is of `schema`, else as `full_name` has it."""
    if "." not in name:
        return schema, name
    quoted = _QUOTED.match(name)
    if quoted is not None:
        return quoted[1].replace('""', '"'), name[quoted.end() :]
    own, _dot, table = name.partition(".")
    return own, table


def whole_name(schema: str, name: str) -> str:
    """Return "schema.table" of a pack's name for a table."""
    return ".".join(split_name(schema, name))


def full_name(schema: str, table: str) -> str:
    """Return "schema.table", unlike that of every other pair: a schema with a dot or a quote in it stands in quotes."""
    if "." in schema or '"' in schema:
        schema = '"' + schema.replace('"', '""') + '"'
    return f"{schema}.{table}"


def pack_name(schema: str, owner: str, table: str) -> str:
    """Return how a pack of `schema` calls the table `owner`.`table`: bare where that is not ambiguous."""
    return table if owner == schema and "." not in table else full_name(owner, table)


class Column(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One column: `type` as format_type prints it; `default` as pg_get_expr prints it."""

    name: str
    type: str
    not_null: bool
    default: str | None = None
    identity: str = ""
    generated: str = ""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the frozen inventory.

    `columns` in their order; the other lists hold PostgreSQL's own definitions, sorted: `keys`
    (primary, unique and foreign keys and exclusions), `checks`, `indexes` (those no key made),
    `triggers`, `rules`, `enums` (names of enum types that its columns use).
    """

    columns: tuple[Column, ...]
    keys: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    enums: tuple[str, ...] = ()


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """Tables by bare name; those of another schema than the pack's as schema.table."""

    tables: dict[str, Table]


class Grant(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One privilege from aclexplode: `object` is schema.name (or the schema's or database's name)."""

    grantee: str
    kind: Literal["table", "column", "view", "schema", "database", "sequence", "function"]
    object: str
    privilege: str
    column: str = ""
    grantable: bool = False


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of one role; `settings` are rolconfig's entries, sorted (name=value).

    `database_settings` are those of ALTER ROLE … IN DATABASE for the rehearsed database.
    """

    login: bool
    superuser: bool = False
    bypassrls: bool = False
    createdb: bool = False
    createrole: bool = False
    replication: bool = False
    inherit: bool = True
    connection_limit: int = -1
    settings: tuple[str, ...] = ()
    database_settings: tuple[str, ...] = ()
    member_of: tuple[str, ...] = ()


class Privileges(msgspec.Struct, frozen=True, kw_only=True):
    """The roles of a pack and every grant that reaches them directly.

    `public` holds the grants to PUBLIC that reach the same objects (shown apart); grants inherited
    through membership follow from `Role.member_of`.
    """

    roles: dict[str, Role]
    grants: tuple[Grant, ...]
    public: tuple[Grant, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a restored copy must contain, taken at the source in the dump's own snapshot.

    `rows` maps schema.table to its exact count; the tuples hold sorted names or definitions of all
    user schemas; `sequences` maps schema.name to "last_value,is_called".
    """

    rows: dict[str, int]
    constraints: tuple[str, ...]
    indexes: tuple[str, ...]
    triggers: tuple[str, ...]
    views: tuple[str, ...]
    functions: tuple[str, ...]
    extensions: tuple[str, ...]
    sequences: dict[str, str]
