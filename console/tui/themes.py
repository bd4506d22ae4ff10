"""The screen's own colours, dark and light, and none at all; two more use the terminal's own sixteen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textual.app import App
from textual.theme import BUILTIN_THEMES, Theme

DARK = Theme(
    name="drydock-dark",
    dark=True,
    primary="#5fafd7",
    secondary="#87afaf",
    accent="#5fafd7",
    warning="#ffd75f",
    error="#ff6b6b",
    success="#87d787",
    foreground="#e4e4e4",
    background="#121212",
    surface="#1c1c1c",
    panel="#303030",
)
LIGHT = Theme(
    name="drydock-light",
    dark=False,
    primary="#005f87",
    secondary="#3a5a5a",
    accent="#005f87",
    warning="#7a4b00",
    error="#a80000",
    success="#006400",
    foreground="#1c1c1c",
    background="#ffffff",
    surface="#f2f2f2",
    panel="#dadada",
)
_PLAIN = "ansi_default"
_SIXTEEN = BUILTIN_THEMES["ansi-dark"]
MONO = replace(
    _SIXTEEN,
    name="drydock-mono",
    primary=_PLAIN,
    secondary=_PLAIN,
    accent=_PLAIN,
    warning=_PLAIN,
    error=_PLAIN,
    success=_PLAIN,
    variables={name: _PLAIN if "ansi_" in value else value for name, value in _SIXTEEN.variables.items()},
)
OWN = (DARK, LIGHT, MONO)
ORDER = (DARK.name, LIGHT.name, "ansi-dark", "ansi-light")


def begin_in(app: App[Any], name: str) -> None:
    """Register the own themes and set the one to begin with, before anything is mounted.

    The usual one is set without Textual's watcher, which would have the whole stylesheet parsed again before the
    first paint. Light themes and those of the terminal's own colours need what else the watcher does.
    """
    for own in OWN:
        app.register_theme(own)
    if name != DARK.name:
        app.theme = name
        return
    app.set_reactive(App.theme, name)
    app.stylesheet.set_variables(app.get_css_variables())
