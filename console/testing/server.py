"""FakeServer: a PostgreSQL of scripted answers and real transaction rules, for unit tests without a database.

The client is the real psycopg, so that its rules are its own; the server's rules are in `session`. Owns one socket
in a folder of its own and a thread for each connection; `close` ends both. Never a witness and never evidence.
"""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import RowFactory, tuple_row

from console.testing.answers import (
    Answer,
    Callback,
    Rows,
    Script,
    Scripts,
    ServerError,
    Statement,
    answer_of,
)
from console.testing.backend import Backend

PORT = 5432
_WHO = re.compile(r"(?i)^\s*select\s+(current_user|session_user|user)(?:\s+as\s+(\w+))?\s*;?\s*$")


def _who(asked: Statement) -> Any:
    """Answer who the session is, under the name that the statement gives the column."""
    found = _WHO.match(asked.sql)
    assert found is not None
    return [{found[2] or found[1]: asked.user}]


class FakeConnection(psycopg.Connection[Any]):
    """A real psycopg connection to a fake server."""

    fake: FakeServer

    @property
    def statements(self) -> list[Statement]:
        """Return what this connection sent, psycopg's own statements included."""
        return [one for one in self.fake.statements if one.backend == self.info.backend_pid]


class FakeServer:
    """Listens until it is closed; a context manager that fails when a statement had no answer."""

    def __init__(self, *, settings: Mapping[str, str] | None = None, user: str = "fake") -> None:
        """`settings` are the session's defaults, such as default_transaction_isolation."""
        self.statements: list[Statement] = []
        self.unanswered: list[str] = []
        self.broken: list[BaseException] = []
        self.user = user
        self._settings = dict(settings or {})
        self._scripts = Scripts()
        self._lock = threading.RLock()
        self._backends: list[Backend] = []
        self._refusal: ServerError | None = None
        self._scripts.known.append(Script(match=_WHO, callback=_who))
        self._folder = Path(tempfile.mkdtemp(prefix="fake-pg-"))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / f".s.PGSQL.{PORT}"))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, name="fake server", daemon=True)
        self._thread.start()

    # what a test says

    @property
    def conninfo(self) -> dict[str, Any]:
        """Return host, port, dbname and user, as psycopg.connect takes them."""
        return {"host": str(self._folder), "port": PORT, "dbname": "fake", "user": self.user}

    def on(
        self,
        match: str | re.Pattern[str],
        *,
        rows: Rows | None = None,
        columns: Sequence[str] = (),
        rowcount: int | None = None,
        error: ServerError | str | None = None,
        answer: Callback | None = None,
        times: int | None = None,
    ) -> None:
        """Answer statements that hold `match` (white space and case aside) or that a pattern finds.

        The newest script that fits answers; `times` makes it the next so many only. `rows` are dictionaries, or
        sequences with `columns`; without them a write touches `rowcount` rows (1). `error` is a SQLSTATE or a
        ServerError; `answer` is asked with each statement. Raises ValueError for rows without columns.
        """
        refusal = ServerError(error) if isinstance(error, str) else error
        told = answer_of(rows, columns, rowcount)

        def answers(asked: Statement) -> Any:
            if refusal is not None:
                raise refusal
            return answer(asked) if answer is not None else told

        with self._lock:
            self._scripts.known.append(Script(match=match, callback=answers, times=times))

    def refuse_connections(self, sqlstate: str, message: str = "the server's words") -> None:
        """Refuse every connection from now on."""
        self._refusal = ServerError(sqlstate, message, fatal=True)

    def connect(
        self, *, autocommit: bool = False, row_factory: RowFactory[Any] = tuple_row, **options: Any
    ) -> FakeConnection:
        """Return a new connection; the options are psycopg.connect's."""
        words = {**self.conninfo, **options}
        made = FakeConnection.connect(autocommit=autocommit, row_factory=row_factory, **words)
        made.fake = self
        return made

    def sent(self, match: str) -> list[Statement]:
        """Return the recorded statements that hold a text (white space and case aside)."""
        script = Script(match=match, callback=lambda asked: None)
        return [one for one in self.statements if script.fits(one)]

    def close(self) -> None:
        """End every connection and the socket."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for backend in self._backends:
            backend.end()
        shutil.rmtree(self._folder)

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is None:
            self.raise_if_unanswered()

    def raise_if_unanswered(self) -> None:
        """Raise AssertionError when a statement had no answer, or what an answer's own code raised."""
        if self.broken:
            raise self.broken[0]
        if self.unanswered:
            raise AssertionError(f"the fake server has no answer to: {'; '.join(self.unanswered)}")

    # what a backend asks

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                number = len(self._backends) + 1
                backend = Backend(client, number=number, settings=self._settings, asks=self)
                self._backends.append(backend)
            backend.start()

    def refusal(self) -> ServerError | None:
        """Return why connections are refused, None while they are not."""
        return self._refusal

    def record(self, asked: Statement) -> None:
        """Keep a statement that has reached the server."""
        with self._lock:
            self.statements.append(asked)

    def ask(self, asked: Statement) -> Answer | None:
        """Return the newest script's answer, None when none fits. Raises ServerError."""
        with self._lock:
            script = self._scripts.find(asked)
            try:
                return script.use(asked) if script is not None else None
            except ServerError:
                raise
            except Exception as wrong:
                self.broken.append(wrong)
                raise ServerError("XX000", f"the answer's own code raised {type(wrong).__name__}") from wrong

    def missed(self, text: str) -> None:
        """Keep that a statement had no answer."""
        with self._lock:
            self.unanswered.append(text)

    def broke(self, wrong: Exception) -> None:
        """Keep what must be raised in the test."""
        with self._lock:
            self.broken.append(wrong)
