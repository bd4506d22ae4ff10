"""What a pack's pack.py declares in its decorators, read as text: nothing of it is imported or run.

`@scenario("S1", title=..., ...)` carries a declaration; a bare `@scenario("S1")` only names the function of one in
pack.toml. Every value must be a literal, because the engine judges by what it can read without trusting code.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from console.errors import PackError
from console.model.pack import AGAIN, ANY_EXCEPTION, Attempt, Scenario
from console.model.text import one_line

_OF_ATTEMPT = frozenset(one.name for one in msgspec.structs.fields(Attempt)) - {"name"}
_REMEDY = "mend the decorator: only literals, the keys of docs/pack.md"


def declared_scenarios(path: Path) -> tuple[Scenario, ...]:
    """Return the scenarios that decorators declare, in the order of the file.

    Raises PackError with the line for a file that is no Python, a value that is no literal, and a key or value
    that no scenario has.
    """
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (OSError, SyntaxError, ValueError, RecursionError) as wrong:
        line = f", line {wrong.lineno}" if isinstance(wrong, SyntaxError) and wrong.lineno else ""
        raise PackError(f"{path}{line} cannot be read: {wrong}", remedy="mend the file") from wrong
    found = [
        (decorator, node)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and _is_scenario(decorator.func) and decorator.keywords
    ]
    found.sort(key=lambda pair: pair[0].lineno)
    return tuple(_declared(path, decorator, node.name) for decorator, node in found)


def overlooked(path: Path, declared: Sequence[str]) -> list[str]:
    """Return the ids that the harness saw declared in a decorator and that cannot be read as one: another name for it.

    Raises PackError as `declared_scenarios` does; without a file nothing was read.
    """
    read = {one.id for one in declared_scenarios(path)} if path.is_file() else set()
    return [name for name in declared if name not in read]


def _is_scenario(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name == "scenario"


def _declared(path: Path, decorator: ast.Call, function: str) -> Scenario:
    place = f"{path}, line {decorator.lineno}"
    given: dict[str, Any] = {}
    for keyword in decorator.keywords:
        given[keyword.arg or "**"] = _literal(keyword.value, f"{place}: {keyword.arg or '**'}")
    words = {"kind": "happy", **given}
    if len(decorator.args) != 1:
        raise PackError(f"{place}: a scenario has exactly one id before its keys", remedy=_REMEDY)
    words["id"] = _literal(decorator.args[0], f"{place}: the id")
    if "principal" in words:
        words["principals"] = [words.pop("principal")]
    inline = {name: words.pop(name) for name in sorted(_OF_ATTEMPT & words.keys())}
    if inline and "attempts" in words:
        raise PackError(f"{place}: {', '.join(inline)} and attempts contradict each other", remedy=_REMEDY)
    words["attempt"] = words.pop("attempts", None) or [{"name": function, **inline}]
    try:
        return msgspec.convert(words, Scenario)
    except msgspec.ValidationError as wrong:
        raise PackError(f"{place}: {wrong}", remedy=_REMEDY) from wrong


def _literal(node: ast.expr, place: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError) as wrong:
        said = one_line(ast.unparse(node), limit_chars=60)
        raise PackError(f"{place}: {said} is no literal", remedy=_REMEDY) from wrong


def spelled_out(scenarios: tuple[Scenario, ...]) -> tuple[Scenario, ...]:
    """Return the scenarios with every short word written out, and a repeatable one followed by its replay."""
    found: list[Scenario] = []
    for one in scenarios:
        whole = msgspec.structs.replace(one, attempt=tuple(map(_spelled, one.attempt)))
        found.append(whole)
        if one.repeatable:
            found.append(_again(whole))
    return tuple(found)


def _spelled(attempt: Attempt) -> Attempt:
    words: dict[str, Any] = {}
    if attempt.refused:
        words = {
            "server_errors": attempt.server_errors or (attempt.refused,),
            "rolls_back": attempt.rolls_back or 1,
        }
    if (attempt.refused or (attempt.fails_at is not None and not attempt.commits)) and attempt.raises is None:
        words["raises"] = ANY_EXCEPTION
    return msgspec.structs.replace(attempt, **words)


def _again(one: Scenario) -> Scenario:
    attempts = tuple(
        msgspec.structs.replace(attempt, commits=one.repeat_commits, needs_retry=False)
        for attempt in one.attempt
    )
    return msgspec.structs.replace(
        one, id=f"{one.id}{AGAIN}", title=f"again: {one.title}", kind="replay", rows={}, attempt=attempts,
        repeatable=False, rewind=False,
    )  # fmt: skip
