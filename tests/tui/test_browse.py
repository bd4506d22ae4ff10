"""The evidence screens through Textual's pilot: list, one run, search, comparison; nothing ever holds a key up."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
from fix_journals import RUN, Story, begun, created, ended, fail_at_s4, passed, running_in_c05
from fix_screens import HOSTILE, server_line, statement, write_run
from textual.pilot import Pilot

from console.evidence.shelf import Shelf
from console.evidence.storage import compress_large
from console.evidence.verification import Outside
from console.heads import read_head
from console.journal import JournalWriter
from console.model.browsing import Checked, Hit, Tell
from console.model.event import RunCreated
from console.secrets import SecretRegistry
from console.tui.browse import BrowseApp
from console.tui.screens.evidence import EvidenceScreen
from console.tui.screens.found import FoundScreen
from console.tui.screens.runs import RunsScreen
from console.tui.screens.statements import StatementsScreen
from console.tui.trace_file import Record

SMALL, LARGE = (80, 24), (160, 48)
FAILED, BROKEN, DEAD = "20261121-034513-aaaa", "20261121-034514-bbbb", "20261121-034515-cccc"
LATER = "20261121-034516-dddd"
RECORDS: list[Record] = [
    *(statement(n) for n in range(1, 60)),
    statement(60, sql="SET TRANSACTION ISOLATION LEVEL READ COMMITTED", sqlstate="25001",
              message="must be called before any query"),
    *(server_line(f"SELECT {n} FROM decision_backlog_entry") for n in range(1, 40)),
    statement(61, sql="ROLLBACK -- Straße 7", scenario="S5"),
]  # fmt: skip


def named(story: Story, run: str, **changes: object) -> Story:
    """Return the same run under another id."""
    other = Story()
    first = msgspec.structs.replace(created(), run=run, **changes)
    return other.add(*(first if isinstance(event, RunCreated) else event for event in story.events))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A runs folder with a PASS, a FAIL, one whose journal is broken, and one whose engine died."""
    folder = tmp_path / "runs"
    for story, run in ((passed(), RUN), (fail_at_s4(), FAILED), (begun(), BROKEN), (running_in_c05(), DEAD)):
        made = write_run(tmp_path / run, named(story, run), RECORDS)
        folder.mkdir(exist_ok=True)
        made.rename(folder / run)
    (folder / BROKEN / "journal.jsonl").write_bytes(b"this is no journal\n")
    return folder


class Slow(Shelf):
    """Verifies as slowly as a test wants: one answer, then nothing until it is let go on."""

    def __init__(self, runs: Path) -> None:
        super().__init__(runs, Outside)
        self.go_on = threading.Event()
        self.asked: list[str] = []

    def check(self, run: str, tell: Tell) -> None:
        self.asked.append(run)
        tell(Checked(name="journal", state="holds", words="all of it"))
        self.go_on.wait(30)
        tell(Checked(name="ledger", state="differs", words="ledger, line 3: another seal"))


def app_on(runs: Path, run: str = "", *, shelf: Shelf | None = None) -> BrowseApp:
    """Return the evidence of a folder."""
    return BrowseApp(shelf or Shelf(runs, Outside), run, theme="drydock-dark", keep_in=runs.parent)


def text_of(app: BrowseApp) -> str:
    """Return what the whole screen shows, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)


def shows(app: BrowseApp, words: str) -> bool:
    """Tell whether the screen has some words."""
    return words in text_of(app)


def told_by(app: BrowseApp) -> str:
    """Return what was told in passing."""
    return " ".join(str(one.message) for one in app._notifications)


async def until(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    """Wait until something holds, and fail with the screen where it never does."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, text_of(pilot.app)  # type: ignore[arg-type]
        await pilot.pause(0.02)


async def test_the_list_says_how_each_run_ended(runs: Path) -> None:
    """Newest first: dead, broken, FAIL with its place, PASS; closure, time taken and subject beside."""
    app = app_on(runs)
    async with app.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: "Runs: 1 of 4" in text_of(app))
        lines = [line for line in text_of(app).split("\n") if "20261121-0345" in line[:30]]
        wanted = (
            (DEAD, "dead"), (BROKEN, "broken"), (FAILED, "✗ FAIL", "CLEAN", "S4", "0."),
            (RUN, "✓ PASS", "CLEAN", "-cutter", "not sealed"),
        )  # fmt: skip
        for line, words in zip(lines, wanted, strict=True):
            assert all(word in line for word in words), line


async def test_the_list_follows_what_becomes_of_runs(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on is shown as it was when the list was opened, or one that comes later is never shown."""
    monkeypatch.setattr("console.tui.screens.runs._LOOK_EVERY_S", 0.05)
    writer = fail_at_s4_so_far(runs / LATER)
    app = app_on(runs)
    async with app.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: shows(app, f"drydock attach {LATER} shows it"))
        await pilot.press("down")
        await until(pilot, lambda: "Runs: 2 of 5" in text_of(app))
        writer.append(ended("ABORTED", reason="its operator", exit_code=3))
        writer.close()
        await until(pilot, lambda: shows(app, "■ ABORTED"))
        assert "Runs: 2 of 5" in text_of(app)


def fail_at_s4_so_far(folder: Path) -> JournalWriter:
    """Write the beginning of a run whose engine lives: somebody holds its journal."""
    folder.mkdir(mode=0o700)
    writer = JournalWriter(folder / "journal.jsonl", SecretRegistry())
    for event in named(running_in_c05(), folder.name).events:
        writer.append(event)
    return writer


async def test_the_list_is_filtered_by_what_its_lines_say(runs: Path) -> None:
    """`f` and a word leave the runs that have it; an empty line brings all back, and a letter is never a key there."""
    app = app_on(runs)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("f", *"fail", "enter")
        await until(pilot, lambda: "Runs: 1 of 1" in text_of(app))
        assert FAILED in text_of(app) and RUN not in text_of(app)
        await pilot.press("f", *["backspace"] * 4, "enter")
        await until(pilot, lambda: "of 4" in text_of(app))


async def test_a_changed_key_works_in_evidence(runs: Path) -> None:
    """A key of the operator's own opens the filter there and stands in the footer; the old one does nothing."""
    shelf = Shelf(runs, Outside)
    keymap = {"browse-filter": "ctrl+f"}
    app = BrowseApp(shelf, theme="drydock-dark", keep_in=runs.parent, keymap=keymap)
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "ctrl+f filter" in text_of(app))
        await pilot.press("f", *"fail", "enter")
        await pilot.pause(0.2)
        assert "of 1" not in text_of(app)
        while len(app.screen_stack) > 1:
            await pilot.press("q")
        await pilot.press("ctrl+f", *"fail", "enter")
        await until(pilot, lambda: "Runs: 1 of 1" in text_of(app))


async def test_thousands_of_runs_are_there_at_once(runs: Path) -> None:
    """Three thousand more runs: the list stands with the first paint, and the last run is reached by one key."""
    journal = (runs / RUN / "journal.jsonl").read_bytes()
    for number in range(3000):
        folder = runs / f"20260101-{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}-0000"
        folder.mkdir()
        (folder / "journal.jsonl").write_bytes(journal)
    app = app_on(runs)
    began = time.process_time()
    async with app.run_test(size=SMALL) as pilot:
        await pilot.pause()
        assert "Runs: 1 of 3,004" in text_of(app)
        first_paint_s = time.process_time() - began
        await pilot.press("end")
        assert "20260101-000000-0000" in text_of(app)
    assert first_paint_s < 1.5


def test_a_head_reads_two_lines_however_long_the_journal_is(runs: Path) -> None:
    """A journal whose middle is ten megabytes of anything is read at once; a torn tail is passed over."""
    journal = runs / RUN / "journal.jsonl"
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join([lines[0], b"x" * (10 << 20), *lines[-2:-1], b'{"hash":"torn']))
    began = time.process_time()
    head = read_head(runs, RUN)
    assert time.process_time() - began < 0.1
    assert (head.condition, head.verdict, head.closure, head.sealed) == ("ended", "PASS", "CLEAN", False)


@pytest.mark.parametrize(
    ("content", "condition"),
    [(b"", "dead"), (b"no line", "dead"), (b"{}\n", "broken"), (b"\xff" * 200 + b"\n", "broken")],
)  # fmt: skip
def test_a_head_of_anything_is_a_condition(runs: Path, content: bytes, condition: str) -> None:
    """Whatever stands where a journal was, the list has a word for it; a link and a pipe are no journals."""
    journal = runs / RUN / "journal.jsonl"
    journal.write_bytes(content)
    assert read_head(runs, RUN).condition == condition
    journal.rename(runs / "elsewhere")
    journal.symlink_to(runs / "elsewhere")
    assert read_head(runs, RUN).condition == "broken"


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_gate_shows_its_facts_and_where_they_come_from(runs: Path, size: tuple[int, int]) -> None:
    """Under the cursor of a gate stand its truth, verdict, each fact with what it was seen by, and the value."""
    app = app_on(runs, RUN)
    async with app.run_test(size=size) as pilot:
        await pilot.press("space", "home")
        screen = app.screen
        assert isinstance(screen, EvidenceScreen)
        lines = [line.id for line in screen.checklist._lines]
        await pilot.press(*["down"] * lines.index("G-06"))
        told = {one.label: one.text for one in screen.told()}
        assert (told["gate"], told["verdict"]) == ("G-06", "PASS")
        assert (told["fact"], told["seen by"]) == ("source.before", "a test")
        assert "7611578671664259111" in told["value"]
        await pilot.press("tab", "end")
        await until(pilot, lambda: "7611578671664259111" in text_of(app))


@pytest.mark.parametrize("from_list", [True, False])
async def test_one_key_leads_from_what_failed_to_the_statement(runs: Path, from_list: bool) -> None:
    """`s` on the failed gate, as on the failed scenario, opens the trace at the statement that raised the error."""
    app = app_on(runs, "" if from_list else FAILED)
    async with app.run_test(size=SMALL) as pilot:
        if from_list:
            await pilot.press("f", *FAILED, "enter", "enter")
        else:
            await pilot.press("space")
            screen = app.screen
            assert isinstance(screen, EvidenceScreen)
            screen.checklist.go_to([line.id for line in screen.checklist._lines].index("G-15"))
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, StatementsScreen) and app.screen.trace.number == 59)
        assert "25001" in text_of(app)
        await pilot.press("escape")
        assert isinstance(app.screen, EvidenceScreen)


async def test_a_run_without_a_failure_has_no_failing_statement(runs: Path) -> None:
    """`s` in a passing run goes nowhere and says why."""
    app = app_on(runs, RUN)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: "nothing that failed here" in told_by(app))
        assert isinstance(app.screen, EvidenceScreen)


async def test_verification_never_holds_a_key_up(runs: Path) -> None:
    """While a check hangs, modes, trace and list answer; each of its answers is shown when it comes."""
    shelf = Slow(runs)
    app = app_on(runs, shelf=shelf)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("end", "enter", "7")
        await until(pilot, lambda: "✓ journal" in text_of(app))
        assert "▶ asking on" in text_of(app) and "verifying, 1 answers" in text_of(app)
        for key, words in (
            ("4", "4 Timeline"),
            ("6", "6 Decisions"),
            ("2", "2 Trace"),
            ("q", "6 Decisions"),
            ("q", "Runs:"),
        ):
            await pilot.press(key)
            await until(pilot, partial(shows, app, words))
        shelf.go_on.set()
        await pilot.press("enter", "7")
        await until(pilot, lambda: "✗ ledger" in text_of(app))
        assert "DOES NOT VERIFY" in text_of(app)
    assert set(shelf.asked) == {RUN}


async def test_a_real_check_names_what_is_missing(runs: Path) -> None:
    """A run without a seal does not verify, and the file is named; one that goes on is not judged."""
    app = app_on(runs, RUN)
    async with app.run_test(size=LARGE) as pilot:
        await pilot.press("7")
        await until(pilot, lambda: "DOES NOT VERIFY" in text_of(app) and "✓ end" in text_of(app))
        assert "seal.json: cannot be read" in text_of(app)


async def test_timeline_files_and_decisions(runs: Path) -> None:
    """Steps with their times, boundaries with who answered, every event on Space, kept files with their beginning."""
    app = app_on(runs, RUN)
    async with app.run_test(size=LARGE) as pilot:
        await pilot.press("4")
        assert all(word in text_of(app) for word in ("C-01 preflight", "B-4", "S4 PASS", "▇"))
        await pilot.press("space", "end")
        assert "RunEnded" in text_of(app)
        await pilot.press("6")
        assert all(
            word in text_of(app) for word in ("B-1", "proceed", "op (uid 1000) from 192.0.2.7", "early keys")
        )
        await pilot.press("5")
        await until(pilot, lambda: "trace.jsonl" in text_of(app))
        assert "not listed" in text_of(app) and '"kind":"RunCreated"' in text_of(app)


async def test_a_search_over_all_runs_leads_to_its_places(runs: Path) -> None:
    """A text of one statement and one of a journal are found in their runs, and Enter opens each at its place."""
    app = app_on(runs)
    async with app.run_test(size=LARGE) as pilot:
        await pilot.press("slash", *"strasse", *["backspace"] * 2, *"ße 7".replace(" ", ""), "enter")
        await until(pilot, lambda: isinstance(app.screen, FoundScreen) and app.screen.is_over)
        await pilot.press("escape", "slash", *"rollback", "enter")
        await until(pilot, lambda: isinstance(app.screen, FoundScreen) and app.screen.is_over)
        found = app.screen
        assert isinstance(found, FoundScreen)
        assert [(hit.run, hit.file, hit.number) for hit in found.hits] == [
            (run, "trace", 99) for run in (DEAD, BROKEN, FAILED, RUN)
        ]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, StatementsScreen) and app.screen.trace.number == 99)
        await pilot.press("q", "q", "q", "slash", *"runended", "enter")
        await until(pilot, lambda: isinstance(app.screen, FoundScreen) and app.screen.is_over)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, EvidenceScreen) and app.screen.mode == "times")
        await until(pilot, lambda: "FAIL" in text_of(app) and "RunEnded" in text_of(app))


async def test_a_narrow_hit_shows_what_was_found(runs: Path) -> None:
    """At 80 columns each row begins near the text that was sought, not at the record's beginning."""
    app = app_on(runs)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("slash", *"rollback", "enter")
        await until(pilot, lambda: isinstance(app.screen, FoundScreen) and app.screen.is_over)
        rows = [line for line in text_of(app).split("\n") if "statement 100" in line and "20261121-" in line]
        assert len(rows) == 4
        assert all("ROLLBACK" in row for row in rows)


def test_a_search_gives_way_after_each_piece(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many hits and bytes there are, no step of a search is longer than one piece; numbers are right."""
    monkeypatch.setattr("console.evidence.search.PIECE_BYTES", 700)
    shelf = Shelf(runs, Outside)
    steps = list(shelf.search("sElEcT 39 ", [RUN]))
    hits = [one for one in steps if isinstance(one, Hit)]
    assert [(one.file, one.number) for one in hits] == [("trace", 98)]
    assert len(steps) - len(hits) > ((runs / RUN / "trace.jsonl").stat().st_size + 100_000) // 1500
    assert list(shelf.search("  ", [RUN])) == []
    assert [one for one in shelf.search("no such word anywhere", shelf.names()) if one] == []


async def test_a_packed_trace_is_unpacked_beside_and_goes_again(
    runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A compressed trace is shown, and nothing of it stays in the temporary folder when the screen is left."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    compress_large(runs / FAILED, larger_than_bytes=100)
    assert (runs / FAILED / "trace.jsonl.zst").exists()
    app = app_on(runs, FAILED)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, StatementsScreen) and app.screen.trace.number == 59)
        assert list(scratch.iterdir()) != []
        await pilot.press("q", "3")
        await until(pilot, lambda: "3 Rows" in text_of(app) or "[3 rows]" in text_of(app))
        await pilot.press("q", "2")
        await until(pilot, lambda: "of 100" in text_of(app))
    assert list(scratch.iterdir()) == []


async def test_nothing_recorded_reaches_the_terminal_raw(tmp_path: Path) -> None:
    """Hostile titles, subjects, reasons, file names and statements stay glyphs in every mode."""
    story = named(fail_at_s4(), RUN, title=HOSTILE, config={"subject_folder": HOSTILE})
    folder = write_run(
        tmp_path / "runs", story, [statement(1, sql=HOSTILE, sqlstate="25001", message=HOSTILE)]
    )
    (folder / "\x1b]2;owned\x07[x]").write_text(HOSTILE, "utf-8")
    app = app_on(tmp_path / "runs")
    async with app.run_test(size=LARGE) as pilot:
        for key in (
            "f5",
            "enter",
            "4",
            "space",
            "5",
            "end",
            "6",
            "7",
            "1",
            "s",
            "q",
            "q",
            "slash",
            *"owned",
            "enter",
        ):
            await pilot.press(key)
            await pilot.pause(0.05)
            assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text_of(app)), key
        await until(pilot, lambda: isinstance(app.screen, FoundScreen) and app.screen.is_over)
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text_of(app))
        assert app.screen.query_one("#found").line_count() > 1  # type: ignore[attr-defined]


def test_a_manifest_leads_nowhere_outside_its_run(runs: Path) -> None:
    """A manifest that lists a path outside, or a link, gets nothing read through it."""
    outside = runs.parent / "outside.txt"
    outside.write_text("not yours", "utf-8")
    (runs / RUN / "link.txt").symlink_to(outside)
    files = [
        {"path": name, "size_bytes": 9, "sha256": "0"}
        for name in ("../../outside.txt", "link.txt", str(outside))
    ]
    (runs / RUN / "manifest.json").write_bytes(msgspec.json.encode({"run": RUN, "files": files}))
    shelf = Shelf(runs, Outside)
    assert {one.path: one.there for one in shelf.artefacts(RUN)[:3]} == {
        "../../outside.txt": False, "link.txt": True, str(outside): False,
    }  # fmt: skip
    assert shelf.beginning(RUN, "../../outside.txt") == shelf.beginning(RUN, str(outside)) == ""
    with pytest.raises(Exception, match=r"link\.txt cannot be read"):
        shelf.beginning(RUN, "link.txt")


async def test_two_marked_runs_are_compared(runs: Path) -> None:
    """`m` and `d` show both ends and what differs; without a mark `d` says what to do first."""
    app = app_on(runs)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("d")
        await until(pilot, lambda: "mark another run with m first" in told_by(app))
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        names = list(screen.runs._shown)
        screen.runs.go_to(names.index(FAILED))
        await pilot.press("m")
        screen.runs.go_to(names.index(RUN))
        await pilot.press("d")
        await until(pilot, lambda: "Gates:" in text_of(app) or "reason" in text_of(app))
        assert all(word in text_of(app) for word in (FAILED, "FAIL at S4, CLEAN", RUN, "PASS, CLEAN"))
