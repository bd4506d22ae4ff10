"""Everything that PostgreSQL keeps about a database, told without oids, so that two states can be compared.

Owns the reading of the whole system catalogue, shared tables included: each row as cells, each reference by the name of
what it refers to, each expression as PostgreSQL prints it, privileges with the defaults that a missing list means. What
is left out is named here, and nothing else is. Never writes and never judges; needs a superuser.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from console.sql import pinned, run

Connection = psycopg.Connection[Any]
Cells = dict[str, Any]

FIRST_OWN_OID = 16384
BESIDE, ABOUT = "beside the catalogue", "about"
LARGE_OBJECT = "large object "
OF_POSTGRESQL = "rows that every PostgreSQL has"

VOLATILE: Mapping[str, tuple[str, ...]] = {
    "pg_class": (
        "relpages", "reltuples", "relallvisible", "relallfrozen", "relfrozenxid", "relminmxid", "relhasindex",
        "relhasrules", "relhastriggers", "relhassubclass", "relfilenode", "relrewrite",
    ),
    "pg_database": ("datfrozenxid", "datminmxid", "dathasloginevt"),
    "pg_index": ("indcheckxmin",),
    "pg_attribute": ("attcacheoff", "atthasmissing", "attmissingval"),
    "pg_authid": ("rolpassword",),
    "pg_subscription": ("subconninfo",),
    "pg_subscription_rel": ("srsublsn",),
    "pg_user_mapping": ("umoptions",),
    "pg_foreign_server": ("srvoptions",),
}  # fmt: skip
"""What vacuum, a rewrite or an index build leave behind and no statement can tell, and secrets, told by digest."""

_PRINTED: Mapping[str, tuple[str, ...]] = {
    "pg_class": ("relacl", "relpartbound", "relnatts", "reltoastrelid"),
    "pg_proc": ("proacl", "proargdefaults", "prosqlbody"),
    "pg_type": ("typacl", "typdefaultbin"),
    "pg_namespace": ("nspacl",),
    "pg_database": ("datacl",),
    "pg_language": ("lanacl",),
    "pg_largeobject_metadata": ("lomacl",),
    "pg_foreign_data_wrapper": ("fdwacl",),
    "pg_foreign_server": ("srvacl",),
    "pg_tablespace": ("spcacl",),
    "pg_attrdef": ("adnum", "adbin"),
    "pg_constraint": ("conkey", "confkey", "confdelsetcols", "conbin"),
    "pg_index": ("indkey", "indexprs", "indpred"),
    "pg_trigger": ("tgattr", "tgqual"),
    "pg_rewrite": ("ev_qual", "ev_action"),
    "pg_policy": ("polqual", "polwithcheck"),
    "pg_partitioned_table": ("partattrs", "partexprs"),
    "pg_statistic_ext": ("stxkeys", "stxexprs"),
    "pg_publication_rel": ("prqual", "prattrs"),
    "pg_enum": ("oid", "enumsortorder"),
}
"""Cells that sql/migration/definitions.sql tells in words; relnatts counts dropped columns, TOAST's oid names it."""

_WHOLE = frozenset(
    {"pg_namespace", "pg_database", "pg_language", "pg_tablespace", "pg_authid", "pg_auth_members",
     "pg_db_role_setting", "pg_largeobject_metadata", "pg_parameter_acl", "pg_replication_origin"}
)  # fmt: skip
"""Catalogues of which each row is told, also what every PostgreSQL has: `public`, the databases, the roles."""

_NAMELESS: Mapping[str, tuple[str, ...]] = {
    "pg_attribute": ("attrelid", "attname"),
    "pg_inherits": ("inhrelid", "inhparent"),
    "pg_enum": ("enumtypid", "enumlabel"),
    "pg_ts_config_map": ("mapcfg", "maptokentype", "mapseqno"),
    "pg_db_role_setting": ("setdatabase", "setrole"),
    "pg_subscription_rel": ("srsubid", "srrelid"),
    "pg_largeobject_metadata": ("oid",),
}
"""The cells that name a row of a catalogue whose rows are no objects of their own; else it is the first."""

_NUMBERED = re.compile(r"(RI_ConstraintTrigger_[ac])_\d+")
_PASSING = re.compile(r"pg_(toast|temp|toast_temp)(_\d+)?(\..*)?", re.DOTALL)
"""A schema that PostgreSQL makes for a session or for TOAST, and what is in it; nobody may give another such a name."""


class WholeDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """One state: `rows` by catalogue and then by what each row is about."""

    rows: dict[str, dict[str, Cells]]

    def digests(self) -> dict[str, str]:
        """Return a sha256 (hex) of each catalogue's rows."""
        order = msgspec.json.Encoder(order="deterministic")
        return {name: hashlib.sha256(order.encode(rows)).hexdigest() for name, rows in self.rows.items()}


def read_whole_database(conn: Connection) -> WholeDatabase:
    """Return everything but what `VOLATILE` names, dropped columns, TOAST and temporary objects."""
    with pinned(conn):
        catalogues: dict[str, list[str]] = dict(run(conn, "migration/catalogues"))
        references: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for catalogue, column, referenced in run(conn, "migration/catalogue_references"):
            references[catalogue][column] = referenced
        names = {
            name: _names(conn, name) for name, columns in catalogues.items() if _has_names(name, columns)
        }
        definitions: defaultdict[tuple[str, int], Cells] = defaultdict(dict)
        for catalogue, oid, part, definition in run(conn, "migration/definitions"):
            definitions[catalogue, oid][part] = definition
        rows: dict[str, dict[str, Cells]] = {}
        for name, columns in catalogues.items():
            found = _Reading(conn, name, columns, references[name], names)
            rows[name] = found.numbered(found.told(definitions))
        beside = [
            (f"{kind} {name}", {"content": content})
            for kind, name, content in run(conn, "migration/beside_the_catalogue")
        ]
        rows[BESIDE] = _by_name(beside)
    return WholeDatabase(rows=rows)


def _has_names(name: str, columns: list[str]) -> bool:
    return columns[0] == "oid" and name not in ("pg_enum", "pg_largeobject_metadata")


def _names(conn: Connection, catalogue: str) -> dict[int, str]:
    parts = {"catalogue": sql.Identifier("pg_catalog", catalogue)}
    return {
        oid: _NUMBERED.sub(r"\1", name)
        for oid, name in run(conn, "migration/catalogue_names", parts=parts)
        if name is not None
    }


class _Reading:
    """The reading of one catalogue."""

    def __init__(
        self, conn: Connection, name: str, columns: list[str], references: Mapping[str, str],
        names: Mapping[str, Mapping[int, str]],
    ) -> None:  # fmt: skip
        self._conn, self._name, self._columns = conn, name, columns
        self._references, self._names = references, names
        self._first = 0 if name in _WHOLE else FIRST_OWN_OID
        self._parts = {
            "catalogue": sql.Identifier("pg_catalog", name),
            "key": sql.Identifier(columns[0]),
        }

    def told(self, definitions: Mapping[tuple[str, int], Cells]) -> Iterator[tuple[str, Cells]]:
        """Yield each row that is told by itself, and one digest of the others."""
        if self._columns[0] == "objoid":
            labels = run(self._conn, "migration/catalogue_labels", parts=self._parts)
            for about, name, content in labels:
                yield str(name), _settled({**_decoded(content), ABOUT: about})
        else:
            left_out = [*VOLATILE.get(self._name, ()), *_PRINTED.get(self._name, ())]
            left_out = [column for column in left_out if (self._name, column) != ("pg_enum", "oid")]
            told = run(
                self._conn, "migration/catalogue_rows", {"left_out": left_out, "first": self._first}, self._parts
            )  # fmt: skip
            for oid, content in told:
                yield from self._row(oid, _decoded(content), definitions)
        if self._first:
            [(digest,)] = run(
                self._conn, "migration/catalogue_own_rows",
                {"left_out": list(VOLATILE.get(self._name, ())), "first": self._first}, self._parts,
            )  # fmt: skip
            yield OF_POSTGRESQL, {"digest": digest}

    def _row(
        self, oid: int, cells: Cells, definitions: Mapping[tuple[str, int], Cells]
    ) -> Iterator[tuple[str, Cells]]:
        if cells.get("attisdropped") or cells.get("attnum", 0) < 0 or cells.get("relkind") == "t":
            return
        by_name = {column: self._referred(column, value) for column, value in cells.items()}
        name = self._names.get(self._name, {}).get(oid, "")
        if not name:
            name = ".".join(str(by_name[cell]) for cell in _NAMELESS.get(self._name, self._columns[:1]))
        if _passes(by_name):
            return
        if cells.get("tgisinternal"):
            by_name["tgname"] = _NUMBERED.sub(r"\1", by_name["tgname"])
        if self._name != "pg_largeobject_metadata":
            by_name.pop("oid", None)
        yield name, _settled({**by_name, **definitions.get((self._name, oid), {})})

    def _referred(self, column: str, value: Any) -> Any:
        """Return a cell with the name of what it refers to in the place of an oid; what has none keeps its number."""
        referenced = self._references.get(column)
        if referenced is None or value is None:
            return value
        if isinstance(value, list):
            return [self._name_of(referenced, one) for one in value]
        return self._name_of(referenced, value)

    def _name_of(self, referenced: str, value: Any) -> Any:
        text = str(value)
        return self._names.get(referenced, {}).get(int(text), value) if text.isdecimal() else value

    def numbered(self, told: Iterator[tuple[str, Cells]]) -> dict[str, Cells]:
        """Return the rows by name; columns have their place among those that are left, not the one with the dropped."""
        rows = list(told)
        if self._name == "pg_attribute":
            places: defaultdict[str, int] = defaultdict(int)
            for _name, cells in sorted(rows, key=lambda row: row[1].get("attnum", 0)):
                if "attnum" in cells:
                    places[cells["attrelid"]] += 1
                    cells["attnum"] = places[cells["attrelid"]]
        return _by_name(rows)


def _passes(cells: Cells) -> bool:
    """Tell whether a row is of a temporary object or a TOAST table: by its schema, or the relation that it is about."""
    return any(
        isinstance(value, str) and _PASSING.fullmatch(value)
        for name, value in cells.items()
        if name.endswith(("relid", "namespace")) or name in ("nspname", "ev_class")
    )


def _decoded(content: str) -> Cells:
    cells: Cells = msgspec.json.decode(content)
    return cells


def _settled(cells: Cells) -> Cells:
    """Return the cells with each list of privileges in one order, and an empty one like none."""
    return {
        name: (sorted(value) or None)
        if isinstance(value, list) and name.endswith(("acl", "privs"))
        else value
        for name, value in cells.items()
    }


def _by_name(rows: list[tuple[str, Cells]]) -> dict[str, Cells]:
    """Return the rows by name; several of one name are numbered in the order of their content."""
    groups: defaultdict[str, list[Cells]] = defaultdict(list)
    for name, cells in rows:
        groups[name].append(cells)
    found: dict[str, Cells] = {}
    for name, group in groups.items():
        group.sort(key=lambda cells: msgspec.json.encode(cells, order="sorted"))
        found[name] = group[0]
        numbers = (number for number in itertools.count(2) if f"{name} ({number})" not in groups)
        found |= {f"{name} ({number})": cells for number, cells in zip(numbers, group[1:], strict=False)}
    return dict(sorted(found.items()))
