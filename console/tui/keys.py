"""The one table of keys: bindings, footer, help and palette are made from it.

An action is a method of the screen or widget at its `place`; nothing else in the screen names a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key: `place` is where it works, `short` its word in the footer ("" keeps it out of there).

    `ahead`: it acts before the next key is given to anybody, because that one may belong to what it opens.
    """

    id: str
    keys: str
    shown: str
    action: str
    does: str
    place: str
    short: str = ""
    palette: bool = False
    ahead: bool = False


PLACES = {
    "screen": "anywhere",
    "list": "in a list",
    "trace": "in the trace",
    "checklist": "in the gates",
    "matrix": "in the matrix",
    "boundary": "while a boundary asks",
}

KEYS = (
    Key(
        id="help",
        keys="question_mark,f1",
        shown="?",
        action="app.help",
        place="screen",
        short="help",
        does="show these keys",
        palette=True,
    ),
    Key(
        id="leave",
        keys="q,ctrl+c,ctrl+q",
        shown="q",
        action="app.leave",
        place="screen",
        short="leave",
        does="leave the screen (Ctrl+C too): asks whether to detach or to abort the run",
        palette=True,
    ),
    Key(
        id="boundary",
        keys="b",
        shown="b",
        action="app.boundary",
        place="screen",
        does="bring back the boundary's question that was put aside",
        palette=True,
    ),
    Key(
        id="pane-1",
        keys="1",
        shown="1",
        action="pane('checklist')",
        place="screen",
        does="steps, gates and boundaries",
    ),
    Key(id="pane-2", keys="2", shown="2", action="pane('trace')", place="screen", does="the SQL trace"),
    Key(
        id="pane-3",
        keys="3",
        shown="3",
        action="pane('matrix')",
        place="screen",
        does="row counts: tables and scenarios",
    ),
    Key(
        id="pane-4",
        keys="4",
        shown="4",
        action="pane('inspector')",
        place="screen",
        does="the inspector: all of what is selected",
    ),
    Key(id="pane-next", keys="tab", shown="Tab", action="next_pane(1)", place="screen", does="the next pane"),
    Key(
        id="pane-back",
        keys="shift+tab",
        shown="⇧Tab",
        action="next_pane(-1)",
        place="screen",
        does="the pane before",
    ),
    Key(
        id="failure-next",
        keys="e",
        shown="e",
        action="failure(1)",
        place="screen",
        short="next failure",
        does="the next failed statement",
        palette=True,
    ),
    Key(
        id="failure-back",
        keys="E,shift+e",
        shown="E",
        action="failure(-1)",
        place="screen",
        does="the failed statement before",
        palette=True,
    ),
    Key(
        id="search",
        keys="slash",
        shown="/",
        action="search",
        place="screen",
        short="search",
        does="search the trace for a text",
        palette=True,
        ahead=True,
    ),
    Key(
        id="search-next",
        keys="n",
        shown="n",
        action="again(1)",
        place="screen",
        does="the next statement found",
    ),
    Key(
        id="search-back",
        keys="N,shift+n",
        shown="N",
        action="again(-1)",
        place="screen",
        does="the statement found before",
    ),
    Key(
        id="filter",
        keys="f",
        shown="f",
        action="filter",
        place="screen",
        short="filter",
        does="show only some: errors verb:insert table:T by:ROLE in:S4 slower:5ms from:client TEXT",
        palette=True,
        ahead=True,
    ),
    Key(
        id="filter-none",
        keys="F,shift+f",
        shown="F",
        action="unfilter",
        place="screen",
        does="show all statements again",
        palette=True,
    ),
    Key(
        id="witness",
        keys="w",
        shown="w",
        action="witness",
        place="screen",
        does="whose records: all, the client's, the server's, the engine's",
        palette=True,
    ),
    Key(
        id="theme",
        keys="t",
        shown="t",
        action="app.theme",
        place="screen",
        does="the next theme: dark, light, the terminal's own colours",
        palette=True,
    ),
    Key(
        id="copy",
        keys="c",
        shown="c",
        action="app.copy",
        place="screen",
        does="copy what the inspector tells: to the clipboard (OSC 52) and to a file",
        palette=True,
    ),
    Key(
        id="picture",
        keys="S,shift+s",
        shown="S",
        action="app.picture",
        place="screen",
        does="keep this screen as an SVG picture",
        palette=True,
    ),
    Key(
        id="palette",
        keys="",
        shown="Ctrl+P",
        action="",
        place="screen",
        does="the palette: every command by its words",
    ),
    Key(id="escape", keys="", shown="Esc", action="", place="screen", does="out of a line of input, or back"),
    Key(id="up", keys="up,k", shown="↑", action="move(-1)", place="list", does="one line up"),
    Key(id="down", keys="down,j", shown="↓", action="move(1)", place="list", does="one line down"),
    Key(
        id="page-up", keys="pageup,ctrl+b", shown="PgUp", action="page(-1)", place="list", does="one page up"
    ),
    Key(
        id="page-down",
        keys="pagedown,ctrl+f",
        shown="PgDn",
        action="page(1)",
        place="list",
        does="one page down",
    ),
    Key(id="top", keys="home,g", shown="Home", action="top", place="list", does="the first line"),
    Key(
        id="end",
        keys="end,G,shift+g",
        shown="End",
        action="end",
        place="list",
        short="follow",
        does="the last line; the trace and the gates follow the run again",
    ),
    Key(
        id="open",
        keys="enter",
        shown="Enter",
        action="open",
        place="list",
        does="show all of it in the inspector",
    ),
    Key(
        id="unfold",
        keys="space",
        shown="Space",
        action="unfold",
        place="checklist",
        short="unfold",
        does="show or hide the gates of the steps that hold",
    ),
    Key(id="left", keys="left,h", shown="←", action="column(-1)", place="matrix", does="the scenario before"),
    Key(id="right", keys="right,l", shown="→", action="column(1)", place="matrix", does="the next scenario"),
    Key(
        id="evidence",
        keys="",
        shown="↑ ↓ PgUp PgDn",
        action="",
        place="boundary",
        does="scroll the evidence behind the question; 1 to 4 change it",
    ),
    Key(
        id="letter",
        keys="",
        shown="a letter",
        action="",
        place="boundary",
        does="the random letter shown beside an answer gives that answer, alone and after a quiet moment",
    ),
    Key(
        id="minutes",
        keys="",
        shown="+ -",
        action="",
        place="boundary",
        does="B-5: hold for longer or shorter",
    ),
)

FOOTER = {
    "checklist": ("unfold", "open", "search", "failure-next", "leave", "help"),
    "trace": ("failure-next", "search", "filter", "end", "open", "leave", "help"),
    "matrix": ("open", "pane-next", "failure-next", "leave", "help"),
    "inspector": ("pane-next", "failure-next", "search", "leave", "help"),
}
_NONE: Mapping[str, str] = {}
_SHORT = {"open": "inspect", "pane-next": "pane"}


def bindings(place: str) -> list[BindingType]:
    """Return the bindings of one place; their ids are the table's, so that a keymap can change them."""
    return [
        Binding(key.keys, key.action, key.does, show=False, id=key.id, priority=key.ahead)
        for key in KEYS
        if key.place == place and key.action
    ]


def shown_key(keymap: Mapping[str, str], name: str, usual: str) -> str:
    """Return how a key is written for people: as the table has it, or as the operator has changed it."""
    if name not in keymap:
        return usual
    word = keymap[name].split(",")[0]
    return {"slash": "/", "question_mark": "?", "space": "Space", "tab": "Tab"}.get(word, word)


def footer_keys(pane: str, keymap: Mapping[str, str] = _NONE) -> list[tuple[str, str]]:
    """Return (key, word) for the footer while `pane` has the focus, the most wanted first."""
    by_id = {key.id: key for key in KEYS}
    return [
        (shown_key(keymap, name, by_id[name].shown), by_id[name].short or _SHORT.get(name, ""))
        for name in FOOTER[pane]
    ]


def help_lines(keymap: Mapping[str, str] = _NONE) -> Iterable[tuple[str, str]]:
    """Yield (key, what it does), and ("", heading) before each place."""
    for place, heading in PLACES.items():
        keys = [key for key in KEYS if key.place == place]
        if keys:
            yield "", heading
        yield from ((shown_key(keymap, key.id, key.shown), key.does) for key in keys)
