"""Reads what the harness's tracer wrote, while it is written: the client witness.

The file is a claim of the process that runs the subject: nothing in it can raise here. What does not
fit is kept as an irregularity, a sentence with its line. Never judges and never writes.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import msgspec

from console.model.trace import ClientStatement
from console.witness.client_lines import (
    ANY_LINE,
    Again,
    Begin,
    Close,
    Done,
    End,
    InducedFault,
    Line,
    Lost,
    Open,
    Redacted,
    Send,
    Unsent,
)  # fmt: skip
from console.witness.client_numbers import Cells, in_place, numbers_of
from console.witness.client_statements import (
    ClientRedaction,
    ClientSession,
    Waiting,
    Window,
    redaction_of,
    statement_of,
)

LONGEST_LINE_BYTES = 1 << 20
"""A longer line is skipped and recorded: no hostile line may fill the engine's memory."""

MOST_IRREGULARITIES = 1000
"""Later ones are only counted."""

MOST_ALIKE = 4000
"""So many of a session's statements may later ones be like, the last ones: twice as many as the harness remembers."""

LONGEST_KEPT_BYTES = 32_000
"""A longer line is never referred to."""

_CHUNK_BYTES = 1 << 18
_NUL = b"\0"
_MOST_RESERVED_BYTES = 2 << 20


class ClientTrace:
    """The growing file at `path`, read by offset; `drain` as often as wanted, `finish` once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.windows: list[Window] = []
        self.sessions: list[ClientSession] = []
        self.redactions: list[ClientRedaction] = []
        self.faults: list[InducedFault] = []
        self.irregularities: list[str] = []
        self.irregular_lines = 0
        self.unsent_statements = 0
        self._descriptor = -1
        self._offset_bytes = 0
        self._rest = b""
        self._skipping = False
        self._line = 0
        self._numbers = 0
        self._waiting: deque[Waiting] = deque()
        self._by_number: dict[tuple[int, int], Waiting] = {}
        self._last_number: dict[int, int] = {}
        self._open: dict[tuple[int, int], ClientSession] = {}
        self._transactions: dict[tuple[int, int], int] = {}
        self._kept: dict[tuple[int, int], Send] = {}
        self._kept_of: dict[tuple[int, int], deque[int]] = {}
        self._told: set[str] = set()
        self._cells = Cells(numbers_of(path))

    def drain(self, *, everything: bool = False) -> list[ClientStatement]:
        """Return the statements that became complete, in the order of sending.

        An answered statement waits for the earlier ones, unless `everything` is asked for (after a
        scenario's reply): then the unanswered ones come too. A torn last line waits until it is whole. NULs end
        what is written so far: the harness writes into room that it has reserved (console/harness/appender.py).
        """
        self._read()
        return self._take(everything=everything)

    def under_way(self) -> list[ClientStatement]:
        """Return what was sent and not yet returned by `drain`, in the order of sending."""
        self._look_at_cells()
        for waiting in self._waiting:
            self._is_over(waiting)
        return [statement_of(waiting) for waiting in self._waiting if not waiting.dropped]

    def backend_of(self, n: int) -> int | None:
        """Return the backend of the harness's statement `n`, None once it has its answer; 0: not read yet."""
        waiting = self._by_number.get((0, n))
        if waiting is not None:
            self._look_at_cells()
            if self._is_over(waiting):
                return None
        return waiting.send.pid if waiting else 0 if n > self._last_number.get(0, 0) else None

    def finish(self) -> list[ClientStatement]:
        """Return all that is left, unanswered statements too, and close the file."""
        self._read()
        if self._descriptor < 0:
            self._irregular(f"the trace file {self.path} never appeared")
        else:
            self._look_behind_the_end()
            os.close(self._descriptor)
            self._descriptor = -1
            for waiting in [one for one in self._by_number.values() if one.taken]:
                self._is_over(waiting)
            if wrong := self._cells.beyond(self._last_number.get(0, 0) + 1):
                self._irregular(wrong)
        if self._rest or self._skipping:
            self._irregular(f"the trace ends within line {self._line + 1}")
            self._rest = b""
        taken = self._take(everything=True)
        self._cells.close()
        return taken

    def _irregular(self, sentence: str) -> None:
        self.irregular_lines += 1
        if len(self.irregularities) < MOST_IRREGULARITIES:
            self.irregularities.append(sentence)

    def _irregular_once(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._irregular(sentence)

    def _read(self) -> None:
        if self._descriptor < 0:
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
                self._descriptor = os.open(self.path, flags)
            except FileNotFoundError:
                return
            except OSError as wrong:
                self._irregular_once(f"the trace file {self.path} cannot be opened: {wrong.strerror}")
                return
        self._look_at_identity()
        end_bytes = os.fstat(self._descriptor).st_size
        try:
            while self._offset_bytes < end_bytes:
                chunk = os.pread(self._descriptor, _CHUNK_BYTES, self._offset_bytes)
                self._look_at_cells()  # what was stored before the last of these lines
                written = chunk.partition(_NUL)[0]
                self._offset_bytes += len(written)
                self._split(written)
                if len(written) < len(chunk) or not chunk:
                    break
        except OSError as wrong:
            self._irregular_once(f"the trace file {self.path} cannot be read: {wrong.strerror}")
        self._look_at_cells()
        self._take_cells()

    def _look_at_cells(self) -> None:
        for wrong in self._cells.look():
            self._irregular_once(wrong)

    def _take_cells(self, before: int | None = None) -> None:
        """Take in what is stored of the next statements, up to the first one, or the one `before`, that has a line.

        What these are like was sent earlier: its line was read, for every statement above it is taken in already.
        """
        n = self._last_number.get(0, 0) + 1
        while (before is None or n < before) and (stored := self._cells.announcement(n)):
            like, after_ns = stored
            after = Again(n=n, like=like, after=max(0, after_ns) / 1e9)
            wrong = self._sent_again(after) or (
                "leaves before its session was opened" if after_ns < 0 else ""
            )
            if wrong:
                self._irregular(f"the cells of statement {n}: it {wrong}")
            self._last_number[0] = n
            n += 1

    def _is_over(self, waiting: Waiting) -> bool:
        """Tell whether a statement has its end, which may be stored in its cells."""
        send = waiting.send
        known = self._by_number.get((0, send.n)) is waiting and not waiting.over
        if known and (stored := self._cells.answer(send.n)):
            wrong = self._answered(Done(n=send.n, ns=stored[0], rows=stored[1]))
            if wrong:
                self._irregular(f"the cells of statement {send.n}: it {wrong}")
        return waiting.over

    def _look_behind_the_end(self) -> None:
        """Find what somebody wrote behind the NUL at which reading stopped."""
        at_bytes = self._offset_bytes
        reserved_bytes = os.fstat(self._descriptor).st_size - at_bytes
        if reserved_bytes > _MOST_RESERVED_BYTES:
            self._irregular(f"the trace file is {reserved_bytes} bytes longer than its lines")
            return
        try:
            while chunk := os.pread(self._descriptor, _CHUNK_BYTES, at_bytes):
                if chunk.strip(_NUL):
                    where = at_bytes + len(chunk) - len(chunk.lstrip(_NUL))
                    self._irregular(
                        f"the trace goes on at byte {where}, behind its end at {self._offset_bytes}"
                    )
                    return
                at_bytes += len(chunk)
        except OSError as wrong:
            self._irregular_once(f"the trace file {self.path} cannot be read: {wrong.strerror}")

    def _look_at_identity(self) -> None:
        mine = os.fstat(self._descriptor)
        if mine.st_size < self._offset_bytes:
            sizes = f"from {self._offset_bytes} to {mine.st_size} bytes"
            self._irregular(f"the trace file shrank {sizes} after line {self._line}")
            self._offset_bytes, self._rest, self._skipping = mine.st_size, b"", False
        if not in_place(self.path, mine):
            self._irregular_once(f"the trace file {self.path} was removed or replaced")

    def _split(self, chunk: bytes) -> None:
        *whole, rest = (self._rest + chunk).split(b"\n")
        for raw in whole:
            self._line += 1
            if self._skipping:
                self._skipping = False
            elif len(raw) > LONGEST_LINE_BYTES:
                self._too_long(self._line)
            else:
                self._accept(raw)
        if self._skipping:
            rest = b""
        elif len(rest) > LONGEST_LINE_BYTES:
            self._too_long(self._line + 1)
            self._skipping, rest = True, b""
        self._rest = rest

    def _too_long(self, line: int) -> None:
        self._irregular(f"line {line} is longer than {LONGEST_LINE_BYTES} bytes")

    def _accept(self, raw: bytes) -> None:
        try:
            said = ANY_LINE.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._irregular(f"line {self._line} is not a line of the tracer's")
            return
        if isinstance(said, Send) and said.kept and len(raw) <= LONGEST_KEPT_BYTES:
            self._keep(said)
        wrong = self._place(said)
        if wrong:
            self._irregular(f"line {self._line} {wrong}")

    def _place(self, said: Line) -> str:
        """Take one line in; return what is wrong with it, empty when nothing is."""
        if not said.proc:
            last = self._last_number.get(0, 0)
            if isinstance(said, Send | Again) and said.n > last + 1:
                self._take_cells(before=said.n)
            elif isinstance(said, Close) or (isinstance(said, Done | Unsent | Lost) and said.n > last):
                self._take_cells()
        match said:
            case Send():
                return self._sent(said)
            case Again():
                return self._sent_again(said)
            case Done() | Unsent() | Lost():
                return self._answered(said)
            case Open():
                return self._opened(said)
            case Close():
                return self._closed(said)
            case Begin() | End():
                return self._window(said)
            case Redacted():
                self.redactions.append(redaction_of(said))
            case InducedFault():
                self.faults.append(said)
        return ""

    def _sent(self, said: Send) -> str:
        last = self._last_number.get(said.proc, 0)
        self._last_number[said.proc] = max(last, said.n)
        self._numbers += 1
        waiting = Waiting(self._numbers, said)
        self._transactions[said.proc, said.c] = said.t
        self._waiting.append(waiting)
        self._by_number[said.proc, said.n] = waiting
        if said.n != last + 1:
            return f"sends statement {said.n} after statement {last}"
        session = self._open.get((said.proc, said.c))
        if session is None:
            return f"sends on connection {said.c}, which is not open"
        if (session.pid, session.principal) != (said.pid, said.user):
            return f"gives connection {said.c} another backend or user than its opening"
        return ""

    def _keep(self, said: Send) -> None:
        numbers = self._kept_of.setdefault((said.proc, said.c), deque())
        numbers.append(said.n)
        self._kept[said.proc, said.n] = said
        if len(numbers) > MOST_ALIKE:
            self._kept.pop((said.proc, numbers.popleft()), None)

    def _sent_again(self, said: Again) -> str:
        like = self._kept.get((said.proc, said.like))
        if like is None:
            return f"sends a statement like {said.like}, of which nothing is known"
        session = self._open.get((said.proc, like.c))
        began_at = session.opened_at if session else like.at
        transaction = self._transactions.get((said.proc, like.c), like.t) + (like.tx == "idle")
        changed = {"n": said.n, "t": transaction, "at": began_at + said.after, "kept": False}
        return self._sent(msgspec.structs.replace(like, **changed))

    def _answered(self, said: Done | Unsent | Lost) -> str:
        waiting = self._by_number.pop((said.proc, said.n), None)
        if waiting is None:
            return f"answers statement {said.n}, which waits for no answer"
        waiting.over = True
        if isinstance(said, Done):
            waiting.done = said
        elif isinstance(said, Unsent):
            waiting.dropped = True
            self.unsent_statements += 1
        return f"answers statement {said.n} after its scenario ended" if waiting.taken else ""

    def _opened(self, said: Open) -> str:
        session = ClientSession(
            number=said.c, pid=said.pid, principal=said.user, opened_at=said.at, process=said.proc
        )
        self.sessions.append(session)
        known = (said.proc, said.c) in self._open
        self._open[said.proc, said.c] = session
        return f"opens connection {said.c}, which is open" if known else ""

    def _closed(self, said: Close) -> str:
        session = self._open.pop((said.proc, said.c), None)
        if session is None:
            return f"closes connection {said.c}, which is not open"
        self._transactions.pop((said.proc, said.c), None)
        for number in self._kept_of.pop((said.proc, said.c), ()):
            self._kept.pop((said.proc, number), None)
        session.closed_at = said.at
        return ""

    def _window(self, said: Begin | End) -> str:
        if said.proc:
            return f"marks attempt {said.a} from process {said.proc}, which the harness did not start"
        present = self.windows[-1] if self.windows and self.windows[-1].ended_at is None else None
        if isinstance(said, Begin):
            self.windows.append(Window(scenario=said.s, attempt=said.a, began_at=said.at))
            return f"begins attempt {said.a} inside {present.attempt}" if present else ""
        if present is None or (present.scenario, present.attempt) != (said.s, said.a):
            return f"ends attempt {said.a}, which did not begin"
        present.ended_at = said.at
        return ""

    def _take(self, *, everything: bool) -> list[ClientStatement]:
        taken: list[ClientStatement] = []
        while self._waiting and (self._is_over(self._waiting[0]) or everything):
            waiting = self._waiting.popleft()
            waiting.taken = True
            if not waiting.dropped:
                taken.append(statement_of(waiting))
        return taken
