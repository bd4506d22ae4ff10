"""Makes the pictures in this folder from real runs: `python screenshots/make.py`, two runs of the demo, some minutes.

Each picture is the screen itself (Textual's SVG export) with its links to fonts outside taken out, and beside it the
same as PNG, drawn by Chromium (`--no-png` leaves those out). One run passes and is looked at whenever it waits; the
other has the defect that unit tests did not see.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from console.tui.terminal import prepare  # noqa: E402

prepare()

from textual import events  # noqa: E402
from textual.pilot import Pilot  # noqa: E402

from console.cli.verify import outside_here  # noqa: E402
from console.evidence.shelf import Shelf  # noqa: E402
from console.runs import find_run  # noqa: E402
from console.tui.app import LiveApp  # noqa: E402
from console.tui.browse import BrowseApp  # noqa: E402
from console.tui.challenge import Phase  # noqa: E402
from console.tui.decision import Answer, Said  # noqa: E402
from console.tui.picture import without_links  # noqa: E402
from console.tui.screens.question import QuestionScreen  # noqa: E402

DEFECT = HERE.parent / "scenarios/cutter_dry_run/known_bad/find_leaves_transaction_open"
DRYDOCK = str(Path(sys.executable).with_name("drydock"))
DARK, LIGHT = "drydock-dark", "drydock-light"
SMALL, LARGE = (80, 24), (160, 48)
BOUNDARIES = ("B-1", "B-2", "B-3", "B-4", "B-5")
_PATIENCE_S = 300.0
_LARGE_PX, _LARGE_SCALE = 1500, 0.7

Screen = LiveApp | BrowseApp
Play = Callable[[Screen, Pilot[None]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture: its name without size, and the keys that lead to it."""

    name: str
    play: Play
    size: tuple[int, int] = SMALL
    theme: str = DARK

    @property
    def file(self) -> Path:
        """Return where it is kept."""
        light = "-light" if self.theme == LIGHT else ""
        return HERE / f"{self.name}-{self.size[0]}x{self.size[1]}{light}.svg"


def drydock(runs: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a run of the demo."""
    argv = [DRYDOCK, "run", "--headless", "--runs-dir", str(runs), *words]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def refuse(answer: Answer) -> Said:
    """Answer nothing: a picture decides nothing."""
    return Said(accepted=False, says=f"a picture does not {answer.verb}")


async def take(picture: Picture, app: Screen, title: str) -> None:
    """Play some keys and keep what the screen shows."""
    async with app.run_test(size=picture.size) as pilot:
        await pilot.pause(0.5)
        await picture.play(app, pilot)
        await pilot.pause(0.5)
        app.call_later(app.refresh)
        await pilot.pause(0.3)
        svg = without_links(app.export_screenshot(title=f"drydock {title}"))
    outside = [link for link in re.findall(r"https?://[^\"')\s]+", svg) if "w3.org" not in link]
    assert not outside, outside
    picture.file.write_text(svg, encoding="utf-8")
    print(picture.file.name)


def live(picture: Picture, folder: Path) -> None:
    """Take a picture of the screen of one run."""
    app = LiveApp(folder, refuse, observe=False, theme=picture.theme)
    asyncio.run(take(picture, app, folder.name))


def evidence(picture: Picture, runs: Path, run: str = "") -> None:
    """Take a picture of the evidence of all runs, or of one."""
    asyncio.run(take(picture, BrowseApp(Shelf(runs, outside_here), run, theme=picture.theme), "browse"))


def wait_at(runs: Path, boundary: str) -> Path:
    """Return the folder of the run as soon as it waits at a boundary."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if list(runs.glob("2*/journal.jsonl")):
            found = find_run(runs, None)
            if found.state.armed is not None and found.state.armed.boundary == boundary:
                return found.path
        time.sleep(0.1)
    raise TimeoutError(f"no run in {runs} waited at {boundary} within {_PATIENCE_S:.0f} s")


def approve(folder: Path, boundary: str) -> None:
    """Let the run go on."""
    armed = find_run(folder.parent, folder.name).state.armed
    assert armed is not None
    words = [folder.name, boundary, "--digest", armed.digest, "--runs-dir", str(folder.parent)]
    subprocess.run([DRYDOCK, "approve", *words], check=True, stderr=subprocess.DEVNULL)


async def nothing(app: Screen, pilot: Pilot[None]) -> None:
    """What stands there without a key."""


async def armed(app: Screen, pilot: Pilot[None]) -> None:
    """Play the terminal that answers each fence, until the letters stand."""
    while not (isinstance(app.screen, QuestionScreen) and app.screen.challenge.phase is Phase.ARMED):
        app.post_message(events.CursorPosition(0, 0))
        await pilot.pause(0.1)


async def leaving(app: Screen, pilot: Pilot[None]) -> None:
    """Put the boundary's question aside and ask to leave."""
    await armed(app, pilot)
    assert isinstance(app.screen, QuestionScreen)
    await pilot.press(app.screen.challenge.marks["aside"])
    await pilot.pause(1.0)
    await pilot.press("q")
    await armed(app, pilot)


def keys(*pressed: str) -> Play:
    """Return a play of plain keys."""

    async def play(app: Screen, pilot: Pilot[None]) -> None:
        del app
        await pilot.press(*pressed)

    return play


def typed(text: str) -> list[str]:
    """Return the keys of a text."""
    return [{" ": "space", ":": "colon", "_": "underscore"}.get(char, char) for char in text]


def slowly(*pressed: str) -> Play:
    """Return a play that waits after each key for what it opens: evidence is read beside the keys."""

    async def play(app: Screen, pilot: Pilot[None]) -> None:
        del app
        for key in pressed:
            await pilot.press(key)
            await pilot.pause(1.0)

    return play


FILTER = typed("from:client table:decision_backlog_entry")
OVERVIEW = keys("2", "w", "pagedown", *["up"] * 9)
FAILING = keys("2", "w", "e", "end", "E")
AT_BOUNDARIES = {
    **{boundary: [Picture(name=f"boundary-{boundary}", play=armed)] for boundary in BOUNDARIES},
    "B-1": [Picture(name="boundary-B-1", play=armed), Picture(name="leave", play=leaving),
            Picture(name="too-small", play=nothing, size=(40, 10))],
    "B-4": [Picture(name="boundary-B-4", play=armed), Picture(name="boundary-B-4", play=armed, size=LARGE)],
    "B-5": [Picture(name="boundary-B-5", play=armed),
            Picture(name="boundary-B-5", play=armed, size=LARGE, theme=LIGHT)],
}  # fmt: skip
OF_PASS = [
    Picture(name="pass", play=OVERVIEW, size=LARGE),
    Picture(name="pass", play=OVERVIEW, size=LARGE, theme=LIGHT),
    Picture(name="gates", play=nothing),
    Picture(name="trace", play=keys("2", "f", *FILTER, "enter", *["down"] * 3), theme=LIGHT),
    Picture(name="rows", play=keys("3", *["right"] * 3, *["down"] * 4)),
    Picture(name="inspector", play=keys("2", "w", "home", *["down"] * 14, "enter")),
    Picture(name="help", play=keys("question_mark")),
]
OF_FAIL = [
    Picture(name="fail", play=FAILING, size=LARGE),
    Picture(name="fail", play=FAILING, size=LARGE, theme=LIGHT),
    Picture(name="fail", play=nothing),
]
VERIFIED = slowly("v", "down", "v", "up")
COMPARED = slowly("end", "m", "home", "d")
OF_ALL = [
    Picture(name="browse-runs", play=VERIFIED),
    Picture(name="browse-runs", play=VERIFIED, size=LARGE),
    Picture(name="browse-compare", play=COMPARED, size=LARGE),
    Picture(name="browse-compare", play=COMPARED),
    Picture(name="browse-search", play=slowly("slash", *typed("read committed"), "enter")),
]
OF_ONE = [
    Picture(name="browse-gates", play=slowly("tab", "tab")),
    Picture(name="browse-gates", play=slowly("tab", "tab"), size=LARGE, theme=LIGHT),
    Picture(name="browse-times", play=slowly("4"), size=LARGE),
    Picture(name="browse-files", play=slowly("5", "down", "down")),
    Picture(name="browse-decisions", play=slowly("6", "down")),
    Picture(name="browse-verify", play=slowly("7")),
]


def png(svg: Path) -> None:
    """Draw one picture as PNG beside itself."""
    chromium = shutil.which("chromium")
    assert chromium is not None, "needs Debian's chromium, or --no-png"
    text = svg.read_text("utf-8")
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert box is not None
    with tempfile.TemporaryDirectory(prefix="pictures-") as scratch:
        page = Path(scratch) / "page.html"
        page.write_text(f"<!doctype html><style>*{{margin:0}}svg{{display:block}}</style>{text}", "utf-8")
        size = f"--window-size={round(float(box[1]))},{round(float(box[2]))}"
        scale = f"--force-device-scale-factor={_LARGE_SCALE if float(box[1]) > _LARGE_PX else 1}"
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={scratch}/p",
        ]
        subprocess.run(
            [chromium, *options, size, scale, f"--screenshot={svg.with_suffix('.png')}", page.as_uri()],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def main() -> None:
    """Make every picture."""
    with tempfile.TemporaryDirectory(prefix="pictures-", dir="/var/tmp") as scratch:
        passing, failing = Path(scratch) / "passing", Path(scratch) / "failing"
        fails = drydock(failing, "--approve", "all", "--subject", str(DEFECT))
        passes = drydock(passing)
        for boundary in BOUNDARIES:
            folder = wait_at(passing, boundary)
            for one in AT_BOUNDARIES[boundary]:
                live(one, folder)
            approve(folder, boundary)
        passes.wait()
        fails.wait()
        for pictures, runs in ((OF_PASS, passing), (OF_FAIL, failing)):
            for one in pictures:
                live(one, find_run(runs, None).path)
        kept = find_run(failing, None).path
        kept.rename(passing / kept.name)
        for one in OF_ALL:
            evidence(one, passing)
        for one in OF_ONE:
            evidence(one, passing, kept.name)
    if "--no-png" not in sys.argv:
        for svg in sorted(HERE.glob("*.svg")):
            png(svg)


if __name__ == "__main__":
    main()
