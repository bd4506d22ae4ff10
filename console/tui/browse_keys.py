"""The keys of the evidence screens: one more table, for screens that have no run to lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.binding import Binding, BindingType

from console.tui.keys import KEYS, Key, shown_key

PLACES = {
    "anywhere": "anywhere",
    "runs": "in the list of runs",
    "evidence": "in one run",
    "list": "in a list",
    "trace": "with the trace: as on the live screen",
}
_SHARED = ("help", "leave", "theme", "copy", "picture")
_DOES = {"leave": "back to where you came from; from the list of runs: leave"}

BROWSE_KEYS = (
    Key(id="browse-other", keys="tab,shift+tab", shown="Tab", action="other_pane", place="anywhere",
        does="the list, or all of what is selected", short="details"),
    Key(id="browse-search", keys="slash", shown="/", action="search", place="runs", short="search",
        does="search journals and statements of all runs for a text", ahead=True),
    Key(id="browse-filter", keys="f", shown="f", action="filter", place="runs", short="filter",
        does="show only runs whose line has a text: a verdict, a subject, a day", ahead=True),
    Key(id="browse-mark", keys="m", shown="m", action="mark", place="runs", short="mark",
        does="mark a run as the first of two"),
    Key(id="browse-compare", keys="d", shown="d", action="compare", place="runs", short="compare",
        does="compare the marked run with this one: the cause first"),
    Key(id="browse-check", keys="v", shown="v", action="check", place="runs", short="verify",
        does="verify this run, beside everything else"),
    Key(id="browse-1", keys="1", shown="1", action="mode('gates')", place="evidence",
        does="gates, each with its facts and where they come from"),
    Key(id="browse-2", keys="2", shown="2", action="statements('trace')", place="evidence",
        does="the SQL trace"),
    Key(id="browse-3", keys="3", shown="3", action="statements('matrix')", place="evidence",
        does="row counts: tables and scenarios"),
    Key(id="browse-4", keys="4", shown="4", action="mode('times')", place="evidence",
        does="the timeline: steps, boundaries, scenarios; unfolded, every event"),
    Key(id="browse-5", keys="5", shown="5", action="mode('artefacts')", place="evidence",
        does="the kept files with size and sha256, and their beginning"),
    Key(id="browse-6", keys="6", shown="6", action="mode('decisions')", place="evidence",
        does="who decided what, when, and over which digest"),
    Key(id="browse-7", keys="7", shown="7", action="mode('verify')", place="evidence",
        does="what verification says, as it comes"),
    Key(id="browse-statement", keys="s", shown="s", action="statement", place="evidence", short="statement",
        does="from a failed gate or scenario to the statement that failed"),
    Key(id="browse-unfold", keys="space", shown="Space", action="unfold", place="evidence", short="unfold",
        does="show or hide what holds; in the timeline every event"),
    Key(id="browse-again", keys="v", shown="v", action="check", place="evidence", short="verify again",
        does="verify this run once more"),
)  # fmt: skip

FOOTER = {
    "runs": (
        "open",
        "browse-search",
        "browse-filter",
        "browse-mark",
        "browse-compare",
        "browse-check",
        "help",
        "leave",
    ),
    "evidence": ("browse-statement", "browse-unfold", "browse-other", "browse-again", "help", "leave"),
    "found": ("open", "browse-other", "help", "leave"),
    "compared": ("browse-other", "help", "leave"),
}
_SHORT = {"open": "open", "leave": "back"}


def browse_table() -> list[Key]:
    """Return every key that works in evidence: the shared ones, its own, those of lists."""
    """Return every key that works in evidence: the shared ones, its own, those of lists."""
    shared = [key for key in KEYS if key.id in _SHARED]
    lists = [key for key in KEYS if key.place == "list" and key.id != "end"]
    return [*shared, *BROWSE_KEYS, *lists]


def browse_bindings(*places: str) -> list[BindingType]:
    """Return the bindings that all evidence screens share, and those of some places."""
    keys = [key for key in browse_table() if key.id in _SHARED or key.place in ("anywhere", *places)]
    return [
        Binding(key.keys, key.action, key.does, show=False, id=key.id, priority=key.ahead)
        for key in keys if key.place != "list"
    ]  # fmt: skip


def browse_footer(screen: str, keymap: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (key, word) for the footer of a screen, the most wanted first."""
    by_id = {key.id: key for key in browse_table()}
    return [
        (shown_key(keymap, name, by_id[name].shown), _SHORT.get(name) or by_id[name].short)
        for name in FOOTER[screen]
    ]


def browse_help(keymap: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Yield (key, what it does), and ("", heading) before each place."""
    for place, heading in PLACES.items():
        yield "", heading
        for key in browse_table():
            at = "anywhere" if key.id in _SHARED else key.place
            if at == place:
                yield shown_key(keymap, key.id, key.shown), _DOES.get(key.id, key.does)
        if place == "trace":
            yield "/ f e w", "search, filter, next failure, whose records; ? there lists all of them"
