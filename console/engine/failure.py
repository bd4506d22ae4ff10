"""An exception of the engine's own as an event: type, message and where, never a local variable."""

from __future__ import annotations

import traceback

from console.model.event import EngineFailed

FRAMES_KEPT = 12
_MESSAGE_CHARS = 2000


def engine_failure(broken: BaseException) -> EngineFailed:
    """Return the event for an exception, its innermost frames last."""
    frames = traceback.extract_tb(broken.__traceback__)[-FRAMES_KEPT:]
    where = tuple(f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in frames)
    return EngineFailed(type=type(broken).__name__, message=str(broken)[:_MESSAGE_CHARS], where=where)
