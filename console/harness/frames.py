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
_MAIN_LOOP = str(Path(__file__).with_name("program.py"))
MOST_REPORTED_FRAMES = 8
_MOST_REMEMBERED = 10_000


class OwnFrames:
    """Recognises code below one folder; `clean` takes passwords out of a frame's text."""

    def __init__(self, folder: str, clean: Callable[[str], str] = str) -> None:
        self._roots = tuple({os.path.join(root, "") for root in (folder, os.path.realpath(folder))})
        self._places: dict[str, str] = {}
        self._codes: dict[int, dict[int, str | None]] = {}
        self._kept: list[CodeType] = []
        self.clean = clean

    def place(self, filename: str) -> str:
        """Return the file's path below the folder, empty when it lies elsewhere."""
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
        codes, found, more = self._codes, [], MOST_CALLERS
        while frame is not None:
            try:
                caller = codes[id(frame.f_code)][frame.f_lasti]
            except KeyError:
                caller = self._caller(frame)
            if caller:
                found.append(caller)
                more -= 1
                if not more:
                    break
            elif caller is not None:
                break
            frame = frame.f_back
        return ",".join(found)

    def _caller(self, frame: FrameType) -> str | None:
        """Return a frame that is told as JSON, None for one outside, empty for the harness's main loop.

        It is remembered by its instruction: to ask a frame for its line is slow. The code is kept, too: its id() is its
        own as long as it lives.
        """
        code = frame.f_code
        place = self.place(code.co_filename)
        lines = self._codes.get(id(code))
        if lines is None:
            lines = {}
            if len(self._codes) < _MOST_REMEMBERED:
                self._kept.append(code)
                self._codes[id(code)] = lines
        told: str | None = "" if code.co_filename == _MAIN_LOOP else None
        if place:
            told = encode_basestring_ascii(self.clean(f"{code.co_name} ({place}:{frame.f_lineno})"))
        lines[frame.f_lasti] = told
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
