"""The transactions of each session, folded from the statements that the server saw.

Owns what began, isolated, wrote, failed and ended a transaction. Pure: never asks a database, and
believes the client only about who sent a statement.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from console.witness.control import Control, controls
from console.witness.reconcile import Witnessed

SERVER_DEFAULT_ISOLATION = "read committed"
WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY"})

VerbsOf = Callable[[str], tuple[str, ...]]


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction of one session.

    `begin` is explicit (a BEGIN that the subject sent), implicit (one that the driver sent by itself)
    or autocommit (no BEGIN at all). `wrote` is True when a write was tried, whatever came of it; `errors` are
    its SQLSTATEs in order. `ended` is "left open" when the witnesses saw no end of it.
    """

    pid: int
    session: str
    principal: str
    number: int
    begin: Literal["explicit", "implicit", "autocommit"]
    isolation: str
    statements: tuple[Witnessed, ...]
    wrote: bool
    errors: tuple[str, ...]
    ended: Literal["commit", "rollback", "left open"]

    @property
    def opener(self) -> Witnessed:
        """Return the statement that opened it: the first one that the driver did not add by itself."""
        for one in self.statements:
            if one.client is None or not one.client.implicit:
                return one
        return self.statements[0]

    @property
    def attempt(self) -> str:
        """Return the attempt in which its last statement with a known sender was sent."""
        return next((one.client.attempt for one in reversed(self.statements) if one.client), "")


@dataclass(kw_only=True)
class _Building:
    """A transaction under way; `block` is False outside BEGIN … COMMIT."""

    number: int
    isolation: str
    begin: Literal["explicit", "implicit", "autocommit"] = "autocommit"
    block: bool = False
    failed: bool = False
    wrote: bool = False
    vxid: str = ""
    statements: list[Witnessed] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    session_default: str | None = None


@dataclass(kw_only=True)
class _Session:
    """The fold's state of one session; `default` is its default_transaction_isolation."""

    role_default: str
    default: str
    verbs_of: VerbsOf
    building: _Building | None = None
    finished: list[Transaction] = field(default_factory=list)
    numbers: int = 0

    def take(self, one: Witnessed) -> None:
        """Fold one statement in."""
        open_now = self._still_open(one)
        if one.server.sqlstate:
            self._take_failed(one, open_now)
            return
        placed = open_now is not None
        if open_now is not None:
            self._place(open_now, one)
        for control in controls(one.server.sql):
            building = self.building
            if building is None or (not placed and not building.block):
                building = self._opened()
                self._place(building, one)
                placed = True
            self._apply(building, control, one)
        if not controls(one.server.sql) and not placed:
            self._place(self._opened(), one)

    def _still_open(self, one: Witnessed) -> _Building | None:
        """Return the transaction that the statement is in; a pipeline's implicit one by the server's name."""
        building = self.building
        if building is None or building.block:
            return building
        if building.vxid and building.vxid == one.server.vxid:
            return building
        self._finish("rollback" if building.failed else "commit")
        return None

    def _opened(self) -> _Building:
        if self.building is not None and not self.building.block:
            self._finish("rollback" if self.building.failed else "commit")
        self.numbers += 1
        self.building = _Building(number=self.numbers, isolation=self.default)
        return self.building

    def _place(self, building: _Building, one: Witnessed) -> None:
        building.statements.append(one)
        building.vxid = building.vxid or one.server.vxid
        building.wrote = building.wrote or bool(WRITES.intersection(self.verbs_of(one.server.sql)))
        if one.server.sqlstate:
            building.errors.append(one.server.sqlstate)
            building.failed = True

    def _take_failed(self, one: Witnessed, open_now: _Building | None) -> None:
        """Fold a refused statement in: only its error is certain, and the end that a failed COMMIT is."""
        building = open_now or self._opened()
        deeds = [control.deed for control in controls(one.server.sql)]
        if open_now is None and "begin" in deeds and "commit" not in deeds:
            self._begin(building, one)
        self._place(building, one)
        if deeds == ["commit"] or one.server.severity in ("FATAL", "PANIC"):
            self._finish("rollback")

    def _begin(self, building: _Building, one: Witnessed) -> None:
        building.block = True
        building.begin = "implicit" if one.client is not None and one.client.implicit else "explicit"

    def _apply(self, building: _Building, control: Control, one: Witnessed) -> None:
        match control.deed:
            case "begin" if not building.block:
                self._begin(building, one)
                building.isolation = control.level or building.isolation
            case "commit" | "rollback" if building.block:
                self._end(building, control)
            case "prepare" if building.block:
                self._finish("left open")
            case "rollback_to" if building.block:
                building.failed = False
            case "isolation" if building.block:
                building.isolation = control.level
            case "default" | "reset" if not control.local:
                self._set_default(building, control.level or self.role_default)

    def _end(self, building: _Building, control: Control) -> None:
        self._finish("commit" if control.deed == "commit" and not building.failed else "rollback")
        if control.chain:
            self.numbers += 1
            self.building = _Building(
                number=self.numbers, isolation=building.isolation, begin=building.begin, block=True
            )

    def _set_default(self, building: _Building, level: str) -> None:
        """Set the session's default: at once outside a block, with its COMMIT inside one."""
        if building.block:
            building.session_default = level
        else:
            self.default = level

    def _finish(self, ended: Literal["commit", "rollback", "left open"]) -> None:
        building, self.building = self.building, None
        if building is None or not building.statements:
            return
        if ended == "commit" and building.session_default is not None:
            self.default = building.session_default
        server = building.statements[0].server
        self.finished.append(
            Transaction(
                pid=server.pid,
                session=server.session,
                principal=server.user,
                number=building.number,
                begin=building.begin,
                isolation=building.isolation,
                statements=tuple(building.statements),
                wrote=building.wrote,
                errors=tuple(building.errors),
                ended=ended,
            )
        )

    def close(self, *, session_ended: bool) -> None:
        """Finish what is under way: the end of a session rolls an open block back."""
        if self.building is None:
            return
        if self.building.block:
            self._finish("rollback" if session_ended else "left open")
        else:
            self._finish("rollback" if self.building.failed else "commit")


def transactions(
    witnessed: Iterable[Witnessed],
    *,
    verbs_of: VerbsOf,
    default_isolation: Mapping[str, str],
    ended_sessions: Collection[str] = (),
) -> tuple[Transaction, ...]:
    """Return the transactions of all sessions, in the order of their first statements.

    `witnessed` in the server's order and from each session's beginning; `verbs_of` names a text's
    verbs in upper case; `default_isolation` is each role's default_transaction_isolation (absent: read
    committed); `ended_sessions` are the session ids whose end the server logged.
    """
    sessions: dict[str, _Session] = {}
    order: dict[tuple[str, int], int] = {}
    for at, one in enumerate(witnessed):
        session = sessions.get(one.server.session)
        if session is None:
            level = default_isolation.get(one.server.user, SERVER_DEFAULT_ISOLATION)
            session = _Session(role_default=level, default=level, verbs_of=verbs_of)
            sessions[one.server.session] = session
        session.take(one)
        order[one.server.session, one.server.line] = at
    for name, session in sessions.items():
        session.close(session_ended=name in ended_sessions)
    found = [transaction for session in sessions.values() for transaction in session.finished]
    return tuple(sorted(found, key=lambda it: order[it.session, it.statements[0].server.line]))
