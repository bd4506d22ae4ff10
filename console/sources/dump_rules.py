"""Which statements a plain-text dump may hold: those that pg_dump writes, and nothing else.

Owns the list, deny by default (design section 10). Judges the beginning of a statement only: what a
function or a rule does is for the search of the restored copy, and the server refuses what its owner may not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from console.sources.dump_lexer import Refused, Statement, shown

_SETTINGS = frozenset(
    {
        "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout",
        "client_encoding", "standard_conforming_strings", "check_function_bodies", "xmloption",
        "client_min_messages", "row_security", "escape_string_warning", "default_tablespace",
        "default_table_access_method", "default_with_oids", "search_path", "quote_all_identifiers",
    }
)  # fmt: skip
_ONLY_VALUE = {"client_encoding": ("utf8", "utf-8", "unicode"), "standard_conforming_strings": ("on",)}
_CALLS = frozenset({"set_config", "setval", "lo_create", "lo_open", "lowrite", "lo_close", "lo_creat"})
_OBJECTS = (
    "table", "unlogged table", "view", "recursive view", "materialized view", "index", "unique index",
    "sequence", "function", "procedure", "routine", "aggregate", "type", "domain", "schema", "trigger",
    "constraint trigger", "rule", "operator", "cast", "collation", "conversion", "default conversion",
    "statistics", "text search", "policy", "extension", "constraint", "column", "large object",
    "default privileges",
)  # fmt: skip
_OUTWARD = {
    "copy": "only COPY TABLE (columns) FROM stdin is restored",
    "do": "an anonymous block runs whatever it likes",
    "load": "loads a library into the server",
}
_WHY = (
    ("role", "roles belong to the cluster, the pack's are made by Drydock"),
    ("user mapping", "would connect to another server"),
    ("user", "roles belong to the cluster, the pack's are made by Drydock"),
    ("group", "roles belong to the cluster, the pack's are made by Drydock"),
    ("system", "changes the server's configuration"),
    ("event trigger", "runs during Drydock's own statements"),
    ("subscription", "would connect to another server"),
    ("publication", "is for replication, which a copy has none of"),
    ("server", "would connect to another server"),
    ("foreign", "would reach outside the copy"),
    ("database", "dump without --create"),
    ("tablespace", "reaches outside the copy's folder"),
    ("language", "brings code that runs outside PostgreSQL's languages"),
    ("trusted language", "brings code that runs outside PostgreSQL's languages"),
)


def judge_of(extensions: Collection[str] | None) -> Callable[[Statement], bool]:
    """Return what judges each statement: Refused, or True where COPY data follows.

    `extensions` are those that the environment has, None when that is not known.
    """

    def judge(statement: Statement) -> bool:
        first = statement.first
        match first[0]:
            case "copy":
                return _copies_from_stdin(statement)
            case "set":
                _judge_setting(statement)
            case "select":
                _judge_call(statement)
            case "create" | "alter" | "drop" | "comment" | "security":
                _judge_object(statement, extensions)
            case "grant" | "revoke":
                _judge_grant(statement)
            case "insert" | "refresh" | "begin" | "commit" | "analyze":
                pass
            case _:
                raise refused(statement, _OUTWARD.get(first[0], "no pg_dump writes it"))
        return False

    return judge


def refused(statement: Statement, why: str) -> Refused:
    """Return the refusal of a whole statement, with its line and its first words."""
    return Refused(statement.line, f"{statement.words}: {why}")


def _copies_from_stdin(statement: Statement) -> bool:
    """`COPY name (columns) FROM stdin` and not a word more: no PROGRAM, no file, no query, no options."""
    first = statement.first
    named = len(first) > 1 and (first[1][:1] == '"' or first[1].replace("_", "a").replace("$", "a").isalnum())
    if not named or statement.last[-2:] != ["from", "stdin"]:
        raise refused(statement, _OUTWARD["copy"])
    return True


def _judge_setting(statement: Statement) -> None:
    first = statement.first
    name, value = first[1] if len(first) > 1 else "", first[-1].lstrip("'\"").lower()
    if name not in _SETTINGS or first[2:3] not in (["="], ["to"]):
        raise refused(statement, "no setting that pg_dump makes")
    allowed = _ONLY_VALUE.get(name)
    if allowed is not None and (len(first) != 4 or value not in allowed):
        raise refused(statement, f"{name} must be {allowed[0]}; dump again with it")


def _judge_call(statement: Statement) -> None:
    first = statement.first
    if first[1:3] != ["pg_catalog", "."] or first[3:4] == [] or first[3] not in _CALLS or first[4:5] != ["("]:
        raise refused(statement, "no query that pg_dump writes")
    if first[3] == "set_config" and first[5:] != ["'search_path", ",", "'", ",", "false", ")"]:
        raise refused(statement, "set_config may only empty search_path")
    if "(" in first[5:]:
        raise refused(statement, "a call within a call, which no pg_dump writes")


def _judge_object(statement: Statement, extensions: Collection[str] | None) -> None:
    words = statement.first[1:]
    if statement.first[0] in ("comment", "security"):
        words = words[words.index("on") + 1 :] if "on" in words else words
    if words[:2] == ["or", "replace"]:
        words = words[2:]
    beginning = " ".join(words[:2])
    for kind, why in _WHY:
        if beginning == kind or beginning.startswith(f"{kind} "):
            raise refused(statement, why)
    if not any(beginning == kind or beginning.startswith(f"{kind} ") for kind in _OBJECTS):
        raise refused(statement, "no object that a copy is restored with")
    if words[0] == "extension" and statement.first[0] == "create" and extensions is not None:
        _judge_extension(statement, words, extensions)


def _judge_extension(statement: Statement, words: list[str], extensions: Collection[str]) -> None:
    name = (words[4:5] if words[1:4] == ["if", "not", "exists"] else words[1:2] or [""])[0].lstrip('"')
    if name not in extensions:
        raise refused(
            statement,
            f"this PostgreSQL has only {', '.join(sorted(extensions))}; use --environment docker, "
            f"or --pg-programs with a PostgreSQL that has {shown(name)}",
        )


def _judge_grant(statement: Statement) -> None:
    """Privileges on objects only: a membership has no ON."""
    if "on" not in statement.first:
        raise refused(statement, "a membership of roles; the pack's roles are made by Drydock")
