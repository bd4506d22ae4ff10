"""Walks PostgreSQL's parse tree: what a statement names, and why it must be refused.

Owns the allow-list of node types, deny by default: a node that is not named here is a refusal. Never
looks at a server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message  # type: ignore[import-untyped]

from console.witness.surface_functions import OPERATORS, harmful_after_a_dot, harmless_functions
from console.witness.surface_grammar import children, kind_of, names_of, unwrap
from console.witness.surface_settings import refusal_of_setting

PASSED_THROUGH = frozenset(
    """
    A_ArrayExpr A_Const A_Indices A_Indirection A_Star Alias BitString BoolExpr Boolean BooleanTest
    CTECycleClause CTESearchClause CaseExpr CaseWhen CoalesceExpr CollateClause ColumnRef CommonTableExpr
    Float GroupingFunc GroupingSet InferClause Integer IntoClause JoinExpr JsonAggConstructor JsonArrayAgg
    JsonArrayConstructor JsonArrayQueryConstructor JsonFormat JsonIsPredicate JsonKeyValue JsonObjectAgg
    JsonObjectConstructor JsonOutput JsonReturning JsonValueExpr List LockingClause MinMaxExpr
    MultiAssignRef NamedArgExpr NullTest OnConflictClause ParamRef RangeFunction RangeSubselect
    RangeTableFunc RangeTableFuncCol ResTarget RowExpr SQLValueFunction SetToDefault String TypeCast
    WindowDef WithClause XmlExpr XmlSerialize
    """.split()  # noqa: SIM905
)
"""Nodes that do nothing by themselves; what is below them is walked."""

OWN_SCHEMAS = ("pg_catalog", "information_schema", "pg_toast")
"""Writing there (pg_settings turns an UPDATE into set_config) is never a subject's business."""


_VERBS = {
    "AlterSystemStmt": "ALTER SYSTEM",
    "CheckPointStmt": "CHECKPOINT",
    "ClosePortalStmt": "CLOSE",
    "CreateStmt": "CREATE TABLE",
    "CreateTableAsStmt": "CREATE TABLE AS",
    "CreateTrigStmt": "CREATE TRIGGER",
    "CreatedbStmt": "CREATE DATABASE",
    "DeclareCursorStmt": "DECLARE",
    "DefineStmt": "CREATE",
    "DropdbStmt": "DROP DATABASE",
    "GrantRoleStmt": "GRANT or REVOKE of a role",
    "GrantStmt": "GRANT or REVOKE",
    "IndexStmt": "CREATE INDEX",
    "RenameStmt": "ALTER RENAME",
    "RuleStmt": "CREATE RULE",
    "ViewStmt": "CREATE VIEW",
}
"""Where a node's name does not tell the verb."""


@dataclass(kw_only=True)
class Found:
    """What one statement names. `columns` are the last parts of dotted names: t.f may call f(t).

    `called_by_dot` are those after a value in parentheses, which may be of any type: (v).f may call f(v).
    """

    verbs: dict[str, None] = field(default_factory=dict)
    functions: dict[str, None] = field(default_factory=dict)
    operators: set[str] = field(default_factory=set)
    types: set[tuple[str, ...]] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    called_by_dot: set[str] = field(default_factory=set)
    reads: set[tuple[str, str]] = field(default_factory=set)
    inserts: set[tuple[str, str]] = field(default_factory=set)
    updates: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    settings: set[str] = field(default_factory=set)
    refusals: dict[str, None] = field(default_factory=dict)

    def refuse(self, why: str) -> None:
        """Remember one reason, once."""
        self.refusals[why] = None


@dataclass(kw_only=True)
class TreeWalk:
    """One walk over one statement; `found` holds what came of it."""

    major: int | None
    functions_allowed: Collection[str]
    found: Found = field(default_factory=Found)

    def statement(self, tree: Message) -> None:
        """Judge a whole statement."""
        kind = kind_of(tree)
        handler = STATEMENTS.get(kind)
        if handler is None:
            self.found.verbs[verb_of(kind)] = None
            self.found.refuse(f"{verb_of(kind)} is not one of the allowed verbs")
            return
        handler(self, tree)

    def node(self, tree: Message) -> None:
        """Judge one node below a statement, and all below it."""
        kind = kind_of(tree)
        handler = NODES.get(kind)
        if handler is not None:
            handler(self, tree)
        elif kind not in PASSED_THROUGH and not _is_empty(tree):
            verb = verb_of(kind) if kind.endswith("Stmt") else kind
            if kind.endswith("Stmt"):
                self.found.verbs[verb] = None
            self.found.refuse(f"it holds {verb}, which is not allowed")
            return
        self.below(tree)

    def below(self, tree: Message) -> None:
        """Judge everything directly below a node."""
        for child in children(tree):
            self.node(child)


def _is_empty(tree: Message) -> bool:
    return kind_of(tree) == "Node" and tree.WhichOneof("node") is None


def verb_of(kind: str) -> str:
    """Return a refused statement's verb for the reader: DropStmt is DROP."""
    if kind in _VERBS:
        return _VERBS[kind]
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in kind.removesuffix("Stmt"))
    return words.strip().upper()


def _select(walk: TreeWalk, tree: Any) -> None:
    if not tree.values_lists:
        walk.found.verbs["SELECT"] = None
    if tree.HasField("into_clause"):
        walk.found.refuse("SELECT INTO creates a table")


def _top_select(walk: TreeWalk, tree: Any) -> None:
    walk.found.verbs["SELECT"] = None
    _select(walk, tree)
    walk.below(tree)


def _insert(walk: TreeWalk, tree: Any) -> None:
    target = _write_target(walk, tree.relation, "INSERT")
    walk.found.inserts.add(target)
    if tree.HasField("on_conflict_clause") and tree.on_conflict_clause.target_list:
        walk.found.verbs["UPDATE"] = None
        _note_update(walk, target, tree.on_conflict_clause.target_list)


def _update(walk: TreeWalk, tree: Any) -> None:
    _note_update(walk, _write_target(walk, tree.relation, "UPDATE"), tree.target_list)


def _note_update(walk: TreeWalk, target: tuple[str, str], assigned: Any) -> None:
    walk.found.updates.setdefault(target, set()).update(unwrap(item).name for item in assigned)


def _write_target(walk: TreeWalk, relation: Any, verb: str) -> tuple[str, str]:
    walk.found.verbs[verb] = None
    schema, name = relation.schemaname, relation.relname
    if schema.startswith("pg_") or schema in OWN_SCHEMAS or (not schema and name.startswith("pg_")):
        whole = f"{schema}.{name}" if schema else name
        walk.found.refuse(f"{verb} into {whole} would change PostgreSQL's own catalogue")
    return schema, name


def _top_write(walk: TreeWalk, tree: Message) -> None:
    NODES[kind_of(tree)](walk, tree)
    walk.below(tree)


def _relation(walk: TreeWalk, tree: Any) -> None:
    walk.found.reads.add((tree.schemaname, tree.relname))


def _column(walk: TreeWalk, tree: Any) -> None:
    parts = names_of(tree.fields if kind_of(tree) == "ColumnRef" else tree.indirection)
    dotted = parts[1:] if kind_of(tree) == "ColumnRef" else parts
    walk.found.columns.update(part for part in dotted if part != "*")
    if kind_of(tree) == "A_Indirection":
        for name in parts:
            _after_a_dot(walk, name)


def _after_a_dot(walk: TreeWalk, name: str) -> None:
    """(value).name is a call of name(value) wherever the value has no such column, whatever its type is."""
    walk.found.called_by_dot.add(name)
    if name in harmful_after_a_dot() and f"pg_catalog.{name}" not in walk.functions_allowed:
        walk.found.functions[name] = None
        walk.found.refuse(
            f"a name after a dot may call the function {name}, which is not known to be harmless"
        )


def _call(walk: TreeWalk, tree: Any) -> None:
    parts = names_of(tree.funcname)
    written = ".".join(parts[-2:])
    walk.found.functions[written] = None
    plain = parts[-1] if len(parts) == 1 or parts[-2] == "pg_catalog" else ""
    if written in walk.functions_allowed or (plain and f"pg_catalog.{plain}" in walk.functions_allowed):
        return
    if plain == "set_config":
        _set_config(walk, tree)
    elif not plain or plain not in harmless_functions(walk.major):
        walk.found.refuse(f"the function {written} is not known to be harmless")


def _set_config(walk: TreeWalk, tree: Any) -> None:
    arguments = [unwrap(argument) for argument in tree.args]
    texts = [_constant(argument) for argument in arguments[:2]]
    if len(arguments) != 3 or None in texts:
        walk.found.refuse("set_config with a computed name or value")
        return
    _judge_setting(walk, str(texts[0]), [str(texts[1])])


def _operator(walk: TreeWalk, parts: tuple[str, ...]) -> None:
    walk.found.operators.add(parts[-1])
    if parts[-1] not in OPERATORS or (len(parts) > 1 and parts[-2] != "pg_catalog"):
        walk.found.refuse(f"the operator {'.'.join(parts)} is not PostgreSQL's own")


def _expression(walk: TreeWalk, tree: Any) -> None:
    parts = names_of(tree.name)
    if "BETWEEN" not in parts[-1]:
        _operator(walk, parts)


def _subquery_operator(walk: TreeWalk, tree: Any) -> None:
    named = tree.oper_name if kind_of(tree) == "SubLink" else tree.use_op
    if named:
        _operator(walk, names_of(named))


def _type(walk: TreeWalk, tree: Any) -> None:
    walk.found.types.add(names_of(tree.names))
    if tree.pct_type or tree.setof:
        walk.found.refuse("%TYPE and SETOF belong to definitions")


def _sample(walk: TreeWalk, tree: Any) -> None:
    if names_of(tree.method) not in {("bernoulli",), ("system",)}:
        walk.found.refuse("TABLESAMPLE by a method that is not PostgreSQL's own")


def _conflict_column(walk: TreeWalk, tree: Any) -> None:
    if tree.opclass or tree.opclassopts:
        walk.found.refuse("an operator class in ON CONFLICT")


def _result_column(walk: TreeWalk, tree: Any) -> None:
    if tree.HasField("raw_default") or tree.constraints or tree.fdwoptions:
        walk.found.refuse("a column definition with more than a name and a type")


def _set(walk: TreeWalk, tree: Any) -> None:
    walk.found.verbs["SET"] = None
    kinds = type(tree).DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number
    kind = kinds[tree.kind].name
    if kind == "VAR_SET_MULTI" and tree.name in ("TRANSACTION", "SESSION CHARACTERISTICS"):
        _transaction_options(walk, tree.args)
    elif kind in ("VAR_SET_DEFAULT", "VAR_RESET"):
        _judge_setting(walk, tree.name, None)
    elif kind == "VAR_SET_VALUE":
        values = [_constant(unwrap(argument)) for argument in tree.args]
        if None in values:
            walk.found.refuse(f"SET {tree.name} to something that is no literal")
        _judge_setting(walk, tree.name, [value for value in values if value is not None])
    else:
        walk.found.refuse("RESET ALL, SET FROM CURRENT and SET TRANSACTION SNAPSHOT are not allowed")


def _judge_setting(walk: TreeWalk, name: str, values: list[str] | None) -> None:
    walk.found.settings.add(name.lower())
    why = refusal_of_setting(name, values)
    if why:
        walk.found.refuse(why)


def _transaction_options(walk: TreeWalk, options: Any) -> None:
    for option in options:
        inner: Any = unwrap(option)
        known = kind_of(inner) == "DefElem" and inner.defname.startswith("transaction_")
        if not known or _constant(unwrap(inner.arg)) is None:
            walk.found.refuse("a transaction option that is not known")


def _constant(tree: Any) -> str | None:
    if kind_of(tree) == "TypeCast":
        tree = unwrap(tree.arg)
    if kind_of(tree) != "A_Const" or tree.isnull:
        return None
    which = tree.WhichOneof("val")
    inner = getattr(tree, which) if which else None
    return None if inner is None else str(getattr(inner, which))


def _transaction(walk: TreeWalk, tree: Any) -> None:
    walk.found.verbs["TRANSACTION"] = None
    kinds = type(tree).DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number
    if "PREPARE" in kinds[tree.kind].name:
        walk.found.refuse("two-phase commit is not allowed")
    _transaction_options(walk, tree.options)


def _deallocate(walk: TreeWalk, tree: Any) -> None:
    walk.found.verbs["TRANSACTION" if not tree.name else "DEALLOCATE"] = None
    if tree.name:
        walk.found.refuse("DEALLOCATE of one name is not allowed, only DEALLOCATE ALL")


def _show(walk: TreeWalk, _tree: Message) -> None:
    walk.found.verbs["SHOW"] = None


def _set_constraints(walk: TreeWalk, _tree: Message) -> None:
    walk.found.verbs["SET"] = None


Handler = Callable[[TreeWalk, Any], None]

STATEMENTS: Mapping[str, Handler] = {
    "SelectStmt": _top_select,
    "InsertStmt": _top_write,
    "UpdateStmt": _top_write,
    "VariableSetStmt": _set,
    "VariableShowStmt": _show,
    "TransactionStmt": _transaction,
    "DeallocateStmt": _deallocate,
    "ConstraintsSetStmt": _set_constraints,
}

NODES: Mapping[str, Handler] = {
    "SelectStmt": _select,
    "InsertStmt": _insert,
    "UpdateStmt": _update,
    "RangeVar": _relation,
    "ColumnRef": _column,
    "A_Indirection": _column,
    "FuncCall": _call,
    "A_Expr": _expression,
    "SubLink": _subquery_operator,
    "SortBy": _subquery_operator,
    "TypeName": _type,
    "RangeTableSample": _sample,
    "IndexElem": _conflict_column,
    "ColumnDef": _result_column,
}
