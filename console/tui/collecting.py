"""When the garbage collector looks: not while a screen is loaded and first painted, then only at what came after.

A collection of everything that was imported takes longer than a key may wait, and finds nothing.
"""

from __future__ import annotations

import gc


def hold() -> None:
    """Collect nothing until `let_go`."""
    gc.disable()


def let_go() -> None:
    """Collect again, and never look at what there is already."""
    gc.freeze()
    gc.enable()
