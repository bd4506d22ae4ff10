"""Plan files: every problem names its line and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.errors import PlanError
from console.plans.file import plan_problems, read_plan_file

CONNECTION = """\
[source]
kind = "connection"
host = "db.example.org"
database = "directus"
role = "reader"
secret = "prod"
"""
CHECKOUT = Path(__file__).resolve().parents[2]


def written(tmp_path: Path, text: str) -> Path:
    """Return a plan file with this text."""
    path = tmp_path / "plan.toml"
    path.write_text(text)
    return path


PROBLEMS = {
    "host-missing": (CONNECTION.replace('host = "db.example.org"\n', ""), 1, "kind connection needs host"),
    "database-missing": (
        CONNECTION.replace('database = "directus"\n', ""),
        1,
        "kind connection needs database",
    ),
    "role-missing": (CONNECTION.replace('role = "reader"\n', ""), 1, "kind connection needs role"),
    "secret-missing": (CONNECTION.replace('secret = "prod"\n', ""), 1, "kind connection needs secret"),
    "path-missing": ('[source]\nkind = "dump_file"\n', 1, "kind dump_file needs path"),
    "foreign-key": (
        CONNECTION + 'path = "/x.dump"\n',
        7,
        "path has no meaning for a source of kind connection",
    ),
    "demo-with-host": ('[source]\nhost = "x"\n', 2, "host has no meaning for a source of kind demo"),
    "inline-password": (CONNECTION + 'password = "x"\n', 7, "must not hold a secret"),
    "inline-dsn": (CONNECTION + 'dsn = "postgres://x"\n', 7, "must not hold a secret"),
    "secret-value": (CONNECTION.replace('"prod"', '"p4ss word!"'), 6, "is no name of a secret"),
    "secret-traversal": (CONNECTION.replace('"prod"', '"file:/etc/../x"'), 6, "climbs out of its folder"),
    "host-wildcard": (CONNECTION.replace("db.example", "*.example"), 3, "is not one host"),
    "two-hosts": (CONNECTION.replace("db.example.org", "a,b"), 3, "is not one host"),
    "database-wildcard": (CONNECTION.replace('"directus"', '"*"'), 4, "'*' has a wildcard"),
    "database-dsn": (CONNECTION.replace('"directus"', '"host=evil"'), 4, "is a connection string"),
    "role-control": (CONNECTION.replace('"reader"', '"a\\u001bb"'), 5, "has a control character"),
    "role-long": (CONNECTION.replace("reader", "r" * 64), 5, "is longer than 63 bytes"),
    "sslmode": (CONNECTION + 'sslmode = "maybe"\n', 7, "'maybe' is no sslmode"),
    "port": (CONNECTION + "port = 70000\n", 7, "port 70000 is not between 1 and 65535"),
    "sysid": (CONNECTION + 'system_identifier = "12x"\n', 7, "'12x' is no system_identifier"),
    "sysid-number": (
        CONNECTION + "system_identifier = 12\n",
        7,
        "system_identifier is a whole number, not a string",
    ),
    "unknown-key": (CONNECTION + 'hosts = "x"\n', 7, "unknown key 'hosts' in source"),
    "unknown-section": ('[sauce]\nkind = "demo"\n', 1, "unknown key or section 'sauce'"),
    "wrong-kind": ('[source]\nkind = "ftp"\n', 2, "kind is 'ftp', not"),
    "not-toml": ("[source\n", 1, "is not TOML"),
    "protect-wildcard": ('[protect]\nclusters = ["/var/lib/*"]\n', 2, "'/var/lib/*' has a wildcard"),
    "protect-traversal": ('[protect]\nclusters = ["/a/../b"]\n', 2, "climbs out of its folder"),
    "protect-relative": ('[protect]\nclusters = ["data"]\n', 2, "is not an absolute path"),
    "subject-traversal": ('[subject]\npath = "../../etc"\n', 2, "climbs out of its folder"),
    "search-wildcard": ('[search]\nrules = ["public.*"]\n', 2, "is not one exact name"),
    "pack-capitals": ('[pack]\nname = "Cutter"\n', 2, "is no name of a pack"),
    "pack-all-hex": ('[pack]\nname = "deadbeef0123"\n', 2, "is no name of a pack"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_has_its_line_and_its_remedy(tmp_path: Path, name: str) -> None:
    """A wrong plan file is taken, or its problem is told without line or remedy."""
    text, line, says = PROBLEMS[name]
    path = written(tmp_path, text)
    with pytest.raises(PlanError) as wrong:
        read_plan_file(path)
    assert says in wrong.value.what
    assert f"line {line}" in wrong.value.what
    assert wrong.value.remedy


def test_a_whole_connection_is_taken(tmp_path: Path) -> None:
    """A plan file that says all that a connection needs is refused."""
    assert read_plan_file(written(tmp_path, CONNECTION)).source.secret == "prod"


def test_all_problems_of_a_file_are_listed(tmp_path: Path) -> None:
    """Only the first problem of a file is told."""
    found = plan_problems(
        written(tmp_path, '[source]\nkind = "connection"\nport = 0\n[subject]\npath = "../x"\n')
    )
    assert [problem.what.rpartition(": ")[2] for problem in found] == [
        "a source of kind connection needs host",
        "a source of kind connection needs database",
        "a source of kind connection needs role",
        "a source of kind connection needs secret",
        "port 0 is not between 1 and 65535",
        "'../x' climbs out of its folder (..)",
    ]


def test_the_shipped_example_is_a_plan_file() -> None:
    """The example that the pack ships has a problem."""
    assert plan_problems(CHECKOUT / "scenarios" / "cutter_dry_run" / "connection.example.toml") == []


def test_a_role_may_be_called_token(tmp_path: Path) -> None:
    """The name of a role, a table or a word in a text is taken for a secret because of what it is called."""
    text = '[proof]\nbaseline = { url = 3 }\n[proof.secrets]\ntoken = "prod"\n[search]\nrules = ["password = 1"]\n'
    config = read_plan_file(written(tmp_path, text))
    assert (config.proof.secrets, config.proof.baseline) == ({"token": "prod"}, {"url": 3})


def test_a_schema_comment_is_a_comment(tmp_path: Path) -> None:
    """The line by which editors find the schema is refused."""
    assert (
        read_plan_file(written(tmp_path, "#:schema ./plan.schema.json\n" + CONNECTION)).source.role
        == "reader"
    )
