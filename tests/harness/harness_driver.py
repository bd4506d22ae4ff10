"""Starts the real harness archive as a process, speaks its protocol and reads both witnesses."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sample import PACK, SUBJECT

from console.environments.cluster import PORT, Cluster
from console.model.trace import ClientStatement
from console.witness.client import ClientTrace
from console.witness.client_numbers import numbers_of
from console.witness.client_statements import was_skipped

PATIENCE_S = 60.0
SHOPPER_PASSWORD = "shopper's pass-word 77"


@dataclass(kw_only=True)
class Stage:
    """Where one harness works: its folders, its archive and the database."""

    folder: Path
    archive: Path
    cluster: Cluster | None
    passwords: dict[str, str] = field(default_factory=lambda: {"shopper": SHOPPER_PASSWORD})

    def write(self, *, pack: str = PACK, subject: str = SUBJECT) -> None:
        """Write the pack and the subject."""
        (self.folder / "pack").mkdir(exist_ok=True)
        (self.folder / "subject" / "shop").mkdir(parents=True, exist_ok=True)
        (self.folder / "pack" / "pack.py").write_text(pack, encoding="utf-8")
        (self.folder / "subject" / "shop" / "__init__.py").write_text("", encoding="utf-8")
        (self.folder / "subject" / "shop" / "ways.py").write_text(subject, encoding="utf-8")

    @property
    def trace(self) -> Path:
        """Return the trace file's path."""
        return self.folder / "client.jsonl"

    def context(self) -> dict[str, Any]:
        """Return the first line of the protocol."""
        host = str(self.cluster.socket_folder) if self.cluster else str(self.folder)
        return {
            "pack": str(self.folder / "pack"), "subject": str(self.folder / "subject"),
            "trace": str(self.trace), "numbers": str(numbers_of(self.trace)),
            "host": host, "port": PORT, "database": "postgres", "sslmode": "disable", "passwords": self.passwords,
        }  # fmt: skip


class HarnessProcess:
    """One running harness; a context manager that ends it."""

    def __init__(self, stage: Stage, argv: list[str] | None = None) -> None:
        self.stderr_path = stage.folder / "harness.log"
        with self.stderr_path.open("wb") as log:
            self.process = subprocess.Popen(
                argv or [sys.executable, "-I", "-B", str(stage.archive)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env={"PATH": "/usr/bin:/bin"},
            )  # fmt: skip
        self._rest = b""

    def __enter__(self) -> HarnessProcess:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def ask(self, command: Any) -> dict[str, Any]:
        """Send one command and return the reply."""
        assert self.process.stdin
        raw = command if isinstance(command, bytes) else json.dumps(command).encode() + b"\n"
        self.process.stdin.write(raw)
        self.process.stdin.flush()
        return self.reply()

    def reply(self) -> dict[str, Any]:
        """Return the next reply; an AssertionError with the harness's last words when none comes."""
        assert self.process.stdout
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                chunk = os.read(self.process.stdout.fileno(), 65536) if ready.select(PATIENCE_S) else b""
                assert chunk, f"no reply: {self.stderr_path.read_text('utf-8', 'replace')}"
                self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        return told

    def end(self) -> int:
        """Send the end and return the exit code."""
        assert self.process.stdin
        self.process.stdin.write(b'{"end": true}\n')
        self.process.stdin.flush()
        return self.process.wait(PATIENCE_S)


def run(stage: Stage, *scenarios: str) -> tuple[list[dict[str, Any]], ClientTrace, list[ClientStatement]]:
    """Run scenarios in one harness; return its replies, the trace and the trace's statements."""
    with HarnessProcess(stage) as harness:
        ready = harness.ask(stage.context())
        assert ready.get("ready"), ready
        replies = [harness.ask({"scenario": name}) for name in scenarios]
        assert harness.end() == 0
    trace = ClientTrace(stage.trace)
    return replies, trace, trace.finish()


def client_by_backend(statements: list[ClientStatement]) -> dict[int, list[str]]:
    """Return what the client says it sent to each backend that looked at it, in order."""
    found: dict[int, list[str]] = defaultdict(list)
    for statement in statements:
        if not was_skipped(statement):
            found[statement.pid].append(statement.sql)
    return dict(found)


def server_by_backend(cluster: Cluster, user: str, backends: set[int]) -> dict[int, list[str]]:
    """Return what the server logged for a user's sessions, once those backends have ended.

    A statement that failed before it ran (in Parse) has no LOG line, only its ERROR line.
    """
    lines = _log_when_ended(cluster, backends)
    found: dict[int, list[str]] = defaultdict(list)
    announced: dict[int, str] = {}
    for line in lines:
        if line.get("user") != user or line["pid"] not in backends:
            continue
        pid, message = line["pid"], line.get("message", "")
        head, _, text = message.partition(": ")
        if line["error_severity"] == "LOG" and (head == "statement" or head.startswith("execute ")):
            found[pid].append(text)
            announced[pid] = text
        elif line["error_severity"] == "ERROR" and announced.get(pid) != line["statement"]:
            found[pid].append(line["statement"])
    return dict(found)


def _log_when_ended(cluster: Cluster, backends: set[int]) -> list[dict[str, Any]]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        raw = cluster.server_log.read_bytes()
        lines = [json.loads(line) for line in raw[: raw.rfind(b"\n") + 1].splitlines()]
        ended = {line["pid"] for line in lines if line.get("message", "").startswith("disconnection:")}
        if backends <= ended:
            return lines
        time.sleep(0.02)
    raise AssertionError(f"the server's log shows no end of the backends {sorted(backends - ended)}")
