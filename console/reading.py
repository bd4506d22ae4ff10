"""TOML and JSON against a struct: every misfit with the path to it, and the line of every path.

Reads texts and values only, at no file. Says what kind of value stands somewhere, and of strings no more than
where a few words are allowed: what was written into the wrong place may be a password.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec

from console.model.text import one_line

Path = tuple[str | int, ...]
"""Keys and positions from the top of a document."""

UNKNOWN: Final = "unknown"
MISSING: Final = "missing"
MISFIT: Final = "misfit"
_LIKE_A_KEY = 0.6
_PARSED_CHARS = 1 << 20
"""What finding lines may cost; a file of strings over thousands of lines is not worth more."""

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_WORDS: dict[object, str] = {
    str: "a string", int: "a whole number", float: "a number", bool: "true or false", list: "a list",
    dict: "a table", type(None): "null",
}  # fmt: skip
_MANY = {str: "strings", int: "whole numbers"}


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """One place where a value does not fit: `meant` is the key that was probably meant, "" for none."""

    path: Path
    kind: Literal["unknown", "missing", "misfit"]
    found: str
    expected: str
    remedy: str
    meant: str = ""


def misfits(value: Any, annotation: Any, path: Path = ()) -> Iterator[Misfit]:
    """Yield every place of a decoded document that does not fit, in the document's order."""
    if get_origin(annotation) in (Union, types.UnionType) and value is not None:
        members = _members(annotation)
        if len(members) > 1:
            yield from _of_union(value, annotation, path)
            return
        [annotation] = members
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        if isinstance(value, dict):
            yield from _of_struct(value, annotation, path)
            return
    elif origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from misfits(item, get_args(annotation)[1], (*path, key))
        return
    elif origin is tuple and isinstance(value, list):
        for number, item in enumerate(value):
            yield from misfits(item, get_args(annotation)[0], (*path, number))
        return
    else:
        try:
            msgspec.convert(value, annotation)
        except (msgspec.ValidationError, RecursionError):
            pass
        else:
            return
    yield _misfit(value, annotation, path)


def _members(annotation: Any) -> list[Any]:
    return [one for one in get_args(annotation) if one is not type(None)]


def _of_union(value: Any, annotation: Any, path: Path) -> Iterator[Misfit]:
    """Yield nothing where one member fits; else what the member misses that comes furthest, or the place itself."""
    found = [list(misfits(value, one, path)) for one in _members(annotation)]
    if not all(found):
        return
    nearest_one = max(found, key=lambda one: max(len(misfit.path) for misfit in one))
    if all(misfit.path == path for misfit in nearest_one):
        yield _misfit(value, annotation, path)
    else:
        yield from nearest_one


def _of_struct(value: dict[str, Any], struct: type[msgspec.Struct], path: Path) -> Iterator[Misfit]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key, item in value.items():
        if key in fields:
            yield from misfits(item, fields[key].type, (*path, key))
        elif struct.__struct_config__.forbid_unknown_fields:
            yield _unknown(key, list(fields), path)
    for key, field in fields.items():
        if field.required and key not in value:
            words = words_of(field.type)
            yield Misfit(
                path=(*path, key), kind=MISSING, found=f"the required key {key} is missing",
                expected=f"{key} = {words}", remedy=f"write {key} there",
            )  # fmt: skip


def _unknown(key: str, known: list[str], path: Path) -> Misfit:
    shown, meant = one_line(key, limit_chars=60), nearest(key, known)
    kind = "key" if path else "key or section"
    return Misfit(
        path=(*path, key), kind=UNKNOWN, found=f"unknown {kind} {shown!r}" + (f" in {_dotted(path)}" if path else ""),
        expected=f"one of {', '.join(known)}", meant=meant,
        remedy=f"did you mean {meant}?" if meant else f"remove {shown} or mend its name",
    )  # fmt: skip


def _misfit(value: Any, annotation: Any, path: Path) -> Misfit:
    name, wanted = _last(path), words_of(annotation)
    said = value_words(value)
    if get_origin(annotation) is Literal and isinstance(value, str):
        words = [str(word) for word in get_args(annotation)]
        said, meant = repr(one_line(value, limit_chars=40)), nearest(value, words)
        remedy = f'did you mean "{meant}"?' if meant else f"write {wanted}"
    elif wanted == "a string":
        remedy = "put it into quotes"
    elif wanted == "a table" and len(path) == 1:
        remedy = f"write a section: [{name}] on a line of its own, its keys below"
    else:
        remedy = f"write {wanted}" + (
            ", without quotes"
            if isinstance(value, str) and "list" not in wanted and '"' not in wanted
            else ""
        )
    return Misfit(
        path=path,
        kind=MISFIT,
        found=f"{name} is {said}, not {wanted}",
        expected=wanted,
        remedy=remedy,
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that was probably meant, "" when none is near."""
    return next(iter(difflib.get_close_matches(word[:80].lower(), list(known), 1, _LIKE_A_KEY)), "")


def words_of(annotation: Any) -> str:
    """Return a type in a reader's words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(
            dict.fromkeys(word for one in _members(annotation) for word in words_of(one).split(" or "))
        )
    if origin is Literal:
        return " or ".join(f'"{word}"' for word in inner)
    if origin is tuple:
        return f"a list of {_MANY.get(inner[0], 'tables')}"
    if origin is dict:
        kinds = _members(inner[1]) if get_origin(inner[1]) in (Union, types.UnionType) else [inner[1]]
        many = dict.fromkeys(
            _MANY.get(one, words_of(one) if get_origin(one) is Literal else "tables") for one in kinds
        )
        return f"a table of {' or '.join(many)}"
    return _WORDS.get(annotation, "a table")


def value_words(value: Any) -> str:
    """Return what kind of value stands there; never the value."""
    return _WORDS.get(type(value), "a date or time")


def _last(path: Path) -> str:
    """Return the name of a place; of a place in a list the list's name with the position, counted from 1."""
    if not path:
        return "the document"
    if isinstance(path[-1], int):
        return f"number {path[-1] + 1} of {_last(path[:-1])}"
    return _dotted(path[-1:])


def _dotted(path: Path) -> str:
    return ".".join(one_line(str(part), limit_chars=60) for part in path)


def toml_lines(text: str) -> dict[Path, int]:
    """Return the line of each path of a valid TOML text; what cannot be found cheaply is left out."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    above: Path = ()
    for line, chunk, statement in _statements(text):
        if statement is None:
            break
        if chunk.lstrip().startswith("["):
            above = _header(statement, counts)
            for length in range(1, len(above) + 1):
                found.setdefault(above[:length], line)
        else:
            _note(statement, above, chunk, line, found)
    return found


def first_unread_line(text: str) -> int:
    """Return the line on which the first statement begins that is no TOML, 0 when it cannot be found cheaply."""
    return next((line for line, _chunk, statement in _statements(text) if statement is None), 0)


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any] | None]]:
    """Yield line, text and meaning of each statement; a last one without a meaning never ends."""
    lines = [f"{line}\n" for line in text.split("\n")]
    first, budget_chars = 0, _PARSED_CHARS
    while first < len(lines):
        last, chunk = first, lines[first]
        while (statement := _parsed(chunk)) is None and last + 1 < len(lines):
            budget_chars -= len(chunk)
            if budget_chars < 0:
                return
            last += 1
            chunk += lines[last]
        yield first + 1, chunk, statement
        if statement is None:
            return
        first = last + 1


def _parsed(chunk: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(chunk)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _header(statement: dict[str, Any], counts: dict[Path, int]) -> Path:
    """Return the path of a header's table; the newest table of an array is the one that is meant."""
    path: Path = ()
    below: Any = statement
    while below:
        [(name, below)] = below.items()
        path = (*path, name)
        if isinstance(below, list):
            counts[path] = counts.get(path, 0) + 1
            return (*path, counts[path] - 1)
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _note(value: Any, path: Path, chunk: str, line: int, found: dict[Path, int]) -> None:
    """Note the line of each part of one statement; parts of one over several lines are sought in their order."""
    sought = 0
    waiting: list[tuple[Any, Path]] = [(value, path)]
    while waiting:
        item, place = waiting.pop()
        if place != path:
            word = place[-1] if isinstance(place[-1], str) else item
            scalar = isinstance(word, str | int | float)
            sought = max(sought, chunk.find(str(word), sought) if scalar else 0)
            found.setdefault(place, line + chunk.count("\n", 0, sought))
        pairs = (
            item.items() if isinstance(item, Mapping) else enumerate(item if isinstance(item, list) else ())
        )
        waiting += reversed([(one, (*place, key)) for key, one in pairs])


def json_lines(text: str) -> dict[Path, int]:
    """Return the line of each path of a valid JSON text."""
    found: dict[Path, int] = {(): 1}
    stack: list[tuple[Path, bool]] = []
    path: Path = ()
    key_next, line, at = False, 1, 0
    for token in _JSON_TOKEN.finditer(text):
        line += text.count("\n", at, token.start())
        at, word = token.start(), token[0]
        if word in "]}":
            path, _is_table = stack.pop()
            key_next = False
        elif word in ",":
            below, is_table = stack[-1]
            key_next = is_table
            path = below if is_table else (*below, int(path[-1]) + 1)
        elif word == ":":
            key_next = False
        elif key_next:
            path = (*stack[-1][0], msgspec.json.decode(word, type=str))
            found.setdefault(path, line)
        else:
            found.setdefault(path, line)
            if word in "[{":
                stack.append((path, word == "{"))
                key_next = word == "{"
                path = path if word == "{" else (*path, 0)
    return found


def line_of(path: Path, lines: Mapping[Path, int]) -> int:
    """Return the line of a path, of the nearest part above it that has one, else 0."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 0
