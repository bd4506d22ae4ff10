"""A migration's own end of process: what its program would still do when it exits, done before the engine's last look.

The harness outlives each migration and ends at once, so that neither threads nor exit handlers of the subject hold it.
Owns the handlers registered with `atexit` while a migration runs, and the threads that it leaves.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 10.0
"""So long may a thread go on that is left at the end; the interpreter would wait for it without end."""

_OWN_REGISTER, _OWN_UNREGISTER = atexit.register, atexit.unregister
_HANDLERS: list[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]] = []
"""What was registered and is not called yet, whichever migration imported the module that registers."""


@contextmanager
def as_at_its_exit(patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Wait for the threads that the body leaves, then call the exit handlers that it registered, the last one first.

    Handlers of Python's own library stay where they are. Raises RuntimeError for a thread that does not end.
    """
    known = set(threading.enumerate())
    own = {"register": atexit.register, "unregister": atexit.unregister}
    vars(atexit).update(register=_register, unregister=_unregister)
    try:
        yield
        _wait_for(set(threading.enumerate()) - known, patience_s)
        while _HANDLERS:
            function, args, words = _HANDLERS.pop()
            function(*args, **words)
        _wait_for(set(threading.enumerate()) - known, patience_s)
    finally:
        vars(atexit).update(own)


def _register(function: Callable[..., Any], /, *args: Any, **words: Any) -> Callable[..., Any]:
    caller = str(sys._getframe(1).f_globals.get("__name__", ""))
    if caller.partition(".")[0] in sys.stdlib_module_names:
        return _OWN_REGISTER(function, *args, **words)
    _HANDLERS.append((function, args, words))
    return function


def _unregister(function: Callable[..., Any], /) -> None:
    _HANDLERS[:] = [one for one in _HANDLERS if one[0] != function]
    _OWN_UNREGISTER(function)


def _wait_for(left: set[threading.Thread], patience_s: float) -> None:
    """Wait as the interpreter does at its end: for every thread that is no daemon."""
    for thread in left:
        if thread.daemon or thread is threading.current_thread():
            continue
        thread.join(patience_s)
        if thread.is_alive():
            raise RuntimeError(
                f"the migration was over and its thread {thread.name} went on for {patience_s:g} s"
            )
