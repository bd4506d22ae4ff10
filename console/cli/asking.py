"""Secrets that the operator types: asked on the terminal before any screen, handed to the engine over a pipe.

Kept in no file, variable or argument; a process that dies takes them along.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterable, Mapping

from console.errors import SecretUnavailable
from console.model.config import RunConfig
from console.secret_store import PROMPT_PREFIX, require_value
from console.secrets import SecretRegistry, learn_all


def names_to_ask(config: RunConfig, packs: Mapping[str, str]) -> list[str]:
    """Return every secret of a plan that is to be typed; `packs` are a proof's, by role, under the plan's own."""
    named = [config.source.secret]
    if config.plan == "proof":
        named += (dict(packs) | config.proof.secrets).values()
    return sorted({name for name in named if name.startswith(PROMPT_PREFIX)})


def asked(names: Iterable[str], *, may_ask: bool) -> dict[str, str]:
    """Return what was typed for each name, without an echo.

    Raises SecretUnavailable where nobody can be asked, or what was typed is no password.
    """
    found: dict[str, str] = {}
    for name in names:
        shown = name.removeprefix(PROMPT_PREFIX)
        if not may_ask or not sys.stdin.isatty():
            raise SecretUnavailable(
                f"the secret {shown} is to be typed, and there is nobody to ask",
                remedy="start it on a terminal without --headless, or name an entry of the keyring or a file",
            )
        try:
            found[name] = require_value(shown, getpass.getpass(f"password {shown} (not shown): "))
        except EOFError as ended:
            raise SecretUnavailable(f"no value was given for {shown}", remedy="type it") from ended
    return found


def registry_of(given: Mapping[str, str]) -> SecretRegistry:
    """Return a registry that knows what was typed."""
    registry = SecretRegistry()
    learn_all(registry, given.items())
    return registry
