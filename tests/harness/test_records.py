"""What the client witness says of each statement, beside its text."""

from __future__ import annotations

import json
from itertools import pairwise

from harness_driver import Stage, run
from sample import PACK
from test_program import one_scenario

from console.model.trace import ClientStatement
from console.witness.client_statements import was_skipped


def of_attempt(statements: list[ClientStatement], name: str) -> list[ClientStatement]:
    """Return one attempt's statements."""
    return [statement for statement in statements if statement.attempt == name]


def test_labels_types_rows_and_callers(stage: Stage) -> None:
    """Scenario, attempt, phase, principal, type names, rows and the subject's frames are recorded."""
    _replies, _trace, statements = run(stage, "WAYS")
    begin, typed, *_rest = of_attempt(statements, "parameters")
    assert (begin.sql, begin.implicit, begin.tx, begin.transaction) == ("BEGIN", True, "idle", 1)
    assert typed.sql == "SELECT $1::int + $2, $3::text, $4"
    assert typed.types == ("int2", "int4", "unknown", "unknown")
    assert (typed.scenario, typed.phase, typed.principal) == ("WAYS", "PARAMETERS", "shopper")
    assert (typed.rows, typed.answered, typed.sqlstate, typed.message) == (1, True, "", "")
    assert (typed.tx, typed.transaction, typed.implicit) == ("intrans", 1, False)
    assert typed.callers[0].startswith("parameters (shop/ways.py:")
    assert of_attempt(statements, "parameters")[-2].types == ("int2[]",)
    assert [s.n for s in statements] == list(range(1, len(statements) + 1))
    assert all(s.answered and s.duration_us >= 0 for s in statements)
    for statement in statements:
        assert f"{statement.attempt} (shop/ways.py:" in " ".join(statement.callers)


def test_no_bound_value_is_recorded(stage: Stage) -> None:
    """The values that the subject bound are nowhere in the trace."""
    run(stage, "WAYS")
    assert "secret value" not in stage.trace.read_text()


def test_rows_of_each_way(stage: Stage) -> None:
    """Rows are what the server answered, for plain, copied, streamed and batched statements alike."""
    _replies, _trace, statements = run(stage, "WAYS")
    copies = [s for s in of_attempt(statements, "copies") if s.sql.startswith("COPY")]
    assert [(s.rows, s.sqlstate) for s in copies] == [(2, ""), (2, ""), (-1, "22P02")]
    assert [s.rows for s in of_attempt(statements, "many") if s.sql.startswith("INSERT")] == [1] * 7
    first, cancelled = [s for s in of_attempt(statements, "streamed") if s.sql.startswith("SELECT")]
    assert (first.rows, cancelled.sqlstate) == (3, "57014")
    fetched = [s for s in of_attempt(statements, "server_cursor") if s.sql.startswith("FETCH")]
    assert [s.rows for s in fetched] == [100, 100, 50, 2]
    assert all(s.implicit for s in of_attempt(statements, "server_cursor"))


def test_prepared_statements_carry_their_name(stage: Stage) -> None:
    """From the sixth execution on psycopg prepares; the name is recorded with each execution, once."""
    _replies, _trace, statements = run(stage, "WAYS")
    executions = [s for s in of_attempt(statements, "prepared") if s.sql.endswith("AS prepared")]
    assert [s.prepared for s in executions] == [""] * 5 + ["_pg3_0"] * 3
    (refused,) = [s for s in statements if s.sql == "SELECT * FROM no_such_prepared"]
    assert (refused.prepared, refused.sqlstate, refused.rows) == ("_pg3_0", "42P01", -1)
    assert refused.message == 'relation "no_such_prepared" does not exist'


def test_what_the_server_skipped_in_a_pipeline_says_so(stage: Stage) -> None:
    """A statement behind a failed one of its pipeline is told apart from one that ran."""
    _replies, _trace, statements = run(stage, "WAYS")
    piped = of_attempt(statements, "pipeline_fails")
    assert [(s.sql, s.sqlstate, was_skipped(s)) for s in piped] == [
        ("SELECT 'before'", "", False),
        ("SELECT * FROM no_such_piped", "42P01", False),
        ("SELECT 'skipped'", "", True),
        ("SELECT 'afterwards'", "", False),
    ]


def test_a_transaction_left_open_shows_in_the_next_statements(stage: Stage) -> None:
    """The statement that met an open transaction has the same transaction number as the one that began it."""
    stage.write(
        pack=one_scenario(
            "conn = ways.connect(ctx)\n"
            "conn.execute('SELECT 1')\n"
            "with ctx.attempt('late'):\n    conn.execute('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE')\n"
            "conn.rollback()\nconn.execute('SELECT 2')"
        )
    )
    _replies, _trace, statements = run(stage, "S1")
    assert [(s.sql, s.tx, s.transaction, s.sqlstate) for s in statements] == [
        ("BEGIN", "idle", 1, ""),
        ("SELECT 1", "intrans", 1, ""),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "intrans", 1, "25001"),
        ("ROLLBACK", "inerror", 1, ""),
        ("BEGIN", "idle", 2, ""),
        ("SELECT 2", "intrans", 2, ""),
    ]


def test_sql_with_a_nul_is_recorded_whole(stage: Stage) -> None:
    """What psycopg cuts at a NUL is in the trace to its end."""
    stage.write(pack=one_scenario("ways.connect(ctx, autocommit=True).execute('SELECT 1 \\0; DROP TABLE x')"))
    _replies, _trace, statements = run(stage, "S1")
    assert [s.sql for s in statements] == ["SELECT 1 \0; DROP TABLE x"]


def test_a_lost_connection_leaves_its_statement_unanswered(stage: Stage) -> None:
    """A statement whose backend died is recorded without an answer and holds up no later one."""
    stage.write(
        pack=one_scenario(
            "rival = ctx.rival('shopper')\nconn = ways.connect(ctx, autocommit=True)\n"
            "with ctx.attempt('dies'):\n"
            "    conn.execute('SELECT pg_terminate_backend(pg_backend_pid())')\n"
            "with ctx.attempt('dead'):\n    conn.execute('SELECT 3')\n"
            "rival.execute('SELECT 4')"
        )
    )
    _replies, trace, statements = run(stage, "S1")
    assert [(s.sql, s.answered, s.sqlstate) for s in statements] == [
        ("SELECT pg_terminate_backend(pg_backend_pid())", True, "57P01"),
        ("SELECT 4", True, ""),
    ]
    assert trace.unsent_statements == 0


def test_every_session_is_opened_and_closed_once(stage: Stage) -> None:
    """Each session of the harness is in the trace with its backend, its user and its end."""
    stage.write(pack=PACK + one_scenario("ways.connect(ctx)"))
    _replies, trace, _statements = run(stage, "RIVAL", "REFUSED", "S1")
    assert [(s.number, s.principal, s.closed_at is None) for s in trace.sessions] == [
        (1, "shopper", False), (2, "shopper", False), (3, "shopper", False),
    ]  # fmt: skip
    assert len({session.pid for session in trace.sessions}) == 3


REPEATED = """
conn = ways.connect(ctx, autocommit=True)
for name in ('once', 'twice'):
    with ctx.attempt(name):
        for text in ('SELECT 1', "SELECT '" + ctx.password('shopper').replace("'", "''") + "'", "SELECT 7 % 2, '%d'"):
            for _ in range(8):
                conn.execute(text)
with ctx.attempt('many'):
    for number in [*range(2100), 5, 2099]:
        conn.execute(f'SELECT {number}', prepare=False)
"""


def test_what_was_told_before_is_told_in_short(stage: Stage) -> None:
    """Statements alike have labels and texts of their own; one with a password is always told in full."""
    stage.write(pack=one_scenario(REPEATED))
    _replies, trace, statements = run(stage, "S1")
    secret = "SELECT '[redacted:shopper]'"
    for name in ("once", "twice"):
        found = of_attempt(statements, name)
        assert [s.sql for s in found] == ["SELECT 1"] * 8 + [secret] * 8 + ["SELECT 7 % 2, '%d'"] * 8
        assert {s.phase for s in found} == {found[0].phase}
    assert len(trace.redactions) == 16
    many = of_attempt(statements, "many")
    assert [s.sql for s in many] == [f"SELECT {number}" for number in [*range(2100), 5, 2099]]
    assert all(after.sent_at > before.sent_at - 0.01 for before, after in pairwise(statements))
    assert [s.transaction for s in statements] == list(range(1, len(statements) + 1))
    lines = [json.loads(line) for line in stage.trace.read_text().splitlines()]
    short = [line for line in lines if line["e"] == "again"]
    assert len(short) > 20
    assert short[-1]["n"] == statements[-1].n
    texts = {line["n"]: line["sql"] for line in lines if line["e"] == "send"}
    assert {texts[line["like"]] for line in short} == {"SELECT 1", "SELECT 7 % 2, '%d'", "SELECT 2099"}
