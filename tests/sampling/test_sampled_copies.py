"""Copies that are not the whole source, by the engine's own steps on real servers: what comes, and what never does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from shop import DATABASE, MARK, Shop, evidence, judged

from console.engine import copying
from console.engine.sampled import Sampling
from console.errors import StepFailed
from console.model.config import MaskConfig, RunConfig, SampleConfig
from console.model.verdict import GateVerdict
from console.sql import prepare
from console.witness.masks import Mask

ORDERS = 'shop."Odd ""order"".x"'
ORDERS_NAME = 'shop.Odd "order".x'
EVERY_TYPE = (
    "name", "short", "fixed", "tiny", "big", "price", "free", "born", "seen", "local", "token", "active", "photo",
    "home", "net", "extra", "more", "ratio", "rough",
)  # fmt: skip
COLUMNS: dict[str, Any] = {
    **{f"shop.customer.{column}": "fake" for column in EVERY_TYPE}, "shop.customer.id": "fake",
    "shop.customer.email": "email", f"{ORDERS_NAME}.customer": "fake", f"{ORDERS_NAME}.email": "email",
    "shop.parted.secret": "fake",
}  # fmt: skip
KEYS = ("shop.customer.id", "shop.customer.email", f"{ORDERS_NAME}.customer", f"{ORDERS_NAME}.email")
MASKED = RunConfig(mask=MaskConfig(columns=COLUMNS, keys=KEYS))
PASS = (GateVerdict.PASS, "")


def sampled(**words: Any) -> RunConfig:
    """Return a configuration that takes a part of the rows."""
    return RunConfig(sample=SampleConfig(**words))


def verdict(run: Any, gate: str) -> tuple[GateVerdict, str]:
    """Return one gate's verdict and sentence over what was recorded."""
    found = judged(run, gate)
    return found.verdict, found.reason


def counts(shop: Shop) -> dict[str, int]:
    """Return the copy's rows."""
    tables = (
        "public.country",
        "shop.customer",
        ORDERS,
        "shop.item",
        "shop.parted",
        "ONLY shop.tree",
        "shop.per_country",
    )
    return {name: shop.rows(f"SELECT count(*) FROM {name}")[0][0] for name in tables}


def test_no_masked_value_leaves_production(shop: Shop) -> None:
    """An original stands in the dump, in what was taken beside it, in what was recorded, in the copy or in its log."""
    shop.execute("ANALYZE")
    with shop.rehearsed(MASKED) as run:
        assert [verdict(run, gate) for gate in ("G-26", "G-08", "G-05")] == [PASS] * 3
        left = run.fetched + evidence(run) + shop.environment.cluster.server_log.read_bytes()
        assert left.count(MARK.encode()) == left.count(MARK.encode().hex().encode()) == 0
        for table in ("shop.customer", ORDERS, "shop.parted", "shop.per_country"):
            assert shop.rows(f"SELECT count(*) FROM {table} AS t WHERE t::text ~* '{MARK}'") == [(0,)]
        with shop.copy() as connection:
            [(found,)] = connection.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchall()
        assert found == 0
        assert len(left) > 100_000
    with shop.connect() as connection:
        [(there,)] = connection.execute(
            "SELECT count(*) FROM shop.customer AS t WHERE t::text ~ %s", [MARK]
        ).fetchall()
    assert there == 203


def test_no_value_is_what_it_was_and_null_stays_null(shop: Shop) -> None:
    """A masked value of some type is the original, a null has become a value, or a value a null."""
    with shop.connect() as connection:
        names = ", ".join(EVERY_TYPE)
        originals = connection.execute(f"SELECT {names} FROM shop.customer".encode()).fetchall()
    with shop.rehearsed(MASKED) as run:
        fakes = shop.rows(f"SELECT {', '.join(EVERY_TYPE)} FROM shop.customer")
        facts = run.recorder.facts["sample.sent"]["sent"]["shop.customer"]["masked"]
        assert {one["unchanged"] for one in facts.values()} == {0}
        generated = shop.rows("SELECT count(*) FROM shop.customer WHERE shouted IS DISTINCT FROM upper(name)")
    for place, column in enumerate(EVERY_TYPE):
        before, after = [str(row[place]) for row in originals], [str(row[place]) for row in fakes]
        assert before.count("None") == after.count("None") == 3, column
        if column not in ("tiny", "short", "active", "born", "rough"):  # few values: another row's may be hit
            assert set(before) & set(after) == {"None"}, column
    assert {row[EVERY_TYPE.index("active")] for row in fakes} == {False, None}
    assert generated == [(0,)]


def test_equal_values_have_equal_fakes_and_numbers_stay_unique(shop: Shop) -> None:
    """A join over a masked key finds other rows than at the source, two numbers fall together, or a sign is lost."""
    joined = f"SELECT count(*) FROM {ORDERS} AS o JOIN shop.customer AS c ON c.id = o.customer AND c.email = o.email"
    with shop.connect() as connection:
        expected = connection.execute(joined.encode()).fetchall()
        negative = "SELECT count(*) FROM shop.customer WHERE id < 0"
        below = connection.execute(negative.encode()).fetchall()
    with shop.rehearsed(MASKED):
        assert shop.rows(joined) == expected
        assert shop.rows("SELECT count(DISTINCT id), count(DISTINCT big) FROM shop.customer") == [(203, 200)]
        assert shop.rows(negative) == below
        assert shop.rows(
            "SELECT count(*) FROM shop.customer WHERE email ~ '^[a-p]{24}@example[.]invalid$'"
        ) == [(203,)]


def test_a_stored_key_makes_the_same_fakes_again(shop: Shop) -> None:
    """Two runs with one stored key differ, two with keys of their own do not, or the key shows in a server's log."""
    key = shop.folder / "mask.key"
    key.touch(mode=0o600)
    key.write_text("a-key-for-the-tests-alone\n")
    found = []
    for secret in (f"file:{key}", f"file:{key}", "", ""):
        config = RunConfig(mask=MaskConfig(columns=COLUMNS, keys=KEYS, secret=secret))
        with shop.rehearsed(config) as run:
            found.append(str(shop.rows("SELECT min(name), min(id), min(email) FROM shop.customer")))
            keys = [shop.registry.value(name) for name in ("mask_inner", "mask_outer", "mask_round")]
            assert not any(one.encode() in run.fetched + evidence(run) for one in keys)
        log = shop.cluster.server_log.read_text("utf-8", "replace")
        assert "COPY (SELECT" in log
        assert "drydock.mask_inner" in log
        assert not any(one in log for one in [*keys, "a-key-for-the-tests-alone"])
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_schema_only(shop: Shop) -> None:
    """A row comes over, a sequence does not, or the gates do not count with none."""
    with shop.rehearsed(sampled(rows="none")) as run:
        assert set(counts(shop).values()) == {0}
        assert shop.rows("SELECT last_value FROM shop.numbers") == [(41,)]
        assert [verdict(run, "G-26"), verdict(run, "G-08")] == [PASS, PASS]
        assert MARK.encode() not in run.fetched + evidence(run)


def test_named_tables_whole_and_no_other(shop: Shop) -> None:
    """A table that is named is not whole, or another one has a row; a partitioned one is all its partitions."""
    config = sampled(rows="none", tables=("public.country", "shop.parted"))
    with shop.rehearsed(config) as run:
        found = counts(shop)
        assert {name: rows for name, rows in found.items() if rows} == {
            "public.country": 10,
            "shop.parted": 50,
        }
        assert [verdict(run, "G-26"), verdict(run, "G-08")] == [PASS, PASS]
        assert run.recorder.facts["sample.sent"]["dumped"] == [
            "public.country",
            "shop.parted_a",
            "shop.parted_b",
        ]


def test_rows_by_where_with_orphans_are_an_honest_stop(shop: Shop) -> None:
    """Rows without parents are psql's errors later, or the sentence does not say which key, how many and what to do."""
    config = sampled(where={"shop.customer": "id BETWEEN 1 AND 20"})
    with pytest.raises(StepFailed) as stopped, shop.rehearsed(config):
        pytest.fail("the copy was made")
    with shop.connect() as connection:
        query = f"SELECT count(*) FROM {ORDERS} WHERE customer NOT BETWEEN 1 AND 20"
        [(orphans,)] = connection.execute(query.encode()).fetchall()
    assert orphans > 500
    key = 'Odd "order".x_customer_fkey'
    assert f"{orphans} rows of {ORDERS_NAME} (foreign key {key})" in stopped.value.reason
    assert "set [sample] follow = true" in stopped.value.reason
    assert (stopped.value.cause, stopped.value.gate) == ("source", "G-26")


@pytest.mark.parametrize("large_bytes", [1, copying.LARGE_DUMP_BYTES], ids=["in parts", "at once"])
def test_follow_takes_the_children_of_what_is_taken(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, large_bytes: int
) -> None:
    """With follow a child without its parent is taken, one with it is left, or the restore meets an error."""
    monkeypatch.setattr(copying, "LARGE_DUMP_BYTES", large_bytes)
    config = sampled(where={"shop.customer": "id BETWEEN 1 AND 20 AND country <> 'CC'"}, follow=True)
    with shop.rehearsed(config) as run:
        found = counts(shop)
        assert [verdict(run, "G-26"), verdict(run, "G-08")] == [PASS, PASS]
    with shop.connect() as connection:
        orders = (
            f"FROM {ORDERS} AS o JOIN shop.customer AS c ON c.id = o.customer"
            " AND c.id BETWEEN 1 AND 20 AND c.country <> 'CC'"
        )
        [(wanted,)] = connection.execute(f"SELECT count(*) {orders}".encode()).fetchall()
    assert (found[ORDERS], found["shop.item"], found["ONLY shop.tree"]) == (wanted, 2 * wanted, 31)
    modes = {name: one["mode"] for name, one in run.recorder.facts["sample.planned"]["tables"].items()}
    assert (modes[ORDERS_NAME], modes["shop.item"], modes["shop.tree"]) == ("followed", "followed", "whole")


def test_a_partitioned_parent_is_all_its_partitions(shop: Shop) -> None:
    """A key to a partitioned table is looked for in one partition, or one with a null in it is held to be an orphan."""
    where = {"shop.parted": "id <= 10"}
    words = r"40 rows of shop\.part_note \(foreign key part_note_id_kind_fkey\)"
    with pytest.raises(StepFailed, match=words), shop.rehearsed(sampled(where=where)):
        pytest.fail("the copy was made")
    with shop.rehearsed(sampled(where=where, follow=True)) as run:
        assert shop.rows("SELECT count(*), count(*) FILTER (WHERE kind = 'b') FROM shop.parted") == [(10, 5)]
        assert shop.rows("SELECT count(*) FROM shop.part_note") == [(12,)]
        assert [verdict(run, "G-26"), verdict(run, "G-08")] == [PASS, PASS]
        assert len(run.recorder.facts["sample.sent"]["orphans"]) == 1


def test_foreign_keys_in_a_circle_are_not_followed(shop: Shop) -> None:
    """Tables that refer to each other make the engine go round for ever, or are taken with orphans."""
    shop.execute(
        "CREATE TABLE shop.egg (id integer PRIMARY KEY, hen integer)",
        "CREATE TABLE shop.hen (id integer PRIMARY KEY, egg integer REFERENCES shop.egg (id))",
        "ALTER TABLE shop.egg ADD FOREIGN KEY (hen) REFERENCES shop.hen (id)",
        "INSERT INTO shop.egg VALUES (1, NULL), (2, NULL)", "INSERT INTO shop.hen VALUES (1, 1), (2, 2)",
        "UPDATE shop.egg SET hen = id",
    )  # fmt: skip
    try:
        with (
            pytest.raises(StepFailed) as stopped,
            shop.rehearsed(sampled(where={"shop.egg": "id = 1"}, follow=True)),
        ):
            pytest.fail("the copy was made")
        where = {"shop.egg": "id = 1", "shop.hen": "id = 1"}
        with shop.rehearsed(sampled(where=where)) as run:
            assert [verdict(run, "G-26"), verdict(run, "G-08")] == [PASS, PASS]
    finally:
        shop.execute("DROP TABLE shop.egg, shop.hen CASCADE")
    assert stopped.value.reason.startswith("follow cannot follow foreign keys in a circle, from shop.")
    assert stopped.value.reason.endswith(": leave follow out and write a where for each")


def test_a_key_to_its_own_table_is_looked_at_too(shop: Shop) -> None:
    """Rows of a table that refer to rows of the same one that are not taken come as errors of the restore."""
    config = sampled(where={"shop.tree": "id > 15"}, follow=True)
    with (
        pytest.raises(StepFailed, match=r"16 rows of shop\.tree \(foreign key tree_above_fkey\)"),
        shop.rehearsed(config),
    ):
        pytest.fail("the copy was made")
    with shop.rehearsed(sampled(where={"shop.tree": "id < 16"})) as run:
        assert counts(shop)["ONLY shop.tree"] == 15
        assert [verdict(run, "G-26"), verdict(run, "G-08")] == [PASS, PASS]
        assert run.recorder.facts["manifest.source"]["rows"]["shop.tree"] == 16  # with its heir's row


def test_where_and_masks_together(shop: Shop) -> None:
    """A row that is taken by an expression and masked is lost, or comes as it is."""
    config = RunConfig(
        sample=SampleConfig(rows="none", tables=("public.country",), where={"shop.customer": f"name ~ '^{MARK} 1'"}),
        mask=MaskConfig(columns={"shop.customer.name": "fake", "shop.customer.email": "email"}, keys=KEYS[1:2]),
    )  # fmt: skip
    with pytest.raises(StepFailed, match="are not masked alike"), shop.rehearsed(config):
        pytest.fail("the copy was made")
    config = RunConfig(sample=config.sample, mask=MaskConfig(columns={"shop.customer.name": "fake"}))
    with shop.rehearsed(config) as run:
        assert shop.rows(f"SELECT count(*), count(*) FILTER (WHERE name ~ '{MARK}') FROM shop.customer") == [
            (111, 0)
        ]
        assert verdict(run, "G-26") == PASS


WRONG: list[tuple[RunConfig, str]] = [
    (
        sampled(tables=("shop.nowhere",)),
        "[sample] tables names shop.nowhere, and the source has no such table",
    ),
    (
        sampled(where={"shop.nowhere": "true"}),
        "[sample] where names shop.nowhere, and the source has no such table",
    ),
    (sampled(where={"shop.customer": "nothing = 1"}), 'SQLSTATE 42703): column "nothing" does not exist'),
    (RunConfig(mask=MaskConfig(columns={"shop.customer.x": "fake"})), "the source has no such column"),
    (RunConfig(mask=MaskConfig(columns={"shop.customer.shouted": "fake"})), "is a generated column"),
    (
        RunConfig(mask=MaskConfig(columns={"shop.customer.id": "fake"})),
        "is in a key, and [mask] keys does not name it",
    ),
    (
        RunConfig(mask=MaskConfig(columns={"shop.parted.kind": "fake"})),
        "is in the key of a partitioned table",
    ),
    (
        RunConfig(
            mask=MaskConfig(
                columns={"shop.tree.id": "fake", "shop.tree.above": "fake"},
                keys=("shop.tree.id", "shop.tree.above"),
            )
        ),
        "shop.former inherits from shop.tree, and its own column above is not masked",
    ),
    (RunConfig(mask=MaskConfig(columns={"shop.customer.short": "email"})), "is too short for an address"),
]


@pytest.mark.parametrize(("config", "words"), WRONG, ids=[words[:40] for _config, words in WRONG])
def test_what_the_source_does_not_have_is_one_sentence(shop: Shop, config: RunConfig, words: str) -> None:
    """A name that only the source can know to be wrong ends in another way than in one sentence."""
    with pytest.raises(StepFailed) as stopped, shop.rehearsed(config, until="C-03"):
        pytest.fail("the copy was made")
    assert words in stopped.value.reason
    assert stopped.value.cause == "source"


def test_an_error_of_an_expression_says_no_value(shop: Shop) -> None:
    """The server's words about a value that it could not read are repeated."""
    config = sampled(rows="none", where={"shop.customer": "name::integer > 0"})
    with pytest.raises(StepFailed) as stopped, shop.rehearsed(config, until="C-03"):
        pytest.fail("the copy was made")
    assert MARK not in stopped.value.reason
    assert stopped.value.reason == (
        "the look for rows of shop.customer without a parent: the source refuses (SQLSTATE 22P02)"
    )


@pytest.mark.parametrize(
    "where",
    ["name::regclass IS NOT NULL", "to_tsvector(name::regconfig, 'x') IS NOT NULL", "name::tsquery @@ 'x'"],
)
def test_a_value_that_is_taken_for_a_name_is_not_told(shop: Shop, where: str) -> None:
    """An original stands in the server's words about a relation, a role or a query that it is not."""
    with (
        pytest.raises(StepFailed) as stopped,
        shop.rehearsed(sampled(rows="none", where={"shop.customer": where})),
    ):
        pytest.fail("the copy was made")
    assert MARK not in stopped.value.reason and "SQLSTATE" in stopped.value.reason


def test_the_sources_settings_change_no_value_and_no_literal(shop: Shop) -> None:
    """Settings of production's database let code out of a literal, or the copy has other digits than production."""
    settings = ("standard_conforming_strings = off", "extra_float_digits = -5", "bytea_output = 'escape'")
    for one in settings:
        shop.execute(f"ALTER DATABASE {DATABASE} SET {one}")
    try:
        breaks_out = sampled(
            rows="none", where={"shop.customer": r"name = '\'' OR pg_try_advisory_lock(5) --'"}
        )
        with shop.rehearsed(breaks_out) as run:
            assert shop.rows("SELECT count(*) FROM shop.customer") == [(0,)]
            assert verdict(run, "G-26") == PASS
        with shop.rehearsed(MASKED) as run:
            assert verdict(run, "G-26") == PASS
    finally:
        for one in settings:
            shop.execute(f"ALTER DATABASE {DATABASE} RESET {one.partition(' ')[0]}")


def test_a_key_that_is_not_valid_ties_masks_together(shop: Shop) -> None:
    """The originals of a masked column come into the copy by a foreign key that nobody validated."""
    shop.execute("CREATE TABLE shop.later (email varchar(80) REFERENCES shop.customer (email))")
    shop.execute("ALTER TABLE shop.later DROP CONSTRAINT later_email_fkey")
    shop.execute("ALTER TABLE shop.later ADD FOREIGN KEY (email) REFERENCES shop.customer (email) NOT VALID")
    try:
        with pytest.raises(StepFailed, match="not masked alike"), shop.rehearsed(MASKED):
            pytest.fail("the copy was made")
    finally:
        shop.execute("DROP TABLE shop.later")


def test_a_fake_that_the_copy_refuses_is_one_sentence(shop: Shop) -> None:
    """A fake that breaks a CHECK is lost among psql's errors, or its row is shown."""
    shop.execute("ALTER TABLE shop.customer ADD CONSTRAINT corporate CHECK (email LIKE '%@corp.example')")
    try:
        with pytest.raises(StepFailed) as stopped, shop.rehearsed(MASKED):
            pytest.fail("the copy was made")
    finally:
        shop.execute("ALTER TABLE shop.customer DROP CONSTRAINT corporate")
    assert stopped.value.reason == (
        "what was taken of shop.customer: the copy refuses (SQLSTATE 23514): customer, corporate"
    )


def test_rows_are_loaded_with_the_owners_power(shop: Shop) -> None:
    """A function of production's that a CHECK calls runs in the copy as a superuser."""
    shop.execute(
        "CREATE ROLE only_here",
        "CREATE FUNCTION shop.is_weak(text) RETURNS boolean LANGUAGE sql AS $$ SELECT EXISTS (SELECT FROM pg_roles"
        " WHERE rolname = 'only_here') OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) $$",
        "ALTER TABLE shop.customer ADD CONSTRAINT weak CHECK (shop.is_weak(name))",
    )
    try:
        with shop.rehearsed(MASKED) as run:
            assert verdict(run, "G-26") == PASS
            assert (
                "is_weak"
                in shop.rows("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'weak'")[0][
                    0
                ]
            )
    finally:
        shop.execute("DROP FUNCTION shop.is_weak CASCADE", "DROP ROLE only_here")


@pytest.mark.parametrize(
    ("column", "left"), [("name", 200), ("id", 203), ("active", 100), ("extra", 200), ("price", 200)]
)
def test_a_mask_of_any_type_that_leaves_values_fails(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, column: str, left: int
) -> None:
    """A mask of one type that is none passes G-26; of a boolean the false ones say nothing either way."""
    monkeypatch.setattr(Mask, "fake", _as_it_is)
    config = RunConfig(
        mask=MaskConfig(columns={f"shop.customer.{column}": "fake"}, keys=(f"shop.customer.{column}",))
    )
    if column == "id":
        other = f"{ORDERS_NAME}.customer"
        config = RunConfig(
            mask=MaskConfig(
                columns={"shop.customer.id": "fake", other: "fake"}, keys=("shop.customer.id", other)
            )
        )
    with shop.rehearsed(config) as run:
        found, sentence = verdict(run, "G-26")
    assert found == GateVerdict.FAIL
    assert f"table shop.customer: the mask left {left} values of column {column} as they were" in sentence


def _as_it_is(mask: Mask) -> sql.Composed:
    return prepare("mask/row", {"fakes": sql.Identifier("taken", mask.column)}).query


def test_a_mask_that_leaves_values_as_they_are_fails(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask that is none passes G-26."""
    monkeypatch.setattr(Mask, "fake", _as_it_is)
    with shop.rehearsed(RunConfig(mask=MaskConfig(columns={"shop.customer.name": "fake"}))) as run:
        assert verdict(run, "G-26") == (
            GateVerdict.FAIL, "table shop.customer: the mask left 200 values of column name as they were"
        )  # fmt: skip


def _unmasked_rows(run: Any, shop: Shop) -> None:
    with shop.connect() as theirs, shop.copy() as connection:
        rows = theirs.execute("SELECT id, name FROM shop.customer").fetchall()
        connection.cursor().executemany(
            "UPDATE shop.customer SET name = %s WHERE id = %s", [(b, a) for a, b in rows]
        )


def _another_file(run: Any, _shop: Shop) -> None:
    path = run.sampling.files["shop.customer"]
    path.write_bytes(path.read_bytes().replace(b"9", b"8"))


TAMPERED: list[tuple[str, Callable[[Any, Shop], None], str]] = [
    (
        "look_at_loaded",
        _unmasked_rows,
        "column name does not hold in the copy what the source's server made of it",
    ),
    ("load_sample", _another_file, "what was loaded has sha256"),
]


@pytest.mark.parametrize(("before", "act", "words"), TAMPERED, ids=["the copy", "the file"])
def test_what_was_not_made_by_the_source_fails(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, before: str, act: Callable[[Any, Shop], None], words: str
) -> None:
    """Originals that come into the copy on another way, or bytes that the source did not send, pass G-26."""
    real = getattr(copying, before)

    def tampered(run: Any, *given: Any) -> Any:
        act(run, shop)
        return real(run, *given)

    monkeypatch.setattr(copying, before, tampered)
    with shop.rehearsed(RunConfig(mask=MaskConfig(columns={"shop.customer.name": "fake"}))) as run:
        found, sentence = verdict(run, "G-26")
    assert (found, words in sentence) == (GateVerdict.FAIL, True), sentence


def test_a_dump_that_leaves_nothing_out_fails(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pg_dump that reads a masked table all the same passes G-26."""
    monkeypatch.setattr(Sampling, "leave_out", ())
    with shop.rehearsed(RunConfig(mask=MaskConfig(columns={"shop.customer.name": "fake"}))) as run:
        found, sentence = verdict(run, "G-26")
    assert found == GateVerdict.FAIL
    assert "in pg_dump's archive, table shop.customer is not expected" in sentence
    assert "large objects, which nobody looks into" in sentence


def test_before_the_copy_was_looked_at_nothing_passes(shop: Shop) -> None:
    """A gate holds over what was sent alone."""
    with shop.rehearsed(MASKED, until="C-03") as run:
        assert verdict(run, "G-26") == (GateVerdict.UNKNOWN, "the fact sample.loaded was never recorded")
        assert [path for path in run.sampling.files.values() if path not in run.recorder.files] == []
        assert len(run.sampling.files) == 4
        assert {Path(path).stat().st_mode & 0o777 for path in run.sampling.files.values()} == {0o600}
