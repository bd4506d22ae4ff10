"""The boundary's question as lines, for `--plain` on a terminal: read aloud as it is written, answered by a typed code.

The same challenge as the screen's (console.tui.challenge): fence, quiet, and then a random code for each answer.
Takes the terminal's line editing away only while a question stands, and gives it back whatever happens.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import termios
import time
import tty
from collections.abc import Sequence
from typing import Any, TextIO

from console.journal import now_at
from console.model.event import BoundaryArmed
from console.model.run_state import RunState, needed_words
from console.model.text import one_line
from console.tui.challenge import CODE_CHARS, IN_MULTIPLEXER, Challenge, Choice, Pace, Phase
from console.tui.decision import Answer, Decide
from console.tui.describe import worked_on
from console.tui.terminal import is_multiplexed

HOLD_MINUTES = 15
_ASK_TERMINAL, _PASTES_ON, _PASTES_OFF = "\x1b[6n", "\x1b[?2004h", "\x1b[?2004l"
_TOKEN = re.compile(
    rb"\x1b\[\d+;\d+R|\x1b\[200~(?P<pasted>.*?)(?:\x1b\[201~|\Z)|\x1b\[[0-9;<?]*[ -/]*[@-~]|\x1bO.|\x1b|.",
    re.DOTALL,
)
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;<?]*|O)?\Z|\x1b\[200~(?!.*\x1b\[201~).*\Z", re.DOTALL)
_SEQUENCE_S = 0.2
_LOCAL_MODES = 3
"""The place of the local modes in what tcgetattr returns (termios(3))."""
_FINAL = re.compile(rb"\x1b\[\d+;\d+R")


class LinePrompt:
    """Asks at each boundary on one terminal; `turn` never blocks, `rest` waits until a key or the time."""

    def __init__(self, descriptor: int, stream: TextIO, decide: Decide, *, pace: Pace | None = None) -> None:
        self._descriptor = descriptor
        self._stream = stream
        self._decide = decide
        self._pace = pace or (IN_MULTIPLEXER if is_multiplexed() else Pace())
        self._asked: tuple[str, str] | None = None
        self._armed: BoundaryArmed | None = None
        self._challenge: Challenge | None = None
        self._before: list[Any] | None = None
        self._fences_written = 0
        self._told: dict[str, str] = {}
        self._echoed = ""
        self._counted = 0
        self._shown_at = ""
        self._unread = b""
        self._unread_since = 0.0

    def turn(self, state: RunState) -> None:
        """Ask what the run asks, take what was typed, and send an answer when there is one."""
        armed = state.armed if state.abort is None else None
        if os.getuid() in {given.operator.uid for given in state.approvals}:
            armed = None
        wanted = (armed.boundary, state.armed_at) if armed is not None else None
        if wanted != self._asked:
            self.close()
            self._asked, self._armed = wanted, armed
            if armed is not None:
                self._begin(armed, state)
        if self._challenge is not None:
            self._go_on(self._challenge)

    def rest(self, seconds: float) -> None:
        """Wait until a key comes or the time is over."""
        if self._challenge is None:
            time.sleep(seconds)
        else:
            select.select([self._descriptor], [], [], seconds)

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self._before is not None:
            with contextlib.suppress(termios.error, OSError):
                self._write(_PASTES_OFF)
                termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, self._before)
        self._before, self._challenge = None, None

    def _begin(self, armed: BoundaryArmed, state: RunState) -> None:
        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor, termios.TCSANOW)
        self._challenge = Challenge(choices=_choices(armed), pace=self._pace, now=time.monotonic())
        self._fences_written = self._counted = 0
        self._told, self._echoed, self._unread = {}, "", b""
        if armed.needs > 1:
            self._line(f"      needs:    {one_line(needed_words(armed, state.approvals))}")
        self._line(f"      on:       {one_line(worked_on(state))}")
        self._line(f"      digest:   {armed.digest}")
        self._write(_PASTES_ON)

    def _go_on(self, challenge: Challenge) -> None:
        now = time.monotonic()
        if (
            termios.tcgetattr(self._descriptor)[_LOCAL_MODES] & termios.ICANON
        ):  # a shell's, after Ctrl+Z and fg
            tty.setcbreak(self._descriptor, termios.TCSANOW)
        if challenge.fence_wanted > self._fences_written and not challenge.coded:
            self._fences_written = challenge.fence_wanted
            self._write(_ASK_TERMINAL)
        self._take_keys(challenge)
        challenge.tick(now)
        if challenge.phase is Phase.QUIET:
            challenge.coded = True
        self._tell(challenge)
        if challenge.phase is Phase.ANSWERED and challenge.answer is not None:
            self._send(challenge, challenge.answer)

    def _take_keys(self, challenge: Challenge) -> None:
        ready, _out, _err = select.select([self._descriptor], [], [], 0)
        now = time.monotonic()
        if ready:
            with contextlib.suppress(BlockingIOError):
                self._unread += os.read(self._descriptor, 65536)
                self._unread_since = now
        whole, self._unread = _split(self._unread, in_time=now - self._unread_since < _SEQUENCE_S)
        keys = [found for found in _TOKEN.finditer(whole) if not _FINAL.fullmatch(found.group())]
        for _fence in range(len(_FINAL.findall(whole))):
            challenge.fence_back(now)
        if len(keys) >= CODE_CHARS:
            challenge.pasted("x" * len(keys), now)
            return
        for found in keys:
            if (pasted := found.group("pasted")) is not None:
                challenge.pasted(pasted.decode("utf-8", "replace"), now)
            else:
                challenge.key(_character(found.group()), now, pressed=now)

    def _tell(self, challenge: Challenge) -> None:
        """Write what changed: ignored keys, the codes, each letter that was taken."""
        if challenge.early_keys > self._counted:
            if challenge.phase is Phase.ARMED or self._told:
                self._line("")
            self._counted, self._told, self._echoed = challenge.early_keys, {}, ""
        if challenge.phase is Phase.ARMED and challenge.marks != self._told:
            self._told, self._echoed, self._shown_at = dict(challenge.marks), "", now_at()
            if self._counted:
                self._line(f"      {self._counted} keys typed before this were ignored")
            for choice in challenge.choices:
                self._line(f"      type {one_line(challenge.marks[choice.id])} to {choice.words}")
            self._write("      code: ")
        if challenge.typed != self._echoed and challenge.typed.startswith(self._echoed):
            self._write(challenge.typed[len(self._echoed) :])
            self._echoed = challenge.typed

    def _send(self, challenge: Challenge, choice: Choice) -> None:
        assert self._armed is not None
        self._line("")
        said = self._decide(
            Answer(
                verb=choice.id,  # type: ignore[arg-type]
                boundary=self._armed.boundary,
                digest=self._armed.digest,
                minutes=float(HOLD_MINUTES) if choice.id == "hold" else 0.0,
                typed=choice.name,
                shown_at=self._shown_at,
                early_keys=challenge.early_keys,
            )
        )
        self._line(f"  {one_line(said.says)}")
        if said.accepted:
            self.close()
            return
        challenge.answer = None
        self._told = {}
        challenge.restart(time.monotonic())

    def _line(self, text: str) -> None:
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _choices(armed: BoundaryArmed) -> Sequence[Choice]:
    name = one_line(armed.boundary, limit_chars=24)
    if armed.default == "proceed":
        return (
            Choice(id="approve", words="destroy the copy now"),
            Choice(id="hold", words=f"hold it for {HOLD_MINUTES} minutes"),
        )
    return (
        Choice(id="approve", words=f"approve {name}: the run goes on", name=armed.typed),
        Choice(id="abort", words="abort the run: the teardown follows"),
    )


def _split(unread: bytes, *, in_time: bool) -> tuple[bytes, bytes]:
    """Return what is whole, and the beginning of a sequence whose rest may still come."""
    found = _UNFINISHED.search(unread) if in_time else None
    return (unread[: found.start()], unread[found.start() :]) if found else (unread, b"")


def _character(key: bytes) -> str:
    """Return the letter that a key is, "" for any other key."""
    return key.decode("ascii") if len(key) == 1 and 0x21 <= key[0] <= 0x7E else ""
