"""What the client witness claims against what the server logged, statement by statement.

Owns the comparison and its sentences. Pure: never reads a file, never asks a database. The server's
log is the truth, the client's trace a claim: every difference that is not explained is one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Literal, TypeVar

import msgspec

from console.model.trace import ClientStatement, ServerLine
from console.witness.client_statements import was_skipped

SHOWN_CHARACTERS = 120
_ALIGN_LIMIT = 4_000_000
"""Above this many pairs of a differing middle part the order is no longer looked at, only the sets."""

_REFUSED_LOGINS = ("28000", "28P01", "3D000", "42501", "53300", "55000", "57P03")

Kind = Literal["only_server", "only_client", "order", "text", "principal", "sqlstate", "session"]
Operation = tuple[str, int, int, int, int]
Record = TypeVar("Record", ClientStatement, "ServerStatement")


class ServerStatement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement as the server logged it, with the error it raised, if any.

    `extended` marks "execute NAME: SQL", whose text `console.witness.control.other_readings` doubts.
    """

    at: float
    pid: int
    session: str
    line: int
    user: str
    sql: str
    scenario: str = ""
    prepared: str = ""
    extended: bool = False
    vxid: str = ""
    severity: str = "LOG"
    sqlstate: str = ""
    message: str = ""


class Witnessed(msgspec.Struct, frozen=True, kw_only=True):
    """One statement that the server executed or refused, and who claims to have sent it (None: nobody)."""

    server: ServerStatement
    client: ClientStatement | None = None


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that was sent and never seen by the server, and why that is in order."""

    client: ClientStatement
    why: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One difference between the witnesses; `n` is the client's number, `line` the server's (0: none)."""

    kind: Kind
    sentence: str
    pid: int
    scenario: str = ""
    n: int = 0
    line: int = 0


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome: `witnessed` in the server's order, each statement of the client matched at most once.

    `session_errors` are the server's errors that no statement caused (refused logins, ended sessions).
    The witnesses agree when `differences` is empty.
    """

    witnessed: tuple[Witnessed, ...] = ()
    only_client: tuple[ClientStatement, ...] = ()
    explained: tuple[Explained, ...] = ()
    session_errors: tuple[ServerLine, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def only_server(self) -> tuple[ServerStatement, ...]:
        """Return the statements that the server logged and the client witness never recorded."""
        return tuple(pair.server for pair in self.witnessed if pair.client is None)

    def sentences(self, scenario: str | None = None) -> tuple[str, ...]:
        """Return what differs, of one scenario or of all."""
        return tuple(it.sentence for it in self.differences if scenario is None or it.scenario == scenario)


def shortened(sql: str) -> str:
    """Return a statement on one line, NUL made visible, cut to 120 characters."""
    text = " ".join(sql.replace("\0", "\u2400").split())
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def server_statements(lines: Iterable[ServerLine]) -> tuple[list[ServerStatement], list[ServerLine]]:
    """Fold lines into statements with their errors; the second list holds errors without a statement.

    An error belongs to its session's last statement when the text is the same and that statement could still
    raise one; otherwise (Parse, Bind, raw parsing) its ERROR line is the statement's only line.
    """
    found: list[ServerStatement] = []
    errors: list[ServerLine] = []
    last: dict[str, int] = {}
    for line in lines:
        if line.kind in ("statement", "execute"):
            last[line.session] = len(found)
            found.append(_statement(line))
        elif line.kind == "error":
            at = last.get(line.session)
            if at is not None and _raised_by(found[at], line):
                found[at] = msgspec.structs.replace(
                    found[at], severity=line.severity, sqlstate=line.sqlstate, message=line.message
                )
            elif line.sql:
                last[line.session] = len(found)
                found.append(_statement(line))
            else:
                errors.append(line)
    return found, errors


def _raised_by(statement: ServerStatement, error: ServerLine) -> bool:
    if statement.sqlstate or error.unlogged:
        return False
    return error.sql == statement.sql or (not error.sql and error.severity == "ERROR")


def _statement(line: ServerLine) -> ServerStatement:
    failed = line.kind == "error"
    return ServerStatement(
        at=line.at, pid=line.pid, session=line.session, line=line.line, user=line.user, sql=line.sql,
        scenario=line.scenario, prepared=line.prepared, extended=line.kind == "execute", vxid=line.vxid,
        severity=line.severity,
        sqlstate=line.sqlstate if failed else "", message=line.message if failed else "",
    )  # fmt: skip


def reconcile(
    client: Sequence[ClientStatement],
    lines: Sequence[ServerLine],
    *,
    opened: Collection[int],
    engine_users: Collection[str],
) -> Reconciliation:
    """Compare everything the harness claims with everything the server logged for other users.

    `client` without the statements that never left (libpq refused them); `opened` are the backend
    pids that the client witness says it opened. Both sides cover the same span, the whole run so far.
    """
    theirs = [line for line in lines if line.user and line.user not in engine_users]
    statements, errors = server_statements(theirs)
    ended = {
        line.pid for line in theirs if line.kind == "disconnection" or line.severity in ("FATAL", "PANIC")
    }
    claims, seen = _by_pid(client), _by_pid(statements)
    partner: dict[tuple[str, int], ClientStatement] = {}
    differences = _session_differences(theirs, seen, claims, opened)
    only: list[ClientStatement] = []
    explained: list[Explained] = []
    for pid in sorted(claims.keys() | seen.keys()):
        mine, logged = claims.get(pid, []), seen.get(pid, [])
        matched = _aligned(mine, logged)
        pairs = {j: mine[i] for i, j in matched.items()}
        partner.update({(logged[j].session, logged[j].line): one for j, one in pairs.items()})
        why = _explanations(mine, matched, logged, lost=pid in ended)
        explained += [Explained(client=mine[i], why=reason) for i, reason in why.items()]
        unexplained = [one for i, one in enumerate(mine) if i not in matched and i not in why]
        only += unexplained
        differences += _pair_differences(mine, logged, matched)
        unknown = [one for j, one in enumerate(logged) if j not in pairs]
        differences += _missing_differences(unexplained, unknown)
    return Reconciliation(
        witnessed=tuple(
            Witnessed(server=one, client=partner.get((one.session, one.line))) for one in statements
        ),
        only_client=tuple(only), explained=tuple(explained), session_errors=tuple(errors),
        differences=tuple(differences),
    )  # fmt: skip


def _ends_session(line: ServerLine) -> bool:
    return line.kind == "disconnection" or line.severity in ("FATAL", "PANIC")


def _by_pid(records: Iterable[Record]) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        found[record.pid].append(record)
    return found


def _seen_by_server(sql: str) -> str:
    """Return the text that leaves the client: libpq ends it at the first NUL."""
    return sql.partition("\0")[0]


def _aligned(mine: Sequence[ClientStatement], logged: Sequence[ServerStatement]) -> dict[int, int]:
    """Return which statement of the client (by index) is which of the server's; what was skipped is none of them."""
    arrived = [i for i, one in enumerate(mine) if not was_skipped(one)]
    left, right = [_seen_by_server(mine[i].sql) for i in arrived], [one.sql for one in logged]
    matched: dict[int, int] = {}
    for name, i1, i2, j1, j2 in _operations(left, right):
        if name == "equal":
            matched.update(zip(range(i1, i2), range(j1, j2), strict=True))
    spare: dict[str, list[int]] = defaultdict(list)
    taken = set(matched.values())
    for j in reversed(range(len(right))):
        if j not in taken:
            spare[right[j]].append(j)
    for i, text in enumerate(left):
        if i not in matched and spare.get(text):
            matched[i] = spare[text].pop()
    return {arrived[i]: j for i, j in matched.items()}


def _operations(left: list[str], right: list[str]) -> list[Operation]:
    """Align two lists: their common beginning and end first, the rest by its longest common parts."""
    start, shortest = 0, min(len(left), len(right))
    while start < shortest and left[start] == right[start]:
        start += 1
    end = 0
    while end < shortest - start and left[-1 - end] == right[-1 - end]:
        end += 1
    middle_left, middle_right = left[start : len(left) - end], right[start : len(right) - end]
    found: list[Operation] = [("equal", 0, start, 0, start)]
    if middle_left and middle_right and len(middle_left) * len(middle_right) <= _ALIGN_LIMIT:
        for name, i1, i2, j1, j2 in SequenceMatcher(None, middle_left, middle_right, False).get_opcodes():
            found.append((name, start + i1, start + i2, start + j1, start + j2))
    found.append(("equal", len(left) - end, len(left), len(right) - end, len(right)))
    return found


def _explanations(
    mine: Sequence[ClientStatement],
    matched: Mapping[int, int],
    logged: Sequence[ServerStatement],
    *,
    lost: bool,
) -> dict[int, str]:
    """Return why statements of one backend never reached the server's log, where that is in order."""
    why: dict[int, str] = {}
    tail = max(matched, default=-1)
    skipping = False
    for i, one in enumerate(mine):
        if i in matched:
            skipping = bool(logged[matched[i]].sqlstate)
        elif one.answered and not one.sqlstate and not one.message:
            continue
        elif skipping and not one.sqlstate:
            why[i] = "the server skipped it, because an earlier statement of its pipeline had failed"
        elif lost and i > tail:
            why[i] = "the session had ended before it arrived"
    return why


def _pair_differences(
    mine: Sequence[ClientStatement], logged: Sequence[ServerStatement], matched: Mapping[int, int]
) -> list[Difference]:
    found: list[Difference] = []
    furthest = -1
    for i, j in sorted(matched.items()):
        claim, truth = mine[i], logged[j]
        whose = "" if claim.principal == truth.user else f"the server says that it came from {truth.user}"
        late = "the server saw it before one that was sent earlier" if j < furthest else ""
        furthest = max(furthest, j)
        said: tuple[tuple[Kind, str], ...] = (
            ("text", _cut_at_nul(claim)),
            ("principal", whose),
            ("sqlstate", _sqlstate_difference(claim, truth)),
            ("order", late),
        )
        found += [_difference(kind, claim, truth, what) for kind, what in said if what]
    return found


def _cut_at_nul(claim: ClientStatement) -> str:
    """Say what the server never saw of a text that holds a NUL; one at the very end hides nothing."""
    if "\0" not in claim.sql.rstrip("\0"):
        return ""
    hidden = claim.sql.partition("\0")[2]
    return f"the text was cut at a NUL, and the server never saw its rest: {shortened(hidden)}"


def _sqlstate_difference(claim: ClientStatement, truth: ServerStatement) -> str:
    if not claim.answered or claim.sqlstate == truth.sqlstate:
        return ""
    if not truth.sqlstate:
        return f"the client claims SQLSTATE {claim.sqlstate}, which the server never raised"
    said = f"the server raised {truth.sqlstate} ({truth.message})"
    return f"{said}, and the client claims {f'SQLSTATE {claim.sqlstate}' if claim.sqlstate else 'success'}"


def _missing_differences(
    only_client: Sequence[ClientStatement], only_server: Sequence[ServerStatement]
) -> list[Difference]:
    """Say what one side alone has; two leftovers that stand for each other are one difference in text."""
    found = [
        _difference(
            "text", claim, truth, f"the server logged another text in its place: {shortened(truth.sql)}"
        )
        for claim, truth in zip(only_client, only_server, strict=False)
    ]
    for claim in only_client[len(only_server) :]:
        found.append(_difference("only_client", claim, None, "the server never logged it"))
    for truth in only_server[len(only_client) :]:
        found.append(
            Difference(
                kind="only_server",
                pid=truth.pid,
                scenario=truth.scenario,
                line=truth.line,
                sentence=f"{_place(truth.pid, truth.user, truth.scenario)}: the server logged a statement "
                f"that the client witness never recorded: {shortened(truth.sql)}",
            )
        )
    return found


def _difference(kind: Kind, claim: ClientStatement, truth: ServerStatement | None, what: str) -> Difference:
    place = _place(claim.pid, claim.principal, claim.scenario)
    return Difference(
        kind=kind, pid=claim.pid, scenario=claim.scenario, n=claim.n, line=truth.line if truth else 0,
        sentence=f"{place}: statement {claim.n}, {shortened(claim.sql)}: {what}",
    )  # fmt: skip


def _place(pid: int, principal: str, scenario: str) -> str:
    where = f"scenario {scenario}" if scenario else "outside every scenario"
    return f"backend {pid} ({principal or 'no role'}), {where}"


def _session_differences(
    lines: Sequence[ServerLine],
    seen: Mapping[int, Sequence[ServerStatement]],
    claims: Mapping[int, Sequence[ClientStatement]],
    opened: Collection[int],
) -> list[Difference]:
    """Compare the sessions themselves: each pid as often as it was opened."""
    logins = [line for line in lines if line.kind == "connection"]
    refused = {
        line.session for line in lines
        if line.kind == "error" and line.severity == "FATAL" and line.sqlstate in _REFUSED_LOGINS
        and line.pid not in seen
    }  # fmt: skip
    left = Counter(opened)
    found: list[Difference] = []
    for login in logins:
        if left[login.pid] > 0:
            left[login.pid] -= 1
        elif login.session not in refused:
            found.append(_unknown_session(login, len(seen.get(login.pid, ()))))
    for pid in sorted(+left):
        role = claims[pid][0].principal if claims.get(pid) else ""
        sentence = f"{_place(pid, role, '')}: the client claims a session that the server never authorized"
        found.append(Difference(kind="session", pid=pid, sentence=sentence))
    return found


def _unknown_session(login: ServerLine, statements: int) -> Difference:
    sentence = (
        f"{_place(login.pid, login.user, login.scenario)}: the server authorized a session that the client "
        f"witness never opened; it sent {statements} statement{'' if statements == 1 else 's'}"
    )
    return Difference(
        kind="session", pid=login.pid, scenario=login.scenario, line=login.line, sentence=sentence
    )
