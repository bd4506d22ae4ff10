"""What a module's source says of its kill-switch and of each method's first line, without running it."""

from __future__ import annotations

import pytest

from console.witness.kill_switch import assigned_values, first_calls

OFF = "__on__ = False\n"


@pytest.mark.parametrize(
    ("source", "values"),
    [
        (OFF, ("False",)),
        ("__on__: bool = False\n", ("False",)),
        ("x = 1\n", ()),
        ("__on__ = True\n", ("True",)),
        (OFF + "__on__ = bool(1)\n", ("False", "bool(1)")),
        (OFF + "def f():\n    global __on__\n", ("False", "something else (Global in line 3)")),
        (OFF + "globals()['__on__'] = 1\n", ("False", "something else (Constant in line 2)")),
        (OFF + "setattr(m, '__on__', 1)\n", ("False", "something else (Constant in line 2)")),
        (OFF + "from m import __on__\n", ("False", "something else (alias in line 2)")),
        (OFF + "import m as __on__\n", ("False", "something else (alias in line 2)")),
        (OFF + "from m import *\n", ("False", "something else (alias in line 2)")),
        (OFF + "m.__on__ = 1\n", ("False", "something else (Attribute in line 2)")),
        (OFF + "for __on__ in (1,): pass\n", ("False", "something else (For in line 2)")),
        (OFF + "(__on__ := 1)\n", ("False", "something else (NamedExpr in line 2)")),
        (OFF + "a, __on__ = 1, 2\n", ("False", "something else (Tuple in line 2)")),
        (OFF + "del __on__\n", ("False", "something else (Delete in line 2)")),
    ],
)
def test_every_way_to_set_the_switch_is_told(source: str, values: tuple[str, ...]) -> None:
    """A way to bind the name is overlooked, or a plain reading counts as one."""
    assert assigned_values(source + "if not __on__:\n    pass\n", "__on__") == values


@pytest.mark.parametrize(
    ("body", "called"),
    [
        ("self.guard('m')", "guard"),
        ("'''Docs.'''\n        self.guard('m')", "guard"),
        ("x = 1\n        self.guard('m')", ""),
        ("x = self.guard('m')", ""),
        ("guard(self)", ""),
        ("other.guard('m')", ""),
        ("if True:\n            self.guard('m')", ""),
        ("pass", ""),
    ],
)
def test_only_the_first_line_counts(body: str, called: str) -> None:
    """A guard that is not the first statement, or not the adapter's own, is taken for one."""
    source = f"class Adapter:\n    def m(self):\n        {body}\n"
    assert first_calls(source, "Adapter", ("m", "absent")) == {"m": called}


def test_a_second_definition_or_a_decorator_counts_as_none() -> None:
    """A method that is defined again, or wrapped, is taken by its first words."""
    guarded = "    def m(self):\n        self.guard()\n"
    assert first_calls(f"class A:\n{guarded}{guarded}", "A", ("m",)) == {"m": ""}
    assert first_calls(f"class A:\n    @wrapped\n{guarded}", "A", ("m",)) == {"m": ""}
    assert first_calls(f"class B:\n{guarded}", "A", ("m",)) == {}
