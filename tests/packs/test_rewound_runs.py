"""Runs whose copy is rewound between scenarios: what passes only so, and what a rewind must never hide."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fix_ordinary import ordinary
from fix_runs import PATIENCE_S, Drydock, Ended, Living
from rewind_pack import ADDS_LATE, ADDS_TWICE, KEPT, LATE, LATE_UPDATE, TAMPERS, write_rewind_pack
from small_pack import PACK

from console.engine.copy_database import TEMPLATE_NAME
from console.engine.rehearsal import read_order, work_folder_of
from console.environments.cluster import PORT, SUPERUSER
from console.environments.environment import SUPERUSER_SECRET
from console.model.event import NoteRecorded
from console.model.run_state import RunState

UP_TO_S4 = ",".join(
    ["B-1,B-2,B-3,B-4,B-5,B-S1,B-S1-again,B-S2,B-S3"]
    + [f"B-C-{step:02d}" for step in (2, 5, 6, 7, 8, 9, 11, 12)]
)
"""Every boundary that --supervise scenario knows, but the one before S4."""
STEP_S = 0.004
STRAY_ROW = "INSERT INTO public.cut_policy VALUES (gen_random_uuid(), 'stray', '{}', true, now())"


AFTER_THE_LOST_ONE = """

@scenario("S6", title="a look behind it", kind="negative", principal="cutter_exec")
def look_again(ctx: Context) -> None:
    agent(ctx).look("unit-2")
"""


def words_for(folder: Path) -> tuple[str, ...]:
    """Return the words of `run` for a pack."""
    return "--pack", str(folder), "--subject", str(folder / "subject")


def waiting_before_s4(drydock: Drydock, folder: Path) -> Living:
    """Return a run that waits before S4, in front of its second rewind."""
    living = drydock.start("--supervise", "scenario", "--approve", UP_TO_S4, *words_for(folder))
    living.wait_at("B-S4")
    return living


def copy_folder(living: Living) -> Path:
    """Return the folder of the copy's cluster."""
    return work_folder_of(read_order(living.folder)) / "copy"


def somebody(living: Living, *, user: str = SUPERUSER, database: str = "directus") -> psycopg.Connection[Any]:
    """Return a session on the copy that no witness of the client's knows of, and of a superuser no log either."""
    secrets = json.loads((living.folder / "secrets" / "rehearsal.json").read_bytes())
    return psycopg.connect(
        host=str(copy_folder(living) / "socket"), port=PORT, dbname=database, user=user, sslmode="disable",
        password=secrets[SUPERUSER_SECRET if user == SUPERUSER else user], autocommit=True,
        options="-c log_statement=none" if user == SUPERUSER else "",
    )  # fmt: skip


def assert_fails(ended: Ended, gate: str, says: str) -> None:
    """The run is FAIL and CLEAN at this gate, by this sentence and the subject's cause."""
    assert ended.outcome == (1, "FAIL", "CLEAN", "subject"), ended.said.stderr[-3000:]
    assert ended.summary["failed_gate"] == gate
    assert says in ended.summary["reason"]


def test_scenarios_that_disturb_one_another_pass_on_fresh_copies(drydock: Drydock) -> None:
    """S2 adds what S1 had added, S4 finds nothing of it, and each copy is another database like the prepared one."""
    folder = write_rewind_pack(drydock.place("rewound"))
    ended = drydock.run("--pg-major", "18", *words_for(folder))
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr[-3000:]
    facts = ended.state.facts
    assert facts["prepared"]["rewound"] == ["S2", "S4"]
    made = [facts["prepared"]["oid"], facts["rewound.S2"]["made"], facts["rewound.S4"]["made"]]
    assert len(set(made)) == 3
    order = ("S1", "S1-again", "S2", "S3", "S4")
    ran_in = [facts[f"template.{scenario}"]["oid"] for scenario in order]
    assert ran_in == [made[0], made[0], made[1], made[1], made[2]]
    assert "S2 copy made anew from its template in " in ended.said.stderr
    assert ended.summary["rows"]["decision_backlog_entry"] == 0
    assert {"G-27", "G-28"} <= ended.summary["gates"].keys()
    told = [entry.event for entry in ended.entries]
    durable = [one.value for one in told if isinstance(one, NoteRecorded) and one.name == "copy.durability"]
    assert len(durable) == 4  # restored, template made, and twice made anew
    assert all((one["fsync"], one["full_page_writes"]) == ("on", "on") for one in durable)
    verified = drydock.command("verify", str(ended.folder))
    assert verified.exit_code == 0, verified.stdout


@pytest.mark.matrix
def test_refusals_faults_and_lost_connections_are_rewound(drydock: Drydock) -> None:
    """A pack that rewinds before each scenario passes, also behind one whose connection was cut off."""
    folder = write_rewind_pack(drydock.place("each"), pack=PACK + AFTER_THE_LOST_ONE, rewind="each")
    ended = drydock.run(*words_for(folder))
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.said.stderr[-3000:]
    assert ended.state.facts["prepared"]["rewound"] == ["S2", "S3", "S4", "S5", "S6"]


@pytest.mark.matrix
def test_the_same_scenarios_fail_on_one_copy(drydock: Drydock) -> None:
    """Without rewinds S2 finds what S1 had added; nothing of a rewind is in the run."""
    folder = write_rewind_pack(drydock.place("one"), pack=ADDS_TWICE.replace(", rewind=True", ""))
    ended = drydock.run(*words_for(folder))
    assert ended.outcome == (1, "FAIL", "CLEAN", "subject")
    assert ended.summary["failed_scenario"] == "S2"
    assert not [name for name in ended.state.facts if name.startswith(("prepared", "rewound.", "template."))]
    assert not {"G-27", "G-28"} & ended.summary["gates"].keys()


@pytest.mark.matrix
def test_a_run_asks_for_what_its_pack_allows(drydock: Drydock) -> None:
    """A pack that allows it passes with --rewind, all but the replay on copies of their own, and fails without."""
    pack = ADDS_TWICE.replace(", rewind=True", "")
    pack = pack.replace('if agent(ctx).look("unit-1") is None', 'if agent(ctx).look("unit-1") is not None')
    folder = write_rewind_pack(drydock.place("asked"), pack=pack, rewind="allowed", baseline="source")
    asked = drydock.run("--rewind", *words_for(folder))
    assert asked.outcome == (0, "PASS", "CLEAN", None), asked.said.stderr[-3000:]
    assert asked.state.facts["prepared"]["rewound"] == ["S2", "S3", "S4"]
    assert drydock.run(*words_for(folder)).summary["failed_scenario"] == "S2"


def test_the_cutters_pack_cannot_be_rewound(drydock: Drydock) -> None:
    """A pack that does not allow it, and a plan without scenarios, are refused before a run exists."""
    for words in (("--rewind",), ("--rewind", "--plan", "migration")):
        said = drydock.command("run", "--headless", "--runs-dir", str(drydock.place("none")), *words)
        assert said.exit_code == 2, said.stderr
        assert "rewind" in said.stderr


@pytest.mark.matrix
def test_a_connection_that_is_kept_open_fails(drydock: Drydock) -> None:
    """A subject that keeps a connection behind S3 fails G-27 by its role; nobody ends it by force."""
    folder = write_rewind_pack(drydock.place("kept"), agent=KEPT)
    ended = drydock.run(*words_for(folder))
    assert_fails(
        ended,
        "G-27",
        "5 s after S3 the copy cannot be rewound before S4, because somebody is still connected",
    )
    assert "(cutter_exec) idle for " in ended.summary["reason"]
    assert "rewound.S4" not in ended.state.facts


@pytest.mark.matrix
def test_a_subject_that_changes_the_template_fails(drydock: Drydock) -> None:
    """Where the server is the subject's own user, one byte that it writes into the template's files fails G-28."""
    theirs = ordinary(drydock)
    folder = write_rewind_pack(drydock.place("tampered"), agent=TAMPERS)
    ended = theirs.run(*words_for(folder))
    assert_fails(ended, "G-28", "after S3 the template's sha256 is ")
    assert ended.state.scenarios["S3"].verdict == "PASS"


@pytest.mark.matrix
def test_a_row_that_comes_late_is_not_rewound_away(drydock: Drydock) -> None:
    """What the server commits after S3 was counted, and no session is there for any more, fails G-15 all the same."""
    folder = write_rewind_pack(drydock.place("late"), pack=ADDS_LATE, agent=LATE, baseline="source")
    ended = drydock.run(*words_for(folder))
    assert_fails(
        ended, "G-15", "after S3, before the copy was rewound: decision_backlog_entry is 2, expected 1"
    )
    assert ended.state.scenarios["S3"].verdict == "PASS"
    assert "rewound.S4" not in ended.state.facts
    assert drydock.command("verify", str(ended.folder)).exit_code == 0


@pytest.mark.matrix
def test_a_row_that_is_written_late_is_not_rewound_away(drydock: Drydock) -> None:
    """An UPDATE that the server commits after S3 was counted changes no count, and fails G-15 all the same."""
    pack = ADDS_LATE.replace("a statement is given up", "an update is given up")
    folder = write_rewind_pack(drydock.place("late"), pack=pack, agent=LATE_UPDATE, baseline="source")
    ended = drydock.run(*words_for(folder))
    assert_fails(
        ended,
        "G-15",
        "after S3 was counted, before the copy was rewound: rows written in decision_backlog_entry is 1, expected 0",
    )
    assert ended.state.scenarios["S3"].verdict == "PASS"
    assert "rewound.S4" not in ended.state.facts


@pytest.mark.matrix
def test_a_row_that_is_written_at_a_boundary_is_not_rewound_away(drydock: Drydock) -> None:
    """A superuser who writes a row anew while B-S4 waits, where no log and no count tells, fails G-15 by its table."""
    living = waiting_before_s4(drydock, write_rewind_pack(drydock.place("written")))
    with somebody(living) as connection:
        connection.execute("UPDATE public.decision_backlog_entry SET priority = priority")
    living.approve("B-S4")
    ended = living.finish()
    assert_fails(ended, "G-15", "after S3 was counted, before the copy was rewound: rows written in ")
    assert drydock.command("verify", str(ended.folder)).exit_code == 0


def open_the_template(living: Living) -> None:
    """Do what only a superuser can: let connections in, delete rows, and close it again."""
    with somebody(living, database="postgres") as connection:
        connection.execute(f"ALTER DATABASE {TEMPLATE_NAME} ALLOW_CONNECTIONS true".encode())
        with somebody(living, database=TEMPLATE_NAME) as inside:
            inside.execute("CREATE TABLE public.planted ()")
        connection.execute(f"ALTER DATABASE {TEMPLATE_NAME} ALLOW_CONNECTIONS false".encode())


def delete_a_row(living: Living) -> None:
    """Change nothing that a count shows, in the copy that the next rewind drops."""
    with somebody(living) as connection:
        connection.execute(STRAY_ROW)
        connection.execute("DELETE FROM public.cut_policy")


def set_a_setting(living: Living) -> None:
    """Change what the next copy's database would be given again."""
    with somebody(living) as connection:
        connection.execute("ALTER DATABASE directus SET work_mem TO '5MB'")


@pytest.mark.matrix
def test_somebody_who_opens_the_template_fails(drydock: Drydock) -> None:
    """A superuser who lets himself in, changes it and closes it again while B-S4 waits fails G-28 before it is used."""
    living = waiting_before_s4(drydock, write_rewind_pack(drydock.place("opened")))
    open_the_template(living)
    living.approve("B-S4")
    ended = living.finish()
    assert_fails(ended, "G-28", "before S4 the template's ")
    assert "sessions is 1, expected 0" in ended.summary["reason"]
    assert "rewound.S4" not in ended.state.facts


def change_ones_own_password(living: Living) -> None:
    """Change what no database holds, as the subject's role: every role may change its own password."""
    with somebody(living, user="cutter_verify") as connection:
        connection.execute(
            "ALTER ROLE cutter_verify PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy'"
        )


BREAKS: dict[str, tuple[Callable[[Living], None], str]] = {
    "a row was deleted": (delete_a_row, "the count of deleted tuples of public.cut_policy is 1, expected 0"),
    "a setting was changed": (set_a_setting, "the digest of catalogue pg_db_role_setting is "),
    "a role was changed": (change_ones_own_password, "the digest of catalogue pg_authid is "),
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", BREAKS)
def test_what_somebody_does_between_scenarios_is_not_rewound(drydock: Drydock, name: str) -> None:
    """Done while B-S4 waits, to the copy that S4 would not see any more: G-20 finds it before that is dropped."""
    act, says = BREAKS[name]
    living = waiting_before_s4(drydock, write_rewind_pack(drydock.place("broken")))
    act(living)
    living.approve("B-S4")
    ended = living.finish()
    assert_fails(ended, "G-20", "on the copy of S2: ")
    assert says in ended.summary["reason"]
    assert "rewound.S4" not in ended.state.facts
    assert drydock.command("verify", str(ended.folder)).exit_code == 0


@pytest.mark.matrix
def test_whoever_comes_while_the_copy_is_rewound_fails(drydock: Drydock) -> None:
    """Somebody who comes again and again as the subject's role fails G-27, in whatever moment of the rewind."""
    living = waiting_before_s4(drydock, write_rewind_pack(drydock.place("visited")))
    over = threading.Event()

    def come() -> None:
        while not over.is_set():
            try:
                with somebody(living, user="cutter_exec") as connection:
                    connection.execute("SELECT 1")
            except (psycopg.OperationalError, FileNotFoundError):
                over.wait(STEP_S)

    visitor = threading.Thread(target=come)
    visitor.start()
    try:
        living.approve("B-S4")
        ended = living.finish()
    finally:
        over.set()
        visitor.join()
    assert ended.outcome == (1, "FAIL", "CLEAN", "subject"), ended.said.stderr[-3000:]
    assert ended.summary["failed_gate"] == "G-27"
    assert "rewound before S4" in ended.summary["reason"]


@pytest.mark.matrix
def test_nothing_is_left_of_a_run_that_died_in_a_rewind(drydock: Drydock) -> None:
    """An engine that is killed when the copy is dropped and not yet made anew leaves nothing; the run is FAIL."""
    folder = write_rewind_pack(drydock.place("died"))
    living = drydock.start("--approve", "all", *words_for(folder))
    pid = living.engine_pid()
    _stopped_while_dropped(living, pid)
    os.kill(pid, signal.SIGKILL)
    ended = living.finish()
    assert ended.outcome == (1, "FAIL", "CLEAN", "drydock"), ended.said.stderr[-3000:]
    assert "the engine died in C-10" in ended.summary["reason"]
    assert not work_folder_of(read_order(ended.folder)).exists()


def _stopped_while_dropped(living: Living, pid: int) -> None:
    """Stop the engine in a moment in which the first copy's database has no folder and the rewind is not recorded."""
    living.wait_until(lambda state: "prepared" in state.facts, "the template")
    first = copy_folder(living) / "data" / "base" / living.state.facts["prepared"]["oid"]
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        os.kill(pid, signal.SIGSTOP)
        state: RunState = living.state
        if not first.exists() and "S2" in state.scenarios_started:
            assert "rewound.S2" not in state.facts, "the moment was missed"
            return
        os.kill(pid, signal.SIGCONT)
        time.sleep(STEP_S)
    pytest.fail(f"the moment did not come; the run had said:\n{living.narration}")
