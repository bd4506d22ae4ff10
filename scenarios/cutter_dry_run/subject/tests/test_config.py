"""The configuration comes from an explicit mapping and keeps its secret."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from cutter_agent.config import ConnectionConfig, _Secret
from cutter_agent.errors import ConfigInvalid, ConfigMissing
from cutter_agent.principals import Principal
from fakes import ENV

EXEC_KEYS = [key for key in ENV if "VERIFY" not in key]
VERIFY_KEYS = [key for key in ENV if "EXEC" not in key]


def test_exec_configuration() -> None:
    """The exec principal gets the exec keys."""
    config = ConnectionConfig.from_env(Principal.EXEC, ENV)
    found = (config.host, config.port, config.name, config.sslmode, config.user)
    assert found == ("/run/rehearsal", 5432, "directus", "disable", "cutter_exec")


def test_verify_configuration() -> None:
    """The verify principal gets the verify keys."""
    config = ConnectionConfig.from_env(Principal.VERIFY, ENV)
    assert (config.user, config.password.reveal()) == ("cutter_verify", "verify-pass-word")


@pytest.mark.parametrize("key", EXEC_KEYS)
def test_missing_key_is_named(key: str) -> None:
    """An absent key is named by the error."""
    env = {other: value for other, value in ENV.items() if other != key}
    with pytest.raises(ConfigMissing, match=key):
        ConnectionConfig.from_env(Principal.EXEC, env)


@pytest.mark.parametrize("key", VERIFY_KEYS)
def test_empty_key_is_missing(key: str) -> None:
    """An empty value counts as absent."""
    with pytest.raises(ConfigMissing, match=key):
        ConnectionConfig.from_env(Principal.VERIFY, ENV | {key: "  "})


def test_process_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the process environment does not stand in for the mapping's."""
    for key, value in ENV.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(ConfigMissing):
        ConnectionConfig.from_env(Principal.EXEC, {})


@pytest.mark.parametrize("port", ["0", "65536", "-1", "five", "5432.0", "٥٤٣٢"])
def test_port_must_be_a_port(port: str) -> None:
    """A port that is none is refused by name."""
    with pytest.raises(ConfigInvalid, match="DOT_CUTTER_DB_PORT"):
        ConnectionConfig.from_env(Principal.EXEC, ENV | {"DOT_CUTTER_DB_PORT": port})


def test_configuration_is_frozen_but_replaceable() -> None:
    """A changed configuration is another one."""
    config = ConnectionConfig.from_env(Principal.EXEC, ENV)
    assert replace(config, name="other").name == "other"
    assert config.name == "directus"


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{0!r}".format, "%s".__mod__])
def test_secret_is_not_shown(show: object) -> None:
    """No usual way of printing shows the value."""
    assert callable(show)
    assert show(_Secret("exec-pass-word")) == "_Secret(***)"


def test_configuration_does_not_show_its_secret() -> None:
    """Printing the whole configuration leaves the password out."""
    assert "exec-pass-word" not in repr(ConnectionConfig.from_env(Principal.EXEC, ENV))


def test_secret_is_not_pickled() -> None:
    """A secret refuses to be pickled."""
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(_Secret("exec-pass-word"))


def test_secret_reveals() -> None:
    """Reveal gives the value."""
    assert _Secret("exec-pass-word").reveal() == "exec-pass-word"
