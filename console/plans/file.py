"""Plan files: TOML in, frozen values out; every problem names its line, what was expected and its remedy.

Reads one file; never resolves a secret, refuses one that stands in the file and never repeats it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from console.errors import PlanError
from console.model.config import RunConfig
from console.model.pack import MigrationWords
from console.model.problem import Problem, Wrong
from console.plans.checks import problems
from console.reading import UNKNOWN, Misfit, first_unread_line, line_of, misfits, toml_lines

_LONGEST_FILE_CHARS, _LONGEST_LINE_CHARS = 1 << 18, 4096
_SECRET_WORDS = (
    r"(?:\w+_)?(?:password|passwd|passphrase|pwd|pass|token|dsn|conninfo|connection_string|ur[il]|api_?key)"
)
_SECRET_KEY = re.compile(_SECRET_WORDS, re.IGNORECASE)
_SECRET_LINE = re.compile(rf"""^\s*[\w.]*?["']?{_SECRET_WORDS}["']?\s*=""", re.IGNORECASE)
_TOML_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_SECTIONS: dict[str, type[msgspec.Struct]] = {
    field.name: field.type
    for field in msgspec.structs.fields(RunConfig)
    if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A plan file as far as it can be read: what is wrong with it, and where each key stands.

    `config` has the defaults in the place of what cannot be read, and is None where nothing can. `unread` are the
    keys (section.key, section alone for all of one) on whose word nothing can rest.
    """

    path: Path
    config: RunConfig | None
    wrong: tuple[Wrong, ...]
    lines: Mapping[tuple[str | int, ...], int]
    unread: frozenset[str] = frozenset()

    def line(self, section: str, key: str, item: str = "") -> int:
        """Return the line of a key (or of one below it), of its section where it does not stand in the file, else 0."""
        return line_of(tuple(part for part in (section, key, item) if part), self.lines)


def read_plan_file(path: Path) -> RunConfig:
    """Return the configuration of a plan file.

    Raises PlanError with the file's line for: a missing or unreadable file, text that is not TOML, an
    unknown key, a wrong type or value, a secret written into the file, and what `problems` finds. It tells
    the first problem, and how many more there are.
    """
    found = read_plan(path)
    if found.wrong:
        first, more = found.wrong[0], len(found.wrong) - 1
        rest = f"; drydock check lists {more} more problem{'s' if more > 1 else ''}" if more else ""
        raise PlanError(first.what, remedy=f"{first.remedy}{rest}")
    assert found.config is not None
    return found.config


def plan_problems(path: Path) -> list[Wrong]:
    """Return every problem of a plan file, in the order of its lines."""
    return list(read_plan(path).wrong)


def read_plan(path: Path) -> Reading:
    """Return what a plan file says and everything that is wrong with it; of text that is not TOML, the first."""
    text, wrong = _text_of(path)
    if wrong is None:
        wrong = _too_long(path, text)
    if wrong is not None:
        return Reading(path=path, config=None, wrong=(wrong,), lines={})
    try:
        decoded = tomllib.loads(text)
    except RecursionError:
        deep = Wrong(
            file=str(path), line=first_unread_line(text), found="the file is nested too deeply",
            expected="sections, keys and lists", remedy="no key of a plan needs that",
        )  # fmt: skip
        return Reading(path=path, config=None, wrong=(deep,), lines={})
    except tomllib.TOMLDecodeError as broken:
        told = [*_secret_lines(path, text), _not_toml(path, text, str(broken))]
        wrongs = tuple(sorted(told, key=lambda one: one.line))
        return Reading(path=path, config=None, wrong=wrongs, lines={})
    return _judged(path, decoded, toml_lines(text))


def _text_of(path: Path) -> tuple[str, Wrong | None]:
    expected = "a readable UTF-8 text file"
    line, remedy, data = 0, f"name {expected}", b""
    try:
        with path.open("rb") as file:
            data = file.read(4 * _LONGEST_FILE_CHARS + 1)
        return data.decode(), None
    except FileNotFoundError:
        found, remedy = "there is no plan file of this name", "name a file, or none for the demo"
    except OSError as wrong:
        found = f"the file cannot be read: {wrong.strerror or wrong}"
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        found = f"the file cannot be read: it is not UTF-8 text at byte {wrong.start}"
    return "", Wrong(file=str(path), line=line, found=found, expected=expected, remedy=remedy)


def _too_long(path: Path, text: str) -> Wrong | None:
    """Long keys take the TOML reader time that grows with the square of their length."""
    if len(text) > _LONGEST_FILE_CHARS:
        found = f"the file has more than {_LONGEST_FILE_CHARS} characters"
        return Wrong(file=str(path), found=found, expected="a plan file", remedy="name a plan file")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _LONGEST_LINE_CHARS:
            return Wrong(
                file=str(path), line=number, found=f"the line is longer than {_LONGEST_LINE_CHARS} characters",
                expected="shorter lines", remedy="break the line",
            )  # fmt: skip
    return None


def _not_toml(path: Path, text: str, said: str) -> Wrong:
    place = _TOML_PLACE.search(said)
    line = int(place[1]) if place and place[1] else first_unread_line(text)
    column = f" at column {place[2]}" if place and place[2] else ""
    reason = _TOML_PLACE.sub("", said)
    return Wrong(
        file=str(path), line=line, found=f"the file is not TOML: {reason}{column}",
        expected="TOML (https://toml.io): [section] lines, and key = value with text in quotes",
        remedy="mend the line and check again: nothing else of a file can be looked at before it is TOML",
    )  # fmt: skip


def _secret(path: Path, line: int, key: str) -> Wrong:
    return Wrong(
        file=str(path), line=line, key=key, found="a plan file must not hold a secret or a connection string",
        expected="the name of a secret, never its value",
        remedy='store it with the keyring and name its entry: secret = "NAME"; and change what was written down',
    )  # fmt: skip


def _secret_lines(path: Path, text: str) -> Iterator[Wrong]:
    for number, line in enumerate(text.split("\n"), 1):
        if _SECRET_LINE.match(line):
            yield _secret(path, number, "")


def _judged(path: Path, decoded: dict[str, Any], lines: Mapping[tuple[str | int, ...], int]) -> Reading:
    unfit = list(misfits(decoded, RunConfig))
    config = _readable(decoded, unfit)
    unread = _unread(unfit)
    found = [one for one in problems(config) if not _may_be_none(one, unread)]
    told = [_told(path, one, lines) for one in unfit] + [_found(path, one, lines) for one in found]
    unread |= {f"{one.section}.{one.key}" for one in found}
    wrong = tuple(sorted(told, key=lambda one: one.line))
    return Reading(path=path, config=config, wrong=wrong, lines=lines, unread=frozenset(unread))


def _readable(decoded: dict[str, Any], unfit: Iterable[Misfit]) -> RunConfig:
    """Return the configuration without the keys that do not fit."""
    wrong = {one.path[:2] for one in unfit} | {one.path[:1] for one in unfit if len(one.path) == 1}
    kept: dict[str, Any] = {}
    for name, value in decoded.items():
        if (name,) in wrong:
            continue
        kept[name] = value
        if name in _SECTIONS:
            kept[name] = {key: item for key, item in value.items() if (name, key) not in wrong}
    return msgspec.convert(kept, RunConfig)


def _unread(unfit: Iterable[Misfit]) -> set[str]:
    """Return each key that cannot be read, or that was probably meant, as section.key; section alone for all."""
    found = set()
    for one in unfit:
        parts = [str(part) for part in one.path[:2]]
        found |= {".".join(parts), ".".join([*parts[:-1], one.meant])}
    return found


def _may_be_none(problem: Problem, unread: set[str]) -> bool:
    names = {f"{problem.section}.{problem.key}", *problem.rests_on}
    return bool((names | {name.partition(".")[0] for name in names}) & unread)


def _told(path: Path, misfit: Misfit, lines: Mapping[tuple[str | int, ...], int]) -> Wrong:
    key, line = ".".join(str(part) for part in misfit.path), line_of(misfit.path, lines)
    name = str(misfit.path[-1])
    if misfit.kind == UNKNOWN and _SECRET_KEY.fullmatch(name):
        return _secret(path, line, key)
    told = Wrong(
        file=str(path), line=line, key=key, found=misfit.found, expected=misfit.expected, remedy=misfit.remedy
    )
    homes = [section for section, struct in _SECTIONS.items() if name in struct.__struct_fields__]
    if misfit.kind == UNKNOWN and homes and len(misfit.path) < 3 and name not in _SECTIONS:
        places = " or ".join(f"[{home}]" for home in homes)
        return replace(told, remedy=f"move it: {name} stands under {places}")
    if misfit.kind == UNKNOWN and misfit.path[0] == "migration" and name in MigrationWords.__struct_fields__:
        return replace(told, remedy=f"move it: {name} stands under [migration] of the pack's pack.toml")
    return told


def _found(path: Path, problem: Problem, lines: Mapping[tuple[str | int, ...], int]) -> Wrong:
    return Wrong(
        file=str(path), line=line_of(place_of(problem), lines), key=".".join(place_of(problem)),
        found=problem.what, expected=problem.expected, remedy=problem.remedy,
    )  # fmt: skip


def place_of(problem: Problem) -> tuple[str, ...]:
    """Return the keys from the file's top down to the problem."""
    return tuple(part for part in (problem.section, problem.key, problem.item) if part)


def with_options(config: RunConfig, changes: dict[str, dict[str, Any]]) -> RunConfig:
    """Return the configuration with the command line's words over the file's, section by section."""
    sections = {
        name: msgspec.structs.replace(getattr(config, name), **values)
        for name, values in changes.items()
        if values
    }
    return msgspec.structs.replace(config, **sections)
