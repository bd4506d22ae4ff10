"""Makes the pictures in this folder from real runs: `python screenshots/make.py`, about a minute.

Each picture is the screen itself (Textual's SVG export) with its links to fonts outside taken out.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from console.tui.terminal import prepare  # noqa: E402

prepare()

from textual import events  # noqa: E402
from textual.pilot import Pilot  # noqa: E402

from console.runs import find_run  # noqa: E402
from console.tui.app import LiveApp  # noqa: E402
from console.tui.challenge import Phase  # noqa: E402
from console.tui.decision import Answer, Said  # noqa: E402
from console.tui.screens.boundary import BoundaryScreen  # noqa: E402

DEFECT = HERE.parent / "scenarios/cutter_dry_run/known_bad/find_leaves_transaction_open"
_OUTSIDE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
_PATIENCE_S = 60.0

Play = Callable[[LiveApp, Pilot[None]], Awaitable[None]]


def drydock(runs: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a run of the demo."""
    argv = [
        str(Path(sys.executable).with_name("drydock")),
        "run",
        "--headless",
        "--runs-dir",
        str(runs),
        *words,
    ]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def refuse(answer: Answer) -> Said:
    """Answer nothing: a picture decides nothing."""
    return Said(accepted=False, says=f"a picture does not {answer.verb}")


async def picture(name: str, folder: Path, size: tuple[int, int], theme: str, play: Play) -> None:
    """Open a run, play some keys and keep what the screen shows."""
    app = LiveApp(folder, refuse, observe=False, theme=theme)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.5)
        await play(app, pilot)
        await pilot.pause(0.5)
        app.call_later(app.refresh)
        await pilot.pause(0.2)
        svg = app.export_screenshot(title=f"drydock {folder.name}")
    clean = _OUTSIDE.sub("", svg)
    outside = [
        link
        for link in re.findall(r"https?://[^\"')\s]+", clean)
        if "w3.org" not in link and "textualize" not in link
    ]
    assert not outside, outside
    (HERE / f"{name}.svg").write_text(clean, encoding="utf-8")
    print(f"{name}.svg")


def wait_for_question(runs: Path) -> Path:
    """Return the folder of the run as soon as it waits."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if list(runs.glob("2*/journal.jsonl")) and find_run(runs, None).state.armed is not None:
            return find_run(runs, None).path
        time.sleep(0.1)
    raise TimeoutError(f"no run in {runs} waited within {_PATIENCE_S:.0f} s")


async def armed(app: LiveApp, pilot: Pilot[None]) -> None:
    """Play the terminal that answers each fence, until the letters stand."""
    while not (isinstance(app.screen, BoundaryScreen) and app.screen.challenge.phase is Phase.ARMED):
        app.post_message(events.CursorPosition(0, 0))
        await pilot.pause(0.1)


async def overview(app: LiveApp, pilot: Pilot[None]) -> None:
    """The whole run: the client's statements, the matrix, an insert in the inspector."""
    del app
    await pilot.press("2", "w", *["pagedown"], *["up"] * 9)


async def failing_statement(app: LiveApp, pilot: Pilot[None]) -> None:
    """What the operator needs after a FAIL: the failing scenario and the statement that failed."""
    del app
    await pilot.press("2", "w", "E")
    await pilot.press("e", "end", "E")


async def filtered(app: LiveApp, pilot: Pilot[None]) -> None:
    """The trace at 80x24, filtered by witness and table."""
    words = "from:client table:decision_backlog_entry"
    await pilot.press(
        "2", "f", *({" ": "space", ":": "colon", "_": "underscore"}.get(char, char) for char in words)
    )
    await pilot.press("enter", *["down"] * 3)
    del app


def main() -> None:
    """Make every picture."""
    with tempfile.TemporaryDirectory(prefix="pictures-", dir="/var/tmp") as scratch:
        passing, failing, waiting = (Path(scratch) / name for name in ("passing", "failing", "waiting"))
        drydock(passing, "--approve", "all").wait()
        drydock(failing, "--approve", "all", "--subject", str(DEFECT)).wait()
        asking = drydock(waiting, "--approve", "B-1")
        try:
            folder = wait_for_question(waiting)
            asyncio.run(picture("boundary-80x24", folder, (80, 24), "drydock-dark", armed))
        finally:
            words = ["abort", folder.name, "--runs-dir", str(waiting)]
            subprocess.run([str(Path(sys.executable).with_name("drydock")), *words], check=True)
            asking.wait()
        passed, failed = find_run(passing, None).path, find_run(failing, None).path
        asyncio.run(picture("pass-160x48", passed, (160, 48), "drydock-dark", overview))
        asyncio.run(picture("fail-160x48", failed, (160, 48), "drydock-dark", failing_statement))
        asyncio.run(picture("trace-80x24-light", passed, (80, 24), "drydock-light", filtered))


if __name__ == "__main__":
    main()
