"""What every environment tells the restoring client, and in which parts it restores an archive."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from console.environments.process import Finished

RESTORE_ARGUMENTS = ("--no-owner", "--no-password", "--no-publications", "--no-subscriptions", "--jobs=2")
RESTORE_OPTIONS = (
    "-c maintenance_work_mem=256MB -c max_parallel_maintenance_workers=1 -c max_parallel_workers=1"
    " -c max_parallel_workers_per_gather=0 -c random_page_cost=1"
)
"""For the restoring client's sessions alone: indexes and foreign keys of a large copy are checked in memory. One worker
for both jobs: while the last large index of a table is built, nothing else may be done to that table, and the other
job waits. More workers only take a neighbour's processor (a ninth of the time). What was just loaded
lies in memory, where a page of an index costs no more than its neighbour: where indexes alone answer, they check a
foreign key."""
PSQL_ARGUMENTS = ("--no-psqlrc", "--no-password", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=0")
"""Errors are judged by the server's log. `\\restrict` comes first, with a key that the dump cannot know: where a
COPY fails, psql reads its data as commands, and a variable may hold one (both measured with 16.14)."""

Meanwhile = Callable[[], object] | None
"""What is done with the copy while the client, which has done its work, is being removed with all it was given."""
_Found = TypeVar("_Found")
_LATER = re.compile(r"\d+; \d+ \d+ (FK CONSTRAINT |COMMENT .*CONSTRAINT )")
"""Foreign keys, and comments, which may be on one: nothing else in an archive rests on them."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """An archive's table of contents in parts, one after the other, and what is done before each but the first.

    A foreign key is checked by a join of whole tables, which is planned well only where statistics are.
    """

    lists: tuple[str, ...]
    between: Callable[[], None]


def with_foreign_keys_last(listing: str) -> tuple[str, ...]:
    """Return what `pg_restore --list` wrote as two lists for --use-list; empty where there is no foreign key."""
    # pg_restore itself takes line feeds out of names; what else Python calls the end of a line may stand in one.
    lines = [line for line in listing.split("\n") if line[:1].isdigit()]
    later = [line for line in lines if _LATER.match(line)]
    if not any(" FK CONSTRAINT " in line for line in later):
        return ()
    first = [line for line in lines if not _LATER.match(line)]
    return ("\n".join(first) + "\n", "\n".join(later) + "\n")


def _reads_rows(listing: str) -> bool:
    """Tell whether there may be something in a list for which the client opens more than the table of contents."""
    return not all(_LATER.match(line) for line in listing.split("\n") if line)


def ended_beside(end: Callable[[], _Found], meanwhile: Meanwhile) -> _Found:
    """Return what `end` returns, with `meanwhile` done here beside it: both have ended, however that was.

    Raises what `end` raises before what `meanwhile` does.
    """
    if meanwhile is None:
        return end()
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(end)
        try:
            meanwhile()
        finally:
            found = ending.result()
    return found


def restored_in_parts(
    run: Callable[[str], Finished], parts: Parts, *, loaded: Callable[[], object] = lambda: None
) -> Finished:
    """Run the client for each list; the first exit code that is not 0 counts, and everything it said.

    `loaded` is called when no list is left for which the client reads rows, before what comes between.
    """
    ended: list[Finished] = []
    for number, listing in enumerate(parts.lists):
        if ended:
            if _reads_rows(parts.lists[number - 1]) and not any(map(_reads_rows, parts.lists[number:])):
                loaded()
            parts.between()
        ended.append(run(listing))
    return Finished(
        returncode=next((done.returncode for done in ended if done.returncode), 0),
        stdout=b"".join(done.stdout for done in ended),
        stderr="".join(done.stderr for done in ended),
    )
