"""Connections for the live adapter, from an explicit mapping; psycopg 3, or psycopg2 behind its facade.

Owns the names of the keys. Never reads the process environment, never connects before it is called, and
never shows a password. Every connection has autocommit on: a transaction begins with BEGIN and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from live_cutter.errors import ConfigMissing

KEYS = {
    "cutter_exec": ("DOT_CUTTER_EXEC_DB_USER", "DOT_CUTTER_EXEC_DB_PASSWORD"),
    "cutter_verify": ("DOT_CUTTER_VERIFY_DB_USER", "DOT_CUTTER_VERIFY_DB_PASSWORD"),
}


def _words(principal: str, env: Mapping[str, str]) -> dict[str, Any]:
    user, password = KEYS[principal]
    return {
        "host": _required(env, "DOT_CUTTER_DB_HOST"), "port": int(_required(env, "DOT_CUTTER_DB_PORT")),
        "dbname": _required(env, "DOT_CUTTER_DB_NAME"), "sslmode": _required(env, "DOT_CUTTER_DB_SSLMODE"),
        "user": _required(env, user), "password": _required(env, password), "connect_timeout": 10,
        "application_name": "cutter-live",
    }  # fmt: skip


def _required(env: Mapping[str, str], key: str) -> str:
    value = env.get(key, "")
    if not value:
        raise ConfigMissing(f"{key} is missing")
    return value


def psycopg3_provider(env: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a provider of psycopg 3 connections."""

    def provide(principal: str) -> Any:
        import psycopg

        return psycopg.connect(**_words(principal, env), autocommit=True)

    return provide


def psycopg2_provider(env: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a provider of psycopg2 connections in psycopg 3's shape (needs the extra `psycopg2`)."""

    def provide(principal: str) -> Any:
        import psycopg2

        from live_cutter.facade import Psycopg3Shaped

        return Psycopg3Shaped(psycopg2.connect(**_words(principal, env)))

    return provide
