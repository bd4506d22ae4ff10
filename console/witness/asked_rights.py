"""What statements ask a right for by their own words, whatever is left of it: a place, or somebody's object.

Pure. A migration that makes a table and drops it again, or changes a function and puts it back, leaves nothing in the
catalogue, and is refused on production all the same. Tables that are changed are told by their locks. What runs inside
functions and blocks of code has no words here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from console.witness.control import label_of
from console.witness.database_changes import CREATE_IN, THE_DATABASE
from console.witness.surface_grammar import NotParsed, kind_of, names_of, parse, unwrap

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_INPUTS = ("FUNC_PARAM_IN", "FUNC_PARAM_INOUT", "FUNC_PARAM_VARIADIC", "FUNC_PARAM_DEFAULT")
_ROUTINES = ("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE")
_TYPES = ("OBJECT_TYPE", "OBJECT_DOMAIN")
ANY = -1
"""A number of arguments that is not told."""

Right = tuple[str, str, int]
"""Catalogue (or `CREATE_IN`), name as pg_identify_object prints it, number of arguments of a function."""


def not_allowed(texts: Iterable[str], objects: Collection[str], *, schema: str) -> tuple[str, ...]:
    """Return those of `objects` (as `OwnedElsewhere` has them) for which statements ask a right, sorted.

    A name without a schema is one in `schema`; nobody's where that is "" or a statement sets the search_path.
    """
    trees = [tree for text in texts for tree in _trees(text)]
    moved = any(kind_of(tree) == "VariableSetStmt" and tree.name.lower() == "search_path" for tree in trees)
    asked = {right for tree in trees for right in _rights(tree, "" if moved else schema)}
    found = set()
    for named in objects:
        catalogue, name, arguments = _right(named)
        if {(catalogue, name, arguments), (catalogue, name, ANY)} & asked:
            found.add(named)
    return tuple(sorted(found))


def _trees(text: str) -> list[Any]:
    try:
        return [tree for tree, _own in parse(text)]
    except NotParsed:
        return []


def _right(named: str) -> Right:
    if named.startswith(f"{CREATE_IN} "):
        return CREATE_IN, named.removeprefix(f"{CREATE_IN} "), 0
    catalogue, _space, identity = named.partition(" ")
    if catalogue != "pg_proc" or not identity.endswith(")"):
        return catalogue, identity, 0
    name, _open, arguments = identity[:-1].partition("(")
    return catalogue, name, arguments.count(",") + 1 if arguments else 0


def _rights(tree: Any, schema: str) -> Iterator[Right]:
    reader = _READERS.get(kind_of(tree))
    if reader is not None:
        for catalogue, parts, arguments in reader(tree):
            if catalogue == CREATE_IN and not parts:
                yield CREATE_IN, THE_DATABASE, 0
                continue
            whole = _in_schema(catalogue, parts, schema)
            if whole:
                yield catalogue, ".".join(map(_quoted, whole)), arguments


def _in_schema(catalogue: str, parts: tuple[str, ...], schema: str) -> tuple[str, ...]:
    """Return a name with its schema, or the schema alone where something is created in it; () where it is not known."""
    if catalogue in ("pg_namespace", "pg_database"):
        return parts
    own = parts[-2] if len(parts) > 1 else schema
    if not own or own.startswith("pg_temp"):
        return ()
    return (own,) if catalogue == CREATE_IN else (own, parts[-1])


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


Found = Iterator[tuple[str, tuple[str, ...], int]]


def _of_relation(field: str) -> Callable[[Any], Found]:
    def read(tree: Any) -> Found:
        node: Any = tree
        for part in field.split("."):
            node = getattr(node, part)
        if node.relname and node.relpersistence != "t":
            yield CREATE_IN, tuple(filter(None, (node.schemaname, node.relname))), 0

    return read


def _of_names(field: str) -> Callable[[Any], Found]:
    def read(tree: Any) -> Found:
        yield CREATE_IN, names_of(getattr(tree, field)), 0

    return read


def _in_the_database(tree: Any) -> Found:
    if not (kind_of(tree) == "CreateExtensionStmt" and tree.if_not_exists):
        yield CREATE_IN, (), 0


def _function(tree: Any) -> Found:
    name = names_of(tree.funcname)
    yield CREATE_IN, name, 0
    if tree.replace:
        inputs = [one for one in map(unwrap, tree.parameters) if label_of(one, "mode") in _INPUTS]
        yield "pg_proc", name, len(inputs)


def _database(tree: Any) -> Found:
    yield "pg_database", (tree.dbname,), 0


def _enum(tree: Any) -> Found:
    yield "pg_type", names_of(tree.type_name), 0


def _altered_function(tree: Any) -> Found:
    yield from _object("OBJECT_FUNCTION", tree.func)


def _dropped(tree: Any) -> Found:
    for one in tree.objects:
        yield from _object(label_of(tree, "remove_type"), unwrap(one))


def _owned(tree: Any) -> Found:
    yield from _object(label_of(tree, "object_type"), unwrap(tree.object))


def _renamed(tree: Any) -> Found:
    sort = label_of(tree, "rename_type")
    if sort in ("OBJECT_SCHEMA", "OBJECT_DATABASE"):
        yield ("pg_namespace" if sort == "OBJECT_SCHEMA" else "pg_database"), (tree.subname,), 0
    elif sort in (*_ROUTINES, *_TYPES):
        yield from _object(sort, unwrap(tree.object))


def _object(sort: str, node: Any) -> Found:
    if sort in ("OBJECT_SCHEMA", "OBJECT_DATABASE") and kind_of(node) == "String":
        yield ("pg_namespace" if sort == "OBJECT_SCHEMA" else "pg_database"), (node.sval,), 0
    elif sort in _ROUTINES and kind_of(node) == "ObjectWithArgs":
        yield "pg_proc", names_of(node.objname), ANY if node.args_unspecified else len(node.objargs)
    elif sort in _TYPES and kind_of(node) in ("TypeName", "List"):
        yield "pg_type", names_of(node.names if kind_of(node) == "TypeName" else node.items), 0


_READERS: Mapping[str, Callable[[Any], Found]] = {
    "CreateStmt": _of_relation("relation"),
    "CreateTableAsStmt": _of_relation("into.rel"),
    "SelectStmt": _of_relation("into_clause.rel"),
    "ViewStmt": _of_relation("view"),
    "CreateSeqStmt": _of_relation("sequence"),
    "CompositeTypeStmt": _of_relation("typevar"),
    "CreateForeignTableStmt": _of_relation("base_stmt.relation"),
    "CreateEnumStmt": _of_names("type_name"),
    "CreateRangeStmt": _of_names("type_name"),
    "CreateDomainStmt": _of_names("domainname"),
    "DefineStmt": _of_names("defnames"),
    "CreateStatsStmt": _of_names("defnames"),
    "CreateFunctionStmt": _function,
    "CreateSchemaStmt": _in_the_database,
    "CreatePublicationStmt": _in_the_database,
    "CreateExtensionStmt": _in_the_database,
    "AlterDatabaseStmt": _database,
    "AlterDatabaseSetStmt": _database,
    "AlterEnumStmt": _enum,
    "AlterFunctionStmt": _altered_function,
    "DropStmt": _dropped,
    "AlterOwnerStmt": _owned,
    "RenameStmt": _renamed,
}
"""By statement what it asks a right for."""
