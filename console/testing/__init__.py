"""For other people's tests: a fake PostgreSQL with real transaction rules. `docs/testing.md` shows it.

Imports the standard library and psycopg only; `console.testing.packs` checks a scenario pack and imports more.
"""

from console.testing.answers import Answer, ServerError, Statement
from console.testing.server import FakeConnection, FakeServer

__all__ = ["Answer", "FakeConnection", "FakeServer", "ServerError", "Statement"]
