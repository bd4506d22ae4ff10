"""Where the database is and who we are there, from an explicit mapping.

Owns the names of the keys. Never reads the process environment, never opens a socket and never
shows a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cutter_agent.errors import ConfigInvalid, ConfigMissing
from cutter_agent.principals import Principal

KEY_HOST = "DOT_CUTTER_DB_HOST"
KEY_PORT = "DOT_CUTTER_DB_PORT"
KEY_NAME = "DOT_CUTTER_DB_NAME"
KEY_SSLMODE = "DOT_CUTTER_DB_SSLMODE"
KEY_USER = {
    Principal.EXEC: "DOT_CUTTER_EXEC_DB_USER",
    Principal.VERIFY: "DOT_CUTTER_VERIFY_DB_USER",
}
KEY_PASSWORD = {
    Principal.EXEC: "DOT_CUTTER_EXEC_DB_PASSWORD",
    Principal.VERIFY: "DOT_CUTTER_VERIFY_DB_PASSWORD",
}


class _Secret:
    """A value that only `reveal` gives away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return "_Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, kw_only=True)
class ConnectionConfig:
    """Everything a connection needs, as discrete values."""

    host: str
    port: int
    name: str
    sslmode: str
    user: str
    password: _Secret

    @classmethod
    def from_env(cls, principal: Principal, env: Mapping[str, str]) -> ConnectionConfig:
        """Return the configuration of one principal.

        Raises ConfigMissing naming the first absent or empty key, ConfigInvalid for a port that is
        not a number between 1 and 65535.
        """
        return cls(
            host=_required(env, KEY_HOST),
            port=_port(_required(env, KEY_PORT)),
            name=_required(env, KEY_NAME),
            sslmode=_required(env, KEY_SSLMODE),
            user=_required(env, KEY_USER[principal]),
            password=_Secret(_required(env, KEY_PASSWORD[principal])),
        )


def _required(env: Mapping[str, str], key: str) -> str:
    value = env.get(key, "")
    if not value.strip():
        raise ConfigMissing(key)
    return value


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ConfigInvalid(KEY_PORT, "is not a port number")
    return int(text)
