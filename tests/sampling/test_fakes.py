"""Fakes by themselves, on real servers: a permutation of whole numbers, HMAC as Python has it, odd values of types."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql
from shop import DATABASE, Shop

from console.sql import prepare, send
from console.witness.masks import TYPES, Mask, fakes_of, mask_keys, mask_refusal, session_options

SECRET = "a-key-of-the-tests"


@pytest.fixture
def keyed(shop: Shop) -> Iterator[Any]:
    """A session of production's superuser that was started with the keys of one secret."""
    options = session_options(mask_keys(SECRET))
    with shop.cluster.connect(password=shop.password, database=DATABASE, options=options) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def fakes(keyed: Any, type_name: str, values: str, sort: str = "fake") -> list[tuple[Any, Any]]:
    """Return pairs of value and fake of one type; `values` is a SELECT of a column v."""
    mask = Mask(column="v", type=type_name, sort=sort)
    assert mask_refusal(type_name, sort) == ""
    parts = {
        "taken_rows": sql.SQL(values),
        "fake_rows": fakes_of({"v": mask}),
        "columns": sql.SQL("taken.v, fake.v"),
    }
    query = prepare("sample/copy_masked", parts).query.as_string(keyed)
    inner = query.removeprefix("COPY (").removesuffix(") TO STDOUT")
    return list(keyed.execute(inner.encode()).fetchall())


def test_whole_numbers_are_permuted(keyed: Any) -> None:
    """Two smallints of all that there are have one fake, one has itself, or the sign is lost."""
    pairs = fakes(keyed, "smallint", "SELECT n::smallint AS v FROM generate_series(-32768, 32767) AS n")
    assert len(pairs) == len({fake for _value, fake in pairs}) == 65536
    assert [value for value, fake in pairs if value == fake] == []
    assert [value for value, fake in pairs if (value < 0) != (fake < 0)] == []


@pytest.mark.parametrize(("type_name", "bits"), [("integer", 31), ("bigint", 63)])
def test_the_ends_of_whole_numbers(keyed: Any, type_name: str, bits: int) -> None:
    """A number at an end of its type is out of range, or keeps its value."""
    ends = (0, 1, -1, 2**bits - 1, 2**bits - 2, -(2**bits), -(2**bits) + 1)
    values = " UNION ALL ".join(f"SELECT ('{end}')::{type_name} AS v" for end in ends)
    pairs = fakes(keyed, type_name, values)
    assert len({fake for _value, fake in pairs}) == len(ends)
    assert all(value != fake and (value < 0) == (fake < 0) for value, fake in pairs)


def test_a_text_is_the_hmac_of_python(keyed: Any) -> None:
    """The server's HMAC is not RFC 2104's over the value's UTF-8 by the key that scrypt makes of the secret."""
    key = hashlib.scrypt(SECRET.encode(), salt=b"drydock mask 1", n=1 << 14, r=8, p=1, dklen=32)
    digest = hmac.digest(key, "Điều 44".encode(), "sha256").hex()
    letters = digest.translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))[:24]
    assert fakes(keyed, "text", "SELECT 'Điều 44'::text AS v") == [("Điều 44", letters)]
    address = [("Điều 44", f"{letters}@example.invalid")]
    assert fakes(keyed, "text", "SELECT 'Điều 44'::text AS v", "email") == address


@pytest.mark.parametrize(
    ("type_name", "values"),
    [
        ("numeric", "('NaN'), ('Infinity'), ('-Infinity'), ('0'), ('-0.5'), ('1e100')"),
        ("numeric(3,0)", "('999'), ('-999'), ('0')"),
        ("numeric(2,4)", "('0.0099'), ('-0.0001')"),
        ("numeric(3,-2)", "('99900'), ('-100')"),
        ("numeric(40,20)", "('1.5'), ('99999999999999999999.9')"),
        ("real", "('NaN'), ('1e38'), ('-0.5'), ('0')"),
        ("double precision", "('NaN'), ('Infinity'), ('1e300'), ('-0.5')"),
        ("date", "('infinity'), ('-infinity'), ('0044-03-15 BC'), ('1970-01-01')"),
        ("timestamp(0) without time zone", "('infinity'), ('-infinity'), ('4713-01-01 BC')"),
        ("timestamp with time zone", "('infinity'), ('2001-02-03 04:05:06+07')"),
        ("character(1)", "('a'), ('b'), ('c'), (' '), ('é')"),
        ("character varying(2)", "('a'), (''), ('zz')"),
        ("bytea", "(''), ('\\x00')"),
        ("inet", "('0.0.0.0'), ('::'), ('10.0.0.1/8'), ('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')"),
        ("cidr", "('0.0.0.0/0'), ('2001:db8::/32')"),
        ("json", "('null'), ('{}'), ('[1, 2]')"),
        ("jsonb", "('null'), ('{}')"),
        ("boolean", "('true'), ('false')"),
        ("uuid", "('00000000-0000-0000-0000-000000000000')"),
    ],
)  # fmt: skip
def test_odd_values_have_fakes(keyed: Any, type_name: str, values: str) -> None:
    """A value at the limits of its type has no fake, or is its own."""
    check = Mask(column="v", type=type_name, sort="fake")
    taken = f"SELECT v::{type_name} AS v FROM (VALUES {values}, (NULL)) AS given (v)"
    parts = {"column": sql.Identifier("v"), "taken_rows": sql.SQL(taken), "fake_rows": fakes_of({"v": check})}
    [(there, unchanged, digest)] = send(keyed, prepare(check.check, parts))
    assert (there, unchanged, digest.isdecimal()) == (values.count("("), 0, True)


def test_types_without_a_fake_are_refused() -> None:
    """A type that nobody wrote a fake for is taken, or one is refused."""
    for name in TYPES.split(", "):
        whole = {
            "varchar": "character varying(9)",
            "char": "character(9)",
            "timestamp": "timestamp with time zone",
        }
        assert mask_refusal(whole.get(name, name), "fake") == "", name
    for name in (
        "text[]",
        "public.citext",
        "interval",
        "mood",
        'public."integer"',
        "integer; DROP TABLE x",
        "numeric(",
        "",
    ):
        assert mask_refusal(name, "fake") == f"there is no fake for the type {name}"
    assert mask_refusal("uuid", "email") == "an address does not fit into uuid"
    assert mask_refusal("character varying(23)", "email").startswith("character varying(23) is too short")
    assert mask_refusal("character varying(24)", "email") == ""


def test_one_secret_makes_one_key_and_none_makes_another_each_time() -> None:
    """A stored key depends on something else than the secret, or a run's own key is not its own."""
    assert mask_keys(SECRET) == mask_keys(SECRET)
    assert mask_keys(SECRET) != mask_keys(SECRET + "x")
    assert mask_keys("") != mask_keys("")
    assert {len(value) for value in mask_keys("").values()} == {64, 128}
    assert SECRET not in session_options(mask_keys(SECRET))
