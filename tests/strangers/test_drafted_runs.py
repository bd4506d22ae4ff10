"""From `drydock init` to a finished rehearsal of schemas that nobody here wrote, each on a real server."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from fix_runs import Drydock, Ended, Said
from public_schemas import HERE
from stranger_server import Stranger

from console.model.catalogue import Privileges
from console.packs import load_pack

TELLER = HERE.parents[1] / "console" / "drafting" / "demo" / "subject" / "teller" / "__init__.py"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A database, the one module of the subject that writes to it, and the scenario that a user adds to the draft."""

    database: str
    subject: Path
    writer: str
    call: str
    rows: str
    isolation: str = "read committed"
    more: tuple[str, ...] = ()


CASES = (
    Case(
        database="pgbench", subject=TELLER, writer="teller", rows="pgbench_history = 1",
        call="teller.deposit(connection, account=7, teller=3, branch=1, delta=250)",
    ),
    Case(
        database="chinook", subject=HERE / "subjects" / "subject_shop.py", writer="shop",
        rows="chinook_invoice = 1, chinook_invoiceline = 2", isolation="repeatable read",
        call="shop.sell(connection, customer=12, tracks=[4, 9])",
    ),
    Case(
        database="procrastinate", subject=HERE / "subjects" / "subject_jobs.py", writer="deferrer",
        rows="procrastinate_jobs = 1, procrastinate_events = 1", call="jobs.defer(connection, task='send')",
    ),
    Case(
        database="odd", subject=HERE / "subjects" / "subject_odd.py", writer="Own er",
        rows='Order = 1, "Sales Data.a.b" = 1, event = 1, "audit.log" = 1', call="odd.write(connection)",
        more=("--tables", "Order", "Sales Data.a.b", "event", "audit.log"),
    ),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Drafted:
    """What init wrote for one case, what it said, and the plan's place."""

    case: Case
    folder: Path
    said: Said

    @property
    def plan(self) -> str:
        """Return the plan file."""
        return str(self.folder / "plan.toml")


Draft = Callable[[str], Drafted]


@pytest.fixture(scope="module")
def draft(stranger: Stranger, drydock: Drydock) -> Draft:
    """Return init's result for a database, drafted once, with one writing scenario added to it."""
    known: dict[str, Drafted] = {}

    def drafted(database: str) -> Drafted:
        if database not in known:
            case = next(one for one in CASES if one.database == database)
            folder = drydock.place(database)
            subject = drydock.place("subject")
            make_subject(case, subject)
            said = drydock.command(
                "init", str(folder), *stranger.options(database, "--subject", str(subject)),
                "--writer", case.writer, *case.more,
            )  # fmt: skip
            assert said.exit_code == 0, said.stderr
            _add_scenario(folder / "pack", case)
            known[database] = Drafted(case=case, folder=folder, said=said)
        return known[database]

    return drafted


def make_subject(case: Case, folder: Path) -> Path:
    """Make the package of a case below `folder` and return its only module."""
    module = folder / case.call.partition(".")[0] / "__init__.py"
    module.parent.mkdir(parents=True)
    shutil.copy(case.subject, module)
    return module


def _add_scenario(pack: Path, case: Case) -> None:
    with (pack / "pack.toml").open("a") as file:
        file.write(
            f'\n[[scenario]]\nid = "S2"\ntitle = "the subject writes"\nkind = "happy"\nrows = {{ {case.rows} }}\n'
            f'[[scenario.attempt]]\nname = "write"\nprincipals = ["{case.writer}"]\ncommits = 1\n'
            f'isolation = "{case.isolation}"\n'
        )
    with (pack / "pack.py").open("a") as file:
        file.write(
            '\n\n@scenario("S2")\ndef writes(ctx: Context) -> None:\n    """Write with the subject."""\n'
            '    with ctx.attempt("write"), ctx.phase("WRITE"), connect(ctx) as connection:\n'
            f"        {case.call}\n"
        )


def rehearsed(drydock: Drydock, drafted: Drafted, *words: str) -> Ended:
    """Run a drafted plan, and the subject that it names, with everything approved."""
    return Drydock(root=drydock.root, numbers=drydock.numbers).run(drafted.plan, *words)


@pytest.mark.parametrize(
    "database",
    [
        # its wrong subject below is rehearsed in every run of the tests
        pytest.param(case.database, marks=pytest.mark.matrix if case.database == "chinook" else ())
        for case in CASES
    ],
)
def test_a_drafted_rehearsal_passes(database: str, draft: Draft, drydock: Drydock) -> None:
    """A draft needs an edit before it passes, or a subject that is right fails on a schema that is not the cutter's."""
    drafted = draft(database)
    ended = rehearsed(drydock, drafted)
    assert ended.outcome == (0, "PASS", "CLEAN", None), ended.summary["reason"]
    assert ended.summary["scenarios"] == {"S1": "PASS", "S2": "PASS"}


def test_a_sale_too_many_is_caught(draft: Draft, drydock: Drydock) -> None:
    """A subject that writes one row more than its scenario expects passes on a stranger's schema."""
    drafted = draft("chinook")
    bad = drydock.place("bad")
    file = make_subject(drafted.case, bad)
    text = file.read_text()
    assert text.count("for track in tracks:") == 1
    file.write_text(text.replace("for track in tracks:", "for track in [*tracks, tracks[0]]:"))
    ended = rehearsed(drydock, drafted, "--subject", str(bad))
    assert ended.outcome == (1, "FAIL", "CLEAN", "subject"), ended.said.stderr
    assert ended.summary["failed_scenario"] == "S2"
    assert ended.summary["gates"]["G-15"] == "FAIL"
    assert "chinook_invoiceline" in ended.summary["reason"]


def test_what_is_frozen_is_the_sources(draft: Draft) -> None:
    """A frozen matrix lacks the group of a writer, or an inventory a table; triggers' functions are not allowed."""
    chinook = load_pack(draft("chinook").folder / "pack")
    assert set(chinook.privileges.roles) == {"shop", "clerks"}
    assert chinook.privileges.roles["shop"].member_of == ("clerks",)
    assert len(chinook.inventory.tables) == 11
    assert chinook.pack.baseline_total_rows is None
    jobs = load_pack(draft("procrastinate").folder / "pack")
    assert "public.procrastinate_trigger_function_status_events_insert_v1" in jobs.pack.functions_allowed
    assert any(grant.kind == "function" for grant in jobs.privileges.grants)


def test_nothing_secret_is_written(stranger: Stranger, draft: Draft) -> None:
    """A password stands in a file that init wrote, or in what it said."""
    drafted = draft("pgbench")
    password = stranger.secret.read_text()
    files = [path for path in drafted.folder.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert all(password not in path.read_text() for path in files)
    assert password not in drafted.said.stdout + drafted.said.stderr
    assert drafted.said.stdout == f"drydock check {drafted.plan}\ndrydock run {drafted.plan}\n"


def test_nothing_is_overwritten(stranger: Stranger, draft: Draft, drydock: Drydock) -> None:
    """A second init in the same folder changes a file, or says more than one sentence."""
    drafted = draft("pgbench")
    before = {path: path.read_bytes() for path in drafted.folder.rglob("*") if path.is_file()}
    said = drydock.command("init", str(drafted.folder), *stranger.options("pgbench"), "--writer", "teller")
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr == (
        f"drydock: {drafted.plan} is there already, and nothing is overwritten\n"
        "  remedy: name another folder, or move that file away\n"
    )
    assert {path: path.read_bytes() for path in drafted.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--writer", "postgres"), "the role postgres is a superuser, whom no server refuses anything"),
        (("--writer", "clerks"), "the role clerks may not log in"),
        (("--writer", "shop", "--database", "gone"), 'database "gone" does not exist'),
        (("--writer", "shop", "--secret", "file:/nowhere"), "the secret's file /nowhere cannot be opened"),
        (("--source", "dump_file"), "a dump file has no roles"),
    ],
)
def test_a_wrong_answer_is_one_sentence(
    words: tuple[str, ...], sentence: str, stranger: Stranger, drydock: Drydock
) -> None:
    """A wrong option ends in a traceback, another exit code, or leaves a file."""
    folder = drydock.place("wrong")
    said = drydock.command("init", str(folder), *stranger.options("chinook"), *words)
    assert said.exit_code == 2
    assert sentence in said.stderr
    assert "Traceback" not in said.stderr
    assert said.stderr.count("\n") == 2
    assert not folder.exists()


def test_frozen_files_have_the_readers_shape(draft: Draft) -> None:
    """frozen/privileges.json is not what the pack reader reads."""
    text = (draft("odd").folder / "pack" / "frozen" / "privileges.json").read_bytes()
    found = msgspec.json.decode(text, type=Privileges)
    assert set(found.roles) == {"Own er"}
