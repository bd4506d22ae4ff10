"""`drydock init [DIR]`: a plan, a pack and what they freeze, written from a source that is only read.

Asks on a terminal what no option says; writes new files only, no secret, and prints what to do next.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from console.cli.asking import asked, registry_of
from console.cli.beforehand import work_folder
from console.cli.init_questions import Questions
from console.cli.listing import print_text
from console.cli.run import ready_key
from console.drafting.choose import (
    checked_writers,
    chosen_tables,
    copy_owner,
    likely_schema,
    likely_writers,
    warnings,
)
from console.drafting.files import require_new, write_new
from console.drafting.look import Holdings, declared_functions, freeze, look
from console.drafting.origins import DEMO_DATABASE, DEMO_FOLDER, opened_source
from console.drafting.texts import Draft, pack_py_text, pack_toml_text, plan_text
from console.engine.import_check import subject_imports
from console.environments.programs import find_programs, wheel_majors
from console.errors import PlanError, SubjectError
from console.model.config import EnvironmentConfig, RunConfig, SourceConfig
from console.model.text import one_line, visible
from console.packs import load_pack
from console.plans.checks import problems
from console.plans.file import read_plan_file
from console.secret_store import PROMPT_PREFIX, known_or_resolved
from console.settings import default_state_folder
from console.sources.dump_file import available_extensions

PLAN_FILE, PACK_FOLDER, SUBJECT_FOLDER = "plan.toml", "pack", "subject"
_EXAMPLE = DEMO_FOLDER.parent / "example"
_ASKED = ("source", "host", "database", "role", "secret", "container")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", type=Path, default=Path(), help="where to write (.)"
    )
    kinds = ("connection", "container", "dump_file", "demo")
    parser.add_argument("--source", choices=kinds, help="where the copy comes from (connection)")
    parser.add_argument("--host", help="a host, an address, or the folder of a Unix socket")
    parser.add_argument("--port", type=int, default=5432, help="the server's port (5432)")
    parser.add_argument("--database", metavar="NAME", help="the database that your code writes to")
    parser.add_argument("--role", metavar="NAME", help="a role that may read all that pg_dump reads")
    parser.add_argument("--secret", metavar="NAME", help="its password's entry, file:/PATH or prompt:NAME")
    parser.add_argument("--sslmode", default="prefer", help="libpq's sslmode (prefer)")
    parser.add_argument("--container", metavar="NAME", help="production's container, by its exact name")
    parser.add_argument(
        "--endpoint", metavar="ADDRESS", help="the docker engine: unix://, ssh:// or tcp:// with --tls"
    )
    parser.add_argument("--context", metavar="NAME", help="a docker context instead of an address")
    parser.add_argument("--tls", metavar="DIR", help="ca.pem, cert.pem and key.pem of a tcp:// engine")
    parser.add_argument("--dump", metavar="FILE", help="a dump file (see --source dump_file)")
    parser.add_argument("--environment", choices=("embedded", "docker"), help="where the copy lives")
    parser.add_argument("--subject", metavar="DIR", help="the folder that holds your code's package")
    parser.add_argument("--package", metavar="NAME", help="the package in it")
    parser.add_argument(
        "--writer", metavar="ROLE", nargs="+", default=[], help="the roles your code logs in as"
    )
    parser.add_argument("--schema", metavar="NAME", help="the schema that it writes to")
    tables = (
        "tables whose rows are counted: all of the schema unless named; SCHEMA.TABLE for another schema's"
    )
    parser.add_argument("--tables", metavar="NAME", nargs="+", default=[], help=tables)
    parser.add_argument("--yes", action="store_true", help="ask nothing: take the options and the defaults")


def main(options: argparse.Namespace) -> int:
    """Write the files and say what comes next. Raises UsageError in one sentence; then nothing was written."""
    questions = Questions(asks=not options.yes and sys.stdin.isatty())
    folder = options.folder.absolute().resolve()
    require_new(folder, {PLAN_FILE: b"", f"{PACK_FOLDER}/pack.toml": b""})
    config = _configuration(options, questions)
    subject, package = _subject(options, folder, questions, demo=config.source.kind == "demo")
    draft, notes = _drafted(options, config, questions, folder, subject, package)
    write_new(folder, _contents(draft, folder), check=_is_readable)
    ready_key(default_state_folder().absolute())
    _say_what_is_next(draft, folder, notes)
    return 0


def _configuration(options: argparse.Namespace, questions: Questions) -> RunConfig:
    kind = questions.choice(
        "source", options.source, ("connection", "container", "demo"), "connection",
        "where production is: a server, a container, or a demo that Drydock makes itself",
    )  # fmt: skip
    if kind == "dump_file" or options.dump:
        raise PlanError(
            "a dump file has no roles and no living catalogue to freeze from",
            remedy='run init against the server that it came from, then set kind = "dump_file" and path in plan.toml',
        )
    environment = questions.choice(
        "environment", options.environment, ("embedded", "docker"), "embedded",
        "where the copy lives: a PostgreSQL that comes with Drydock, or containers on a network that leads nowhere",
    )  # fmt: skip
    engine = _engine(options, used=kind == "container" or environment == "docker")
    words = {"kind": "demo"} if kind == "demo" else _server(options, questions, container=kind == "container")
    config = RunConfig(
        source=msgspec.convert(words | (engine if kind == "container" else {}), SourceConfig),
        environment=msgspec.convert(
            {"kind": environment} | (engine if environment == "docker" else {}), EnvironmentConfig
        ),
    )
    for one in problems(
        config
    ):  # before anything is connected to, and without repeating what may be a password
        raise PlanError(f"--{one.key}: {one.what}", remedy=one.remedy)
    return config


def _engine(options: argparse.Namespace, *, used: bool) -> dict[str, object]:
    """Return the keys of the docker engine: one engine for production's container and for the copy."""
    given: dict[str, object] = {
        name: getattr(options, name) for name in ("endpoint", "context", "tls") if getattr(options, name)
    }
    if given and not used:
        raise PlanError(
            f"--{next(iter(given))} names a docker engine, and neither source nor copy is a container",
            remedy="leave it out, or give --source container or --environment docker",
        )
    return given


def _server(options: argparse.Namespace, questions: Questions, *, container: bool) -> dict[str, object]:
    """Return the keys of [source] for a living server."""
    words: dict[str, object] = {"kind": "container" if container else "connection", "port": options.port}
    if container:
        why = "production's container, as docker ps shows it"
        words["container"] = questions.text("container", options.container, "", why)
        words["host"] = options.host or ""
    else:
        words["host"] = questions.text("host", options.host, "localhost", "where the server listens")
        words["sslmode"] = options.sslmode
    words["database"] = questions.text(
        "database", options.database, "", "the database that your code writes to"
    )
    reads = (
        "a role that may read everything there (GRANT pg_read_all_data TO it); Drydock never writes with it"
    )
    words["role"] = questions.text("role", options.role, "postgres" if container else "", reads)
    kept = (
        "its password's entry (drydock secret set NAME), file:/PATH or prompt:NAME; never the password itself"
    )
    default = "prompt:source" if questions.asks and not container else ""
    words["secret"] = questions.text("secret", options.secret, default, kept, may_be_empty=container)
    return words


def _subject(
    options: argparse.Namespace, folder: Path, questions: Questions, *, demo: bool
) -> tuple[Path | None, str]:
    """Return folder and package of the subject; no folder: one that init writes."""
    if demo and not options.subject:
        return None, "teller"
    why = "the folder that holds your code's package; empty: an example is written, to be replaced"
    named = questions.text("subject", options.subject, "", why, may_be_empty=True)
    if not named:
        return None, "first_agent"
    place = Path(named).absolute().resolve()
    if not place.is_dir():
        raise SubjectError(f"there is no folder {place}", remedy="name the folder that holds the package")
    found = sorted(
        path.parent.name for path in place.glob("*/__init__.py") if path.parent.name.isidentifier()
    )
    if not options.package and len(found) != 1 and not questions.asks:
        raise SubjectError(
            f"{place} holds {len(found)} packages: {one_line(', '.join(found)) or 'none'}",
            remedy="name one with --package, and with --subject the folder above it",
        )
    only = found[0] if found else ""
    package = questions.text("package", options.package, only, "the package in it that is imported")
    subject_imports(place, package, work=work_folder(RunConfig()))
    return place, package


def _drafted(
    options: argparse.Namespace, config: RunConfig, questions: Questions, folder: Path, subject: Path | None,
    package: str,
) -> tuple[Draft, list[str]]:  # fmt: skip
    typed = asked(
        [config.source.secret] if config.source.secret.startswith(PROMPT_PREFIX) else [],
        may_ask=not options.yes,
    )
    registry = registry_of(typed)

    def password() -> str:
        return known_or_resolved(config.source.secret, registry) if config.source.secret else ""

    if config.source.kind == "connection":
        password()
    database = config.source.database or DEMO_DATABASE
    major = config.environment.major
    with opened_source(
        config.source, find_programs(major), password=password, work=work_folder(config)
    ) as connection:
        found = look(connection)
        writers = _writers(options, found, questions)
        schema = questions.text(
            "schema", options.schema, likely_schema(found, writers), "the schema that your code writes to"
        )
        tables = chosen_tables(found, schema, options.tables)
        functions = declared_functions(connection, schema, tables)
        inventory, privileges = freeze(
            connection, schema=schema, tables=tables, writers=writers, database=database
        )
    major = found.identity.server_version_num // 10_000
    system_identifier = "" if config.source.kind == "demo" else found.identity.system_identifier
    draft = Draft(
        source=msgspec.structs.replace(config.source, system_identifier=system_identifier),
        environment=msgspec.structs.replace(config.environment, major=major),
        pack_folder=str(folder / PACK_FOLDER), subject_folder=str(subject or folder / SUBJECT_FOLDER),
        package=package, pack_id=_pack_id(folder), database=database, schema=schema, owner=copy_owner(found),
        tables=tuple(tables), writers=tuple(writers),
        absent=tuple(sorted({*found.named_by_dump, *privileges.roles})),
        security_definer=found.security_definer, rules=found.rules, functions=functions,
        inventory=inventory, privileges=privileges,
    )  # fmt: skip
    return draft, _notes(draft, found)


def _writers(options: argparse.Namespace, found: Holdings, questions: Questions) -> list[str]:
    likely = likely_writers(found)
    named: Sequence[str] = options.writer
    if questions.asks and not named:
        why = "the role that your code logs in as: its privileges are frozen and proven"
        if likely:
            why += f"; these may write: {one_line(', '.join(likely), limit_chars=300)}"
        named = questions.text("writer", None, likely[0] if likely else "", why).split()
    return checked_writers(found, named)


def _notes(draft: Draft, found: Holdings) -> list[str]:
    notes: list[str] = []
    extensions = None
    embedded = draft.environment.kind == "embedded"
    if embedded and draft.environment.major not in wheel_majors():
        notes.append(
            f"the source is PostgreSQL {draft.environment.major}, which does not come with Drydock: install it and "
            "name the folder above its bin/ in [environment] programs, or use docker"
        )
    elif embedded:
        extensions = available_extensions(find_programs(draft.environment.major))
    return notes + warnings(found, draft.privileges, extensions)


def _pack_id(folder: Path) -> str:
    name = "".join(one if one.isalnum() and one.isascii() else "_" for one in folder.name.lower())
    return name.strip("_") or "my_pack"


def _contents(draft: Draft, folder: Path) -> dict[str, bytes]:
    """Return every file by its name below the folder."""
    demo = draft.source.kind == "demo"
    own = draft.subject_folder == str(folder / SUBJECT_FOLDER)
    ready = demo and own  # the demo's own scenarios need the demo's own subject
    toml = (DEMO_FOLDER / "scenarios.toml").read_text("utf-8") if ready else ""
    python = (DEMO_FOLDER / "scenarios.py.txt").read_text("utf-8") if ready else ""
    texts = {
        PLAN_FILE: plan_text(draft),
        f"{PACK_FOLDER}/pack.toml": pack_toml_text(draft, more=toml),
        f"{PACK_FOLDER}/pack.py": pack_py_text(draft, more=python),
    }
    contents = {name: text.encode() for name, text in texts.items()}
    for name, value in (("inventory", draft.inventory), ("privileges", draft.privileges)):
        json = msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1)
        contents[f"{PACK_FOLDER}/frozen/{name}.json"] = json + b"\n"
    if demo:
        for script in sorted(DEMO_FOLDER.glob("*.sql")):
            contents[f"{PACK_FOLDER}/demo/{script.name}"] = script.read_bytes()
    if own:
        package = (DEMO_FOLDER / "subject" if demo else _EXAMPLE) / draft.package
        for path in sorted(package.glob("*.py")):
            contents[f"{SUBJECT_FOLDER}/{draft.package}/{path.name}"] = path.read_bytes()
    return contents


def _is_readable(staging: Path) -> None:
    """What was drafted is read as a run reads it, before any of it has its name."""
    read_plan_file(staging / PLAN_FILE)
    load_pack(staging / PACK_FOLDER)


def _say_what_is_next(draft: Draft, folder: Path, notes: Sequence[str]) -> None:
    counted = f"{len(draft.tables)} tables of {draft.schema} in {draft.database}"
    roles = ", ".join(sorted(draft.privileges.roles))
    told = [
        f"wrote {folder / PLAN_FILE} and {folder / PACK_FOLDER}",
        f"frozen: {counted}; the privileges of {roles}",
        "in the copy they log in with passwords of the rehearsal's own, whatever they do at the source",
        *(f"! {note}" for note in notes),
    ]
    sys.stderr.write("".join(f"{visible(line)}\n" for line in told))
    print_text(visible(shlex.join(["drydock", "check", str(folder / PLAN_FILE)])))
    print_text(visible(shlex.join(["drydock", "run", str(folder / PLAN_FILE)])))
