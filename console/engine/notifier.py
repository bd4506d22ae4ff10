"""The process that tells people: it reads a run's journal and sends a notification where the plan asks for one.

A reader like any other, in a session of its own and beside the engine, not below it: the engine never waits for
it, and its end is no concern of the run. What became of a notification is told to the living engine, which
journals it, and kept in the state folder's log; of the run's secrets it knows none.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from console.engine.alone import LOST_AFTER_S, Alone
from console.engine.control import Request, ask
from console.engine.notices import LOG_FILE, Told, keep, notice, told
from console.engine.sending import post, require_command, require_webhook, run_command
from console.environments.process import CLEAN_ENVIRONMENT, take_no_signals_over
from console.errors import ControlRefused, JournalBroken, UsageError
from console.journal import JournalTail
from console.model.config import NotifyConfig, RunOrder
from console.model.run_state import RunState, fold
from console.runs import JOURNAL_FILE
from console.secrets import SecretRegistry

POLL_S = 0.2
_ORDER_FILE = "order.json"
_WEBHOOK = "webhook"
_KEPT_VARIABLES = (
    "HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "CREDENTIALS_DIRECTORY", "PYTHON_KEYRING_BACKEND",
    "XDG_DATA_HOME", "XDG_CONFIG_HOME",
)  # fmt: skip


def require_notify(config: NotifyConfig) -> None:
    """Check before a run exists that what is to tell people can. Raises UsageError."""
    if config.command:
        require_command(config.command)
    if config.webhook_secret:
        require_webhook(config.webhook_secret)


def start_notifier(folder: Path, config: NotifyConfig) -> subprocess.Popen[bytes] | None:
    """Start the process for the run in `folder`, detached from this terminal; None where nobody is to be told."""
    if not (config.command or config.webhook_secret):
        return None
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "console.engine.notifier", str(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        env={**CLEAN_ENVIRONMENT, **kept}, start_new_session=True,
    )  # fmt: skip


class Notifier:
    """Follows one run; `turn` takes what is new and tells what waits."""

    def __init__(self, folder: Path, order: RunOrder, *, lost_after_s: float = LOST_AFTER_S) -> None:
        self._folder = folder
        self._config = order.config.notify
        self._log = Path(order.state_folder) / LOG_FILE
        self._tail = JournalTail(folder / JOURNAL_FILE)
        self._state = RunState()
        self._armed_at = ""
        self._alone = Alone(lost_after_s=lost_after_s)

    def turn(self) -> bool:
        """Read on and tell; return whether the run has ended or is lost, and there is nothing more to tell."""
        for entry in self._tail.new_entries():
            self._state = fold([entry], self._state)
        state = self._state
        if state.ended is not None:
            self._tell("ended")
            return True
        if state.armed is not None and state.armed_at != self._armed_at:
            self._armed_at = state.armed_at
            self._tell(state.armed.boundary)
        return self._is_lost()

    def _is_lost(self) -> bool:
        """Tell whether engine and watchdog are gone, and tell people then."""
        if not self._alone.is_lost(self._state):
            return False
        if self._state.created is not None:
            self._tell("lost")
        return True

    def _tell(self, about: str) -> None:
        config = self._config
        if ("ended" if about in ("ended", "lost") else "boundary") not in config.events:
            return
        payload = notice(self._state, about, evidence=str(self._folder), details=config.details)
        run = payload["run"]
        if config.command:
            failure = run_command(config.command, payload, timeout_s=config.timeout_s)
            self._record(told(run, about, "command", failure))
        if config.webhook_secret:
            self._record(told(run, about, _WEBHOOK, self._post(payload)))

    def _post(self, payload: dict[str, object]) -> str:
        try:
            url = require_webhook(self._config.webhook_secret)
        except UsageError as wrong:
            return wrong.what
        registry = SecretRegistry()
        registry.learn(_WEBHOOK, url)
        clean = registry.redact_value(payload, origin="notification")
        return post(url, clean, timeout_s=self._config.timeout_s)

    def _record(self, one: Told) -> None:
        """Keep what became of it; where neither log nor engine takes it, nobody can be told."""
        with contextlib.suppress(OSError):
            keep(self._log, one)
        if one.about not in ("ended", "lost"):
            request = Request(verb="notified", boundary=f"{one.about}.{one.by}", says=one.sentence)
            with contextlib.suppress(ControlRefused):
                ask(self._folder, request)


def main(arguments: list[str]) -> int:
    """Follow the run in the named folder to its end."""
    folder = Path(arguments[0])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    take_no_signals_over()
    order = msgspec.json.decode((folder / _ORDER_FILE).read_bytes(), type=RunOrder)
    notifier = Notifier(folder, order)
    try:
        while not notifier.turn():
            time.sleep(POLL_S)
    except (JournalBroken, FileNotFoundError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
