"""The screens through Textual's pilot: layout, keys, questions, hostile text; no terminal, no engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fix_journals import (
    TABLES,
    Story,
    armed,
    begun,
    decide,
    ended,
    fail_at_s4,
    passed,
    scenario,
    step,
    until_scenarios,
    waiting_at_b2,
)
from fix_screens import HOSTILE, Engine, statement, write_large_trace, write_run
from textual import events
from textual.pilot import Pilot

from console.journal import JournalWriter
from console.model.event import BoundaryArmed, DecisionMade, RowsEstimated, RunCreated, ScenarioStarted
from console.secrets import SecretRegistry
from console.tui.app import LiveApp
from console.tui.challenge import Pace, Phase
from console.tui.keys import FOOTER, KEYS, help_lines
from console.tui.matrix import matrix
from console.tui.screens.boundary import BoundaryScreen
from console.tui.screens.leave import LeaveScreen
from console.tui.screens.live import LiveScreen
from console.tui.screens.notices import HelpScreen, TooSmallScreen
from console.tui.screens.question import QuestionScreen

SMALL, LARGE = (80, 24), (160, 48)
QUICK = Pace(fence_s=30.0, quiet_s=0.1, alone_s=0.1)
RECORDS = [
    *(statement(n) for n in range(1, 60)),
    statement(60, sql="SET TRANSACTION ISOLATION LEVEL READ COMMITTED", sqlstate="25001",
              message="SET TRANSACTION ISOLATION LEVEL must be called before any query"),
    statement(61, sql="ROLLBACK", scenario="S4b"),
]  # fmt: skip


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Callable[[Story], JournalWriter]]:
    """Write runs whose journal is held, as a living engine would."""
    writers: list[JournalWriter] = []

    def hold(story: Story) -> JournalWriter:
        folder = write_run(tmp_path, story, RECORDS)
        writers.append(JournalWriter(folder / "journal.jsonl", SecretRegistry()))
        return writers[-1]

    yield hold
    for writer in writers:
        writer.close()


def text_of(app: LiveApp) -> str:
    """Return what the whole screen shows, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)


def app_on(folder: Path, engine: Engine | None = None, *, observe: bool = False) -> LiveApp:
    """Return the screen of a run."""
    return LiveApp(folder, engine or Engine(), observe=observe, theme="drydock-dark", pace=QUICK)


def run_of(tmp_path: Path) -> Path:
    """Return the one run below a folder."""
    return next(path for path in tmp_path.iterdir() if path.is_dir())


async def arm(app: LiveApp, pilot: Pilot[None]) -> QuestionScreen:
    """Play the terminal's part until the letters can be read."""
    for _try in range(100):
        screen = app.screen
        if isinstance(screen, QuestionScreen):
            if screen.challenge.phase is Phase.ARMED:
                await pilot.pause(0.15)
                return screen
            app.post_message(events.CursorPosition(0, 0))
        await pilot.pause(0.05)
    raise AssertionError(f"no letters on {app.screen}")


async def press_letter(app: LiveApp, pilot: Pilot[None], choice: str) -> None:
    """Press the letter beside one answer and wait for what comes of it: the question goes, or stays for good."""
    question = await arm(app, pilot)
    await pilot.press(question.challenge.marks[choice])
    for _try in range(60):
        await pilot.pause(0.05)
        if app.screen is not question:
            break
    await pilot.pause(0.3)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_finished_run_shows_its_verdict(tmp_path: Path, size: tuple[int, int]) -> None:
    """Header, gates and footer tell run, copy, operator, verdict and the keys that work."""
    folder = write_run(tmp_path, passed(), RECORDS)
    app = app_on(folder)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.3)
        shown = text_of(app)
        for words in (
            "✓ PASS, CLEAN",
            folder.name,
            "7640730715875692588",
            "operator op",
            "C-10",
            "q leave",
            "? help",
        ):
            assert words in shown, shown
        panes = size == LARGE
        assert all((title in shown) == panes for title in ("2 Trace:", "3 Rows:", "4 Inspector:"))


async def test_tabs_show_one_pane_each(tmp_path: Path) -> None:
    """At 80x24 the digits 1 to 4 and Tab show one pane at a time."""
    app = app_on(write_run(tmp_path, passed(), RECORDS))
    async with app.run_test(size=SMALL) as pilot:
        for key, title in (
            ("2", "2 Trace: "),
            ("3", "3 Rows: "),
            ("4", "4 Inspector: "),
            ("tab", "1 Gates: "),
        ):
            await pilot.press(key)
            await pilot.pause(0.1)
            assert f"▌{title}" in text_of(app)


async def test_the_matrix_tells_the_selected_cell(tmp_path: Path) -> None:
    """The matrix marks a wrong change in words and tells before, delta, after and expected of its cell."""
    app = app_on(write_run(tmp_path, fail_at_s4(), RECORDS))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("3", *["right"] * 3, *["down"] * 3)
        await pilot.pause(0.2)
        shown = text_of(app)
        assert "+0≠+1" in shown
        assert "S4: before 0, delta +0, after 0, expected +1: NOT as expected" in shown


async def test_the_matrix_tells_what_is_not_counted_yet_as_that(tmp_path: Path) -> None:
    """What statistics say of the scenario that runs looks like a count, has a verdict, or outlives the run."""
    story = until_scenarios()
    scenario(story, "S1", dict.fromkeys(TABLES, 0), verbs={})
    about = {TABLES[0]: -4, TABLES[1]: 12_345_678}
    story.add(ScenarioStarted(scenario="S2"), RowsEstimated(scenario="S2", changes=about))
    app = app_on(write_run(tmp_path / "one", story, RECORDS))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "right", "down")
        await pilot.pause(0.2)
        shown = text_of(app)
        assert "≈-4" in shown
        assert "≈12M" in shown
        assert shown.count("≈") == 2
        assert "S2: about +12,345,678 so far by statistics, expected +0; exact at the end" in shown
        assert matrix(story.state).wrong == 0
    story.add(ended("ABORTED", reason="the end was asked for", exit_code=4))
    assert all(cell.so_far is None for row in matrix(story.state).cells for cell in row)


async def test_e_leads_to_the_failing_statement(tmp_path: Path) -> None:
    """e goes to the failed statement, and Enter shows all of it: SQLSTATE, message, principal, callers."""
    app = app_on(write_run(tmp_path, fail_at_s4(), RECORDS))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.pause(0.2)
        assert "✗ FAIL at S4, CLEAN, cause subject" in text_of(app)
        assert "must be called before any query" in text_of(app)
        await pilot.press("e")
        await pilot.pause(0.2)
        assert "60 client" in text_of(app)
        await pilot.press("enter")
        await pilot.pause(0.2)
        for words in ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "25001", "cutter_exec", "db_adapter.py:87",
                      "uuid, int4", "intrans"):  # fmt: skip
            assert words in text_of(app)
        await pilot.press("escape")
        assert app.live.pane == "trace"


async def test_searching_and_filtering_by_keys(tmp_path: Path) -> None:
    """/ finds, n and N repeat in both directions, f leaves only what it says, F shows all again."""
    app = app_on(write_run(tmp_path, passed(), RECORDS))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("2", "slash", *"ROLLBACK", "enter")
        await pilot.pause(0.2)
        assert app.live.trace.number == 60
        await pilot.press("slash", *"from", "enter", "home", "n", "n", "N")
        await pilot.pause(0.3)
        assert app.live.trace.number == 1
        await pilot.press("f", *"errors", "enter")
        await pilot.pause(0.3)
        assert len(app.live.trace.view) == 1 and "only errors of 61" in text_of(app)
        await pilot.press("f", *"x:[/]", "enter", "F")
        await pilot.pause(0.2)
        assert len(app.live.trace.view) == 61


async def test_hostile_text_is_shown_and_does_nothing(tmp_path: Path) -> None:
    """Escape sequences, markup and bidi controls in SQL, errors and titles are glyphs on every pane."""
    story = begun()
    created = story.events[0]
    assert isinstance(created, RunCreated)
    records = [
        statement(1, sql=HOSTILE, message=HOSTILE, sqlstate="XX000", principal=HOSTILE, callers=(HOSTILE,))
    ]
    step(story, "C-01", {})
    app = app_on(write_run(tmp_path, story, records), observe=True)
    async with app.run_test(size=LARGE) as pilot:
        await pilot.press("2", "e", "slash", *"[/]", "enter")
        await pilot.pause(0.3)
        shown = text_of(app)
        assert (
            "[/]" in shown and "[@click=app.exit]" in shown and "␛]2;owned␇" in shown and "<U+202E>" in shown
        )
        assert all(character.isprintable() or character == "\n" for character in shown)
        await pilot.press("f", *"[/]", "enter")
        await pilot.pause(0.2)
        assert "only [/]" in text_of(app)


async def test_scrolling_up_pauses_and_end_follows(
    tmp_path: Path, held: Callable[[Story], JournalWriter]
) -> None:
    """A growing trace is followed until the view moves up, and again from End on."""
    held(begun())
    folder = run_of(tmp_path)
    app = app_on(folder, observe=True)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("2", "pageup")
        await pilot.pause(0.2)
        assert "paused" in text_of(app) and not app.live.trace.follow
        top = app.live.trace.top_line
        write_large_trace(folder, 5_000, needle_at=9)
        await pilot.pause(0.5)
        assert app.live.trace.top_line == top
        await pilot.press("end")
        await pilot.pause(0.1)
        assert app.live.trace.number == 4_999 and "following" in text_of(app)


async def test_a_boundary_is_answered_by_its_letter(
    tmp_path: Path, held: Callable[[Story], JournalWriter]
) -> None:
    """The question shows what, on what, the digest and what is final; its letter sends digest, times and early keys."""
    writer = held(waiting_at_b2())
    engine = Engine()
    app = app_on(run_of(tmp_path), engine)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.pause(0.3)
        await pilot.press("y", "enter", "space", "escape", "ctrl+p", "ctrl+q", "ctrl+c", "q")
        app.screen.post_message(events.Paste("bcdf"))
        await pilot.pause(0.2)
        assert isinstance(app.screen, BoundaryScreen) and engine.asked == []
        shown = text_of(app)
        for words in (
            "B-2 waits for you",
            "may B-2 be passed",
            "CANNOT be undone: production's load",
            "early keys ignored",
        ):
            assert words in shown, shown
        assert app.screen.armed.digest[:16] in shown
        await press_letter(app, pilot, "approve")
        answer = engine.asked[0]
        assert (answer.verb, answer.boundary, answer.digest) == ("approve", "B-2", armed("B-2").digest)
        assert answer.shown_at and answer.early_keys == 12
        writer.append(DecisionMade(boundary="B-2", answer="proceed", how="socket", digest=answer.digest))
        await pilot.pause(0.4)
        assert isinstance(app.screen, LiveScreen)


async def test_a_refusal_is_shown_and_asked_again(
    tmp_path: Path, held: Callable[[Story], JournalWriter]
) -> None:
    """When the engine refuses, its sentence stands in the question and other letters are drawn."""
    held(waiting_at_b2())
    app = app_on(run_of(tmp_path), Engine(accepts=False))
    async with app.run_test(size=SMALL) as pilot:
        await press_letter(app, pilot, "approve")
        assert "the digest is not the one of B-2" in text_of(app)
        assert isinstance(app.screen, BoundaryScreen) and app.screen.challenge.answer is None


async def test_the_evidence_behind_a_question_scrolls(
    tmp_path: Path, held: Callable[[Story], JournalWriter]
) -> None:
    """PgUp moves the trace behind the question and answers nothing."""
    held(waiting_at_b2())
    engine = Engine()
    app = app_on(run_of(tmp_path), engine)
    async with app.run_test(size=LARGE) as pilot:
        await arm(app, pilot)
        before = app.live.trace.cursor
        await pilot.press("pageup", "up")
        assert app.live.trace.cursor < before - 1
        assert (
            isinstance(app.screen, BoundaryScreen)
            and engine.asked == []
            and app.screen.challenge.early_keys == 0
        )


async def test_answered_elsewhere_takes_the_question_away(
    tmp_path: Path, held: Callable[[Story], JournalWriter]
) -> None:
    """A decision from another shell closes the question, and a newly armed boundary opens another."""
    writer = held(waiting_at_b2())
    app = app_on(run_of(tmp_path))
    async with app.run_test(size=SMALL) as pilot:
        await arm(app, pilot)
        writer.append(DecisionMade(boundary="B-2", answer="proceed", how="socket", digest="d" * 64))
        await pilot.pause(0.5)
        assert isinstance(app.screen, LiveScreen)
        writer.append(
            BoundaryArmed(
                boundary="B-3",
                question="go on",
                irrevocable="",
                digest="e" * 64,
                default="abort",
                timeout_s=60.0,
            )
        )
        await pilot.pause(0.5)
        assert isinstance(app.screen, BoundaryScreen) and app.screen.armed.boundary == "B-3"


async def test_b5_can_be_held(tmp_path: Path, held: Callable[[Story], JournalWriter]) -> None:
    """B-5 offers to destroy now or to hold for minutes that + and - change."""
    story = waiting_at_b2()
    story.events.pop()
    held(story.add(armed("B-5", default="proceed", timeout_s=900.0)))
    engine = Engine()
    app = app_on(run_of(tmp_path), engine)
    async with app.run_test(size=SMALL) as pilot:
        await arm(app, pilot)
        await pilot.press("plus")
        shown = text_of(app)
        assert "destroy the copy now" in shown and "hold 30 minutes" in shown and "abort:" not in shown
        await press_letter(app, pilot, "hold")
        assert (engine.asked[0].verb, engine.asked[0].minutes) == ("hold", 30.0)


async def test_an_observer_sees_no_question(tmp_path: Path, held: Callable[[Story], JournalWriter]) -> None:
    """Observing, a waiting run shows words only and b opens nothing."""
    held(waiting_at_b2())
    app = app_on(run_of(tmp_path), observe=True)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("b")
        await pilot.pause(0.4)
        assert isinstance(app.screen, LiveScreen) and "B-2 waits for its operator" in text_of(app)


async def test_leaving_asks_and_aborting_needs_the_letter(
    tmp_path: Path, held: Callable[[Story], JournalWriter]
) -> None:
    """q asks; Esc stays; only the random letter aborts."""
    story = begun()
    decide(story, "B-1")
    held(story)
    engine = Engine()
    app = app_on(run_of(tmp_path), engine)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("q")
        await arm(app, pilot)
        assert isinstance(app.screen, LeaveScreen)
        await pilot.press("escape")
        await pilot.pause(0.2)
        assert isinstance(app.screen, LiveScreen)
        await pilot.press("ctrl+c")
        await press_letter(app, pilot, "abort")
        for _try in range(100):
            if engine.asked:
                break
            await pilot.pause(0.05)
        assert [answer.verb for answer in engine.asked] == ["abort"]


async def test_below_80x24_there_is_one_message(
    tmp_path: Path, held: Callable[[Story], JournalWriter]
) -> None:
    """At 40x10 only the message stands, with who waits; back at 160x48 the question begins again; q leaves."""
    held(waiting_at_b2())
    app = app_on(run_of(tmp_path))
    async with app.run_test(size=SMALL) as pilot:
        await arm(app, pilot)
        await pilot.resize_terminal(40, 10)
        await pilot.pause(0.3)
        assert isinstance(app.screen, TooSmallScreen) and "Drydock needs 80x24" in text_of(app)
        assert "B-2 waits" in text_of(app)
        await pilot.resize_terminal(*LARGE)
        await pilot.pause(0.3)
        assert isinstance(app.screen, BoundaryScreen) and app.screen.challenge.phase is Phase.FENCE
        await arm(app, pilot)
        await pilot.resize_terminal(40, 10)
        await pilot.pause(0.3)
        await pilot.press("q")
        await pilot.pause(0.3)
        assert not app.is_running


async def test_the_time_left_is_counted_down(
    tmp_path: Path, held: Callable[[Story], JournalWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that nobody touches shows for ever how long it had when it was drawn."""
    held(waiting_at_b2())
    app = app_on(run_of(tmp_path))
    async with app.run_test(size=SMALL) as pilot:
        await arm(app, pilot)
        monkeypatch.setattr(BoundaryScreen, "_left", lambda _screen: "7 s")
        await pilot.pause(0.3)
        assert "no answer within 7 s means" in text_of(app)


async def test_help_and_palette_come_from_the_table(tmp_path: Path) -> None:
    """? lists every key of the table; the palette offers nothing else; themes go round."""
    app = app_on(write_run(tmp_path, passed(), RECORDS))
    async with app.run_test(size=LARGE) as pilot:
        await pilot.press("question_mark")
        await pilot.pause(0.2)
        assert isinstance(app.screen, HelpScreen)
        assert "search the trace for a text" in text_of(app)
        await pilot.press("escape")
        offered = {command.title for command in app.get_system_commands(app.screen)}
        assert offered == {key.does for key in KEYS if key.palette}
        for theme in ("drydock-light", "ansi-dark", "ansi-light", "drydock-dark"):
            await pilot.press("t")
            await pilot.pause(0.1)
            assert app.theme == theme
    assert {does for key, does in help_lines() if key} == {key.does for key in KEYS}
    assert {name for names in FOOTER.values() for name in names} <= {key.id for key in KEYS}


async def test_a_million_records_open_and_jump(tmp_path: Path) -> None:
    """With a million records the screen opens, End shows the last one and a search finds the needle."""
    folder = write_run(tmp_path, passed())
    write_large_trace(folder, 1_000_000, needle_at=900_001)
    app = app_on(folder)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("2", "end")
        await pilot.pause(0.1)
        assert "1,000,000 of 1,000,000" in text_of(app)
        await pilot.press("home", "slash", *"needle", "enter")
        for _wait in range(200):
            if not app.live.trace.view.is_busy:
                break
            await pilot.pause(0.1)
        assert app.live.trace.number == 900_001
