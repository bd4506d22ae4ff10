"""Input that cannot be used: one sentence and its remedy on stderr, exit code 2, and nothing is made."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fix_runs import Drydock, Said
from leftovers import processes
from subjects import PACKAGE, REFERENCE, changed_pack, changed_subject

from console.engine import import_check
from console.engine.import_check import subject_imports
from console.errors import SubjectError

Words = Callable[[Drydock, Path], list[str]]


def _file(path: Path, text: str = "") -> str:
    path.write_text(text, "utf-8")
    return str(path)


def _importing(code: str) -> Words:
    def words(drydock: Drydock, _place: Path) -> list[str]:
        text = (REFERENCE / PACKAGE / "__init__.py").read_text("utf-8")
        change = (f"{PACKAGE}/__init__.py", text, f"{text}\n{code}\n")
        return ["--subject", str(changed_subject(drydock, change))]

    return words


def _broken_pack(drydock: Drydock, _place: Path) -> list[str]:
    return ["--pack", str(changed_pack(drydock, ("pack.toml", "[baseline]", "[baseline")))]


def _link_in_subject(drydock: Drydock, _place: Path) -> list[str]:
    subject = changed_subject(drydock)
    (subject / PACKAGE / "link.py").symlink_to("/etc/passwd")
    return ["--subject", str(subject)]


CASES: dict[str, tuple[Words, str, str]] = {
    "missing plan file": (lambda _d, p: [str(p / "no.toml")], "there is no plan file", "for the demo"),
    "folder as plan file": (lambda _d, p: [str(p)], "cannot be read", "UTF-8 text file"),
    "plan file is no TOML": (lambda _d, p: [_file(p / "a.toml", "= =")], "is not TOML", "mend"),
    "unknown key": (lambda _d, p: [_file(p / "b.toml", "[source]\ncolour = 1\n")], "line 2", "colour"),
    "password in plan file": (
        lambda _d, p: [_file(p / "c.toml", "[source]\npassword = 'hunter2hunter2'\n")], "line 2", "secret",
    ),
    "another commit than planned": (
        lambda _d, p: [_file(p / "d.toml", f"[subject]\npath = '{REFERENCE}'\ncommit = '{'0' * 40}'\n")],
        "the plan names 0000", "planned commit",
    ),
    "another tree than planned": (
        lambda _d, p: [_file(p / "e.toml", f"[subject]\npath = '{REFERENCE}'\ntree = '{'0' * 64}'\n")],
        "has the tree hash", "planned files",
    ),
    "missing subject": (
        lambda _d, p: ["--subject", str(p / "no")], "there is no subject folder", "--subject",
    ),
    "subject without the package": (
        lambda _d, p: ["--subject", str(p)], "holds no package cutter_agent", "above",
    ),
    "subject with a syntax error": (_importing("def"), "cannot be imported: SyntaxError", "mend it"),
    "subject with an import error": (
        _importing("import no_such_module"), "No module named 'no_such_module'", "psycopg alone",
    ),
    "subject that exits at import": (_importing("import sys; sys.exit(0)"), "cannot be imported", "mend it"),
    "subject that ends its process": (_importing("import os; os._exit(0)"), "exit code 0", "mend it"),
    "subject with a link": (_link_in_subject, "is a link or a special file", "replace it"),
    "subject with hostile words": (_importing(r"raise ValueError('\x1b]0;owned\x07')"), "owned", "mend it"),
    "unknown pack": (
        lambda _d, _p: ["--pack", "no_such_pack"], "there is no pack 'no_such_pack'", "cutter_dry_run",
    ),
    "broken pack": (_broken_pack, "the file cannot be read", "mend the file"),
    "file as runs folder": (
        lambda _d, p: ["--runs-dir", _file(p / "file")], "cannot be written: ", "--runs-dir",
    ),
    "runs folder below /proc": (
        lambda _d, _p: ["--runs-dir", "/proc/drydock"],
        "the runs folder /proc/drydock cannot be written", "--runs-dir",
    ),
    "missing work folder": (
        lambda _d, p: ["--work-dir", str(p / "no")], "cannot be written: No such file", "--work-dir",
    ),
    "unknown option": (
        lambda _d, _p: ["--no-such-option"], "unrecognized arguments: --no-such-option", "--help",
    ),
    "unknown boundary": (lambda _d, _p: ["--approve", "B-9"], "the plan has no boundary B-9", "B-4, B-5, or all"),
    "no boundary": (lambda _d, _p: ["--approve", "yes"], "'yes' is no boundary", "B-4, B-5, or all"),
    "major 12": (
        lambda _d, _p: ["--pg-major", "12"], "there is no PostgreSQL 12 in the wheel", "--pg-programs",
    ),
    "wrong programs": (lambda _d, p: ["--pg-programs", str(p)], "there is no bin/postgres in", "bin/"),
    "no rows": (lambda _d, _p: ["--demo-rows", "0"], "--demo-rows 0 is not between 1 and", "mend the number"),
    "rows in words": (lambda _d, _p: ["--demo-rows", "many"], "invalid int value: 'many'", "--help"),
    "no engine": (
        lambda _d, p: ["--environment", "docker", "--endpoint", f"unix://{p}/none.sock"],
        "none.sock does not answer: No such file or directory", "--environment embedded",
    ),
}  # fmt: skip


def assert_refused(said: Said, sentence: str, remedy: str) -> None:
    """Fail unless one sentence and its remedy stand on stderr, nothing on stdout, and the exit code is 2."""
    assert said.exit_code == 2, said.stderr
    assert said.stdout == ""
    assert "Traceback" not in said.stderr
    assert "\x1b" not in said.stderr
    lines = said.stderr.splitlines()
    assert len(lines) == 2, said.stderr
    assert lines[0].startswith("drydock: ")
    assert lines[1].startswith("  remedy: ")
    assert (sentence in lines[0], remedy in said.stderr) == (True, True), said.stderr


@pytest.mark.parametrize("case", list(CASES))
def test_bad_input_is_refused(drydock: Drydock, tmp_path: Path, case: str) -> None:
    """The input is refused in one sentence with its remedy and exit code 2, and no run is made."""
    words, sentence, remedy = CASES[case]
    runs = tmp_path / "runs"
    given = words(drydock, tmp_path)
    folder = [] if "--runs-dir" in given else ["--runs-dir", str(runs)]
    said = drydock.command("run", "--headless", "--approve", "all", "--json", *folder, *given)
    assert_refused(said, sentence, remedy)
    assert not runs.exists()
    assert list(drydock.work.iterdir()) == []


@pytest.mark.parametrize("command", ["approve", "abort", "status", "recover", "report"])
def test_an_unknown_run_is_refused(drydock: Drydock, tmp_path: Path, command: str) -> None:
    """Every command that names a run says in one sentence that there is none."""
    more = ["B-1", "--digest", "0" * 12] if command == "approve" else []
    said = drydock.command(command, "20260101-000000-abcd", *more, "--runs-dir", str(tmp_path))
    assert_refused(said, "there is no run in", "drydock runs")


def test_an_import_that_does_not_come_back_is_ended(
    drydock: Drydock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subject that loops at import is refused after the time limit, and its process is gone."""
    monkeypatch.setattr(import_check, "IMPORT_WAIT_S", 1)
    [_option, subject] = _importing("while True: pass")(drydock, tmp_path)
    began = time.monotonic()
    with pytest.raises(SubjectError, match=r"took longer than 1 s; mend the subject"):
        subject_imports(Path(subject), PACKAGE, work=drydock.work)
    assert time.monotonic() - began < 30


def test_what_an_import_leaves_running_is_ended(drydock: Drydock, tmp_path: Path) -> None:
    """A daemon that the subject's import left in a session of its own is gone when the check returns."""
    mark = f"{time.monotonic_ns()}"
    code = (
        "import subprocess, sys\n"
        f"words = [sys.executable, '-c', 'import time; time.sleep(600)', '{mark}']\n"
        "subprocess.Popen(words, start_new_session=True)"
    )
    [_option, subject] = _importing(code)(drydock, tmp_path)
    subject_imports(Path(subject), PACKAGE, work=drydock.work)
    assert [one for one in processes() if mark in one.command] == []


def test_the_import_check_ends_nothing_but_its_own(drydock: Drydock, tmp_path: Path) -> None:
    """A child that this process had before, such as a server of its own, lives on."""
    before = subprocess.Popen(["/bin/sleep", "600"])
    try:
        [_option, subject] = _importing("import os")(drydock, tmp_path)
        subject_imports(Path(subject), PACKAGE, work=drydock.work)
        assert before.poll() is None
    finally:
        before.kill()
        before.wait()


def test_a_key_that_cannot_seal_leaves_no_run(drydock: Drydock, tmp_path: Path) -> None:
    """A run whose evidence could not be sealed is refused before anything of it exists."""
    state = tmp_path / "state" / "drydock"
    state.mkdir(parents=True, mode=0o700)
    (state / "seal.key").write_text("this is no sealing key at all", "utf-8")
    (state / "seal.key").chmod(0o600)
    (state / "seal-keys.txt").write_text("", "utf-8")
    other = replace(drydock, variables={"XDG_STATE_HOME": str(tmp_path / "state")})
    runs = tmp_path / "runs"
    said = other.command("run", "--headless", "--approve", "all", "--runs-dir", str(runs))
    assert_refused(said, "holds no sealing key", "drydock key make")
    assert list(runs.iterdir()) == []
