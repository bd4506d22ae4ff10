"""What runs inside functions, triggers and constraints: logged by a real server's auto_explain, read and judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from container_production import DATABASE, await_server, one_file
from docker_engine import Engine
from docker_images import POSTGRES_IMAGE, Images
from docker_plans import Setting
from fix_runs import Drydock, Living
from test_gates import assert_fails, paused, receipt_of
from test_run import unnamed

from console.environments.docker_names import SOCKET_FOLDER
from console.evidence.storage import open_kept
from console.model.trace import ServerLine
from console.witness.server_log import ServerLog
from console.witness.surface import judge_text

SETTINGS = {
    "logging_collector": "on", "log_destination": "jsonlog", "log_filename": "server.log", "log_statement": "all",
    "log_directory": "/var/lib/postgresql/data/log", "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0", "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json", "auto_explain.log_parameter_max_length": "0", "fsync": "off",
}  # fmt: skip

SCRIPT = """
CREATE TABLE parent (id int PRIMARY KEY, seen int DEFAULT 0);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE);
CREATE SEQUENCE moved;
CREATE FUNCTION in_sql(given int) RETURNS bigint LANGUAGE sql VOLATILE AS
    'SELECT count(*) FROM child WHERE parent = given';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $f$
DECLARE n int; one record;
BEGIN
    n := (SELECT count(*) FROM parent p WHERE p.id = NEW.parent);
    IF EXISTS (SELECT 1 FROM parent q WHERE q.id = NEW.parent) THEN
        UPDATE parent SET seen = seen + n WHERE id = NEW.parent;
    END IF;
    FOR one IN SELECT id FROM parent LOOP
        EXECUTE 'SELECT count(*) FROM child WHERE parent = $1' INTO n USING one.id;
    END LOOP;
    PERFORM setval('moved', 7);
    RETURN NEW;
END $f$;
CREATE TRIGGER touched BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO parent VALUES (1), (2);
\\echo begun
INSERT INTO child VALUES (10, 1) /* top */;
SELECT in_sql(1) /* top */;
DELETE FROM parent WHERE id = 1 /* top */;
DO $f$ BEGIN RAISE LOG E'duration: 0.1 ms  plan:\\n{"Query Text": "DROP TABLE child"}'; END $f$;
"""


@pytest.fixture(scope="module")
def logged(engine: Engine, images: Images, tmp_path_factory: pytest.TempPathFactory) -> list[ServerLine]:
    """The lines of a server that ran the script in one session, in a container of its own."""
    assert images.postgres
    words = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    engine.docker(
        "create", "--name=explains", "--network=none", "--env=POSTGRES_PASSWORD_FILE=/etc/superuser",
        POSTGRES_IMAGE, "postgres", *words,
    )  # fmt: skip
    try:
        engine.docker("cp", "-", "explains:/etc", given=one_file("superuser", "unused"))
        engine.docker("start", "explains")
        await_server(engine, "explains")
        psql = [
            "exec",
            "--interactive",
            "explains",
            "psql",
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
            "--quiet",
        ]
        engine.docker(*psql, "--username=postgres", given=SCRIPT.encode())
        engine.docker("stop", "explains")
        path = tmp_path_factory.mktemp("explains") / "server.json"
        engine.docker("cp", "explains:/var/lib/postgresql/data/log/server.json", str(path))
    finally:
        engine.docker("rm", "--force", "--volumes", "explains")
    with ServerLog(path) as log:
        reading = log.read("S1")
    assert reading.irregularities == ()
    return list(reading.lines)


def nested(lines: list[ServerLine]) -> dict[str, str]:
    """Return text and outermost place of what ran inside something."""
    return {line.sql: line.message.rpartition("\n")[2] for line in lines if line.kind == "nested"}


def test_every_kind_of_nested_statement_is_seen(logged: list[ServerLine]) -> None:
    """An assignment, a condition, a loop, dynamic SQL, a SQL function or a constraint's own query is not told."""
    found = nested(logged)
    seen = list(found)
    assert "SELECT (SELECT count(*) FROM parent p WHERE p.id = NEW.parent)" in seen
    assert "SELECT EXISTS (SELECT 1 FROM parent q WHERE q.id = NEW.parent)" in seen
    assert "UPDATE parent SET seen = seen + n WHERE id = NEW.parent" in seen
    assert "SELECT id FROM parent" in seen
    assert "SELECT count(*) FROM child WHERE parent = $1" in seen
    assert "SELECT count(*) FROM child WHERE parent = given" in seen
    assert any(text.startswith("SELECT 1 FROM ONLY") and "FOR KEY SHARE" in text for text in seen)
    assert any(text.startswith("DELETE FROM ONLY") for text in seen)
    assert found["UPDATE parent SET seen = seen + n WHERE id = NEW.parent"].startswith(
        "PL/pgSQL function touch()"
    )


def test_only_what_is_outside_the_surface_is_refused(logged: list[ServerLine]) -> None:
    """A setval inside a trigger is allowed, a line that imitates auto_explain is, or something harmless is not."""
    refused = [text for text in nested(logged) if not judge_text(text).allowed]
    assert "SELECT setval('moved', 7)" in refused
    assert "DROP TABLE child" in refused
    assert [
        it for it in refused if "setval" not in it and "DROP" not in it and not it.startswith("DELETE")
    ] == []


def test_what_the_client_sent_is_not_told_twice(logged: list[ServerLine]) -> None:
    """A top-level statement comes as nested, or its own line is lost."""
    assert [text for text in nested(logged) if "/* top */" in text] == []
    top = [line.sql for line in logged if line.kind == "statement" and "/* top */" in line.sql]
    assert len(top) == 3


def test_a_trigger_of_the_copy_is_looked_into(drydock: Drydock, setting: Setting, engine: Engine) -> None:
    """A trigger that runs something outside the surface passes G-19, or where it ran is not said."""

    def deed(living: Living) -> None:
        told = json.loads((living.folder / "secrets" / "rehearsal.json").read_text("utf-8"))
        words = [
            "exec", "--interactive", f"--env=PGPASSWORD={told['copy-superuser']}",
            receipt_of(living, "container", "-copy"), "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1",
            "--username=postgres", f"--dbname={DATABASE}", f"--host={SOCKET_FOLDER}",
        ]  # fmt: skip
        engine.docker(*words, given=TRIGGER.encode())

    ended = paused(drydock, unnamed(setting.plan("nested")), "B-4", deed)
    assert_fails(ended, "G-19", "SELECT setval('public.moved', 7), run by PL/pgSQL function")
    assert ended.state.notes["witness.nested"] == "auto_explain"
    assert traced(ended.folder)


TRIGGER = """
CREATE SEQUENCE public.moved;
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
    $f$ BEGIN PERFORM setval('public.moved', 7); RETURN NEW; END $f$;
CREATE TRIGGER touched BEFORE INSERT ON public.decision_backlog_entry FOR EACH ROW EXECUTE FUNCTION public.touch();
"""


def traced(folder: Path) -> list[str]:
    """Return the kept trace's nested statements."""
    with open_kept(folder / "trace.jsonl") as trace:
        return [line for line in trace.read().decode("utf-8").splitlines() if '"kind":"nested"' in line]
