"""What a text does to its transaction by the grammar, and what a logged text may hide."""

from __future__ import annotations

import pytest

from console.witness.control import MOST_READINGS, OTHER, Control, controls, other_readings

SERIALIZABLE = "serializable"

DEEDS: dict[str, tuple[Control, ...]] = {
    "begin": (Control(deed="begin"),),
    "START TRANSACTION ISOLATION  LEVEL SERIALIZABLE, READ ONLY": (
        Control(deed="begin", level=SERIALIZABLE),
    ),
    "END": (Control(deed="commit"),),
    "commit and chain": (Control(deed="commit", chain=True),),
    "ABORT": (Control(deed="rollback"),),
    "rollback to a": (Control(deed="rollback_to"),),
    "SAVEPOINT a": (Control(deed="savepoint"),),
    "RELEASE a": (Control(deed="savepoint"),),
    "PREPARE TRANSACTION 'x'": (Control(deed="prepare"),),
    "COMMIT PREPARED 'x'": (OTHER,),
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE": (Control(deed="isolation", level=SERIALIZABLE),),
    "SET transaction_isolation TO 'Serializable'": (Control(deed="isolation", level=SERIALIZABLE),),
    "SET TRANSACTION READ ONLY": (OTHER,),
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE": (
        Control(deed="default", level=SERIALIZABLE),
    ),
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": (OTHER,),
    "SET LOCAL default_transaction_isolation = serializable": (
        Control(deed="default", level=SERIALIZABLE, local=True),
    ),
    "SET default_transaction_isolation TO DEFAULT": (Control(deed="reset"),),
    "RESET default_transaction_isolation": (Control(deed="reset"),),
    "RESET ALL": (Control(deed="reset"),),
    "DISCARD ALL": (Control(deed="reset"),),
    "DISCARD PLANS": (OTHER,),
    "RESET search_path": (OTHER,),
    "SELECT 'COMMIT' -- ROLLBACK": (OTHER,),
    "BEGIN; SELECT 1; COMMIT": (Control(deed="begin"), OTHER, Control(deed="commit")),
    "SELEC 1": (OTHER,),
    "": (),
    " ; -- nothing": (),
}


@pytest.mark.parametrize("sql", DEEDS)
def test_controls(sql: str) -> None:
    """Each statement of a string does exactly this to its transaction."""
    assert controls(sql) == DEEDS[sql]


@pytest.mark.parametrize(
    ("sql", "others"),
    [
        ("SELECT 1 --: DELETE FROM ledger", ("DELETE FROM ledger",)),
        ("a: b: DELETE FROM ledger", ("DELETE FROM ledger",)),
        ("INSERT INTO t VALUES ('{\"a\": 1}')", ()),
        ("SELECT $1::text", ()),
        ("SELECT 1 -- note: ", ()),
    ],
)
def test_other_readings(sql: str, others: tuple[str, ...]) -> None:
    """A prepared statement's name that imitates a text cannot hide the text that was executed."""
    assert other_readings(sql) == others


def test_too_many_readings_are_one_that_nothing_parses() -> None:
    """A text with countless places where a name could end is doubted as a whole."""
    assert other_readings("a: " * MOST_READINGS) == ()
    (doubted,) = other_readings("a: " * (MOST_READINGS + 1))
    assert controls(doubted) == (OTHER,)
