"""The operator's own keys: a file that is right changes them everywhere, a wrong one is one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fix_journals import passed
from fix_screens import Engine, statement, write_run

from console.tui.app import LiveApp
from console.tui.keymap import KeymapWrong, clashes, read_keymap
from console.tui.keys import help_lines


def write(folder: Path, text: str) -> Path:
    """Write a keymap file and return its folder."""
    (folder / "keymap.toml").write_text(text, "utf-8")
    return folder


def test_without_a_file_the_table_holds(tmp_path: Path) -> None:
    """No file means no change, and the table itself gives no key two meanings."""
    assert read_keymap(tmp_path) == {}
    assert clashes({}) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("keys = ", "cannot be read"),
        ("[other]\nx = 1\n", "more than the one table"),
        ('[keys]\nfly = "x"\n', "there is no key 'fly'"),
        ('[keys]\nsearch = ""\n', "search = '' is no key"),
        ("[keys]\nsearch = 5\n", "search = '5' is no key"),
        ('[keys]\nsearch = "ctrl+c"\n', "'ctrl+c' is kept"),
        ('[keys]\nsearch = "q"\n', "q would be both leave and search"),
        ('[keys]\nletter = "x"\n', "there is no key 'letter'"),
        ('[keys]\nbrowse-mark = "d"\n', "d would be both browse-mark and browse-compare"),
        ('[keys]\nhelp = "v"\n', "v would be both help and browse-check"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    """What cannot be used names the file and the line's fault, and nothing is half applied."""
    with pytest.raises(KeymapWrong, match=re.escape(says)) as wrong:
        read_keymap(write(tmp_path, text))
    assert str(tmp_path) in wrong.value.what and "\n" not in wrong.value.what


async def test_a_changed_key_works_and_is_shown(tmp_path: Path) -> None:
    """The new key acts, the old one does nothing, footer and help name the new one; Ctrl+C still leaves."""
    keymap = read_keymap(write(tmp_path, '[keys]\nsearch = "ctrl+s"\nleave = "X"\n'))
    assert keymap["leave"] == "X,ctrl+c"
    folder = write_run(tmp_path / "runs", passed(), [statement(n) for n in range(1, 9)])
    app = LiveApp(folder, Engine(), observe=True, theme="drydock-dark", keymap=keymap)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2", "slash", "q")
        await pilot.pause(0.2)
        assert not app.live.query_one("#prompt").display and app.is_running
        lines = app.screen._compositor.render_strips()
        footer = "".join(segment.text for segment in lines[-1])
        assert "ctrl+s search" in footer and "X leave" in footer
        await pilot.press("ctrl+s")
        await pilot.pause(0.2)
        assert app.live.query_one("#prompt").display
        await pilot.press("escape", "X")
        await pilot.pause(0.2)
    assert app.return_code == 0
    assert ("ctrl+s", "search the trace for a text") in help_lines(keymap)
