"""The operator's own keys: one TOML file in the configuration folder, checked before the screen opens.

Reads that file and nothing else. Keys that answer a question are not in the table of keys and cannot be changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from console.errors import UsageError
from console.model.text import one_line
from console.tui.browse_keys import BROWSE_KEYS, browse_table
from console.tui.browse_keys import PLACES as BROWSE_PLACES
from console.tui.keys import KEYS, PLACES, Key

FILE = "keymap.toml"
ALWAYS_LEAVES = "ctrl+c"
_KEY = re.compile(r"(?:(?:ctrl|shift|alt)\+)*(?:[a-z][a-z0-9_]*|[A-Z0-9])")
_RESERVED = ("escape", "enter", "1", "2", "3", "4", "ctrl+c")
_REMEDY = "mend or remove the line; docs/operator.md lists the names"


class KeymapWrong(UsageError):
    """The keymap file cannot be used."""


def read_keymap(folder: Path) -> dict[str, str]:
    """Return the keys by the table's ids, empty without a file.

    Raises KeymapWrong in one sentence for: text that is not TOML, an unknown id, a key that is none or that is
    kept, and two actions on one key in one place.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    import tomllib  # only who has such a file waits for it

    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise KeymapWrong(f"{path} cannot be read: {one_line(str(wrong))}", remedy=_REMEDY) from wrong
    if set(told) - {"keys"} or not isinstance(told.get("keys", {}), dict):
        raise KeymapWrong(f"{path} has more than the one table [keys]", remedy=_REMEDY)
    found = {name: _checked(path, name, value) for name, value in told.get("keys", {}).items()}
    for clash in clashes(found):
        raise KeymapWrong(f"{path}: {clash}", remedy=_REMEDY)
    return found


def _checked(path: Path, name: str, value: object) -> str:
    by_id = {key.id: key for key in (*KEYS, *BROWSE_KEYS) if key.action}
    if name not in by_id:
        raise KeymapWrong(f"{path}: there is no key {one_line(name, limit_chars=40)!r}", remedy=_REMEDY)
    words = [word.strip() for word in value.split(",")] if isinstance(value, str) else [""]
    for word in words:
        if not _KEY.fullmatch(word):
            raise KeymapWrong(
                f"{path}: {name} = {one_line(str(value), limit_chars=40)!r} is no key", remedy=_REMEDY
            )
        if word in _RESERVED and word not in by_id[name].keys.split(","):
            raise KeymapWrong(f"{path}: {name} = {word!r} is kept for something else", remedy=_REMEDY)
    return ",".join([*words, *([ALWAYS_LEAVES] if name == "leave" else [])])


def clashes(keymap: Mapping[str, str]) -> list[str]:
    """Return one sentence for each key that would do two things in one place, beside a run or in its evidence."""
    lists = ("trace", "checklist", "matrix")
    beside: list[tuple[Key, Iterable[str]]] = [
        (key, PLACES if key.place == "screen" else (key.place,)) for key in KEYS if key.action
    ]
    beside += [(key, lists) for key in KEYS if key.action and key.place == "list"]
    screens = tuple(place for place in BROWSE_PLACES if place in ("runs", "evidence"))
    evidence = [
        (key, (key.place,) if key.place in screens else screens) for key in browse_table() if key.action
    ]
    return list(dict.fromkeys([*_clashing(keymap, beside), *_clashing(keymap, evidence)]))


def _clashing(keymap: Mapping[str, str], keys: Iterable[tuple[Key, Iterable[str]]]) -> Iterator[str]:
    used = dict[tuple[str, str], str]()
    for key, places in keys:
        for word in keymap.get(key.id, key.keys).split(","):
            for place in places:
                before = used.setdefault((place, word), key.id)
                if before != key.id:
                    yield f"{word} would be both {before} and {key.id}"
