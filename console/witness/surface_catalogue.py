"""What a text does by the catalogue of a live server: the deeds that the text itself does not show.

Owns the resolution of names to functions, relations, types and operators, and of what those set off:
views, rules, triggers, defaults, checks, policies, partitions, foreign tables. Reads only. A name
without a schema is looked for in every schema, because the search path at the time is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from console.sql import run
from console.witness.surface import SurfaceVerdict, find_in_text, verdict_of
from console.witness.surface_functions import harmless_functions
from console.witness.surface_tree import Found

Mode = str
"""READ, INSERT or UPDATE: what happens to a relation."""

ANY_COLUMN = frozenset({"*"})
"""What an UPDATE through a view may assign: a view can give its columns other names."""

_PLAIN_LANGUAGES = ("internal", "c")
"""Functions of types in these were installed by a superuser with the type; when they are not volatile
they are believed, otherwise no table with a vector column could be used."""


@dataclass(frozen=True, kw_only=True)
class FunctionFacts:
    """What the catalogue says about one function, in the order of surface/functions' columns."""

    oid: int
    schema: str
    name: str
    language: str
    volatility: str
    is_security_definer: bool
    owner: str
    is_system: bool
    takes_row: bool
    takes_one: bool

    def __str__(self) -> str:
        words = {"i": "immutable", "s": "stable", "v": "volatile"}
        definer = ", SECURITY DEFINER" if self.is_security_definer else ""
        facts = f"{self.language}, {words[self.volatility]}{definer}, owned by {self.owner}"
        return f"{self.schema}.{self.name} ({facts})"


def judge_catalogue(
    conn: psycopg.Connection[Any], sql: str, *, functions_allowed: Collection[str] = ()
) -> SurfaceVerdict:
    """Return the verdict over what `sql` names, as the catalogue behind `conn` has it.

    Refused: a user-defined function that is not in `functions_allowed` ("schema.name") and would or
    could run, by name or set off by a relation or type; rules; foreign tables; updates that may move a
    row between partitions; views over any of it. What the text alone shows is judge_text's business,
    so both must allow. A name that does not exist refuses nothing: the server will.
    """
    major = conn.info.server_version // 10000
    found = find_in_text(sql, major=major, functions_allowed=functions_allowed)
    deeds = _Deeds(conn=conn, major=major, functions_allowed=frozenset(functions_allowed))
    deeds.judge_quoting()
    for one in found:
        deeds.names_in(one, via="")
    deeds.judge_operators()
    by_text = verdict_of(found)
    reason = "; ".join(deeds.refusals)
    return SurfaceVerdict(allowed=not reason, verbs=by_text.verbs, reason=reason, functions=by_text.functions)


@dataclass(kw_only=True)
class _Deeds:
    conn: psycopg.Connection[Any]
    major: int
    functions_allowed: frozenset[str]
    refusals: dict[str, None] = field(default_factory=dict)
    seen: set[tuple[int, Mode, frozenset[str]]] = field(default_factory=set)
    seen_types: set[tuple[int, bool]] = field(default_factory=set)
    seen_texts: dict[str, list[Found]] = field(default_factory=dict)
    operators: set[str] = field(default_factory=set)
    reached_types: set[int] = field(default_factory=set)

    def refuse(self, via: str, why: str) -> None:
        self.refusals[f"{via}{why}"] = None

    def judge_quoting(self) -> None:
        ((strings, encoding),) = run(self.conn, "surface/quoting")
        if strings != "on" or encoding != "UTF8":
            said = f"standard_conforming_strings {strings}, client_encoding {encoding}"
            self.refuse("", f"the session reads text otherwise than the grammar ({said})")

    def judge_operators(self) -> None:
        """Judge the operators of everything that was reached, when all its types are known."""
        wanted = {"names": sorted(self.operators), "types": sorted(self.reached_types)}
        for name, function_oid in run(self.conn, "surface/operators", wanted):
            self._called([function_oid], f"the operator {name} may run ", by_type=True)

    def names_in(self, found: Found, *, via: str, judged_functions: Collection[str] = ()) -> None:
        """Judge everything that one text names; `judged_functions` need no second look."""
        self._functions(found, via, judged_functions)
        self.operators |= found.operators
        named = {(parts[-2] if len(parts) > 1 else "", parts[-1]) for parts in found.types if parts}
        types = run(self.conn, "surface/types_by_name", _pairs(named))
        self.types([oid for (oid,) in types], via, writes=True)
        dotted = [name for name in found.settings if "." in name]
        for (name,) in run(self.conn, "surface/known_settings", {"names": dotted}) if dotted else []:
            self.refuse(via, f"the setting {name} belongs to a loaded module")
        self._relations(found, via)

    def _relations(self, found: Found, via: str) -> None:
        modes: tuple[tuple[Mode, Iterable[tuple[str, str]]], ...] = (
            ("READ", found.reads - found.inserts - set(found.updates)),
            ("INSERT", found.inserts),
            ("UPDATE", found.updates),
        )
        for mode, targets in modes:
            for target in sorted(targets):
                assigned = frozenset(found.updates.get(target, ()) if mode == "UPDATE" else ())
                for row in run(self.conn, "surface/relations", _pairs({target})):
                    self.relation(row, mode, assigned, via)

    def _functions(self, found: Found, via: str, judged: Collection[str]) -> None:
        wanted = {(schema, name) for schema, _dot, name in (one.rpartition(".") for one in found.functions)}
        for facts in self._facts(run(self.conn, "surface/functions", _pairs(wanted))):
            harmless = harmless_functions(self.major) | {"set_config", *judged}
            if facts.is_system and facts.name in harmless:
                continue
            if not self._allows(facts):
                self.refuse(via, f"the function {facts} may run")
        dotted = {("", name) for name in found.columns}
        for facts in self._facts(run(self.conn, "surface/functions", _pairs(dotted))):
            called = facts.takes_row or (facts.takes_one and facts.name in found.called_by_dot)
            if called and not facts.is_system and not self._allows(facts):
                self.refuse(via, f"a name after a dot may call the function {facts}")

    def _facts(self, rows: Iterable[tuple[Any, ...]]) -> list[FunctionFacts]:
        names = FunctionFacts.__dataclass_fields__
        return [FunctionFacts(**dict(zip(names, row, strict=True))) for row in rows]

    def _allows(self, facts: FunctionFacts) -> bool:
        return f"{facts.schema}.{facts.name}" in self.functions_allowed

    def _called(self, oids: list[int], via: str, *, by_type: bool = False) -> None:
        for facts in self._facts(run(self.conn, "surface/functions_by_oid", {"oids": oids})):
            believed = by_type and facts.language in _PLAIN_LANGUAGES and facts.volatility != "v"
            plain = facts.is_system and facts.volatility != "v"
            if not (believed or plain or self._allows(facts)):
                self.refuse(via, f"the function {facts}")

    def text(self, sql: str, *, via: str, allowed: Collection[str] = ()) -> list[Found]:
        """Judge an expression or a view's query that PostgreSQL evaluates by itself."""
        if sql in self.seen_texts:
            return self.seen_texts[sql]
        allowed = self.functions_allowed | self._bare_names() | set(allowed)
        found = find_in_text(sql, major=self.major, functions_allowed=allowed)
        self.seen_texts[sql] = found
        for one in found:
            for why in one.refusals:
                self.refuse(via, why)
            self.names_in(one, via=via, judged_functions=allowed)
        return found

    def _bare_names(self) -> frozenset[str]:
        """PostgreSQL writes an allowed function without its schema where the search path has it."""
        bare = {one.rpartition(".")[2] for one in self.functions_allowed if "." in one}
        own = run(self.conn, "surface/functions", _pairs({("pg_catalog", name) for name in bare}))
        return frozenset(bare - {facts.name for facts in self._facts(own)})

    def relation(self, row: tuple[Any, ...], mode: Mode, assigned: frozenset[str], via: str) -> None:
        """Judge what a statement of `mode` on one relation sets off (`row` as surface/relations has it)."""
        oid, schema, name, kind, is_system, definition = row
        if (oid, mode, assigned) in self.seen:
            return
        self.seen.add((oid, mode, assigned))
        whole = f"{schema}.{name}"
        if is_system:
            if mode != "READ":
                self.refuse(via, f"{mode} reaches PostgreSQL's own {whole}")
            return
        if kind == "f":
            self.refuse(via, f"{whole} is a foreign table, behind which another server or program works")
        self._set_off(oid, mode, f"{via}{whole}: ")
        self._partitions(oid, mode, assigned, f"{via}{whole}: ")
        for related, how in run(self.conn, "surface/related", {"oid": oid}):
            if how == "child" or mode == "UPDATE":
                for each in run(self.conn, "surface/relations_by_oid", {"oids": [related]}):
                    self.relation(each, mode, assigned if how == "child" else frozenset(), via)
        if definition:
            self._view(definition, mode, assigned, f"{via}the view {whole}: ")
        self.types([one for (one,) in run(self.conn, "surface/column_types", {"oid": oid})],
                   f"{via}{whole}: ", writes=mode != "READ")  # fmt: skip

    def _set_off(self, oid: int, mode: Mode, via: str) -> None:
        for name, verb in run(self.conn, "surface/rules", {"oid": oid}):
            if verb == mode:
                self.refuse(via, f"the rule {name} rewrites {mode}")
        for name, verbs, function_oid in run(self.conn, "surface/triggers", {"oid": oid}):
            if mode in verbs:
                self._called([function_oid], f"{via}the trigger {name} runs ")
        for what, name, expression in run(self.conn, "surface/expressions", {"oid": oid}):
            if mode != "READ" or what in ("policy", "generated"):
                nextval = ("nextval", "pg_catalog.nextval") if what == "default" else ()
                self.text(f"SELECT {expression}", via=f"{via}{what} {name}: ", allowed=nextval)

    def _partitions(self, oid: int, mode: Mode, assigned: frozenset[str], via: str) -> None:
        if mode != "UPDATE":
            return
        keys = {name for (name,) in run(self.conn, "surface/partition_columns", {"oid": oid})}
        unknown = assigned == ANY_COLUMN or ("" in keys and assigned)
        moved = sorted(keys & assigned) or (["a partition key"] if keys and unknown else [])
        if moved:
            columns = ", ".join(moved)
            self.refuse(via, f"an UPDATE of {columns} may move rows between partitions, which deletes them")

    def _view(self, definition: str, mode: Mode, assigned: frozenset[str], via: str) -> None:
        for found in self.text(definition, via=via):
            for target in sorted(found.reads) if mode != "READ" else ():
                for row in run(self.conn, "surface/relations", _pairs({target})):
                    self.relation(row, mode, ANY_COLUMN if assigned else assigned, via)

    def types(self, oids: list[int], via: str, *, writes: bool) -> None:
        """Judge the functions that PostgreSQL calls by itself for values of these types."""
        new = [oid for oid in oids if (oid, writes) not in self.seen_types]
        self.seen_types.update((oid, writes) for oid in new)
        if not new:
            return
        parts = {"oids": [oid for (oid,) in run(self.conn, "surface/type_parts", {"oids": new})]}
        self.reached_types.update(parts["oids"])
        for name, what, function_oid in run(self.conn, "surface/type_functions", parts):
            self._called([function_oid], f"{via}the type {name} runs by its {what} ", by_type=True)
        for domain, check, expression in run(self.conn, "surface/type_checks", parts) if writes else []:
            self.text(f"SELECT {expression}", via=f"{via}the domain {domain}, check {check}: ")


def _pairs(wanted: Iterable[tuple[str, str]]) -> dict[str, object]:
    several = sorted(wanted)
    return {"schemas": [schema for schema, _name in several], "names": [name for _schema, name in several]}
