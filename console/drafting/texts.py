"""The text of plan.toml, pack.toml and pack.py as `drydock init` writes them. Pure; names are quoted here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.model.catalogue import Inventory, Privileges, split_name, whole_name
from console.model.config import EnvironmentConfig, SourceConfig
from console.model.text import one_line

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_UNQUOTED_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Everything that the three texts say; paths are absolute, so that the plan runs from anywhere."""

    source: SourceConfig
    environment: EnvironmentConfig
    pack_folder: str
    subject_folder: str
    package: str
    pack_id: str
    database: str
    schema: str
    owner: str
    tables: tuple[str, ...]
    writers: tuple[str, ...]
    absent: tuple[str, ...]
    security_definer: tuple[str, ...]
    rules: tuple[str, ...]
    functions: tuple[str, ...]
    inventory: Inventory
    privileges: Privileges


def toml_string(text: str) -> str:
    """Return a TOML basic string; what a terminal could act on is written as its code."""
    return (
        '"' + "".join(_ESCAPES.get(one) or (one if one.isprintable() else _code(one)) for one in text) + '"'
    )


def _code(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def toml_key(text: str) -> str:
    """Return a key: bare where TOML allows it."""
    return text if text and set(text) <= _UNQUOTED_KEY else toml_string(text)


def toml_list(texts: Sequence[str]) -> str:
    """Return a list of strings, one a line where there are several."""
    if len(texts) < 2:
        return f"[{', '.join(map(toml_string, texts))}]"
    return "[\n" + "".join(f"    {toml_string(text)},\n" for text in texts) + "]"


def _keys(values: object, names: Sequence[str]) -> str:
    lines = []
    for name in names:
        value = getattr(values, name)
        lines.append(f"{name} = {toml_string(value) if isinstance(value, str) else value}\n")
    return "".join(lines)


ENGINE_KEYS = ("endpoint", "context", "tls")
_SOURCE_KEYS = {
    "demo": (),
    "connection": ("host", "port", "database", "role", "secret", "sslmode", "system_identifier"),
    "container": (
        "container",
        *ENGINE_KEYS,
        "host",
        "port",
        "database",
        "role",
        "secret",
        "system_identifier",
    ),
}


def plan_text(draft: Draft) -> str:
    """Return plan.toml."""
    source = draft.source
    kept = [name for name in _SOURCE_KEYS[source.kind] if getattr(source, name) != ""]
    engine = [name for name in ENGINE_KEYS if getattr(draft.environment, name) != ""]
    accepted = ""
    if draft.security_definer or draft.rules:
        accepted = f"""
# Found at the source. What stands here is accepted in the copy; anything else of its kind stops the run.
# Take out what should not be there, and every rehearsal says so until it is gone.
[search]
security_definer = {toml_list(draft.security_definer)}
rules = {toml_list(draft.rules)}
"""
    return f"""# What is rehearsed, from where, and in what. Every key: drydock's docs/plan-file.md.
# drydock check plan.toml says what is wrong with it; drydock run plan.toml rehearses.
plan = "dry-run"

# Where the copy comes from. It is only read: pg_dump and named queries in one read-only snapshot.
# `secret` is a name (keyring, systemd credential, file:/PATH or prompt:NAME), never a password;
# another server than the one with this system_identifier is not copied.
[source]
kind = {toml_string(source.kind)}
{_keys(source, kept)}
# The isolated PostgreSQL that the copy is restored into, of the source's major version.
[environment]
kind = {toml_string(draft.environment.kind)}
{_keys(draft.environment, engine)}major = {draft.environment.major}

# What must be the same afterwards, by exact name (data folders of clusters, containers, volumes, networks).
[protect]
clusters = []

# The code under rehearsal: a folder that holds the package. It is copied, and only the copy runs.
[subject]
path = {toml_string(draft.subject_folder)}

# What is done with it, and what must come of it: pack.toml, pack.py and frozen/.
[pack]
name = {toml_string(draft.pack_folder)}
{accepted}
# How long a boundary waits for its operator, in seconds.
[boundaries]
timeout_s = 86400
"""


def pack_toml_text(draft: Draft, *, more: str = "") -> str:
    """Return pack.toml: the first scenario only reads; `more` are scenarios that follow it."""
    writer, table = draft.writers[0], draft.tables[0]
    return f"""# What must come of each scenario. The engine judges it from the witnesses; pack.py only does things.

id = {toml_string(draft.pack_id)}
title = {toml_string(f"{draft.package} on a copy of {draft.database}")}
database = {toml_string(draft.database)}
schema = {toml_string(draft.schema)}
# A role of the copy's alone: it restores the copy and owns it, whoever owns the objects at the source.
owner = {toml_string(draft.owner)}
# Rows are counted in exactly these before and after each scenario. A table of another schema: "schema.table".
tables = {toml_list(draft.tables)}
# A dump grants to these roles and does not create them. Those of frozen/privileges.json are made after the restore.
roles_absent_in_copy = {toml_list(draft.absent)}
# Functions of your own that a statement may run, as "schema.name": whatever they do is then allowed (G-19).
# These are what the tables run by themselves, in triggers, defaults and checks of frozen/inventory.json.
functions_allowed = {toml_list(draft.functions)}
scenario_timeout_s = 120
# Every table must end with the source's rows and what the scenarios below add to them. A table with a number of
# its own:  [baseline]  entry = 15  other = "source"
baseline = "source"

[subject]
folder = "subject"  # a reference of the pack's own; where yours is, the plan says in [subject] path
package = {toml_string(draft.package)}

[[scenario]]
id = "S1"
title = {toml_string(f"{one_line(writer, limit_chars=63)} logs in and reads")}
kind = "negative" # it must change nothing

[[scenario.attempt]]
name = "read"
principals = [{toml_string(writer)}]
{more or _examples(writer, table)}"""


def _examples(writer: str, table: str) -> str:
    lines = f"""
Three more, to be filled in together with their functions in pack.py.

The happy one: one transaction is committed, and exactly these rows are there afterwards.

[[scenario]]
id = "S2"
title = "an entry is written"
kind = "happy"
rows = {{ {toml_key(table)} = 1 }}

[[scenario.attempt]]
name = "write"
principals = [{toml_string(writer)}]
commits = 1
isolation = "read committed"

The server must refuse it with 42501, and the code must stop with this exception.

[[scenario]]
id = "S3"
title = "what nobody granted is refused by the server"
kind = "negative"

[[scenario.attempt]]
name = "denied"
principals = [{toml_string(writer)}]
raises = "InsufficientPrivilege"
server_errors = ["42501"]
rolls_back = 1

It must change nothing: the second time, the code finds its own work and leaves it.

[[scenario]]
id = "S4"
title = "a replay writes nothing"
kind = "replay"

[[scenario.attempt]]
name = "replay"
principals = [{toml_string(writer)}]
"""
    return "".join(f"# {line}".rstrip() + "\n" for line in lines.strip().split("\n")).join(["\n", ""])


def pack_py_text(draft: Draft, *, more: str = "") -> str:
    """Return pack.py; `more` replaces the commented examples."""
    readable = _readable(draft)
    what = "Log in as the writing role and count the rows of one table."
    name = ascii(split_name(draft.schema, readable or ""))
    read = f'sql.SQL("SELECT count(*) FROM {{}}").format(sql.Identifier{name})'  # noqa: S608
    if readable is None:
        what, read = "Log in as the writing role, which may read no table of the pack.", 'sql.SQL("SELECT 1")'
    return f'''"""What is done with the subject; what must come of it stands in pack.toml and is judged by the engine.

Only the standard library, psycopg, the subject and console.harness can be imported here.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

import {draft.package}
from console.harness import Context, scenario

WRITER = {draft.writers[0]!a}
READ = {read}


def connect(ctx: Context) -> psycopg.Connection:
    """Open a session as the writing role, with the driver that the subject uses."""
    return psycopg.connect(
        host=ctx.host, port=ctx.port, dbname=ctx.database, user=WRITER, password=ctx.password(WRITER),
        sslmode=ctx.sslmode,
    )


@scenario("S1")
def reads(ctx: Context) -> None:
    """{what}"""
    ctx.memory["subject"] = {draft.package}.__name__
    with ctx.attempt("read"), ctx.phase("READ"), connect(ctx) as connection:
        connection.execute(READ).fetchone()
{more or _PY_EXAMPLES}'''


_PY_EXAMPLES = '''

# @scenario("S2")
# def writes(ctx: Context) -> None:
#     """The happy one: call your own code, so that it writes one row."""
#     with ctx.attempt("write"), ctx.phase("WRITE"), connect(ctx) as connection:
#         my_package.write(connection, ...)
#
#
# @scenario("S3")
# def is_refused(ctx: Context) -> None:
#     """Try what the role was never granted: the server must answer with 42501."""
#     with ctx.attempt("denied"), ctx.phase("WRITE"), connect(ctx) as connection:
#         connection.execute("INSERT INTO ... VALUES (...)")
#
#
# @scenario("S4")
# def changes_nothing(ctx: Context) -> None:
#     """Do S2 once more: the code must find what is there and write nothing."""
#     with ctx.attempt("replay"), ctx.phase("WRITE"), connect(ctx) as connection:
#         my_package.write(connection, ...)
'''


def _readable(draft: Draft) -> str | None:
    """Return the first table that the first writer may read, by the pack's name."""
    return next((name for name in draft.tables if _may_read(draft, whole_name(draft.schema, name))), None)


def _may_read(draft: Draft, whole: str) -> bool:
    writer = draft.writers[0]
    return any(
        grant.kind == "table" and grant.object == whole and grant.privilege == "SELECT"
        for grant in draft.privileges.grants
        if grant.grantee == writer
    )
