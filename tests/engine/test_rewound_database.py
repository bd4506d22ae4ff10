"""A database made anew by the engine's own statements, on real servers: all that a template does not bring along."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import psycopg
import pytest
from fix_places import place_for_clusters
from psycopg import sql

from console.engine import copy_database, last_count, rewind_template, rewinding
from console.engine.rehearsing import open_session
from console.engine.witnessing import Witnessing
from console.environments.embedded import EmbeddedEnvironment
from console.environments.environment import OWNER_SECRET, SUPERUSER_SECRET
from console.environments.owner import make_folder
from console.environments.programs import find_programs
from console.errors import StepFailed
from console.model.protocols import NoReceipts
from console.model.rewind_facts import TemplateContent
from console.secrets import SecretRegistry, make_password
from console.sql import run as run_sql

DATABASE = 'odd "name"'
SETUP = (
    'CREATE ROLE "the keeper"', "CREATE ROLE writer LOGIN", "CREATE ROLE reader",
    f'CREATE DATABASE "{DATABASE.replace(chr(34), chr(34) * 2)}" OWNER "the keeper" TEMPLATE template0 '
    "CONNECTION LIMIT 7",
)  # fmt: skip
QUOTED = '"odd ""name"""'
WORDS = (
    f"REVOKE ALL ON DATABASE {QUOTED} FROM PUBLIC", f"GRANT TEMPORARY ON DATABASE {QUOTED} TO PUBLIC",
    f"GRANT CONNECT, CREATE ON DATABASE {QUOTED} TO writer", f"GRANT CONNECT ON DATABASE {QUOTED} TO reader",
    f"ALTER DATABASE {QUOTED} SET search_path TO 'a, b', \"$user\", public",
    f"ALTER DATABASE {QUOTED} SET work_mem TO '5MB'", f"ALTER ROLE writer IN DATABASE {QUOTED} SET jit TO off",
    f"ALTER ROLE writer IN DATABASE {QUOTED} SET search_path TO \"Odd\", public",
    f"COMMENT ON DATABASE {QUOTED} IS 'the keeper''s own\\copy'",
    f"REVOKE CREATE ON DATABASE {QUOTED} FROM \"the keeper\"",
    f"GRANT CONNECT ON DATABASE {QUOTED} TO writer WITH GRANT OPTION",
    f"BEGIN; SET LOCAL ROLE writer; GRANT CONNECT ON DATABASE {QUOTED} TO reader WITH GRANT OPTION; COMMIT",
    f"BEGIN; SET LOCAL ROLE reader; GRANT CONNECT ON DATABASE {QUOTED} TO PUBLIC; COMMIT",
)  # fmt: skip
ROWS = 1000
GIVEN = f"SELECT datacl::text FROM pg_database WHERE datname = '{DATABASE}'".encode()


class _Recorder(NoReceipts):
    def __init__(self) -> None:
        self.state = SimpleNamespace(facts={}, notes={})

    def fact(self, name: str, value: Any, *, source: str) -> None:
        """Keep a fact as the journal has it."""
        self.state.facts[name] = msgspec.to_builtins(value)

    def note(self, name: str, value: Any, origin: str = "engine") -> None:
        """Keep a note."""
        self.state.notes[name] = value

    def raise_if_requested(self) -> None:
        """Nobody asks for the end."""


@pytest.fixture(scope="module", params=[16, 18])
def run(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A prepared copy with everything that a database can have of its own, and as much of a run as a rewind needs."""
    folder = Path(tempfile.mkdtemp(prefix="ddr-", dir=place_for_clusters()))
    folder.chmod(0o711)
    make_folder(folder / "w", mode=0o711)
    registry = SecretRegistry()
    for name in (SUPERUSER_SECRET, OWNER_SECRET):
        registry.learn(name, make_password())
    environment = EmbeddedEnvironment(
        folder=folder / "w", programs=find_programs(request.param), registry=registry, receipts=NoReceipts()
    )
    closing = ExitStack()
    try:
        environment.provision()
        with environment.connect() as connection:
            for statement in (*SETUP, *WORDS):
                connection.execute(statement.encode())
        with environment.connect(DATABASE) as connection:
            connection.execute("CREATE TABLE public.entry AS SELECT g FROM generate_series(1, 1000) AS g")
            connection.execute("CREATE SEQUENCE public.counter START 5")
        pack = SimpleNamespace(schema="public", tables=("entry",))
        made: Any = SimpleNamespace(
            database=DATABASE, plan=SimpleNamespace(scenarios=("S1", "S2"), rewound=("S2",)), recorder=_Recorder(),
            loaded=SimpleNamespace(pack=pack, privileges=SimpleNamespace(roles={"writer": None, "reader": None})),
            config=SimpleNamespace(limits=SimpleNamespace(step_timeout_s=60.0)), witnessing=None,
            places=SimpleNamespace(work=folder / "w"), observe=lambda *_ran: None, the_environment=lambda: environment,
            closing=closing,
        )  # fmt: skip
        made.the_witnessing = lambda: made.witnessing
        rewind_template.keep_template(made)
        yield made
    finally:
        closing.close()
        environment.cluster.stop()
        shutil.rmtree(folder)


def look(run: Any) -> dict[str, Any]:
    """Return what can be told of the copy now."""
    with run.the_environment().connect(run.database) as connection:
        return {
            "words": copy_database.database_words(run, connection), "oid": copy_database.database_oid(run, connection),
            "rows": connection.execute("SELECT count(*), sum(g) FROM public.entry").fetchall(),
            "sequence": connection.execute("SELECT last_value, is_called FROM public.counter").fetchall(),
            "extra": connection.execute("SELECT to_regclass('public.planted')").fetchall(),
        }  # fmt: skip


def opened(run: Any) -> None:
    """Open the engine's own session, as C-10 does; one of an earlier test ends."""
    run.closing.close()
    session, closing = open_session(run)
    run.closing.push(closing)
    run.witnessing = Witnessing(connection=session, closing=closing)


def made_anew(run: Any) -> tuple[str, str]:
    """Drop the copy and make it anew, as before S2."""
    run.the_witnessing().closing.close()
    return copy_database.make_copy_anew(run, "the copy cannot be rewound before S2")


def test_everything_of_the_database_is_as_it_was_and_nothing_of_the_scenario_is_left(run: Any) -> None:
    """Owner, limit, comment, settings, rows, sequences, privileges by whoever gave them; and the server is durable."""
    before = look(run)
    assert run.recorder.state.facts["prepared"]["database"] == before["words"]
    assert len([word for word in before["words"] if word.startswith("settings of ")]) == 2
    assert before["words"]["comment"] == "the keeper's own\\copy"
    for given in ("=c/reader", "reader=c*/writer", 'writer=Cc*/"the keeper"', '"the keeper"=Tc/"the keeper"'):
        assert given in before["words"]["privileges"]
    opened(run)
    with run.the_environment().connect(run.database) as connection:
        connection.execute("CREATE TABLE public.planted ()")
        connection.execute("DELETE FROM public.entry WHERE g > 3")
        connection.execute("SELECT nextval('public.counter')")
    way, dropped = made_anew(run)
    after = look(run)
    assert {**before, "oid": after["oid"]} == after
    assert dropped == before["oid"] != after["oid"]
    assert ("cannot clone" in way) == (run.the_environment().cluster.programs.major < 18)
    with run.the_environment().connect() as connection:
        [(fsync,)] = connection.execute("SHOW fsync").fetchall()
        assert fsync == "on"
        template = rewind_template.look_at_template(connection, copy_database.TEMPLATE_NAME)
    assert msgspec.to_builtins(template) == run.recorder.state.facts["prepared"]["template"]


def test_a_list_of_no_privileges_is_not_the_built_in_one(run: Any) -> None:
    """A database that nobody may connect to, its owner neither, is one again: no list at all would let everybody in."""
    opened(run)
    with run.the_environment().connect() as connection:
        known = copy_database.database_words(run, connection)
        for role in ("PUBLIC", "writer", "reader", '"the keeper"'):
            connection.execute(f"REVOKE ALL ON DATABASE {QUOTED} FROM {role} CASCADE".encode())
        assert connection.execute(GIVEN).fetchall() == [("{}",)]
        before = copy_database.database_words(run, connection)
    made_anew(run)
    with run.the_environment().connect() as connection:
        assert connection.execute(GIVEN).fetchall() == [("{}",)]
        assert copy_database.database_words(run, connection) == before != known
        for statement in (f'GRANT ALL ON DATABASE {QUOTED} TO "the keeper"', *WORDS):
            for one in statement.split("; "):
                connection.execute(one.encode())
        assert copy_database.database_words(run, connection) == known


WRONG = {
    "comment": f"COMMENT ON DATABASE {QUOTED} IS NULL",
    "security label of probe": "INSERT INTO pg_shseclabel SELECT oid, 1262, 'probe', 'secret' FROM pg_database "
    f"WHERE datname = '{DATABASE}'",
    "settings of everybody": f"ALTER DATABASE {QUOTED} RESET work_mem",
    "settings of writer": f"ALTER ROLE writer IN DATABASE {QUOTED} RESET jit",
    "settings of reader": f"ALTER ROLE reader IN DATABASE {QUOTED} SET jit TO off",
    "privileges": f"GRANT CREATE ON DATABASE {QUOTED} TO reader",
    "datconnlimit": f"ALTER DATABASE {QUOTED} CONNECTION LIMIT 8",
    "datistemplate": f"ALTER DATABASE {QUOTED} IS_TEMPLATE true",
    "owner": f"ALTER DATABASE {QUOTED} OWNER TO reader",
    "dependencies": "DELETE FROM pg_shdepend WHERE classid = 1262 AND deptype = 'o'",
}


@pytest.mark.parametrize("word", WRONG)
def test_each_word_tells_what_is_not_as_it_was(run: Any, word: str) -> None:
    """What is another one of the database, outside of its files, is another word; undone, all words are as before."""
    with run.the_environment().connect() as connection, connection.transaction(force_rollback=True):
        before = copy_database.database_words(run, connection)
        connection.execute("SET LOCAL allow_system_table_mods = on")
        connection.execute(WRONG[word].encode())
        after = copy_database.database_words(run, connection)
    assert before.get(word) != after.get(word)
    with run.the_environment().connect() as connection:
        assert copy_database.database_words(run, connection) == before


def test_a_change_that_no_time_tells_of_is_in_the_content(run: Any) -> None:
    """What is written through memory that was mapped and written before leaves every look as it was, and no content."""
    with run.the_environment().connect() as connection:
        oid = rewind_template.look_at_template(connection, copy_database.TEMPLATE_NAME).oid
        folder = run.the_environment().cluster.data_folder / "base" / oid
        file = max(folder.iterdir(), key=lambda it: it.stat().st_size)
        with file.open("r+b") as opened_file, mmap.mmap(opened_file.fileno(), 0) as mapped:
            mapped[100] = mapped[100]
            rewind_template.await_quiet(run)
            before = contents(run, connection, oid)
            mapped[100] ^= 1
            after = contents(run, connection, oid)
            mapped[100] ^= 1
            assert contents(run, connection, oid) == before
    assert before[0] == after[0]
    assert [a.sha256 != b.sha256 for a, b in zip(before[1:], after[1:], strict=True)] == [True, True]
    assert [(one.files, one.size_bytes) for one in before[1:]] == [
        (before[0].files - 1, before[1].size_bytes)
    ] * 2


def contents(run: Any, connection: Any, oid: str) -> tuple[Any, Any, Any]:
    """Return a look at the template, and its content as the engine and as the server reads it."""
    with rewind_template.content_read_beside(run, "content.before"):
        look = rewind_template.look_at_template(connection, copy_database.TEMPLATE_NAME)
    by_engine = msgspec.convert(run.recorder.state.facts["content.before"], TemplateContent)
    return look, by_engine, rewind_template.content_by_server(connection, f"base/{oid}", run.recorder)


def test_a_file_that_cannot_be_read_has_its_own_words(run: Any, tmp_path: Path) -> None:
    """A file that is gone when it is read is G-31's, and the environment's fault."""
    folder = run.the_environment().cluster.data_folder / "base"
    with run.the_environment().connect() as connection:
        oid = rewind_template.look_at_template(connection, copy_database.TEMPLATE_NAME).oid
        (folder / oid).rename(folder / f"{oid}.away")
        try:
            with (
                pytest.raises(StepFailed, match="the template's files cannot be read: ") as failed,
                rewind_template.content_read_beside(run, "content.after"),
            ):
                pass
        finally:
            (folder / f"{oid}.away").rename(folder / oid)
    assert (failed.value.cause, failed.value.gate) == ("environment", "G-31")


def ran_since_the_count(run: Any, do: Callable[[], None]) -> tuple[dict[str, int], list[str]]:
    """Count behind a scenario, do something, close the copy; return the rows written since and the looks it took."""
    sent: list[str] = []
    assert last_count.count_behind_scenario(run) == {"entry": ROWS}
    do()
    with run.the_environment().connect() as connection:
        run_sql(connection, "rewind/close_copy", parts={"database": sql.Identifier(DATABASE)})
        run.the_witnessing().connection.observer = lambda ran: sent.append(ran.name)
        try:
            found = last_count.rows_written_since(run)
        finally:
            run_sql(connection, "rewind/allow_connections", parts={"database": sql.Identifier(DATABASE)})
    return found, [name for name in sent if name == "rewind/rows_written_since"]


def test_where_nothing_ran_no_row_is_looked_at(run: Any) -> None:
    """Between a count and the look nothing takes a transaction's number but the engine: no table is read once more."""
    opened(run)
    assert ran_since_the_count(run, lambda: None) == ({"entry": 0}, [])


def maintained(run: Any) -> None:
    """Let the server do to the table, and to its catalogue, all that it does by itself, and more."""
    with run.the_environment().connect(run.database) as connection:
        for statement in ("VACUUM (FREEZE, ANALYZE) public.entry", "VACUUM FULL public.entry", "CHECKPOINT"):
            connection.execute(statement.encode())
        connection.execute("SELECT * FROM public.entry FOR UPDATE")
        with connection.transaction(force_rollback=True):
            connection.execute("UPDATE public.entry SET g = g")


def test_what_is_not_written_is_not_late(run: Any) -> None:
    """Vacuum, freezing, statistics, a new file, row locks and what was rolled back are no rows written."""
    opened(run)
    assert ran_since_the_count(run, lambda: maintained(run)) == ({"entry": 0}, ["rewind/rows_written_since"])


def test_a_row_written_after_the_count_is_late_however_it_was(run: Any) -> None:
    """Rows of a savepoint that was open at the count, and no row that another one had committed meanwhile."""
    opened(run)
    connect = run.the_environment().connect
    with connect(run.database) as first, connect(run.database) as second:
        first.execute("BEGIN")
        first.execute("SAVEPOINT one")
        first.execute("UPDATE public.entry SET g = g WHERE g <= 3")
        second.execute("UPDATE public.entry SET g = g WHERE g > 990")

        def ended() -> None:
            first.execute("RELEASE one")
            first.execute("COMMIT")

        assert ran_since_the_count(run, ended)[0] == {"entry": 3}
        assert ran_since_the_count(run, lambda: None)[0] == {"entry": 0}
        late = ran_since_the_count(run, lambda: second.execute("UPDATE public.entry SET g = g WHERE g = 7"))
    assert late[0] == {"entry": 1}


def test_nobody_comes_between_the_last_look_and_the_drop(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is looked at last is looked at behind a closed door, and what is wrong there opens it again."""
    opened(run)

    def effects(_run: Any) -> Any:
        with run.the_environment().connect(run.database):
            pass

    monkeypatch.setattr(rewinding, "effects_of", effects)
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        rewinding._last_look(run, "S2")
    with run.the_environment().connect() as connection:
        run_sql(connection, "rewind/allow_connections", parts={"database": sql.Identifier(DATABASE)})
    monkeypatch.setattr(rewinding, "LEAVE_PATIENCE_S", 0.1)
    with run.the_environment().connect(run.database):
        with pytest.raises(StepFailed, match="somebody is still connected"):
            rewinding._last_look(run, "S2")
        look(run)


def test_nobody_not_even_the_superuser_reaches_the_template(run: Any) -> None:
    """A session in the template is refused to the superuser, so to everybody, and is not counted as one."""
    with (
        pytest.raises(psycopg.OperationalError, match="not currently accepting connections"),
        run.the_environment().connect(copy_database.TEMPLATE_NAME),
    ):
        pass
    rewind_template.await_quiet(run)
    with run.the_environment().connect() as connection:
        found = rewind_template.look_at_template(connection, copy_database.TEMPLATE_NAME)
    assert (found.connectable, found.is_template, found.grantees, found.sessions) == (False, False, (), 0)


def test_a_session_in_the_copy_is_not_ended_by_force(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody is connected the copy stays as it is, and who it is stands in the reason."""
    monkeypatch.setattr(rewinding, "LEAVE_PATIENCE_S", 0.3)
    opened(run)
    with run.the_environment().connect(run.database) as mine:
        with pytest.raises(StepFailed) as failed:
            rewinding._require_nobody(run, "S2")
        assert mine.execute("SELECT 1").fetchall() == [(1,)]
        assert f"backend {mine.info.backend_pid} (postgres) idle" in failed.value.reason
    assert (failed.value.cause, failed.value.gate) == ("environment", "G-27")


def test_a_file_of_the_template_that_somebody_touched_is_seen(run: Any) -> None:
    """Setting back its modification time does not help: the change time tells."""
    rewind_template.await_quiet(run)
    with run.the_environment().connect() as connection:
        before = rewind_template.look_at_template(connection, copy_database.TEMPLATE_NAME)
        file = next(
            path
            for path in (run.the_environment().cluster.data_folder / "base" / before.oid).iterdir()
            if path.stat().st_size
        )
        known = file.stat()
        content = file.read_bytes()
        with file.open("r+b") as opened_file:
            opened_file.write(bytes([content[0] ^ 1]))
        os.utime(file, ns=(known.st_atime_ns, known.st_mtime_ns))
        after = rewind_template.look_at_template(connection, copy_database.TEMPLATE_NAME)
        with file.open("r+b") as opened_file:
            opened_file.write(content[:1])
    assert (before.files, before.size_bytes) == (after.files, after.size_bytes)
    assert before.sha256 != after.sha256


def test_a_lock_that_somebody_holds_has_its_own_words(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who changes the database beside it, and does not end, is no session of the subject's: and nothing is counted."""
    monkeypatch.setattr(copy_database, "WITNESS_OPTIONS", "-c lock_timeout=200ms")
    opened(run)
    with run.the_environment().connect() as mine:
        mine.execute("BEGIN")
        mine.execute(f"ALTER DATABASE {QUOTED} SET work_mem TO '6MB'".encode())
        with pytest.raises(StepFailed, match=r"cannot be rewound before S2: .*lock timeout") as failed:
            made_anew(run)
    assert (failed.value.cause, failed.value.gate) == ("environment", "G-27")
