"""The server's rules for one session: transactions, savepoints, isolation, settings and cursors.

Pure: a statement in, a reply or a ServerError out; no socket. Where PostgreSQL and this module differ, PostgreSQL
is right: the same tests run against both (tests/testing/test_contract.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from console.testing.answers import Answer, ServerError, writes
from console.testing.cursors import Cursors
from console.testing.modes import Modes, is_on
from console.testing.statements import Parsed

_ABORTED = "current transaction is aborted, commands ignored until end of transaction block"
_NEVER_IN_A_BLOCK = {
    ("VACUUM",), ("CREATE", "DATABASE"), ("DROP", "DATABASE"), ("CREATE", "TABLESPACE"), ("DROP", "TABLESPACE"),
    ("ALTER", "SYSTEM"),
}  # fmt: skip
_NO_SNAPSHOT = {
    "LOCK",
    "LISTEN",
    "UNLISTEN",
    "NOTIFY",
    "CHECKPOINT",
    "DISCARD",
    "PREPARE",
    "DEALLOCATE",
    "LOAD",
}
_SILENT = {"LOCK", "LISTEN", "UNLISTEN", "NOTIFY", "DEALLOCATE"}
"""Need no script: they return nothing."""

_TAKES_A_NAME = {"SAVEPOINT", "RELEASE", "SET", "RESET", "SHOW", "FETCH", "MOVE", "CLOSE", "DECLARE"}
_SETTINGS = {
    "default_transaction_isolation": "read committed", "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off", "search_path": '"$user", public', "statement_timeout": "0",
    "lock_timeout": "0", "idle_in_transaction_session_timeout": "0", "timezone": "UTC", "client_encoding": "UTF8",
    "application_name": "", "datestyle": "ISO, MDY", "standard_conforming_strings": "on",
}  # fmt: skip
_ALIASES = {"transaction_isolation": "isolation", "transaction_read_only": "read_only",
            "transaction_deferrable": "deferrable"}  # fmt: skip

Ask = Callable[[str], Answer | None]
"""Asks the scripts about a text; None when none fits."""


@dataclass(kw_only=True)
class Reply:
    """What a statement came to: the command's tag, rows (None: none of any kind) and warnings (SQLSTATE, text)."""

    tag: str = ""
    rows: Sequence[Sequence[Any]] | None = None
    columns: Sequence[str] = ()
    warnings: list[tuple[str, str]] = field(default_factory=list)


@dataclass(kw_only=True)
class Session:
    """One session; `status` is I (idle), T (in a transaction) or E (in an aborted one)."""

    settings: dict[str, str] = field(default_factory=dict)
    status: str = "I"
    modes: Modes | None = None
    cursors: Cursors = field(default_factory=Cursors)
    _savepoints: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _before: dict[str, str] = field(default_factory=dict)
    _local: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = {**_SETTINGS, **{name.lower(): value for name, value in self.settings.items()}}

    @property
    def isolation(self) -> str:
        """Return the level of the open transaction, or of the next one."""
        return self.modes.isolation if self.modes else self.settings["default_transaction_isolation"]

    def refuse_when_aborted(self, parsed: Parsed) -> None:
        """Raise 25P02 in an aborted transaction for everything but its end."""
        if self.status == "E" and parsed.verb not in ("COMMIT", "END", "ROLLBACK", "ABORT"):
            raise ServerError("25P02", _ABORTED)

    def run(self, parsed: Parsed, ask: Ask) -> Reply:
        """Return what a statement comes to. Raises ServerError, with the open transaction aborted."""
        try:
            self.refuse_when_aborted(parsed)
            return self._run(parsed, ask)
        except ServerError as error:
            if self.status == "T":
                self.status = "E"
            if parsed.verb in ("COMMIT", "END") and error.sqlstate != "0A000":
                self._finish(keep=False)
            raise

    def _run(self, parsed: Parsed, ask: Ask) -> Reply:
        if self.status != "I" and any(parsed.words[: len(start)] == start for start in _NEVER_IN_A_BLOCK):
            what = " ".join(next(start for start in _NEVER_IN_A_BLOCK if parsed.words[: len(start)] == start))
            raise ServerError("25001", f"{what} cannot run inside a transaction block")
        if parsed.verb in _TAKES_A_NAME and len(parsed.tokens) == 1:
            raise ServerError("42601", "syntax error at end of input")
        if parsed.verb == "DECLARE":
            return self._declare(parsed, ask)
        control = _CONTROL.get(parsed.verb)
        if control is None:
            return self._query(parsed, ask)
        scripted = ask(parsed.text)
        reply = control(self, parsed)
        if parsed.verb == "SHOW" and scripted is not None and scripted.rows is not None:
            reply.rows, reply.columns = scripted.rows, scripted.columns
        return reply

    # transactions

    def _begin(self, parsed: Parsed) -> Reply:
        reply = Reply(tag="START TRANSACTION" if parsed.verb == "START" else "BEGIN")
        if self.status != "I":
            reply.warnings.append(("25001", "there is already a transaction in progress"))
        else:
            self.status, self._before, self._local = "T", dict(self.settings), {}
            self.modes = Modes(
                isolation=self.settings["default_transaction_isolation"],
                read_only=is_on(self.settings["default_transaction_read_only"]),
                deferrable=is_on(self.settings["default_transaction_deferrable"]),
            )
        self._modes().take(parsed.words[1:], nested=bool(self._savepoints))
        return reply

    def _commit(self, parsed: Parsed) -> Reply:
        _refuse_chain(parsed)
        if self.status == "I":
            return Reply(tag="COMMIT", warnings=[("25P01", "there is no transaction in progress")])
        kept = self.status == "T"
        self._finish(keep=kept)
        return Reply(tag="COMMIT" if kept else "ROLLBACK")

    def _rollback(self, parsed: Parsed) -> Reply:
        _refuse_chain(parsed)
        if "TO" in parsed.words:
            return self._rollback_to(parsed)
        if self.status == "I":
            return Reply(tag="ROLLBACK", warnings=[("25P01", "there is no transaction in progress")])
        self._finish(keep=False)
        return Reply(tag="ROLLBACK")

    def _finish(self, *, keep: bool) -> None:
        if self.status != "I" and not keep:
            self.settings = dict(self._before)
        for name, value in self._local.items():
            self.settings[name] = self.settings[name] if not keep else value
        self.status, self.modes, self._savepoints, self._local = "I", None, [], {}
        self.cursors.end_transaction(keep=keep)

    def _savepoint(self, parsed: Parsed) -> Reply:
        self._need_block("SAVEPOINT")
        self._savepoints.append((parsed.tokens[-1].name, dict(self.settings)))
        return Reply(tag="SAVEPOINT")

    def _release(self, parsed: Parsed) -> Reply:
        self._need_block("RELEASE SAVEPOINT")
        del self._savepoints[self._place(parsed) :]
        return Reply(tag="RELEASE")

    def _rollback_to(self, parsed: Parsed) -> Reply:
        self._need_block("ROLLBACK TO SAVEPOINT")
        at = self._place(parsed)
        self.settings = dict(self._savepoints[at][1])
        del self._savepoints[at + 1 :]
        self.status = "T"
        return Reply(tag="ROLLBACK")

    def _place(self, parsed: Parsed) -> int:
        name = parsed.tokens[-1].name
        found = [at for at, (known, _) in enumerate(self._savepoints) if known == name]
        if not found:
            raise ServerError("3B001", f'savepoint "{name}" does not exist')
        return found[-1]

    def _need_block(self, what: str) -> None:
        if self.status == "I":
            raise ServerError("25P01", f"{what} can only be used in transaction blocks")

    # modes and settings

    def _modes(self) -> Modes:
        assert self.modes is not None
        return self.modes

    def _set(self, parsed: Parsed) -> Reply:
        words = parsed.words
        if words[1:2] == ("TRANSACTION",):
            return self._set_transaction(parsed)
        if words[1:3] == ("SESSION", "CHARACTERISTICS"):
            self._set_characteristics(words)
            return Reply(tag="SET")
        local = words[1:2] == ("LOCAL",)
        name, value = _assignment(parsed, 2 if words[1:2] in (("LOCAL",), ("SESSION",)) else 1)
        reply = Reply(tag="SET")
        if name in _ALIASES:
            if self.modes:
                self.modes.set(name, value, nested=bool(self._savepoints))
        elif local and self.status == "I":
            reply.warnings.append(("25P01", "SET LOCAL can only be used in transaction blocks"))
        else:
            if local:
                self._local.setdefault(name, self.settings.get(name, ""))
            self.settings[name] = value
        return reply

    def _set_transaction(self, parsed: Parsed) -> Reply:
        if self.status == "I":
            return Reply(
                tag="SET", warnings=[("25P01", "SET TRANSACTION can only be used in transaction blocks")]
            )
        self._modes().take(parsed.words[2:], nested=bool(self._savepoints))
        return Reply(tag="SET")

    def _set_characteristics(self, words: Sequence[str]) -> None:
        taken = Modes(isolation="", read_only=False, deferrable=False)
        taken.take(words[5:], nested=False)
        if "LEVEL" in words:
            self.settings["default_transaction_isolation"] = taken.isolation
        if "ONLY" in words or "WRITE" in words:
            self.settings["default_transaction_read_only"] = "on" if taken.read_only else "off"
        if "DEFERRABLE" in words:
            self.settings["default_transaction_deferrable"] = "on" if taken.deferrable else "off"

    def _reset(self, parsed: Parsed) -> Reply:
        name = parsed.tokens[-1].name
        for one in self.settings if name == "all" else [name]:
            self.settings[one] = _SETTINGS.get(one, "")
        return Reply(tag="RESET")

    def _show(self, parsed: Parsed) -> Reply:
        name = "_".join(token.name for token in parsed.tokens[1:])
        name = {"transaction_isolation_level": "transaction_isolation", "time_zone": "timezone"}.get(
            name, name
        )
        if name in _ALIASES:
            now: Any = getattr(self.modes, _ALIASES[name]) if self.modes else self.settings[f"default_{name}"]
            value = now if isinstance(now, str) else "on" if now else "off"
        elif name in self.settings:
            value = self.settings[name]
        else:
            raise ServerError("42704", f'unrecognized configuration parameter "{name}"')
        return Reply(tag="SHOW", rows=[[value]], columns=[name])

    # cursors and the rest

    def _declare(self, parsed: Parsed, ask: Ask) -> Reply:
        holds = "HOLD" in parsed.words and "WITHOUT" not in parsed.words
        if self.status == "I" and not holds:
            raise ServerError("25P01", "DECLARE CURSOR can only be used in transaction blocks")
        if self.modes:
            self.modes.queried = True
        query = parsed.after("FOR")
        if not query:
            raise ServerError("42601", "syntax error at end of input")
        answer = _needed(ask, query)
        self.cursors.declare(parsed, answer, holds=holds, kept=self.status == "I")
        return Reply(tag="DECLARE CURSOR")

    def _fetch(self, parsed: Parsed) -> Reply:
        columns, rows = self.cursors.fetch(parsed)
        if parsed.verb == "MOVE":
            return Reply(tag=f"MOVE {len(rows)}")
        return Reply(tag=f"FETCH {len(rows)}", rows=rows, columns=columns)

    def _close(self, parsed: Parsed) -> Reply:
        self.cursors.close(parsed)
        return Reply(tag="CLOSE CURSOR")

    def _query(self, parsed: Parsed, ask: Ask) -> Reply:
        if parsed.verb in _NO_SNAPSHOT:
            if parsed.verb == "LOCK":
                self._need_block("LOCK TABLE")
            answer = (ask(parsed.text) or Answer()) if parsed.verb in _SILENT else _needed(ask, parsed.text)
            return Reply(tag={"LOCK": "LOCK TABLE"}.get(parsed.verb, parsed.verb), rows=answer.rows)
        read_only = (
            self.modes.read_only if self.modes else is_on(self.settings["default_transaction_read_only"])
        )
        if self.modes:
            self.modes.queried = True
        if read_only and writes(parsed):
            raise ServerError("25006", f"cannot execute {parsed.verb} in a read-only transaction")
        answer = _needed(ask, parsed.text)
        return Reply(tag=_tag(parsed, answer), rows=answer.rows, columns=answer.columns)


def _needed(ask: Ask, text: str) -> Answer:
    answer = ask(text)
    if answer is None:
        raise ServerError("XX000", f"the fake server has no answer to: {text}")
    return answer


def _assignment(parsed: Parsed, at: int) -> tuple[str, str]:
    """Return name and value of SET name = value, SET name TO value, or SET TIME ZONE value."""
    if parsed.words[at : at + 2] == ("TIME", "ZONE"):
        name, rest = "timezone", parsed.tokens[at + 2 :]
    else:
        end = next((n for n, word in enumerate(parsed.words) if n > at and word in ("=", "TO")), at + 1)
        name = "".join(token.name for token in parsed.tokens[at:end])
        rest = parsed.tokens[end + 1 :]
    if not name or not rest:
        raise ServerError("42601", "syntax error at end of input")
    return name, ", ".join(token.value for token in rest if token.text != ",")


def _tag(parsed: Parsed, answer: Answer) -> str:
    verb = parsed.verb
    if verb == "WITH":
        verb = next(
            (word for word in parsed.words if word in ("INSERT", "UPDATE", "DELETE", "MERGE")), "SELECT"
        )
    count = answer.rowcount
    if count is None:
        count = (
            len(answer.rows)
            if answer.rows is not None
            else int(verb in ("INSERT", "UPDATE", "DELETE", "MERGE"))
        )
    if verb == "INSERT":
        return f"INSERT 0 {count}"
    if verb in ("UPDATE", "DELETE", "MERGE"):
        return f"{verb} {count}"
    if answer.rows is not None:
        return f"SELECT {count}"
    return " ".join(parsed.words[:2]) if verb in ("CREATE", "DROP", "ALTER", "TRUNCATE") else verb


def _refuse_chain(parsed: Parsed) -> None:
    if ("CHAIN" in parsed.words and "NO" not in parsed.words) or "PREPARED" in parsed.words:
        raise ServerError("0A000", f"the fake server does not know {parsed.text}")


_CONTROL: dict[str, Callable[[Session, Parsed], Reply]] = {
    "BEGIN": Session._begin, "START": Session._begin, "COMMIT": Session._commit, "END": Session._commit,
    "ROLLBACK": Session._rollback, "ABORT": Session._rollback, "SAVEPOINT": Session._savepoint,
    "RELEASE": Session._release, "SET": Session._set, "RESET": Session._reset, "SHOW": Session._show,
    "FETCH": Session._fetch, "MOVE": Session._fetch, "CLOSE": Session._close,
}  # fmt: skip
