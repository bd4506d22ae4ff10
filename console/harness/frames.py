"""Which frames are the subject's (or the pack's), as "function (file:line)", nearest first.

Looks at code objects and line numbers only; never at a frame's variables.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from pathlib import Path
from types import CodeType, FrameType, TracebackType

MOST_CALLERS = 4
_MAIN_LOOP = str(Path(__file__).with_name("program.py"))
MOST_REPORTED_FRAMES = 8
_MOST_REMEMBERED = 10_000
_MAY_BE_RESUMED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Told:
    """What was told of one call of a function of the subject's: its callers as JSON (`texts`), by its instructions.

    It is left in the frame, in `f_trace`, which is free where nothing traces, and goes with it. That its own callers
    are the same for as long as it runs makes it true; a generator's change, and have none.
    """

    __slots__ = ("places", "texts", "when_traced")

    def __init__(self, when_traced: Callable[[], object]) -> None:
        self.texts: dict[int, str] = {}
        self.places: dict[int, tuple[str, ...]] = {}
        self.when_traced = when_traced

    def __call__(self, *_: object) -> None:
        """Decline, as a frame's trace function, whatever happens: somebody began to trace meanwhile."""
        self.when_traced()


def _seen(*_: object) -> None:
    """Stand in a frame that has sent one statement: most send no other, and to leave more would be in vain."""


class OwnFrames:
    """Recognises code below one folder; `clean` takes passwords out of a frame's text."""

    def __init__(self, folder: str, clean: Callable[[str], str] = str) -> None:
        self._roots = tuple({os.path.join(root, "") for root in (folder, os.path.realpath(folder))})
        self._places: dict[str, str] = {}
        self._codes: dict[int, dict[int, str | None]] = {}
        self._kept: list[CodeType] = []
        self.clean = clean
        self.when_traced: Callable[[], object] = lambda: None
        """Called when the interpreter traces a call in which word was left."""

    def place(self, filename: str) -> str:
        """Return the file's path below the folder, empty when it lies elsewhere."""
        known = self._places.get(filename)
        if known is None:
            known = next((filename[len(root) :] for root in self._roots if filename.startswith(root)), "")
            self._places[filename] = known
        return known

    def callers_json(self, frame: FrameType) -> str:
        """Return the innermost callers inside the folder, from `frame` on, as the inside of a JSON array.

        Each frame looked at costs: the walk ends at the harness's own main loop, or at a call of the subject's that has
        sent a statement from there before. It leaves word with every call that it meets for the second time.
        """
        at: FrameType | None = frame
        codes = self._codes
        places: list[str] = []
        beyond: tuple[str, ...] = ()
        again: list[tuple[int, FrameType]] | None = None
        while at is not None:
            try:
                place = codes[id(at.f_code)][at.f_lasti]
            except KeyError:
                place = self._caller(at)
            if place:
                left = at.f_trace
                if left is None:
                    at.f_trace = _seen
                else:
                    beyond = left.places.get(at.f_lasti, ()) if type(left) is Told else ()
                    if beyond:
                        break
                    again = again or []
                    again.append((len(places), at))
                places.append(place)
                if len(places) == MOST_CALLERS:
                    break
            elif place is not None:
                break
            at = at.f_back
        if not beyond and again is None:
            return ",".join(places)
        callers, cut = (*places, *beyond), len(places) == MOST_CALLERS
        for number, one in again or ():
            if not (cut and number):
                self._leave_with(one, callers[number : number + MOST_CALLERS])
        return ",".join(callers[:MOST_CALLERS])

    def _leave_with(self, frame: FrameType, callers: tuple[str, ...]) -> None:
        left = frame.f_trace
        if left is _seen and not frame.f_code.co_flags & _MAY_BE_RESUMED:
            left = frame.f_trace = Told(self.when_traced)
        if isinstance(left, Told):
            left.places[frame.f_lasti] = callers
            left.texts[frame.f_lasti] = ",".join(callers)

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
