"""Writes the page docs/plan-file.md from console/model/config.py, so that no key is missing or wrong.

`python docs/plan_file.py > docs/plan-file.md` writes it anew; a test holds page and code together. Owns one
sentence a key; types and defaults are the code's.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Literal, get_args, get_origin

import msgspec

from console.model.config import RunConfig

HEAD = """# Plan file

Written from `console/model/config.py` by `python docs/plan_file.py > docs/plan-file.md`; do not edit.

A plan file is TOML. Every key may be left out and then has its default; no file at all is the demo. Unknown
keys, wrong types, wildcards, and anything that looks like a password or a connection string are errors that
name the line, and nothing is made then (exit 2). Options of `drydock run` go before the file's words.
Relative paths in a file are relative to the folder in which `drydock run` is started.

```sh
drydock run PLAN.toml
```
"""

SECTIONS = {
    "source": "Where the copy comes from.",
    "environment": "The isolated PostgreSQL.",
    "protect": "What must be the same afterwards, by exact name.",
    "subject": "The code under rehearsal.",
    "pack": "What is done with it, and what must come of it: docs/pack.md.",
    "boundaries": "How long a boundary waits.",
    "limits": "Limits that gates and steps rest on.",
    "search": (
        "The plan's word on what may be in the copy. After the restore the copy is searched, and whatever is"
        " found and not named here or in the pack stops the run. Names are exact; nothing is a pattern."
    ),
    "proof": "The rollback-only proof (docs/proof.md); the dry run does not look at it.",
    "notify": "Whom to tell when a boundary waits and when the run ends: docs/ci.md.",
    "migration": "Migrations up and down again on a copy (docs/migrations.md); what is declared of them is the pack's.",
    "sample": (
        "Which rows the copy takes: docs/sampling.md. Tables by their whole names, schema.table, exact and without"
        " quotes; a partitioned one stands for its partitions."
    ),
    "mask": "Which columns leave the source as deterministic fakes only: docs/sampling.md.",
    "reuse": (
        "Whether the copy stays for later rehearsals, where and for how long: docs/reuse.md. It is production's data:"
        " the folder must be in memory or encrypted."
    ),
}

KEYS = {
    "plan": (
        "a rehearsal on an isolated copy, the rollback-only proof on the real database (docs/proof.md), or migrations"
        " on an isolated copy (docs/migrations.md)"
    ),
    "migration.irreversible": "why there is no way back, in a sentence: no down is run then, nothing is"
    " claimed of one, and the pack must declare every change",
    "source.kind": "the demo that Drydock makes itself, a server reached by connection, a dump file, or a container",
    "source.container": "the source's container, by its exact name: docs/docker.md",
    "source.run_as": "the user in the container as whom pg_dump runs",
    "source.endpoint": "the container's engine, as environment.endpoint",
    "source.context": "the container's engine as one of your docker contexts",
    "source.tls": "as environment.tls",
    "source.host": (
        "a host name, an address, or the folder of a Unix socket; of a container the folder inside,"
        " empty: /var/run/postgresql"
    ),
    "source.port": "the server's port (it also names the socket)",
    "source.database": "the database to copy; empty: the pack's",
    "source.role": "a role that may read all that pg_dump reads; it needs no more",
    "source.secret": "its password's name in the keyring or of a systemd credential, file:/PATH (0600), prompt:NAME",
    "source.sslmode": "libpq's sslmode",
    "source.system_identifier": "what the server must be (G-06); empty: it is recorded and not compared",
    "source.jobs": "sessions of pg_dump that read a database of 128 MB and more, in the one snapshot; 1: one stream",
    "source.rows": "size of the demo's production: rows of its largest table",
    "source.path": "the dump file",
    "source.manifest": "empty: DUMP.manifest.json beside the dump; without one its completeness is unproven",
    "source.accept_untrusted": "restore a dump from elsewhere although embedded PostgreSQL is no sandbox",
    "environment.kind": "where the copy lives",
    "environment.major": "PostgreSQL's major version: 16 and 18 in the wheel, 15 or newer of the system",
    "environment.programs": "a system PostgreSQL: the folder above its bin/; empty: the wheel's",
    "environment.work_folder": (
        "where clusters are made: a short path (sockets lie below it) with room;"
        " empty: DRYDOCK_WORK_DIR, else /var/tmp"
    ),
    "environment.endpoint": (
        "the docker engine: unix:///PATH, ssh://user@host or tcp://host:port with tls; empty: this machine's socket"
    ),
    "environment.context": "the docker engine as one of your docker contexts, instead of endpoint and tls",
    "environment.tls": "the folder of ca.pem, cert.pem and key.pem for tcp://",
    "environment.image": "PostgreSQL: a digest, a local id, or a name that the engine has; nothing is pulled",
    "environment.harness_image": "CPython 3.11 or newer, for the harness and the way in",
    "environment.container": "the copy's exact name; empty: one with the run's id",
    "environment.harness": "the harness's exact name; empty: one with the run's id",
    "environment.network": "the network's exact name; empty: one with the run's id",
    "environment.memory_bytes": "memory limit of each container",
    "environment.cpus": "processors of each container; 0.0: no limit",
    "environment.probe": "addresses that must not be reached from inside, beside those that are found: host:port",
    "protect.containers": "containers by exact name: Id, start, image, mounts, status and restarts must stay",
    "protect.volumes": "volumes by exact name",
    "protect.networks": "networks by exact name",
    "protect.clusters": "data folders of PostgreSQL clusters on this machine (G-03, G-12, G-24)",
    "subject.path": "the folder that holds the package; empty: the pack's reference subject",
    "subject.commit": "the commit that the folder's repository must be at; empty: it is recorded",
    "subject.tree": "the sha256 that the folder's tree must have; empty: it is recorded",
    "pack.name": "a shipped pack (`drydock packs`) or a folder",
    "pack.rewind": "a fresh copy before each scenario, where the pack allows it (docs/pack.md); as `--rewind`",
    "boundaries.timeout_s": "seconds before an unanswered boundary ends the run as ABORTED",
    "boundaries.destroy_timeout_s": "seconds before B-5 destroys the copy without an answer",
    "boundaries.require_two": "two different users must approve each boundary but B-5 (docs/operator.md)",
    "boundaries.approvers": "the group of this machine whose members can be the second; required by require_two",
    "limits.free_bytes": (
        "least free disk (G-01 asks for three times the source's size where that is more; four with rewinds)"
    ),
    "limits.step_timeout_s": "seconds that the restore may take",
    "limits.engine_patience_s": "seconds that a teardown waits for a docker engine that is away",
    "search.security_definer": "SECURITY DEFINER functions, as the search names them",
    "search.rules": "rewrite rules, as the search names them",
    "search.roles": "roles beside the pack's and the copy's own",
    "search.settings": "settings of roles and databases beside those that the pack declares",
    "proof.accept": "what H-1 could not analyse, each by the exact name that its reason gives in quotes",
    "proof.baseline": "rows by table as an earlier report has them (P-8); empty: this run's own first counts",
    "proof.secrets": "by role, the name of its password's entry, over the pack's own",
    "proof.statement_timeout_s": "seconds that one statement of the proof may take; the server ends it then",
    "proof.lock_timeout_s": "seconds that the proof waits for a lock of somebody else",
    "proof.longest_lock_s": "seconds that the transaction may hold its locks; the engine ends it then",
    "proof.count_timeout_s": "seconds that one statement of the engine's own may take: it counts whole tables",
    "notify.command": "a program that reads the notification on its stdin: an absolute path and its words, no shell",
    "notify.webhook_secret": "the name of the secret that holds a webhook's whole address; it is sent by POST",
    "notify.events": "which: a boundary that waits, the end of the run",
    "notify.details": "the reason in the server's own words goes along; it may hold values of the copy",
    "sample.rows": "what a table gives that is not named here: every row, or none (the schema alone)",
    "sample.tables": "tables that are taken whole all the same",
    "sample.where": "by table, the expression after WHERE for the rows that are taken",
    "sample.follow": "take only rows whose foreign keys lead to rows that are taken, of every table not under `tables`",
    "mask.secret": (
        "the name of the entry that holds the key: the same fakes in every run; empty: a key of each run's own"
    ),
    "mask.columns": "by column, schema.table.column: fake (of the column's own type) or email",
    "mask.keys": "those of the columns that are in a key, to say that it is meant",
    "reuse.copy": "keep the copy for later runs, or take the one that an earlier run kept; as `--reuse-copy`",
    "reuse.folder": "where copies are kept; empty: DRYDOCK_KEPT_DIR, else a folder of yours in /dev/shm",
    "reuse.hours": "hours after which a kept copy is removed",
    "reuse.encrypted": "your word that the folder is encrypted, where that cannot be seen from here",
    "notify.timeout_s": "seconds that one notification may take; the run never waits for it",
}


def sections() -> list[tuple[str, Any]]:
    """Return each section's name and struct, in the order of the code."""
    return [(one.name, one.type) for one in msgspec.structs.fields(RunConfig) if _is_section(one.type)]


def plain_keys() -> list[Any]:
    """Return the keys that stand before the first section."""
    return [one for one in msgspec.structs.fields(RunConfig) if not _is_section(one.type)]


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def keys() -> list[str]:
    """Return every key as section.key; one before the first section by its name alone."""
    found = [one.name for one in plain_keys()]
    return found + [
        f"{name}.{one.name}" for name, struct in sections() for one in msgspec.structs.fields(struct)
    ]


def toml(value: object) -> str:
    """Return a default as TOML writes it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value)) + ".0"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(one)}" for name, one in value.items()) + "}"
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def default_of(field: Any) -> object:
    """Return a field's default."""
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


def kind_of(annotation: object) -> str:
    """Return the type in a reader's words."""
    if get_origin(annotation) is Literal:
        return " or ".join(f'"{word}"' for word in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list of strings"
    if get_origin(annotation) is dict:
        many = {str: "strings", int: "whole numbers"}
        kind = get_args(annotation)[1]
        return f"table of {many[kind] if kind in many else kind_of(kind)}"
    names: dict[object, str] = {str: "string", int: "whole number", float: "number", bool: "true or false"}
    return names[annotation]


def section(name: str, struct: Any) -> str:
    """Return one section of the page."""
    rows = [
        f"| {one.name} | {kind_of(one.type)} | {toml(default_of(one))} | {KEYS[f'{name}.{one.name}']} |"
        for one in msgspec.structs.fields(struct)
    ]
    head = [f"## [{name}]", "", SECTIONS[name], "", "| key | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def before_sections() -> str:
    """Return the part of the page about the keys before the first section."""
    rows = [
        f"| {one.name} | {kind_of(one.type)} | {toml(default_of(one))} | {KEYS[one.name]} |"
        for one in plain_keys()
    ]
    head = ["## Before the first section", "", "| key | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def whole_file() -> str:
    """Return a plan file that says every default."""
    plain = "".join(f"{one.name} = {toml(default_of(one))}\n" for one in plain_keys())
    return f"{plain}\n" + "\n".join(
        "\n".join(
            [
                f"[{name}]",
                *(f"{one.name} = {toml(default_of(one))}" for one in msgspec.structs.fields(struct)),
                "",
            ]
        )
        for name, struct in sections()
    )


def markdown() -> str:
    """Return the whole page."""
    parts = [HEAD, before_sections(), *(section(name, struct) for name, struct in sections())]
    ending = [
        "## Every default",
        "",
        "This file means the same as none:",
        "",
        "```toml",
        whole_file() + "```",
        "",
    ]
    return "\n".join([*parts, *ending])


if __name__ == "__main__":
    sys.stdout.write(markdown())
