"""`drydock check`: everything that is wrong with a plan file, its pack and what it names, before a run exists.

Reaches no source and makes no run; a secret is looked up and never shown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.listing import print_json, print_text
from console.cli.options import add_json
from console.errors import SecretUnavailable, UsageError
from console.model.config import RunConfig
from console.model.problem import Wrong
from console.model.text import visible
from console.settings import data_folder

if TYPE_CHECKING:
    from console.cli.beforehand import Finding
    from console.environments.programs import Programs
    from console.packs import LoadedPack
    from console.plans.file import Reading

EXIT_WRONG = 2
SCHEMA_FILE = "plan.schema.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument("plan", metavar="FILE", nargs="?", type=Path, help="a plan file (none: the demo)")
    schema = "print the JSON schema of plan files, for editors"
    parser.add_argument("--schema", action="store_true", help=schema)
    add_json(parser)


def main(options: argparse.Namespace) -> int:
    """Tell every problem and return 2, or say in one line what the plan would do and return 0."""
    if options.schema:
        if options.plan is not None or options.json:
            raise UsageError("--schema stands alone", remedy="drydock check --schema, or drydock check FILE")
        sys.stdout.write((data_folder("docs") / SCHEMA_FILE).read_text("utf-8"))
        return 0
    wrong, foreseen = checked(options.plan)
    if options.json:
        print_json(
            {"file": _name(options.plan), "problems": [_as_json(one) for one in wrong], "plan": foreseen}
        )
    elif foreseen is not None:
        print_text(visible(f"{_name(options.plan)}: {_sentence(foreseen)}"))
    else:
        _tell(wrong)
    return EXIT_WRONG if wrong else 0


def checked(path: Path | None) -> tuple[list[Wrong], dict[str, object] | None]:
    """Return everything that is wrong, and what the plan would do where nothing is."""
    from console.cli.beforehand import look_before, with_default_pack
    from console.plans.file import Reading, read_plan

    nothing = Reading(path=Path(_name(path)), config=RunConfig(), wrong=(), lines={})
    reading = nothing if path is None else read_plan(path)
    wrong = list(reading.wrong)
    if reading.config is None:
        return wrong, None
    config = with_default_pack(reading.config)

    def note(found: Finding) -> None:
        wrong.append(found.wrong or _located(reading, found))

    loaded, programs = look_before(config, note, reading.unread)
    for found in _secrets(config, dict(loaded.pack.proof.secrets) if loaded and loaded.pack.proof else {}):
        if found.key not in reading.unread and found.key.partition(".")[0] not in reading.unread:
            note(found)
    wrong.sort(key=lambda one: (one.file != str(reading.path), one.file, one.line))
    if wrong or loaded is None or programs is None:
        return wrong, None
    return [], _foreseen(config, loaded, programs)


def _located(reading: Reading, found: Finding) -> Wrong:
    section, _, key = found.key.rpartition(".")
    return Wrong(
        file=str(reading.path), line=reading.line(section, key, found.item),
        key=f"{found.key}.{found.item}" if found.item else found.key, found=found.error.what,
        expected=found.expected, remedy=found.error.remedy,
    )  # fmt: skip


def _secrets(config: RunConfig, packs: dict[str, str]) -> list[Finding]:
    """Return every secret that is named and cannot be had; one that is typed when the run begins is none."""
    from console.cli.beforehand import Finding
    from console.secret_store import PROMPT_PREFIX, resolve

    named = {config.source.secret: "source.secret", config.mask.secret: "mask.secret"}
    if config.plan == "proof" and config.source.kind != "demo":
        own = config.proof.secrets.values()
        named |= {
            name: "proof.secrets" if name in own else "plan"
            for name in (packs | config.proof.secrets).values()
        }
    found = []
    for name, key in named.items():
        if not name or name.startswith(PROMPT_PREFIX):
            continue
        try:
            resolve(name)
        except SecretUnavailable as wrong:
            what = (
                wrong.what
                if name.removeprefix("file:") in wrong.what
                else f"the secret {name} cannot be had: {wrong.what}"
            )
            told = SecretUnavailable(what, remedy=wrong.remedy)
            found.append(Finding(key=key, expected="a secret that can be had", error=told))
    return found


def _foreseen(config: RunConfig, loaded: LoadedPack, programs: Programs) -> dict[str, object]:
    from console.cli.beforehand import boundaries_of, foreseen_digest
    from console.plans.order import subject_folder
    from console.plans.sampling import sampling_words

    source, environment = config.source, config.environment
    place = {"connection": source.host, "container": source.container, "dump_file": source.path}
    return {
        "plan": config.plan,
        "source": " ".join(word for word in (source.kind, place.get(source.kind, "")) if word),
        "database": source.database or loaded.pack.database,
        "copy": sampling_words(config).removeprefix(", ") or "the whole source",
        "environment": environment.kind,
        "postgresql": programs.version if environment.kind == "embedded" else environment.image,
        "pack": loaded.pack.id,
        "scenarios": len(loaded.pack.scenario),
        "subject": str(subject_folder(loaded, config)),
        "boundaries": list(boundaries_of(config, loaded)),
        "digest": foreseen_digest(config, loaded, programs),
    }


def _sentence(plan: dict[str, object]) -> str:
    boundaries = plan["boundaries"]
    assert isinstance(boundaries, list)
    copy = "" if plan["copy"] == "the whole source" else f", {plan['copy']}"
    return (
        f"nothing wrong; {plan['plan']} of database {plan['database']} from {plan['source']}{copy},"
        f" {plan['environment']} PostgreSQL {plan['postgresql']},"
        f" pack {plan['pack']} ({plan['scenarios']} scenarios), subject {plan['subject']},"
        f" boundaries {' '.join(boundaries)}, digest {str(plan['digest'])[:12]}"
    )


def _tell(wrong: list[Wrong]) -> None:
    for one in wrong:
        lines = (f"{one.place}: {one.found}", f"  expected: {one.expected}", f"  remedy: {one.remedy}")
        sys.stderr.write("".join(f"{visible(line)}\n" for line in lines))
    sys.stderr.write(f"drydock: {len(wrong)} problem{'s' if len(wrong) > 1 else ''}\n")


def _as_json(one: Wrong) -> dict[str, object]:
    return {
        "file": one.file, "line": one.line or None, "key": one.key or None, "found": one.found,
        "expected": one.expected, "remedy": one.remedy,
    }  # fmt: skip


def _name(path: Path | None) -> str:
    return "the demo" if path is None else str(path)
