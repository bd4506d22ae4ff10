"""What init chooses and refuses over what a source holds; pure."""

from __future__ import annotations

import tomllib

import pytest

from console.drafting.choose import checked_writers, chosen_tables, copy_owner, likely_schema, warnings
from console.drafting.look import Holdings, SourceTable, WritingRole
from console.drafting.texts import toml_key, toml_list, toml_string
from console.errors import PlanError
from console.model.catalogue import Grant, Privileges, Role
from console.witness.catalogue import Identity


def table(schema: str, name: str) -> SourceTable:
    """Return a table of a schema."""
    return SourceTable(schema=schema, name=name, owner="o", estimated_rows=1, partitioned=False)


def holdings(*roles: WritingRole, names: frozenset[str] = frozenset()) -> Holdings:
    """Return a source with three tables in two schemas and these roles."""
    return Holdings(
        identity=Identity(
            system_identifier="7", started_at="", server_version_num=160014, database_size_bytes=1, read_only=True
        ),
        tables=(table("app", "a"), table("app", "x.y"), table("audit", "log")), roles=roles,
        role_names=names | {role.name for role in roles}, named_by_dump=(), extensions=("plpgsql", "postgis"),
        security_definer=(), rules=(), stops=("the event trigger watch",),
    )  # fmt: skip


WRITER = WritingRole(name="app", superuser=False, writable={"audit": 1, "app": 2})
OTHER = WritingRole(name="job", superuser=False, writable={"audit": 1})
READER = WritingRole(name="reader", superuser=False, writable={})
BOSS = WritingRole(name="boss", superuser=True, writable={"app": 2})


def test_the_only_writer_is_taken() -> None:
    """A reader or a superuser is taken for the code's role, or the only writer is not found."""
    assert checked_writers(holdings(WRITER, READER, BOSS), []) == ["app"]


@pytest.mark.parametrize(
    ("named", "roles", "sentence", "remedy"),
    [
        ([], (READER, BOSS), "0 roles may log in and write there", "make a role for your code"),
        ([], (WRITER, OTHER), "2 roles may log in and write there: app, job", "--writer ROLE"),
        (["boss"], (WRITER, BOSS), "the role boss is a superuser", "a role of its own"),
        (["none"], (WRITER,), "the source has no role none", "name one of these: app"),
        (["group"], (WRITER,), "the role group may not log in", "the role that your code logs in as"),
        (["\x1b[2J"], (WRITER,), "the source has no role ␛[2J", "app"),
    ],
)
def test_a_writer_that_cannot_be_is_refused(
    named: list[str], roles: tuple[WritingRole, ...], sentence: str, remedy: str
) -> None:
    """Whoever cannot be rehearsed is taken, or the sentence does not say what to do."""
    with pytest.raises(PlanError) as refused:
        checked_writers(holdings(*roles, names=frozenset({"group"})), named)
    assert sentence in refused.value.what
    assert remedy in refused.value.remedy


def test_the_schema_is_where_the_writer_writes() -> None:
    """Another schema is proposed than the one in which the writer may write most."""
    assert likely_schema(holdings(WRITER, OTHER), ["app"]) == "app"
    assert likely_schema(holdings(WRITER, OTHER), ["job"]) == "audit"


def test_tables_are_called_as_a_pack_calls_them() -> None:
    """A table of another schema, or one with a dot, loses its schema; one that is not there is taken."""
    found = holdings(WRITER)
    assert chosen_tables(found, "app", []) == ["a", "app.x.y"]
    assert chosen_tables(found, "app", ["a", "audit.log", "a", "x.y"]) == ["a", "app.x.y", "audit.log"]
    with pytest.raises(PlanError, match="no table log"):
        chosen_tables(found, "app", ["log"])
    with pytest.raises(PlanError, match="no schema none"):
        chosen_tables(found, "none", [])


def test_the_copys_owner_is_nobody_at_the_source() -> None:
    """The copy's owner has the name of a role of the source."""
    assert copy_owner(holdings(WRITER)) == "copy_owner"
    assert copy_owner(holdings(WRITER, names=frozenset({"copy_owner", "copy_owner_2"}))) == "copy_owner_3"


def test_what_will_stop_a_rehearsal_is_said() -> None:
    """Something that ends every rehearsal of the source is not told when the plan is drafted."""
    given = Grant(grantee="app", kind="table", object="app.a", privilege="SELECT", grantable=True)
    matrix = Privileges(roles={"app": Role(login=True, createdb=True)}, grants=(given,))
    said = " ".join(warnings(holdings(WRITER), matrix, frozenset({"plpgsql"})))
    for words in (
        "event trigger watch",
        "may pass on SELECT",
        "no extension postgis",
        "role app has createdb",
    ):
        assert words in said
    assert "plpgsql" not in said


@pytest.mark.parametrize(
    "text", ["plain", 'a"b\\c', "line\nbreak", "\x1b[2J", "\u202eright to left", "😀", ""]
)
def test_toml_strings_come_back(text: str) -> None:
    """A name is read back as another one, or with a character that a terminal acts on."""
    written = f"{toml_key(text)} = {toml_list([text, text])}"
    assert tomllib.loads(written) == {text: [text, text]}
    assert tomllib.loads(f"a = {toml_string(text)}") == {"a": text}
    assert "\x1b" not in written
    assert "\u202e" not in written
