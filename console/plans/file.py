"""Plan files: TOML in, frozen values out; every problem names its line and its remedy.

Reads one file; never resolves a secret and refuses one that stands in the file.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from console.errors import PlanError
from console.model.config import RunConfig
from console.plans.checks import problems

_LONGEST_FILE_CHARS, _LONGEST_LINE_CHARS = 1 << 18, 4096
_INLINE_SECRET = re.compile(r"^\s*(password|passwd|pwd|token|dsn|conninfo|url)\s*=", re.IGNORECASE)
_PATH_IN_ERROR = re.compile(r"`\$\.([\w.\[\].]+)`")
_UNKNOWN_KEY = re.compile(r"unknown field `(\w+)`")


def read_plan_file(path: Path) -> RunConfig:
    """Return the configuration of a plan file.

    Raises PlanError with the file's line for: a missing or unreadable file, text that is not TOML, an
    unknown key, a wrong type or value, a secret written into the file, and what `problems` finds.
    """
    config, text = _decoded(path)
    for found in problems(config):
        raise PlanError(
            f"{_place_of(path, text, found.section, found.key)}: {found.what}", remedy=found.remedy
        )
    return config


def plan_problems(path: Path) -> list[PlanError]:
    """Return every problem of a plan file; of a file that cannot be decoded, the first."""
    try:
        config, text = _decoded(path)
    except PlanError as wrong:
        return [wrong]
    return [
        PlanError(f"{_place_of(path, text, found.section, found.key)}: {found.what}", remedy=found.remedy)
        for found in problems(config)
    ]


def _decoded(path: Path) -> tuple[RunConfig, str]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read(_LONGEST_FILE_CHARS + 1)
    except FileNotFoundError as missing:
        raise PlanError(
            f"there is no plan file {path}", remedy="name a file, or none for the demo"
        ) from missing
    except (OSError, UnicodeDecodeError) as wrong:
        raise PlanError(
            f"{path} cannot be read: {wrong}", remedy="name a readable UTF-8 text file"
        ) from wrong
    _refuse_what_no_plan_needs(path, text)
    _refuse_inline_secrets(path, text)
    try:
        return msgspec.convert(tomllib.loads(text), RunConfig), text
    except RecursionError as wrong:
        raise PlanError(f"{path} is nested too deeply", remedy="no key of a plan needs that") from wrong
    except tomllib.TOMLDecodeError as wrong:
        raise PlanError(f"{path} is not TOML: {wrong}", remedy="mend the line") from wrong
    except msgspec.ValidationError as wrong:
        raise PlanError(f"{_place(path, text, str(wrong))}: {wrong}", remedy=_remedy(str(wrong))) from wrong


def _refuse_what_no_plan_needs(path: Path, text: str) -> None:
    """Long keys take the TOML reader time that grows with the square of their length."""
    if len(text) > _LONGEST_FILE_CHARS:
        raise PlanError(f"{path} has more than {_LONGEST_FILE_CHARS} characters", remedy="name a plan file")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > _LONGEST_LINE_CHARS:
            what = f"{path}, line {number}: the line is longer than {_LONGEST_LINE_CHARS} characters"
            raise PlanError(what, remedy="break the line")


def _refuse_inline_secrets(path: Path, text: str) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        if _INLINE_SECRET.match(line):
            raise PlanError(
                f"{path}, line {number}: a plan file must not hold a secret or a connection string",
                remedy='store it with the keyring and name its entry: secret = "NAME"',
            )


def _remedy(wrong: str) -> str:
    unknown = _UNKNOWN_KEY.search(wrong)
    if unknown:
        return f"remove {unknown[1]} or mend its name"
    if "Expected `str`, got `int`" in wrong:
        return "put the number into quotes"
    return "mend the value"


def _place(path: Path, text: str, wrong: str) -> str:
    """Return "FILE, line N" of the key that an error names, as near as the text tells."""
    named = _PATH_IN_ERROR.search(wrong)
    unknown = _UNKNOWN_KEY.search(wrong)
    parts = named[1].split(".") if named else []
    section, key = (parts[0] if parts else ""), (parts[1].partition("[")[0] if len(parts) > 1 else "")
    return _place_of(path, text, section, unknown[1] if unknown else key.partition("[")[0])


def _place_of(path: Path, text: str, section: str, key: str) -> str:
    """Return "FILE, line N" of a key, of its section's header where the key is missing."""
    current, best = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([\w.]+)", line)
        if header:
            current = header[1]
            if current in (section, key) and not best:
                best = number
        elif current == section and key and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return f"{path}, line {number}"
    return f"{path}, line {best}" if best else str(path)


def with_options(config: RunConfig, changes: dict[str, dict[str, Any]]) -> RunConfig:
    """Return the configuration with the command line's words over the file's, section by section."""
    sections = {
        name: msgspec.structs.replace(getattr(config, name), **values)
        for name, values in changes.items()
        if values
    }
    return msgspec.structs.replace(config, **sections)
