"""Everything that a statement can reach in the catalogue, and what of it a ROLLBACK would not undo (design section 6).

Owns the walk: functions and their bodies, triggers, defaults, checks, rules, views, policies, foreign keys, foreign
tables, types and operators, event triggers of a login. Reads only. What cannot be analysed is a hazard of its own,
which a plan may accept by its exact name; no other hazard can be accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import psycopg

from console.sql import run
from console.witness.hazard_rules import outlives_rollback, own_function_hazard
from console.witness.hazard_text import COMPARISONS, Name, Named, named_in
from console.witness.plpgsql import calls_of, names_in, read_body, without_comments, words_of
from console.witness.surface_grammar import NotParsed

READ, CHANGED, INSERTED = range(3)
"""How deep a relation is used; each sets off all that the ones before it do. INSERTED evaluates defaults."""


class Hazard(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a ROLLBACK would not undo, or that nobody can read; `name` can be accepted, "" cannot."""

    what: str
    via: str
    name: str = ""


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """What one or more statements can reach: exact names, sorted, and the hazards among them."""

    functions: tuple[str, ...]
    relations: tuple[str, ...]
    tables: tuple[str, ...]
    written: tuple[str, ...]
    hazards: tuple[Hazard, ...]


class _Function(NamedTuple):
    oid: int
    schema: str
    name: str
    arguments: str
    language: str
    kind: str
    is_system: bool
    source: str
    definition: str
    sql_body: str
    defaults: str
    types: tuple[int, ...]
    of_extension: bool
    stands_for: tuple[str, ...]

    @property
    def signature(self) -> str:
        return f"{self.schema}.{self.name}({self.arguments})"


def reached_by(conn: psycopg.Connection[Any], statements: Sequence[str]) -> Reached:
    """Return what the statements (placeholders as %s) can reach, and every hazard on the way."""
    walk = _Walk(conn=conn, major=conn.info.server_version // 10_000)
    for function_oid, name in run(conn, "proof/login_triggers"):
        walk.functions_of([function_oid], f"the event trigger {name}")
    walk.functions_of(
        [oid for (oid,) in run(conn, "proof/own_casts")], "a cast between PostgreSQL's own types"
    )
    for statement in statements:
        walk.text(statement.replace("%s", "NULL"), "the statement")
    walk.operators_of()
    return Reached(
        functions=tuple(sorted(walk.functions.values())),
        relations=tuple(sorted(walk.relations.values())),
        tables=tuple(sorted(walk.relations[oid] for oid in walk.tables)),
        written=tuple(sorted(walk.relations[oid] for oid, depth in walk.depths.items() if depth)),
        hazards=tuple(walk.hazards.values()),
    )


def unaccepted(hazards: Iterable[Hazard], accepted: Collection[str]) -> tuple[Hazard, ...]:
    """Return the hazards that the plan does not accept by their exact name."""
    return tuple(one for one in hazards if not one.name or one.name not in accepted)


@dataclass(kw_only=True)
class _Walk:
    conn: psycopg.Connection[Any]
    major: int
    functions: dict[int, str] = field(default_factory=dict)
    relations: dict[int, str] = field(default_factory=dict)
    depths: dict[int, int] = field(default_factory=dict)
    tables: set[int] = field(default_factory=set)
    hazards: dict[tuple[str, str], Hazard] = field(default_factory=dict)
    _texts: set[str] = field(default_factory=set)
    _types: set[int] = field(default_factory=set)
    _operators: set[str] = field(default_factory=set)

    def hazard(self, what: str, via: str, name: str = "") -> None:
        """Remember one hazard, once."""
        self.hazards.setdefault((what, name), Hazard(what=what, via=via, name=name))

    def text(self, sql: str, via: str, name: str = "") -> None:
        """Follow everything that one SQL text names; `name` is what a plan could accept where it is not parsed."""
        if sql in self._texts:
            return
        self._texts.add(sql)
        try:
            found = named_in(sql)
        except NotParsed as wrong:
            self.hazard(f"a text in {via} cannot be analysed: {wrong}", via, name)
            return
        for why in found.hazards:
            self.hazard(f"{via}: {why}", via)
        self._follow(found, via)

    def _follow(self, found: Named, via: str) -> None:
        self.calls(found.functions, via)
        if found.columns:
            rows = run(self.conn, "proof/row_functions", {"names": sorted(found.columns)})
            self.functions_of([oid for (oid,) in rows], via)
        for target in sorted(found.reads | found.writes):
            for row in run(self.conn, "surface/relations", _pairs({target})):
                self.relation(row, via, _depth(found, target))
        self._operators |= found.operators | COMPARISONS
        self.named_types(found.types | found.functions, via)

    def named_types(self, names: Iterable[Name], via: str) -> None:
        """Follow every type of these names: t(x) can be a cast to t as well as a call."""
        wanted = set(names)
        if wanted:
            self.types([oid for (oid,) in run(self.conn, "surface/types_by_name", _pairs(wanted))], via)

    def calls(self, names: Iterable[Name], via: str) -> None:
        """Follow every function of these names."""
        wanted = set(names)
        if wanted:
            self.functions_of([oid for (oid,) in run(self.conn, "proof/functions", _pairs(wanted))], via)

    def functions_of(self, oids: Sequence[int], via: str, *, by_type: bool = False) -> None:
        """Follow functions by oid, each once."""
        new = [oid for oid in oids if oid not in self.functions]
        for row in run(self.conn, "proof/function_bodies", {"oids": new}) if new else []:
            function = _Function(*row)
            if by_type and function.language == "c" and function.of_extension:
                continue  # it came with its type, from a superuser, and the type names it
            self.functions[function.oid] = function.signature
            self._function(function, via)

    def _function(self, function: _Function, via: str) -> None:
        told = f"{function.signature}, reached by {via},"
        if function.is_system:
            why = own_function_hazard(function.name, self.major)
            if why is not None:
                self.hazard(f"{function.schema}.{function.name} {why}", via)
            return
        why = outlives_rollback(function.name)
        if why is not None:
            self.hazard(f"{told} {why}", via)
        self.types(function.types, function.signature)
        if function.defaults:
            self.text(f"SELECT {function.defaults}", f"a default of {function.signature}", function.signature)
        if function.language == "sql":
            self.text(_sql_of(function), function.signature, function.signature)
        elif function.language == "plpgsql" and function.kind in ("f", "p"):
            self._plpgsql(function)
        elif function.kind == "a":
            rows = run(self.conn, "proof/aggregate_functions", {"oid": function.oid})
            self.functions_of([oid for (oid,) in rows], f"the aggregate {function.signature}")
        elif not (function.stands_for and all(_harmless(name, self.major) for name in function.stands_for)):
            what = f"{told} cannot be analysed: it is {_kind(function)} in language {function.language}"
            self.hazard(what, via, function.signature)
        self._source(function)

    def _plpgsql(self, function: _Function) -> None:
        try:
            body = read_body(function.definition)
        except NotParsed as wrong:
            what = f"{function.signature} cannot be analysed: {wrong}"
            self.hazard(what, function.signature, function.signature)
            self._relations_in(function)
            return
        for how in dict.fromkeys(body.dynamic):
            what = f"{function.signature} runs SQL that is made at run time ({how})"
            self.hazard(what, function.signature, function.signature)
        for how in dict.fromkeys(body.ends):
            what = f"{function.signature} holds {how}: it would end the transaction and begin another"
            self.hazard(what, function.signature)
        for text in body.texts:
            self.text(text, function.signature, function.signature)

    def _relations_in(self, function: _Function) -> None:
        """Follow whatever a body that nobody parses could read by a name."""
        names = {("", name) for name in names_in(without_comments(function.source))}
        for row in run(self.conn, "surface/relations", _pairs(names)):
            self.relation(row, function.signature, READ)

    def _source(self, function: _Function) -> None:
        """Look once more without a grammar: a name that the parser did not show is followed all the same."""
        if function.language not in ("sql", "plpgsql"):
            return
        source = without_comments(function.source or function.sql_body)
        for word in dict.fromkeys(words_of(source)):
            why = outlives_rollback(word)
            if why is not None and not word.startswith("pg_read_"):
                self.hazard(f"{function.signature} names {word}, which {why}", function.signature)
        calls = [("", name) for name in calls_of(source)]
        rows = run(self.conn, "proof/functions", _pairs(calls)) if calls else []
        self.functions_of([oid for (oid,) in rows if oid >= _FIRST_USER_OID], function.signature)
        self.named_types({("", name) for name in names_in(source)}, function.signature)

    def relation(self, row: tuple[Any, ...], via: str, depth: int) -> None:
        """Follow what using one relation to a depth sets off (`row` as surface/relations has it)."""
        oid, schema, name, kind, is_system, definition = row
        whole = f"{schema}.{name}"
        if is_system or depth <= self.depths.get(oid, -1):
            return
        self.relations[oid] = whole
        self.depths[oid] = depth
        if kind in ("r", "p"):
            self.tables.add(oid)
        if kind == "f":
            self.hazard(f"{whole} is a foreign table: another server or program works behind it", via)
        if definition:
            self._view(definition, whole, depth)
        for what, part, expression in run(self.conn, "surface/expressions", {"oid": oid}):
            if what in ("policy", "generated") or (depth and what != "default") or depth == INSERTED:
                self.text(f"SELECT {expression}", f"the {what} {part} of {whole}")
        self._stored(oid, whole)
        self._children(oid, whole, depth)
        if depth:
            self._set_off(oid, whole, depth)

    def _stored(self, oid: int, whole: str) -> None:
        self.types([one for (one,) in run(self.conn, "surface/column_types", {"oid": oid})], whole)
        for name, method in run(self.conn, "proof/access_method", {"oid": oid}):
            what = f"the access method {method} of {name} is not PostgreSQL's own, and keeps its rows nobody knows how"
            self.hazard(what, whole, f"access method {method} of {name}")
        for index, function_oid in run(self.conn, "proof/index_functions", {"oid": oid}):
            self.functions_of([function_oid], f"the index {index} of {whole}", by_type=True)

    def _view(self, definition: str, whole: str, depth: int) -> None:
        self.text(definition, f"the view {whole}", whole)
        try:
            reads = named_in(definition).reads if depth else set()
        except NotParsed:
            return
        for target in sorted(reads):
            for row in run(self.conn, "surface/relations", _pairs({target})):
                self.relation(row, f"the view {whole}", depth)

    def _children(self, oid: int, whole: str, depth: int) -> None:
        for related, how in run(self.conn, "surface/related", {"oid": oid}):
            if how == "child":
                self._by_oid(related, f"a part of {whole}", depth)

    def _by_oid(self, oid: int, via: str, depth: int) -> None:
        for row in run(self.conn, "surface/relations_by_oid", {"oids": [oid]}):
            self.relation(row, via, depth)

    def _set_off(self, oid: int, whole: str, depth: int) -> None:
        for name, verb in run(self.conn, "surface/rules", {"oid": oid}):
            what = f"the rule {name} rewrites {verb} on {whole}, and nothing here reads rules"
            self.hazard(what, whole, f"rule {name} on {whole}")
        for name, function_oid, definition in run(self.conn, "proof/triggers", {"oid": oid}):
            via = f"the trigger {name} on {whole}"
            self.functions_of([function_oid], via)
            try:
                self._follow(named_in(definition), via)
            except NotParsed as wrong:
                self.hazard(f"{via} cannot be analysed: {wrong}", via, f"trigger {name} on {whole}")
        identities = run(self.conn, "proof/identity_columns", {"oid": oid}) if depth == INSERTED else []
        for (column,) in identities:
            what = f"the identity column {column} of {whole} moves a sequence, and no ROLLBACK moves it back"
            self.hazard(what, whole)
        for related, how in run(self.conn, "proof/foreign_keys", {"oid": oid}):
            self._by_oid(related, f"a foreign key of {whole}", INSERTED if how == "written" else READ)

    def types(self, oids: Sequence[int], via: str) -> None:
        """Follow the functions that PostgreSQL calls by itself for values of these types."""
        new = [oid for oid in oids if oid not in self._types]
        self._types.update(new)
        if not new:
            return
        parts = {"oids": [oid for (oid,) in run(self.conn, "surface/type_parts", {"oids": new})]}
        self._types.update(parts["oids"])
        for name, _what, function_oid in run(self.conn, "surface/type_functions", parts):
            self.functions_of([function_oid], f"the type {name} of {via}", by_type=True)
        for domain, check, expression in run(self.conn, "surface/type_checks", parts):
            self.text(f"SELECT {expression}", f"the check {check} of the domain {domain}")
        for domain, expression in run(self.conn, "proof/type_defaults", parts):
            self.text(f"SELECT {expression}", f"the default of the domain {domain}")

    def operators_of(self) -> None:
        """Follow the functions of users' operators, once all types are known; they may name further ones."""
        while self._operators:
            wanted = {"names": sorted(self._operators), "types": sorted(self._types)}
            self._operators = set()
            for name, function_oid in run(self.conn, "surface/operators", wanted):
                self.functions_of([function_oid], f"the operator {name}", by_type=True)


_FIRST_USER_OID = 16384


def _sql_of(function: _Function) -> str:
    if not function.sql_body:
        return function.source
    body = function.sql_body.strip()
    if body.upper().startswith("BEGIN ATOMIC"):
        return body[len("BEGIN ATOMIC") :].strip().removesuffix("END").strip()
    return f"SELECT {body[len('RETURN') :].strip()}" if body.upper().startswith("RETURN") else body


def _harmless(name: str, major: int) -> bool:
    return own_function_hazard(name, major) is None


def _depth(found: Named, target: Name) -> int:
    if target not in found.writes:
        return READ
    return INSERTED if target in found.inserts else CHANGED


def _kind(function: _Function) -> str:
    return {"w": "a window function", "p": "a procedure"}.get(function.kind, "a function")


def _pairs(wanted: Iterable[Name]) -> dict[str, object]:
    several = sorted(wanted)
    return {"schemas": [schema for schema, _name in several], "names": [name for _schema, name in several]}
