"""What a SQL text does, by PostgreSQL's own grammar: allowed or refused, and why (design section 11).

Owns the verdict by text. Never connects, never executes; what a text cannot show (triggers, rules,
views, user-defined types and operators) is judged by surface_catalogue and by effects.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

from console.witness.surface_grammar import NotParsed, parse
from console.witness.surface_tree import Found, TreeWalk

CACHED_TEXTS, CACHED_JUDGES = 4096, 16


@dataclass(frozen=True, kw_only=True)
class SurfaceVerdict:
    """Allowed or not. `verbs` in the order of appearance, each once; `functions` as written; `reason`
    is empty when allowed, else every refusal, joined by "; "."""

    allowed: bool
    verbs: tuple[str, ...]
    reason: str
    functions: tuple[str, ...]


def judge_text(
    sql: str, *, major: int | None = None, functions_allowed: Collection[str] = ()
) -> SurfaceVerdict:
    """Return the verdict over every statement in `sql` for a server of `major` (None: any).

    `functions_allowed` names functions besides PostgreSQL's harmless ones as they are written in the
    text: "schema.name"; a bare "name" allows the unqualified call. A text that cannot be parsed is
    refused; one with nothing to execute is allowed and has no verbs.
    """
    return judge_for(major=major, functions_allowed=functions_allowed)(sql)


def judge_for(
    *, major: int | None = None, functions_allowed: Collection[str] = ()
) -> Callable[[str], SurfaceVerdict]:
    """Return what gives a text's verdict as judge_text does; take it once for many texts.

    It remembers verdicts by the exact text, for this major and these functions: a known one takes no call of Python's.
    """
    return _judge_for(major, frozenset(functions_allowed))


def find_in_text(
    sql: str, *, major: int | None = None, functions_allowed: Collection[str] = ()
) -> list[Found]:
    """Return what each statement of `sql` names, with its refusals; one refusal alone when not parsed."""
    try:
        trees = parse(sql)
    except NotParsed as refused:
        found = Found()
        found.refuse(str(refused))
        return [found]
    walks = [TreeWalk(major=major, functions_allowed=functions_allowed) for _tree in trees]
    for walk, (tree, _text) in zip(walks, trees, strict=True):
        walk.statement(tree)
    return [walk.found for walk in walks]


def verdict_of(found: Iterable[Found]) -> SurfaceVerdict:
    """Return one verdict over several statements."""
    several = list(found)
    refusals = dict.fromkeys(why for one in several for why in one.refusals)
    return SurfaceVerdict(
        allowed=not refusals,
        verbs=tuple(dict.fromkeys(verb for one in several for verb in one.verbs)),
        reason="; ".join(refusals),
        functions=tuple(dict.fromkeys(name for one in several for name in one.functions)),
    )


@lru_cache(maxsize=CACHED_JUDGES)
def _judge_for(major: int | None, functions_allowed: frozenset[str]) -> Callable[[str], SurfaceVerdict]:
    @lru_cache(maxsize=CACHED_TEXTS)
    def judge(sql: str) -> SurfaceVerdict:
        return verdict_of(find_in_text(sql, major=major, functions_allowed=functions_allowed))

    return judge
