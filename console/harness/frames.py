"""Which frames are the subject's (or the pack's), as "function (file:line)", nearest first.

Looks at code objects and line numbers only; never at a frame's variables.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from pathlib import Path
from types import CodeType, FrameType, TracebackType

MOST_CALLERS = 4
_HARNESS = "the harness's main loop"
_MAIN_LOOP = str(Path(__file__).with_name("program.py"))
MOST_REPORTED_FRAMES = 8
_MOST_REMEMBERED = 10_000


class OwnFrames:
    """Recognises code below one folder; `clean` takes passwords out of a frame's text."""

    def __init__(self, folder: str, clean: Callable[[str], str] = str) -> None:
        self._roots = tuple({os.path.join(root, "") for root in (folder, os.path.realpath(folder))})
        self._places = {_MAIN_LOOP: _HARNESS}
        self._callers: dict[tuple[int, int], tuple[CodeType, str]] = {}
        self.clean = clean

    def place(self, filename: str) -> str:
        """Return the file's path below the folder, empty when it lies elsewhere."""
        if filename == _MAIN_LOOP:
            return ""
        known = self._places.get(filename)
        if known is None:
            known = next((filename[len(root) :] for root in self._roots if filename.startswith(root)), "")
            self._places[filename] = known
        return known

    def callers_json(self, depth: int) -> str:
        """Return the innermost callers inside the folder as the inside of a JSON array.

        Runs once for every statement, and each frame looked at costs: `depth` frames of the tracer and of
        psycopg are skipped, and the walk ends at the harness's own main loop.
        """
        frame: FrameType | None = sys._getframe(depth)
        places, callers, found = self._places, self._callers, []
        while frame is not None:
            code = frame.f_code
            place = places.get(code.co_filename)
            if place is None:
                place = self.place(code.co_filename)
            if place is _HARNESS:
                break
            if place:
                known = callers.get((id(code), frame.f_lasti))
                found.append(known[1] if known is not None else self._remembered(frame, place))
                if len(found) == MOST_CALLERS:
                    break
            frame = frame.f_back
        return ",".join(found)

    def _remembered(self, frame: FrameType, place: str) -> str:
        """Return a caller as JSON; known by its instruction, since to ask for the line is slow.

        The code is kept with it: its id() is its own as long as it lives.
        """
        code = frame.f_code
        told = encode_basestring_ascii(self.clean(f"{code.co_name} ({place}:{frame.f_lineno})"))
        if len(self._callers) < _MOST_REMEMBERED:
            self._callers[id(code), frame.f_lasti] = code, told
        return told

    def of_traceback(self, traceback: TracebackType | None) -> list[str]:
        """Return the frames of a traceback that lie in the folder, innermost first."""
        found: list[str] = []
        while traceback is not None:
            code = traceback.tb_frame.f_code
            place = self.place(code.co_filename)
            if place:
                found.append(f"{code.co_name} ({place}:{traceback.tb_lineno})")
            traceback = traceback.tb_next
        return found[::-1][:MOST_REPORTED_FRAMES]

    def raised(self, error: BaseException) -> bool:
        """Tell whether the innermost frame of an error, or the file it cannot parse, lies in the folder."""
        if isinstance(error, SyntaxError) and error.filename:
            return bool(self.place(error.filename))
        innermost, traceback = "", error.__traceback__
        while traceback is not None:
            innermost, traceback = traceback.tb_frame.f_code.co_filename, traceback.tb_next
        return bool(self.place(innermost))
