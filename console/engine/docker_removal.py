"""Removing and looking up what receipts name on a docker engine, from the journal alone.

Works for a living engine, a watchdog and `drydock recover` alike: the endpoint is the journal's, the objects are the
receipts'. An engine that is away is waited for, for a bounded time.
"""

from __future__ import annotations

import contextlib
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from console.engine.recorder import MARK_NOTE, Recorder
from console.errors import DrydockError, StepFailed
from console.model.config import EnvironmentConfig, LimitsConfig
from console.model.run_state import Receipt
from console.settings import default_work_folder

if TYPE_CHECKING:
    from console.environments.docker_objects import DockerObjects

DOCKER_KINDS = ("container", "volume", "network")
ENGINE_NOTE = "docker_engine"
"""The note of C-01 that says which engine the copy's endpoint led to."""
_RETRY_S = 1.0


class DockerRemover:
    """Opens the engine when the first object is asked for; `close` ends it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._closing = ExitStack()
        self._objects: DockerObjects | None = None
        self._unreachable: StepFailed | None = None

    def remove(self, receipt: Receipt) -> str:
        """Remove the object of a receipt and return how. Raises Taken, StepFailed; the caller records why."""
        from console.environments.docker_objects import EngineUnreachable

        try:
            return self._remove(receipt)
        except EngineUnreachable:
            self.close()
            return self._remove(receipt)

    def _remove(self, receipt: Receipt) -> str:
        return self._engine().remove(receipt.kind, receipt.name, receipt.identity)  # type: ignore[arg-type]

    def exists(self, receipt: Receipt) -> bool:
        """Tell whether the object of a receipt is there."""
        return self._engine().exists(receipt.kind, receipt.name, receipt.identity)  # type: ignore[arg-type]

    def unnamed(self, kind: str) -> tuple[str, ...]:
        """Return objects that carry the run's nonce and no receipt names, as "kind name id"."""
        known = {one.identity for one in self._recorder.state.receipts.values() if one.kind == kind}
        return tuple(
            f"{kind} {name} {identity}".strip()
            for name, identity in self._engine().marked(kind)  # type: ignore[arg-type]
            if identity not in known
        )

    def close(self) -> None:
        """Let go of the engine (idempotent)."""
        self._closing.close()
        self._objects = None

    def _engine(self) -> DockerObjects:
        if self._unreachable is not None:
            raise self._unreachable
        if self._objects is None:
            try:
                self._objects = self._patiently_opened()
            except StepFailed as gone:
                self._unreachable = gone
                raise
        return self._objects

    def _patiently_opened(self) -> DockerObjects:
        from console.environments.docker_endpoint import endpoint_of
        from console.environments.docker_objects import EngineUnreachable, opened

        config = self._config()
        environment = msgspec.convert(config.get("environment", {}), EnvironmentConfig)
        limits = msgspec.convert(config.get("limits", {}), LimitsConfig)
        nonce = str(self._recorder.state.notes.get(MARK_NOTE, ""))
        if not nonce:
            raise StepFailed("the journal does not say the run's nonce", cause="drydock")
        engine = self._known_engine()
        run = self._recorder.state.run
        above = Path(environment.work_folder) if environment.work_folder else default_work_folder()
        deadline = time.monotonic() + limits.engine_patience_s
        while True:
            try:
                return self._closing.enter_context(
                    opened(
                        endpoint_of(environment), folder=above / f"drydock-{run}-{nonce}-end", run=run,
                        nonce=nonce, receipts=self._recorder, engine=engine,
                    )
                )  # fmt: skip
            except EngineUnreachable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_S)

    def _known_engine(self) -> dict[str, str] | None:
        """Return which engine the run began on; None for one that never came to know it, and made nothing there."""
        state = self._recorder.state
        engine = state.notes.get(ENGINE_NOTE)
        if isinstance(engine, dict):
            return {str(key): str(value) for key, value in engine.items()}
        if any(receipt.kind in DOCKER_KINDS for receipt in state.receipts.values()):
            raise StepFailed("the journal does not say which docker engine the run began on", cause="drydock")
        return None

    def _config(self) -> dict[str, Any]:
        created = self._recorder.state.created
        if created is None:
            raise StepFailed("the journal does not say which engine was used", cause="drydock")
        return created.config


@contextlib.contextmanager
def quietly_closed(remover: DockerRemover) -> Any:
    """Close a remover whatever became of its engine."""
    try:
        yield remover
    finally:
        with contextlib.suppress(DrydockError, OSError):
            remover.close()
