"""What the migrations of a run did, in numbers: tables of plain texts, a pure function of the folded journal.

Owns the columns and their order; whoever writes a page escapes the cells. Never judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from console.evidence.recorded import listed, mapping
from console.model.run_state import RunState

MIGRATED = "migrated."
_NOTHING = "nothing"
SHOWN_CHANGES = 200
"""So many changes of the whole database stand on a page; the journal has more of them."""

_READS = frozenset({"SELECT", "SHOW", "SET", "TRANSACTION"})


@dataclass(frozen=True, kw_only=True)
class Page:
    """One table: a title, a sentence above it, the header and rows of plain texts, and what no row at all means."""

    title: str
    sentence: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str


def pages(state: RunState) -> tuple[Page, ...]:
    """Return the tables in their order."""
    return (
        Page(
            title="Migrations", rows=tuple(_overview(state)), empty="No migration ran.",
            sentence="Times are the server's and the driver's own, without the looks between statements.",
            header=("scenario", "migration", "statements", "transactions", "took", "longest transaction",
                    "rows written", "most rows in one transaction", "rewritten", "worst lock"),
        ),
        Page(
            title="Who would have waited", rows=tuple(_waits(state)), empty="No lock that others wait for was seen.",
            sentence="For each lock that others wait for: the longest time from the statement that took it to the end "
            "of its transaction, and the table as it was before.",
            header=("scenario", "lock", "table", "rows", "bytes", "held", "would have waited", "taken by"),
        ),
        Page(
            title="Statements of the migrations", rows=tuple(_statements(state)), empty="No statement was sent.",
            sentence="",
            header=("scenario", "#", "transaction", "statement", "took", "rows", "locks taken", "rewritten", "built",
                    "new storage", "error"),
        ),
        Page(
            title="Changes of inventory and privileges", rows=tuple(_changes(state)),
            empty="None, or not measured.", sentence="After the ups, and what is left of it after the downs.",
            header=("after", "change"),
        ),
        Page(
            title="Changes of the whole database", rows=tuple(_whole(state)), empty="None, or not measured.",
            sentence="Every row of the catalogue that is new (+), gone (-) or another one, large objects and what lies "
            "beside the catalogue; and tables whose values in the columns that they had are others.",
            header=("after", "change"),
        ),
    )  # fmt: skip


def _migrated(state: RunState) -> Iterator[tuple[str, str, dict[str, Any]]]:
    titles = {one.id: one.title for one in state.created.scenarios} if state.created else {}
    for name, fact in state.facts.items():
        if name.startswith(MIGRATED):
            scenario = name.removeprefix(MIGRATED)
            yield scenario, titles.get(scenario, ""), mapping(fact)


def _overview(state: RunState) -> Iterator[tuple[str, ...]]:
    for scenario, title, found in _migrated(state):
        statements, transactions = listed(found.get("statements")), listed(found.get("transactions"))
        written = [int(one["rows_written"]) for one in transactions]
        writing = sum(rows > 0 for rows in written)
        rewritten = sorted({name for one in statements for name in listed(one.get("rewritten"))})
        worst = next((one for one in listed(found.get("held")) if one["blocks"] != "schema changes"), None)
        lock = f"{worst['mode']} on {worst['relation']}, {worst['held_ms']} ms" if worst else "none"
        longest_ms = max((int(one["open_ms"]) for one in transactions), default=0)
        yield (
            scenario, title, str(len(statements)), str(len(transactions)), f"{found.get('duration_ms', 0)} ms",
            f"{longest_ms} ms", f"{sum(written)} in {writing} transactions", str(max(written, default=0)),
            ", ".join(rewritten) or _NOTHING, lock,
        )  # fmt: skip


def _waits(state: RunState) -> Iterator[tuple[str, ...]]:
    for scenario, _title, found in _migrated(state):
        texts = {one["n"]: str(one["sql"]) for one in listed(found.get("statements"))}
        for one in listed(found.get("held")):
            yield (
                scenario, str(one["mode"]), str(one["relation"]), str(one["rows"]), str(one["bytes"]),
                f"{one['held_ms']} ms", str(one["blocks"]), f"{one['n']}: {texts.get(one['n'], '')[:120]}",
            )  # fmt: skip


def _statements(state: RunState) -> Iterator[tuple[str, ...]]:
    for scenario, _title, found in _migrated(state):
        for one in listed(found.get("statements")):
            rows = int(one["rows"])
            yield (
                scenario, str(one["n"]), str(one["transaction"]), str(one["sql"]), _took(int(one["duration_us"])),
                str(rows) if rows >= 0 else "", _locks(one),
                ", ".join(listed(one.get("rewritten"))), ", ".join(listed(one.get("built"))),
                f"{one['new_bytes']} bytes" if one.get("new_bytes") else "", str(one["sqlstate"]),
            )  # fmt: skip


def _took(duration_us: int) -> str:
    return f"{duration_us / 1000:.1f} ms"


def _locks(statement: dict[str, Any]) -> str:
    """Return the locks by mode; what is inside TOAST goes with its table."""
    taken = listed(statement.get("taken"))
    if statement["alone"] and not taken and not _READS.issuperset(str(statement["verb"]).split()):
        return "not seen: over before a look"
    by_mode: dict[str, list[str]] = {}
    for one in taken:
        if not str(one["relation"]).startswith("pg_toast."):
            by_mode.setdefault(str(one["mode"]), []).append(str(one["relation"]))
    return "; ".join(f"{mode} on {', '.join(names)}" for mode, names in sorted(by_mode.items()))


def _changes(state: RunState) -> Iterator[tuple[str, ...]]:
    before = mapping(state.facts.get("state.before"))
    for name, word in (("state.up", "the ups"), ("state.down", "the downs")):
        after = mapping(state.facts.get(name))
        if before and after:
            for part in ("objects", "privileges"):
                yield from (
                    (word, line) for line in _differences(listed(before.get(part)), listed(after.get(part)))
                )
            for part in ("rows", "sequences"):
                yield from (
                    (word, line) for line in _moved(part, mapping(before.get(part)), mapping(after.get(part)))
                )


def _whole(state: RunState) -> Iterator[tuple[str, str]]:
    for name, word in (("beyond.up", "the ups"), ("beyond.down", "the downs")):
        after = mapping(state.facts.get(name))
        changes = listed(after.get("changes"))
        yield from ((word, str(one)) for one in changes[:SHOWN_CHANGES])
        more = max(0, len(changes) - SHOWN_CHANGES) + int(after.get("unlisted", 0))
        if more:
            yield word, f"and {more} more"
        yield from ((word, f"{table} {how}") for table, how in sorted(mapping(after.get("values")).items()))


def _differences(before: Sequence[str], after: Sequence[str]) -> list[str]:
    gone, new = set(before) - set(after), set(after) - set(before)
    pairs = [(text, f"- {text}") for text in gone] + [(text, f"+ {text}") for text in new]
    return [line for _text, line in sorted(pairs)]


def _moved(part: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{part} of {name}: {before.get(name, 'none')}, then {after.get(name, 'none')}"


def migrations(state: RunState) -> dict[str, Any] | None:
    """Return the same for programs: each migration as recorded, and the changes; None for other kinds of plan."""
    if state.created is None or state.created.plan != "migration":
        return None
    return {
        "planned": state.facts.get("migrations.planned"),
        "migrated": {scenario: {"title": title, **found} for scenario, title, found in _migrated(state)},
        "changes": [{"after": after, "change": change} for after, change in _changes(state)],
        "whole": [{"after": after, "change": change} for after, change in _whole(state)],
    }
