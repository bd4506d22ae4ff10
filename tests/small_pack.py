"""A pack of the tests' own on the demo's production: declared in Python, one scenario for each helper."""

from __future__ import annotations

import shutil
from pathlib import Path

from console.settings import data_folder

CUTTER = data_folder("scenarios") / "cutter_dry_run"

PACK = """\
from small_agent.agent import Agent

from console.harness import Context, scenario

WRITER = "cutter_exec"


def agent(ctx: Context) -> Agent:
    return Agent(
        host=ctx.host, port=ctx.port, dbname=ctx.database, sslmode=ctx.sslmode, user=WRITER,
        password=ctx.password(WRITER),
    )


@scenario(
    "S1", title="a unit is added once, however often", principal="cutter_exec", commits=1, repeatable=True,
    isolation="repeatable read", rows={"decision_backlog_entry": 1, "decision_backlog_history": 1},
)
def add(ctx: Context) -> None:
    agent(ctx).add("unit-1")


@scenario("S2", title="the payload may not be changed", kind="negative", principal="cutter_exec", refused="42501")
def change_payload(ctx: Context) -> None:
    agent(ctx).change_payload("unit-1")


@scenario("S3", title="looking changes nothing", kind="negative", principal="cutter_exec")
def look(ctx: Context) -> None:
    agent(ctx).look("unit-1")


@scenario(
    "S4", title="half a unit does not stay", kind="negative", principal="cutter_exec",
    fails_at="INSERT INTO public.decision_backlog_history",
)
def half(ctx: Context) -> None:
    agent(ctx).add("unit-2")


@scenario(
    "S5", title="a lost connection leaves nothing", kind="negative", principal="cutter_exec", fails_at=3,
    fault="connection", raises="InducedFault",
)
def lost(ctx: Context) -> None:
    agent(ctx).add("unit-2")
"""

AGENT = """\
from typing import Any
from uuid import uuid4

import psycopg

KNOWN = "SELECT entry_id FROM public.decision_backlog_entry WHERE idempotency_key = %s"
ENTRY = (
    "INSERT INTO public.decision_backlog_entry"
    " (entry_id, idempotency_key, unit_ref, priority, status, payload, marked_at)"
    " VALUES (%s, %s, %s, 1, 'marked', '{}', '2026-01-01T00:00:00Z')"
)
HISTORY = (
    "INSERT INTO public.decision_backlog_history"
    " (history_id, entry_id, from_status, to_status, phase, principal, recorded_at)"
    " VALUES (%s, %s, NULL, 'marked', 'MARK', 'cutter_exec', '2026-01-01T00:00:00Z')"
)
PAYLOAD = "UPDATE public.decision_backlog_entry SET payload = '[]' WHERE idempotency_key = %s"


class Agent:
    def __init__(self, **where: Any) -> None:
        self.where = where

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(**self.where)

    def add(self, key: str) -> bool:
        with self.connect() as connection:
            if connection.execute(KNOWN, (key,)).fetchone():
                return False
            entry = uuid4()
            connection.execute(ENTRY, (entry, key, f"iu:{key}"))
            connection.execute(HISTORY, (uuid4(), entry))
        return True

    def change_payload(self, key: str) -> None:
        with self.connect() as connection:
            connection.execute(PAYLOAD, (key,))

    def look(self, key: str) -> Any:
        with self.connect() as connection:
            return connection.execute(KNOWN, (key,)).fetchone()
"""

HEAD = """\
id = "small"
title = "one unit is added"
database = "directus"
schema = "public"
owner = "directus"
tables = [{tables}]
roles_absent_in_copy = ["context_pack_readonly", "cutter_exec", "cutter_ro", "cutter_verify"]

[baseline]
{baseline}

[subject]
folder = "subject"
package = "small_agent"
"""


def write_pack(folder: Path, *, pack: str = PACK, agent: str = AGENT) -> Path:
    """Write the pack, which has no scenario in pack.toml, and its subject; return the folder."""
    tables = sorted(_tables())
    baseline = dict.fromkeys(tables, 0) | {"decision_backlog_entry": 1, "decision_backlog_history": 1}
    folder.mkdir()
    for name in ("demo", "frozen"):
        shutil.copytree(CUTTER / name, folder / name)
    (folder / "pack.toml").write_text(
        HEAD.format(
            tables=", ".join(f'"{table}"' for table in tables),
            baseline="\n".join(f"{table} = {rows}" for table, rows in baseline.items()),
        )
    )
    (folder / "pack.py").write_text(pack)
    write_subject(folder / "subject", agent)
    return folder


def write_subject(folder: Path, agent: str) -> Path:
    """Write a subject of one module; return the folder."""
    (folder / "small_agent").mkdir(parents=True)
    (folder / "small_agent" / "__init__.py").write_text("")
    (folder / "small_agent" / "agent.py").write_text(agent)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def changed(find: str, replace: str, text: str = AGENT) -> str:
    """Return the text with one change; it must occur exactly once."""
    assert text.count(find) == 1, f"{find!r} occurs {text.count(find)} times"
    return text.replace(find, replace)


def _tables() -> list[str]:
    import tomllib

    found: list[str] = tomllib.loads((CUTTER / "pack.toml").read_text("utf-8"))["tables"]
    return found
