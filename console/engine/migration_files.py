"""The migrations of a pack as scenarios, and the statements of SQL files, split by PostgreSQL's own grammar.

Reads files only. A file that says "-- no transaction" in a comment above its first statement, or that begins or ends a
transaction by itself, is sent without one around it; savepoints need one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from console.errors import PackError
from console.harness.migrations import ATTEMPT
from console.model.config import RunConfig
from console.model.migration_facts import Direction, MigrationsPlanned, PlannedMigration
from console.model.pack import Attempt, MigrationWords, Scenario
from console.packs import LoadedPack
from console.subjects import read_patch
from console.witness.control import controls
from console.witness.surface_grammar import NotParsed, parse

_OF_TRANSACTIONS = frozenset({"begin", "commit", "rollback", "prepare"})
UP, DOWN = ".up.sql", ".down.sql"
_ALL = " to "
_NO_TRANSACTION = re.compile(r"--[ \t]*no[ \t-]+transaction[ \t]*([:;.,(-].*)?", re.IGNORECASE)
"""A comment that says only this, or this and then, behind a punctuation mark, why."""


def with_migrations(loaded: LoadedPack, subject: Path, config: RunConfig) -> LoadedPack:
    """Return the pack with a scenario for each migration: the ups in order, then the downs in reverse.

    Alembic's are one: `alembic upgrade head` runs all revisions by one command, and unless env.py says otherwise in one
    transaction, which keeps every lock to its end. Raises PackError for a folder without migrations, and for one that
    lacks a way back the plan does not do without.
    """
    words = _words_of(loaded)
    back = not config.migration.irreversible
    names = _names(_folder(subject, words), words, back=back) if words.kind == "sql" else words.steps
    if words.kind == "alembic":
        names = (_ALL.join(names[:: max(1, len(names) - 1)]),)
    scenarios = [_scenario(f"U{n}", "up", name, loaded) for n, name in enumerate(names, 1)]
    if back:
        numbered = list(enumerate(names, 1))
        scenarios += [_scenario(f"D{n}", "down", name, loaded) for n, name in reversed(numbered)]
    return LoadedPack(
        folder=loaded.folder, pack=msgspec.structs.replace(loaded.pack, scenario=tuple(scenarios)),
        inventory=loaded.inventory, privileges=loaded.privileges,
    )  # fmt: skip


def _words_of(loaded: LoadedPack) -> MigrationWords:
    words = loaded.pack.migration
    if words is None:
        raise PackError(f"the pack {loaded.pack.id} has no [migration]", remedy="name a pack that has one")
    if words.kind != "sql" and not words.steps:
        what = f"[migration] of the pack {loaded.pack.id} names no steps"
        raise PackError(what, remedy="list the revisions, or app.name of Django's migrations, in their order")
    if words.kind == "django" and not (words.settings and all("." in name for name in words.steps)):
        what = f"[migration] of the pack {loaded.pack.id} lacks settings, or a step is not app.name"
        raise PackError(what, remedy='write settings = "project.settings" and steps as "app.0002_name"')
    return words


def _folder(subject: Path, words: MigrationWords) -> Path:
    """Return the folder of the SQL files; of a patched subject its base has the names."""
    patch = read_patch(subject) if subject.is_dir() else None
    return (subject / patch.base if patch else subject) / words.folder


def _names(folder: Path, words: MigrationWords, *, back: bool) -> tuple[str, ...]:
    """Return the migrations of a folder, each looked at; the named ones, or all in the order of their names."""
    names = words.steps or tuple(sorted(path.name.removesuffix(UP) for path in folder.glob(f"*{UP}")))
    if not names:
        what = f"{folder} holds no migration (a file NAME{UP})"
        raise PackError(what, remedy="name the folder in [migration] folder of pack.toml")
    for name in names:
        if not (folder / f"{name}{UP}").is_file():
            what = f"there is no migration {folder / name}{UP}"
            raise PackError(what, remedy="mend [migration] steps of pack.toml, or write the file")
        if back and not (folder / f"{name}{DOWN}").is_file():
            what = f"{folder / name}{UP} has no {name}{DOWN} beside it"
            remedy = "write the way back, or say in the plan's [migration] irreversible why there is none"
            raise PackError(what, remedy=remedy)
        for ending in (UP, DOWN) if back else (UP,):
            split(folder / f"{name}{ending}")
    return names


def _scenario(identifier: str, direction: Direction, name: str, loaded: LoadedPack) -> Scenario:
    attempt = Attempt(name=ATTEMPT, principals=(loaded.pack.owner,))
    return Scenario(id=identifier, title=f"{direction} {name}", kind="happy", attempt=(attempt,))


def planned(loaded: LoadedPack, *, irreversible: str) -> MigrationsPlanned:
    """Return what the gates hold the migrations against; `irreversible` says why there is no way back."""
    words = _words_of(loaded)
    return MigrationsPlanned(
        migrations={one.id: _planned(one) for one in loaded.pack.scenario}, role=loaded.pack.owner,
        longest_block_ms=words.longest_block_ms, rewrites=words.rewrites, rows=words.rows, changes=words.changes,
        beyond=words.beyond, irreversible=irreversible, bookkeeping=words.bookkeeping,
        sequences=words.sequences, values=words.values,
    )  # fmt: skip


def _planned(scenario: Scenario) -> PlannedMigration:
    direction, _space, name = scenario.title.partition(" ")
    return PlannedMigration(direction="up" if direction == "up" else "down", name=name)


def harness_words(loaded: LoadedPack, subject: Path) -> Mapping[str, Any]:
    """Return what the harness is told of the migrations; `subject` is the copy in its place.

    Raises PackError for a SQL file that PostgreSQL's grammar refuses.
    """
    words = _words_of(loaded)
    return {
        "kind": words.kind, "folder": words.folder, "settings": words.settings, "role": loaded.pack.owner,
        "steps": {one.id: _step(one, words, subject) for one in loaded.pack.scenario},
    }  # fmt: skip


def _step(scenario: Scenario, words: MigrationWords, subject: Path) -> dict[str, Any]:
    one = _planned(scenario)
    told: dict[str, Any] = {"direction": one.direction, "name": one.name}
    if words.kind == "alembic":
        told["names"] = words.steps
    if words.kind == "sql":
        path = subject / words.folder / f"{one.name}{UP if one.direction == 'up' else DOWN}"
        statements, one_transaction = split(path)
        told |= {"statements": statements, "one_transaction": one_transaction}
    return told


def split(path: Path) -> tuple[Sequence[str], bool]:
    """Return a file's statements, and whether one transaction belongs around them."""
    try:
        text = path.read_text(encoding="utf-8")
        statements = [own for _tree, own in parse(text)]
    except (OSError, UnicodeDecodeError) as wrong:
        raise PackError(f"{path.name} cannot be read: {wrong}", remedy="mend the file") from wrong
    except NotParsed as wrong:
        remedy = "write SQL alone: no commands of psql's, and no rows of COPY"
        raise PackError(f"{path.name}: {wrong}", remedy=remedy) from wrong
    if not statements:
        raise PackError(f"{path.name} holds no statement", remedy="write one, or take the file away")
    own = _OF_TRANSACTIONS & {control.deed for one in statements for control in controls(one)}
    return statements, not own and not _says_no_transaction(text)


def _says_no_transaction(text: str) -> bool:
    """Tell whether one of the comment lines above the first statement says so."""
    above = itertools.takewhile(
        lambda line: not line or line.startswith("--"),
        map(str.strip, text.removeprefix("\ufeff").split("\n")),
    )
    return any(_NO_TRANSACTION.fullmatch(line) for line in above)
