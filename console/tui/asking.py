"""Asks the engine in a thread of its own that nobody ever waits for."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable

from console.tui.decision import Answer, Decide, Said


def ask_apart(decide: Decide, answer: Answer, told: Callable[[Said], None]) -> None:
    """Call `decide` apart and hand what it said to the screen's loop; a screen that is gone misses it."""
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()

    def work() -> None:
        said = decide(answer)
        with contextlib.suppress(RuntimeError):  # the loop has closed: the screen is gone
            loop.call_soon_threadsafe(told, said, context=context)

    threading.Thread(target=work, name="decide", daemon=True).start()
