"""What a plan file says about taking only a part of the source, and about masks: problems, words, claims.

Pure: looks at values only. What a table or a column really is, C-03 asks the source.
"""

from __future__ import annotations

from collections.abc import Iterator

from console.model.catalogue import Inventory, pack_name
from console.model.config import MaskConfig, RunConfig, SampleConfig
from console.model.problem import Problem
from console.model.text import one_line

_SECTIONS = ("sample", "mask")
_TABLE = "a table by its whole name, schema.table"
_COLUMN = "a column by its whole name, schema.table.column"


def split_column(name: str) -> tuple[str, str]:
    """Return "schema.table" and the column of a masked column's whole name."""
    table, _dot, column = name.rpartition(".")
    return table, column


def sampling_words(config: RunConfig) -> str:
    """Return what a title adds for a copy that is not the whole source, "" for a whole one."""
    if config.takes_all:
        return ""
    words = ["a SAMPLE of the source"] if config.sample != SampleConfig() else []
    words += ["with MASKED columns"] if config.mask.columns else []
    return f", {' '.join(words)}"


def sampling_claims(config: RunConfig) -> list[str]:
    """Return what the evidence of a copy that is not the whole source does not show."""
    if config.takes_all:
        return []
    claims = [
        "large objects and the rows of extensions' own tables were not taken; rows of materialized views are made from "
        "what was taken and were not compared",
    ]
    if config.sample != SampleConfig():
        claims.append(
            "the copy is a sample: a PASS says nothing about rows that were not taken, nor about how the code behaves "
            "on production's number of rows"
        )
    if config.mask.columns:
        claims.append(
            "masked columns hold fakes, so nothing is said about code that depends on their real values; equal values "
            "have equal fakes, so how often a value occurs can still be read; what other columns tell is not masked"
        )
    return claims


def sampling_problems(config: RunConfig) -> Iterator[Problem]:
    """Yield every problem of [sample] and [mask] that needs neither pack nor source."""
    asked = [name for name in _SECTIONS if getattr(config, name) != getattr(RunConfig(), name)]
    for section in asked:
        if config.source.kind == "dump_file":
            yield _problem(
                section, "", "a dump file is restored as it is: nothing can be left out of it or masked in it",
                "a source of kind connection, container or demo", f"remove [{section}], or take the copy from a server",
                rests_on=("source.kind",),
            )  # fmt: skip
        if config.plan == "proof":
            yield _problem(
                section, "", "the proof copies nothing", f"[{section}] only where a copy is made",
                f"remove [{section}]", rests_on=("plan",),
            )  # fmt: skip
    yield from _of_sample(config.sample)
    yield from _of_mask(config.mask)


def _of_sample(sample: SampleConfig) -> Iterator[Problem]:
    for key, names in (("tables", sample.tables), ("where", tuple(sample.where))):
        for name in names:
            if not _is_whole(name, 2):
                yield _problem(
                    "sample", key, f"{_said(name)} is no whole name of a table", _TABLE,
                    'write "public.NAME": exact, without quotes and wildcards', item=name if key == "where" else "",
                )  # fmt: skip
    for name in sample.tables:
        if name in sample.where:
            yield _problem(
                "sample", "tables", f"{_said(name)} is taken whole and by an expression", "one of both",
                "remove it from tables or from where",
            )  # fmt: skip
    if sample.where:
        from console.witness.where_text import where_refusal  # the grammar is loaded where it is needed
    for name, text in sample.where.items():
        if why := where_refusal(text):
            yield _problem(
                "sample", "where", f"the expression for {_said(name)} is refused: {why}",
                "one expression of PostgreSQL's own functions and operators, as after WHERE",
                "write it so that it only reads; tables in it by their whole names", item=name,
            )  # fmt: skip


def _of_mask(mask: MaskConfig) -> Iterator[Problem]:
    for name in mask.columns:
        if not _is_whole(name, 3):
            yield _problem(
                "mask", "columns", f"{_said(name)} is no whole name of a column", _COLUMN,
                'write "public.TABLE.COLUMN" = "fake", quotes around the whole name', item=name,
            )  # fmt: skip
    for name in mask.keys:
        if name not in mask.columns:
            yield _problem(
                "mask", "keys", f"{_said(name)} is no masked column", "a column that stands under [mask] columns",
                "remove it, or mask it",
            )  # fmt: skip
    if mask.secret and not mask.columns:
        yield _problem(
            "mask", "secret", "there is a key and nothing to mask", "columns beside it",
            "name columns under [mask.columns], or remove secret", rests_on=("mask.columns",),
        )  # fmt: skip


def inventory_problems(config: RunConfig, inventory: Inventory, schema: str) -> Iterator[Problem]:
    """Yield what the pack's frozen inventory already tells about masked columns; of other tables it knows nothing."""
    if not config.mask.columns:
        return
    from console.witness.masks import TYPES, mask_refusal  # brings the driver

    for name, sort in config.mask.columns.items():
        table, column = split_column(name)
        own, _dot, bare = table.partition(".")
        frozen = inventory.tables.get(pack_name(schema, own, bare))
        if frozen is None or not _is_whole(name, 3):
            continue
        found = next((one for one in frozen.columns if one.name == column), None)
        if found is None:
            yield _problem(
                "mask", "columns", f"the table {_said(table)} has no column {_said(column)}",
                f"one of {', '.join(one.name for one in frozen.columns)}", "mend the name", item=name,
            )  # fmt: skip
        elif found.generated:
            yield _problem(
                "mask", "columns", f"{_said(name)} is a generated column", "a column that holds a value of its own",
                "mask the columns that it is generated from", item=name,
            )  # fmt: skip
        elif why := mask_refusal(found.type, sort):
            yield _problem(
                "mask", "columns", f"{_said(name)} cannot be masked: {why}", f"a column of the types {TYPES}",
                "leave the table's rows out, or take another sort of fake", item=name,
            )  # fmt: skip
        elif name not in config.mask.keys and any(_in_key(key, column) for key in frozen.keys):
            yield _problem(
                "mask", "columns", f"{_said(name)} is in a key, and [mask] keys does not name it",
                "keys that are masked on purpose", f"add {_said(name)} to keys; a foreign key's other end, too",
                item=name, rests_on=("mask.keys",),
            )  # fmt: skip


def _in_key(definition: str, column: str) -> bool:
    """Tell whether PostgreSQL's own definition of a key names the column among its own."""
    _name, _open, rest = definition.partition(" (" if definition.startswith("(") else "(")
    names = rest.partition(")")[0]
    return column in [name.strip().strip('"') for name in names.split(",")]


def _is_whole(name: str, parts: int) -> bool:
    return name.count(".") >= parts - 1 and all(name.split(".")) and name.isprintable() and "*" not in name


def _said(text: str) -> str:
    return repr(one_line(text, limit_chars=60))


def _problem(
    section: str,
    key: str,
    what: str,
    expected: str,
    remedy: str,
    *,
    item: str = "",
    rests_on: tuple[str, ...] = (),
) -> Problem:
    return Problem(
        section=section, key=key, what=what, expected=expected, remedy=remedy, item=item, rests_on=rests_on
    )
