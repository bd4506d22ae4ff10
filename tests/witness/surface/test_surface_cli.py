"""`drydock surface`: lines in, verdicts out, and one sentence for what cannot be used."""

from __future__ import annotations

import argparse
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from measure import Laboratory

from console.cli import surface
from console.errors import UsageError


def options(*words: str) -> argparse.Namespace:
    """Return the parsed words of the command."""
    parser = argparse.ArgumentParser()
    surface.add_arguments(parser)
    return parser.parse_args(words)


def verdicts(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what was printed, decoded."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_jsonl_gives_a_verdict_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line in gives one line out with the same id, and a refusal makes the exit code 1."""
    file = tmp_path / "some.jsonl"
    lines = [{"id": "a", "sql": "SELECT 1; SHOW ALL"}, {"id": 2, "sql": "DROP TABLE t"}]
    file.write_text("\n\n".join(json.dumps(line) for line in lines))
    assert surface.main(options(str(file))) == 1
    assert verdicts(capsys) == [
        {"id": "a", "allowed": True, "verbs": ["SELECT", "SHOW"], "reason": ""},
        {"id": "2", "allowed": False, "verbs": ["DROP"], "reason": "DROP is not one of the allowed verbs"},
    ]


def test_sql_file_is_split_by_the_grammar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A semicolon in a string or comment ends no statement; all allowed is exit code 0."""
    file = tmp_path / "some.sql"
    file.write_text("SELECT ';' /* ; */;\nUPDATE t SET a = $$;$$;\n")
    assert surface.main(options(str(file))) == 0
    assert [(one["id"], one["verbs"]) for one in verdicts(capsys)] == [("1", ["SELECT"]), ("2", ["UPDATE"])]


def test_stdin_is_read_and_output_is_printable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No control, bidirectional or DEL character of the input reaches the output."""
    line = json.dumps({"id": "\x1b]0;x\x07\x7f\u202e", "sql": 'SELECT "\x1b[2J\x7f\u202e"()'})
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(line.encode())))
    assert surface.main(options()) == 1
    printed = capsys.readouterr().out
    assert printed.endswith("\n")
    assert printed[:-1].isprintable()
    assert printed.isascii()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{nonsense", "line 1 is not JSON"),
        (b'{"id": "a"}', "line 1 has no text under sql"),
        (b'{"sql": "SELECT 1"}', "line 1 has no text or number under id"),
        (b"{\xff", "is not UTF-8 at byte 1"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    """A line that cannot be read is a usage error that says which line and what to write."""
    file = tmp_path / "bad.jsonl"
    file.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        surface.main(options(str(file)))
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """A file that is not there is a usage error with its name."""
    with pytest.raises(UsageError, match=r"none\.sql cannot be read \(No such file or directory\)"):
        surface.main(options(str(tmp_path / "none.sql")))


@pytest.mark.parametrize("dsn", ["host=x user=y password=hunter22", "postgresql://u:hunter22@host/db"])
def test_password_in_the_arguments_is_refused(tmp_path: Path, dsn: str) -> None:
    """A DSN with a password is refused with the remedy, and the message does not repeat it."""
    file = tmp_path / "some.sql"
    file.write_text("SELECT 1")
    with pytest.raises(UsageError, match="passfile=PATH inside the DSN") as raised:
        surface.main(options(str(file), "--dsn", dsn))
    assert "hunter22" not in str(raised.value)


def test_dsn_adds_what_the_catalogue_knows(
    lab: Laboratory, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view that deletes is allowed by text and refused with --dsn."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    file, passfile = tmp_path / "some.sql", tmp_path / "pass"
    file.write_text("SELECT * FROM v_wipe; SELECT id FROM entry")
    passfile.touch(mode=0o600)
    passfile.write_text(f"*:*:*:*:{lab.password}\n")
    dsn = f"host={lab.cluster.socket_folder} dbname=lab_seen user=clerk passfile={passfile}"
    assert surface.main(options(str(file))) == 0
    assert surface.main(options(str(file), "--dsn", dsn)) == 1
    assert [one["allowed"] for one in verdicts(capsys)] == [True, True, False, True]
