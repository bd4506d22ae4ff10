"""The two ways of a notification: a POST to a webhook, and a command that reads it on stdin.

Returns a sentence when it could not be sent, never raises for what the other side does, and never puts a
webhook's address into a sentence: the address is a secret.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import msgspec

from console import __version__
from console.environments.process import CLEAN_ENVIRONMENT
from console.errors import PlanError
from console.secret_store import resolve

_KILL_WAIT_S = 5.0


class _TooLate(Exception):
    """The time is over."""


@contextlib.contextmanager
def _deadline(timeout_s: float) -> Iterator[None]:
    """Raise _TooLate in the block after the time (main thread only): a socket's own limit is for one read."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _TooLate

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def webhook_refusal(url: str) -> str:
    """Return why an address is no webhook's, "" when it is; never the address itself."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no address"
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        return "is no https:// address"
    if parts.username is not None or parts.password is not None:
        return "has a user name in it"
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        return "is not encrypted (http://) and not on this machine"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_webhook(name: str) -> str:
    """Return the address that a secret holds. Raises SecretUnavailable, or PlanError for what is no address."""
    url = resolve(name)
    refusal = webhook_refusal(url)
    if refusal:
        remedy = f"store the whole address: drydock secret set {name}"
        raise PlanError(f"what the secret {name} holds {refusal}", remedy=remedy)
    return url


def require_command(command: Sequence[str]) -> None:
    """Raise PlanError for a command that is not there or may not be run."""
    path = Path(command[0])
    if not path.is_file() or not os.access(path, os.X_OK):
        raise PlanError(
            f"the notification's command {path} is no program that can be run",
            remedy="mend [notify] command, or make the file executable",
        )


def post(url: str, payload: dict[str, Any], *, timeout_s: float) -> str:
    """Send a payload to a webhook; return why it did not arrive, "" when it did. Follows no redirect."""
    # Together they take as long to load as the rest of the command, and few runs post anything.
    import http.client
    import ssl

    parts = urlsplit(url)
    assert parts.hostname is not None
    secure = parts.scheme == "https"
    connection: http.client.HTTPConnection
    if secure:
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=timeout_s, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": "application/json", "User-Agent": f"drydock/{__version__}"}
    try:
        with _deadline(timeout_s):
            connection.request("POST", path, msgspec.json.encode(payload), headers)
            status = connection.getresponse().status
    except (_TooLate, TimeoutError):
        return f"no answer in {timeout_s:g} s"
    except ssl.SSLCertVerificationError as wrong:
        return f"its certificate does not verify: {wrong.verify_message}"
    except (OSError, http.client.HTTPException, ValueError) as wrong:
        words = wrong.strerror if isinstance(wrong, OSError) else None
        return words or type(wrong).__name__
    finally:
        connection.close()
    return "" if 200 <= status < 300 else f"it answered {status}"


def run_command(command: Sequence[str], payload: dict[str, Any], *, timeout_s: float) -> str:
    """Run a command with the payload on its stdin and a clean environment; return why it failed, "" when it did not.

    What it prints goes nowhere. After the time its whole session is killed.
    """
    try:
        process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            env=dict(CLEAN_ENVIRONMENT), start_new_session=True,
        )  # fmt: skip
    except OSError as wrong:
        return f"it cannot be run: {wrong.strerror}"
    try:
        process.communicate(msgspec.json.encode(payload) + b"\n", timeout=timeout_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_KILL_WAIT_S)
        return f"it did not end in {timeout_s:g} s"
    code = process.returncode
    return "" if code == 0 else f"it ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"
