"""What is known of the terminal before the screen opens: variables, title, multiplexer, size.

Never imports Textual: its variables are read when it is imported, so they are set here first.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, MutableMapping
from types import FrameType

from console.model.text import visible

SMALLEST_COLUMNS, SMALLEST_ROWS = 80, 24
PANES_COLUMNS, PANES_ROWS = 140, 40
"""From this size on all panes stand side by side; below it they are tabs."""

_TEXTUAL = {"TEXTUAL_FPS": "100", "TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0"}
"""What is drawn again waits for the next frame, so a key waits half a frame; how often a run is drawn is its poll's."""
_WITHOUT_TITLE = ("linux", "dumb", "vt100", "vt220")


def prepare(environ: MutableMapping[str, str] = os.environ) -> str:
    """Set what Textual reads at import and return the theme for this terminal; what was set before stays.

    NO_COLOR is taken out: the theme without colours does what it asks, while Textual's own filter turns
    a terminal's default colours into black on black.
    """
    for name, value in _TEXTUAL.items():
        environ.setdefault(name, value)
    theme = default_theme(environ)
    environ.pop("NO_COLOR", None)
    return theme


def is_multiplexed(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether tmux or screen stands between: it answers a status report before anybody saw a thing."""
    return bool(environ.get("TMUX") or environ.get("STY")) or environ.get("TERM", "").startswith(
        ("screen", "tmux")
    )


def default_theme(environ: Mapping[str, str] = os.environ) -> str:
    """Return the theme for this terminal: none with NO_COLOR, its own 16 colours where it has no more."""
    if environ.get("NO_COLOR"):
        return "drydock-mono"
    few = environ.get("TERM", "") in ("linux", "xterm", "screen", "vt100", "vt220", "dumb")
    return "ansi-dark" if few and not environ.get("COLORTERM") else "drydock-dark"


def title_sequence(title: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the bytes that name the terminal's window, "" where they would be printed."""
    if environ.get("TERM", "dumb") in _WITHOUT_TITLE:
        return ""
    return f"\x1b]2;{visible(title, limit_chars=80)}\x07"


def notification_sequence(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the bytes that make a desktop notification, "" where the terminal is not known to have one.

    OSC 99 is kitty's, OSC 777 foot's and rxvt-unicode's, OSC 9 iTerm2's, WezTerm's and Ghostty's. Nothing inside tmux
    or screen, which do not pass it on.
    """
    if is_multiplexed(environ):
        return ""
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    said = visible(text, limit_chars=120).replace(";", ",")
    if term == "xterm-kitty":
        return f"\x1b]99;i=drydock;{said}\x1b\\"
    if term.startswith(("foot", "rxvt-unicode")):
        return f"\x1b]777;notify;drydock;{said}\x1b\\"
    if program in ("iTerm.app", "WezTerm", "ghostty") or term in ("wezterm", "xterm-ghostty"):
        return f"\x1b]9;{said}\x1b\\"
    return ""


def save_title_sequence(environ: Mapping[str, str] = os.environ) -> str:
    """Return the bytes that keep the window's name for later (XTWINOPS 22)."""
    return "" if environ.get("TERM", "dumb") in _WITHOUT_TITLE else "\x1b[22;2t"


def restore_title_sequence(environ: Mapping[str, str] = os.environ) -> str:
    """Return the bytes that bring the kept name back (XTWINOPS 23)."""
    return "" if environ.get("TERM", "dumb") in _WITHOUT_TITLE else "\x1b[23;2t"


def end_at_hangup(leave: Callable[[], None]) -> None:
    """End this process at once when its terminal is gone, after `leave`: giving a dead terminal back waits for ever.

    A handler of Python's own, not of the event loop: the loop itself may wait for the terminal by then.
    """

    def gone(number: int, _frame: FrameType | None) -> None:
        try:
            leave()
        finally:
            os._exit(128 + number)

    signal.signal(signal.SIGHUP, gone)
