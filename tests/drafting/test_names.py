"""Names of tables across schemas, and the order in which roles can be made."""

from __future__ import annotations

import pytest

from console.model.catalogue import Column as OneColumn
from console.model.catalogue import Grant, Privileges, Role, Table, pack_name, split_name, whole_name
from console.witness.privilege_matrix import Cell, groups_first, ungranted_cells


@pytest.mark.parametrize(
    ("owner", "table", "name"),
    [
        ("app", "a", "a"),
        ("audit", "log", "audit.log"),
        ("app", "x.y", "app.x.y"),
        ("audit", "x.y", "audit.x.y"),
    ],
)
def test_a_packs_name_leads_back_to_the_table(owner: str, table: str, name: str) -> None:
    """Two tables have one name in a pack, or a name leads to another table."""
    assert pack_name("app", owner, table) == name
    assert split_name("app", name) == (owner, table)
    assert whole_name("app", name) == f"{owner}.{table}"


def test_a_group_is_made_before_its_members() -> None:
    """A member is made while a group that it is in does not exist yet."""
    roles = {
        "a": Role(login=True, member_of=("m", "pg_read_all_data")),
        "m": Role(login=False, member_of=("z WITH ADMIN OPTION",)),
        "z": Role(login=False),
    }
    assert groups_first(roles) == ["z", "m", "a"]


def test_cells_know_other_schemas_and_predefined_roles() -> None:
    """A cell is probed that another schema's grant or a predefined role allows, or one that nobody grants is not."""
    column = OneColumn(name="c", type="text", not_null=False)
    tables = {"a": Table(columns=(column,)), "audit.log": Table(columns=(column,))}
    matrix = Privileges(
        roles={"w": Role(login=True, member_of=("pg_read_all_data",))},
        grants=(Grant(grantee="w", kind="table", object="audit.log", privilege="INSERT"),),
    )
    cells = ungranted_cells(matrix, tables, "app")
    assert {(cell.relation, cell.privilege) for cell in cells} == {
        (("app", "a"), "INSERT"), (("app", "a"), "UPDATE"), (("audit", "log"), "UPDATE"),
    }  # fmt: skip
    assert Cell(role="w", schema="app", table="audit.log", privilege="UPDATE") in cells
