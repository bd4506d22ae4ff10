"""Whole runs on a dump file from elsewhere: what passes, what is not restored, and that nothing of it ran."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dumps import Dump
from fix_runs import Drydock, Ended

from console.environments.programs import find_programs
from console.sources.manifest import manifest_path

DECLARED = {"G-03", "G-05", "G-06", "G-10", "G-12", "G-21", "G-24", "G-25", "N-1", "N-2", "N-3", "N-6"}
FIRST_TABLE = "CREATE TABLE"
CONSTRAINTS = "-- Name: cut_change_set_affected_row cut_change_set_affected_row_pkey"


def ran(drydock: Drydock, dump: Dump, *words: str) -> Ended:
    """Run the dump's plan with everything approved, to its end."""
    return drydock.run(str(dump.plan()), *words)


def test_a_plain_dump_with_its_manifest_passes(drydock: Drydock, dumps: dict[str, Dump]) -> None:
    """A whole dump fails, or gates about a living source count as passed."""
    ended = ran(drydock, dumps["plain"])
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert ended.summary["rows_total"] == 15
    gates = ended.summary["gates"]
    assert {gate for gate, verdict in gates.items() if verdict == "NOT_APPLICABLE"} == DECLARED
    assert {verdict for gate, verdict in gates.items() if gate not in DECLARED} == {"PASS"}
    assert ended.state.facts["restore"]["tool"] == "psql"


def test_without_a_manifest_nothing_is_proven(drydock: Drydock, dumps: dict[str, Dump]) -> None:
    """A dump whose completeness nobody can know passes."""
    bare = dumps["plain"].changed("bare.sql", dumps["plain"].path.read_bytes())
    manifest_path(bare.path, "").unlink()
    ended = ran(drydock, bare)
    assert ended.outcome == (1, "FAIL", "CLEAN", "drydock"), ended.said.stderr
    assert ended.summary["gates"]["G-08"] == "UNKNOWN"
    assert "the fact manifest.source was never recorded" in ended.summary["reason"]


CANARY = "/var/tmp/drydock-test-canary"
LEXED = {
    "shell": (rb"\! touch " + CANARY.encode(), r"the meta-command \! touch"),
    "unrestrict": (b"\\unrestrict `touch " + CANARY.encode() + b"`", r"the meta-command \unrestrict"),
    "failing-copy": (
        b"COPY public.nowhere (a) FROM stdin;\n\\! touch " + CANARY.encode() + b"\n\\.\n",
        r"data with '\\!'",
    ),
    "program": (b"COPY public.sweep_log FROM PROGRAM 'touch " + CANARY.encode() + b"';", "only COPY TABLE"),
    "role": (b"ALTER ROLE directus SUPERUSER;", "roles belong to the cluster"),
    "event-trigger": (
        b"CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f();",
        "runs during Drydock's own",
    ),
    "foreign-server": (b"CREATE SERVER s FOREIGN DATA WRAPPER w;", "would connect to another server"),
    "alter-system": (b"ALTER SYSTEM SET log_statement = 'none';", "changes the server's configuration"),
    "escape-in-comment": (b"-- \x1b]0;owned\x07", "a control character outside data and strings"),
    "latin1": ("COMMENT ON SCHEMA public IS 'Grüße';".encode("latin-1"), "bytes that are not UTF-8"),
}


IN_EVERY_RUN = ("shell", "unrestrict", "failing-copy", "role", "event-trigger")
"""Each of a kind of its own; the lexer itself is tested on all of them, and more, without a run."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in IN_EVERY_RUN else pytest.mark.matrix) for name in LEXED]
)
def test_a_hostile_dump_ends_before_the_copy_is_made(
    drydock: Drydock, dumps: dict[str, Dump], name: str
) -> None:
    """A line that no pg_dump writes is restored, or ends the run in another way than one sentence."""
    text, says = LEXED[name]
    ended = ran(drydock, dumps["plain"].with_text(f"{name}.sql", before=FIRST_TABLE, text=text))
    assert ended.outcome == (1, "FAIL", "CLEAN", "source"), ended.said.stderr
    assert f"C-03: the dump {name}.sql is not restored: line " in ended.summary["reason"]
    assert says in ended.summary["reason"]
    assert "\x1b" not in ended.said.stderr + ended.said.stdout
    assert "C-04" not in ended.state.steps_started
    assert not Path(CANARY).exists()


RESTORED = {
    "definer": (
        b"CREATE FUNCTION public.power() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';",
        "source", "the copy holds the SECURITY DEFINER function public.power()"),
    "rule": (
        b"CREATE RULE quiet AS ON DELETE TO public.sweep_log DO INSTEAD NOTHING;",
        "source", "the copy holds the rule public.sweep_log.quiet"),
}  # fmt: skip


@pytest.mark.parametrize("name", RESTORED)
def test_what_hides_in_a_restored_copy_stops_the_run(
    drydock: Drydock, dumps: dict[str, Dump], name: str
) -> None:
    """A function or a rule that acts for others stays in the copy without the plan's word."""
    text, cause, says = RESTORED[name]
    ended = ran(drydock, dumps["plain"].with_text(f"{name}.sql", before=CONSTRAINTS, text=text))
    assert ended.outcome == (1, "FAIL", "CLEAN", cause), ended.said.stderr
    assert says in ended.summary["reason"]
    assert "C-06" not in ended.state.steps_started


def cut(dump: Dump, name: str) -> Dump:
    """Return the dump cut off in its first COPY data, before its constraints, or so with a forged end."""
    content = dump.path.read_bytes()
    if name == "in-copy":
        at = content.index(b"COPY public.directus_activity ")
        return dump.changed("in-copy.sql", content[: content.index(b"\n", at + 400)])
    kept = content[: content.index(CONSTRAINTS.encode()) - 3]
    ending = content[content.index(b"--\n-- PostgreSQL database dump complete") :]
    return dump.changed(f"{name}.sql", kept + (ending if name == "forged-end" else b""))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("in-copy", "cut off in the data of a COPY that began at line"),
        ("before-constraints", "the last line '-- PostgreSQL database dump complete' is missing"),
        ("forged-end", "constraint"),
    ],
)
def test_a_truncated_dump_fails_g08(drydock: Drydock, dumps: dict[str, Dump], name: str, says: str) -> None:
    """A dump that lacks its last part passes as complete."""
    ended = ran(drydock, cut(dumps["plain"], name))
    assert ended.outcome == (1, "FAIL", "CLEAN", "source"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-08"
    assert says in ended.summary["reason"]


def test_a_dump_from_elsewhere_needs_the_plans_word(drydock: Drydock, dumps: dict[str, Dump]) -> None:
    """Embedded PostgreSQL, which is no sandbox, takes a foreign dump unasked."""
    said = drydock.command("run", "--headless", str(dumps["plain"].plan(accept="false")))
    assert said.exit_code == 2
    assert "a separate cluster, not a sandbox" in said.stderr
    assert "accept_untrusted = true" in said.stderr


def test_an_archive_needs_a_safe_client(drydock: Drydock, dumps: dict[str, Dump]) -> None:
    """An archive from elsewhere is given to a pg_restore with known holes."""
    said = drydock.command("run", "--headless", str(dumps["archive"].plan()))
    assert said.exit_code == 2
    assert "is an archive, and pg_restore 16.14 is not safe with archives from elsewhere" in said.stderr
    assert "--pg-programs" in said.stderr


@pytest.fixture(scope="module")
def newer_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's programs under a version that they are not: only so can an archive be restored here."""
    real = find_programs(16)
    root = tmp_path_factory.mktemp("pg") / "newer"
    (root / "bin").mkdir(parents=True)
    for folder in [root, *root.parents]:
        if folder.stat().st_uid == 0 and folder.is_relative_to(tmp_path_factory.getbasetemp().parent):
            folder.chmod(0o755)
    for program in (real.root / "bin").iterdir():
        wrapper = root / "bin" / program.name
        wrapper.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        if program.name == "postgres":
            answer = "echo 'postgres (PostgreSQL) 16.16'"
            wrapper.write_text(
                f'#!/bin/sh\n[ "$1" = --version ] && {answer} && exit 0\nexec {program} "$@"\n'
            )
        wrapper.chmod(0o755)
    (root / "share").symlink_to(real.root / "share")
    (root / "lib").symlink_to(real.root / "lib")
    return root


def test_an_archive_is_looked_through_and_restored(
    drydock: Drydock, dumps: dict[str, Dump], newer_programs: Path
) -> None:
    """A foreign archive fails with a client that may read it."""
    ended = ran(drydock, dumps["archive"], "--pg-programs", str(newer_programs))
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr
    assert ended.state.facts["restore"]["tool"] == "pg_restore"


def test_an_archive_that_was_cut_off_fails_g08(
    drydock: Drydock, dumps: dict[str, Dump], newer_programs: Path
) -> None:
    """Half an archive passes as complete."""
    content = dumps["archive"].path.read_bytes()
    half = dumps["archive"].changed("half.dump", content[: len(content) // 2])
    ended = ran(drydock, half, "--pg-programs", str(newer_programs))
    assert ended.outcome == (1, "FAIL", "CLEAN", "source"), ended.said.stderr
    assert ended.summary["failed_gate"] == "G-08"


def test_an_archive_with_an_event_trigger_is_not_restored(
    drydock: Drydock, dumps: dict[str, Dump], newer_programs: Path
) -> None:
    """An event trigger in an archive is restored, and runs when Drydock makes the roles."""
    ended = ran(drydock, dumps["watching archive"], "--pg-programs", str(newer_programs))
    assert ended.outcome == (1, "FAIL", "CLEAN", "source"), ended.said.stderr
    assert "the archive holds EVENT TRIGGER - watching" in ended.summary["reason"]
    assert "restore" not in ended.state.facts


@pytest.mark.parametrize("name", ["missing", "folder", "gzip", "manifest"])
def test_what_is_no_dump_is_a_usage_error(
    drydock: Drydock, dumps: dict[str, Dump], tmp_path: Path, name: str
) -> None:
    """A path that cannot be restored begins a run."""
    path = tmp_path / "a.sql"
    says = {
        "missing": "cannot be opened: No such file", "folder": "is no regular file",
        "gzip": "is compressed with gzip", "manifest": "is no manifest",
    }  # fmt: skip
    if name == "folder":
        path.mkdir()
    elif name == "gzip":
        path.write_bytes(b"\x1f\x8b\x08")
    elif name == "manifest":
        shutil.copy(dumps["plain"].path, path)
        manifest_path(path, "").write_text("{}")
    said = drydock.command("run", "--headless", str(Dump(path=path).plan()))
    assert said.exit_code == 2
    assert says[name] in said.stderr
