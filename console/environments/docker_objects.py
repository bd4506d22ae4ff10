"""Containers, volumes and networks of one run on one engine: receipt first, then made, then named by full id.

Owns creation and removal by exact name, full id and the run's nonce together. Never prunes, never filters by
label or prefix, never pulls an image, and never touches an object that is not the receipt's.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import docker
import docker.errors
import requests.exceptions

from console.environments.docker_endpoint import Endpoint, reached
from console.errors import DrydockError, StepFailed
from console.model.protocols import NoReceipts, Receipts
from console.model.text import one_line

Kind = Literal["container", "volume", "network"]
ENGINE_KEYS = ("id", "name", "root")
"""What tells one engine from another: machines that were cloned have one id, and one machine can have two engines."""

KINDS: tuple[Kind, ...] = ("container", "volume", "network")
RUN_LABEL, NONCE_LABEL, VOLUME_LABEL = "drydock.run", "drydock.nonce", "drydock.volume"
REQUEST_PATIENCE_S = 60
_WORDS_CHARS = 400
_MOST_CAUSES = 20


class Taken(DrydockError):
    """Another object stands where the receipt's should; it is left alone."""


def _system_words(wrong: BaseException) -> str:
    """Return what the system said at the bottom of the SDK's exceptions, which stand in each other's arguments."""
    waiting, seen = [wrong], 0
    while waiting and seen < _MOST_CAUSES:
        one, seen = waiting.pop(0), seen + 1
        if isinstance(one, OSError) and one.strerror:
            return one.strerror
        inner = [one.__cause__, one.__context__, *one.args]
        inner += [part for arg in one.args if isinstance(arg, tuple) for part in arg]
        waiting += [part for part in inner if isinstance(part, BaseException)]
    return ""


class EngineUnreachable(StepFailed):
    """The docker engine does not answer."""

    def __init__(self, label: str, wrong: Exception) -> None:
        words = one_line(_system_words(wrong) or str(wrong), limit_chars=_WORDS_CHARS)
        super().__init__(f"the docker engine {label} does not answer: {words}", cause="environment")


class AnotherEngine(StepFailed):
    """Another engine answers at the address than the one that the run began on; nothing is done there."""

    def __init__(self, label: str, *, expected: Mapping[str, str], found: Mapping[str, str]) -> None:
        at = expected.get("address", label)
        super().__init__(
            f"another docker engine answers at {label} than the run began on: expected {_engine_words(expected)} "
            f"(then at {at}), found {_engine_words(found)}; nothing was removed there, and what the run made is on the "
            "first engine: let the endpoint lead there again, then drydock recover",
            cause="environment",
        )


def _engine_words(engine: Mapping[str, str]) -> str:
    told = {key: one_line(engine.get(key, ""), limit_chars=_WORDS_CHARS) or "nothing" for key in ENGINE_KEYS}
    return f"id {told['id']} of host {told['name']} in {told['root']}"


class DockerObjects:
    """What one run may do on one engine. `nonce` marks what is its own."""

    def __init__(
        self, client: docker.APIClient, *, label: str, run: str, nonce: str, receipts: Receipts | None = None
    ) -> None:
        self.client = client
        self.label = label
        self.nonce = nonce
        self._run = run
        self._receipts = receipts or NoReceipts()

    @property
    def labels(self) -> dict[str, str]:
        """Return what every object of the run carries, for people who look at it and as a third check."""
        return {RUN_LABEL: self._run, NONCE_LABEL: self.nonce}

    @contextlib.contextmanager
    def said(self, what: str, gate: str | None = None) -> Iterator[None]:
        """Turn the SDK's errors into StepFailed (environment) in the engine's words."""
        try:
            yield
        except docker.errors.APIError as wrong:
            words = one_line(str(wrong.explanation or wrong), limit_chars=_WORDS_CHARS)
            raise StepFailed(
                f"the docker engine refuses {what}: {words}", cause="environment", gate=gate
            ) from wrong
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as wrong:
            raise EngineUnreachable(self.label, wrong) from wrong

    # looking

    def engine(self) -> dict[str, str]:
        """Return which engine this is: its id, its host's name, its folder, and the address that led to it."""
        with self.said("to say which engine it is"):
            told = self.client.info()
        found = {"id": str(told["ID"]), "name": str(told["Name"]), "root": str(told["DockerRootDir"])}
        if not found["id"]:
            raise StepFailed(f"the docker engine {self.label} does not say its id", cause="environment")
        return {**found, "address": self.label}

    def require_engine(self, expected: Mapping[str, str]) -> None:
        """Raise AnotherEngine when this is not the engine that was recorded."""
        found = self.engine()
        if any(found[key] != expected.get(key) for key in ENGINE_KEYS):
            raise AnotherEngine(self.label, expected=expected, found=found)

    def look(self, kind: Kind, name: str) -> dict[str, Any] | None:
        """Return the object of exactly this name or full id, None when there is none."""
        inspect = {"container": self.client.inspect_container, "volume": self.client.inspect_volume,
                   "network": self.client.inspect_network}[kind]  # fmt: skip
        with self.said(f"to inspect {kind} {name}"):
            try:
                found: dict[str, Any] = inspect(name)
            except docker.errors.NotFound:
                return None
        return found if name in (name_of(kind, found), found.get("Id")) else None

    def identity(self, kind: Kind, found: Mapping[str, Any]) -> str:
        """Return what tells an object from a later one of the same name: its full id.

        A volume has none, and its CreatedAt moves with every file in its top folder (20.10): ours have one of our
        own making, of others there is only the place.
        """
        if kind == "volume":
            own = _labels_of(kind, found).get(VOLUME_LABEL)
            return own or f"at {found.get('Mountpoint', '')}"
        return str(found["Id"])

    def exists(self, kind: Kind, name: str, identity: str | None) -> bool:
        """Tell whether the object of a receipt is there, under whatever name; without an identity, by its name."""
        if identity is not None and kind != "volume" and self.look(kind, identity) is not None:
            return True
        found = self.look(kind, name)
        return found is not None and identity in (None, self.identity(kind, found))

    def is_paused(self, container: str) -> bool:
        """Tell whether a container, by full id, runs and stands still."""
        found = self.look("container", container)
        return found is not None and bool(found["State"].get("Paused"))

    def holders(self, volume: str) -> list[str]:
        """Return the full ids of all containers, running or not, that have a volume of exactly this name, sorted."""
        with self.said("to list containers"):
            listed = self.client.containers(all=True)
        return sorted(
            str(one["Id"])
            for one in listed
            if any(it.get("Type") == "volume" and it.get("Name") == volume for it in one.get("Mounts") or ())
        )

    def marked(self, kind: Kind) -> list[tuple[str, str]]:
        """Return name and identity of what carries the run's nonce, out of the whole list; nothing is done with it."""
        with self.said(f"to list each {kind}"):
            if kind == "container":
                names = [str(one["Id"]) for one in self.client.containers(all=True)]
            elif kind == "network":
                names = [str(one["Id"]) for one in self.client.networks()]
            else:
                names = [str(one["Name"]) for one in self.client.volumes()["Volumes"] or ()]
        found = [one for name in names if (one := self.look(kind, name)) is not None]
        return [
            (name_of(kind, one), self.identity(kind, one))
            for one in found
            if self.nonce and _labels_of(kind, one).get(NONCE_LABEL) == self.nonce
        ]

    # making

    def make_volume(self, name: str) -> None:
        """Make an empty named volume. The engine gives back an older one of the name: that is refused."""
        with self._making("volume", name):
            self.client.create_volume(name, labels={**self.labels, VOLUME_LABEL: secrets.token_hex(16)})
        self._made("volume", name, name)

    def make_network(self, name: str, options: Mapping[str, str]) -> str:
        """Make an internal bridge network and return its id."""
        with self._making("network", name):
            made = self.client.create_network(
                name, driver="bridge", internal=True, enable_ipv6=False, check_duplicate=True, attachable=False,
                labels=self.labels, options=dict(options),
            )  # fmt: skip
        return self._made("network", name, str(made["Id"]))

    def make_container(self, name: str, image: str, **words: Any) -> str:
        """Make a container that is not started yet, with no volume but named ones; return its id."""
        with self._making("container", name):
            made = self.client.create_container(image, name=name, labels=self.labels, **words)
        identity = self._made("container", name, str(made["Id"]))
        found = self.look("container", identity) or {}
        asked = {one["Source"] for one in words["host_config"].get("Mounts", ()) if one["Type"] == "volume"}
        unasked = [
            it["Name"] for it in found.get("Mounts", ()) if it["Type"] == "volume" and it["Name"] not in asked
        ]
        if unasked:
            reason = f"the engine gave container {name} a volume that nobody named: {unasked[0]}"
            raise StepFailed(reason, cause="environment", gate="G-07")
        return identity

    @contextlib.contextmanager
    def _making(self, kind: Kind, name: str) -> Iterator[None]:
        """Receipt first; a name that is taken closes the receipt again, since nothing was made."""
        if self.look(kind, name) is not None:
            raise StepFailed(f"{kind} {name} exists already", cause="environment", gate="G-02")
        self._receipts.opening(kind, name)
        with self.said(f"{kind} {name}"):
            try:
                yield
            except docker.errors.APIError as refused:
                if refused.status_code is not None and 400 <= refused.status_code < 500:
                    self._receipts.closed(kind, name, identity="", how="the engine refused to make it")
                raise

    def _made(self, kind: Kind, name: str, made: str) -> str:
        """Record which object it became. An engine makes two networks of one name: ours is the one it said."""
        found = self.look(kind, made)
        if found is None or _labels_of(kind, found).get(NONCE_LABEL) != self.nonce:
            self._receipts.closed(kind, name, identity="", how="never made: the name was taken")
            reason = f"{kind} {name} is somebody else's: it was made in the moment between looking and making"
            raise StepFailed(reason, cause="environment", gate="G-02")
        identity = self.identity(kind, found)
        self._receipts.identified(kind, name, identity)
        return identity

    # removing

    def remove(self, kind: Kind, name: str, identity: str | None) -> str:
        """Remove the object of a receipt and say how; an absent one that nobody identified was never made.

        Raises Taken for one whose name, id or nonce is another's, StepFailed in the engine's words.
        """
        by_id = self.look(kind, identity) if identity is not None and kind != "volume" else None
        found = by_id or self.look(kind, name)
        if found is None:
            return "was not there"
        what = f"{kind} {name}"
        if identity is not None and self.identity(kind, found) != identity:
            raise Taken(
                f"{what} is another one than the run made ({self.identity(kind, found)}), it is left alone"
            )
        if name_of(kind, found) != name:
            raise Taken(f"{what} was renamed to {name_of(kind, found)}, it is left alone")
        if _labels_of(kind, found).get(NONCE_LABEL) != self.nonce:
            raise Taken(f"{what} does not carry this run's nonce, it is left alone")
        with self.said(f"to remove {what}"):
            if kind == "container":
                self.client.remove_container(str(found["Id"]), v=True, force=True)
            elif kind == "network":
                self.client.remove_network(str(found["Id"]))
            else:
                self.client.remove_volume(name)
        return "removed"

    def remove_now(self, kind: Kind, name: str, identity: str) -> None:
        """Remove an object that the run itself needs no longer, and close its receipt."""
        how = self.remove(kind, name, identity)
        self._receipts.closed(kind, name, identity=identity, how=how)


def name_of(kind: Kind, found: Mapping[str, Any]) -> str:
    """Return an inspected object's own name."""
    return str(found["Name"]).removeprefix("/") if kind == "container" else str(found["Name"])


def _labels_of(kind: Kind, found: Mapping[str, Any]) -> Mapping[str, str]:
    labels = found["Config"].get("Labels") if kind == "container" else found.get("Labels")
    return labels or {}


@contextlib.contextmanager
def opened(
    endpoint: Endpoint, *, folder: Path, run: str = "", nonce: str = "", receipts: Receipts | None = None,
    engine: Mapping[str, str] | None = None,
) -> Iterator[DockerObjects]:  # fmt: skip
    """Open the engine for the length of the block; `engine` is which it must be, None where nobody knows yet.

    Raises EngineUnreachable when it does not answer, AnotherEngine when another one does (both StepFailed).
    """
    with reached(endpoint, folder=folder, receipts=receipts) as (address, tls):
        try:
            client = docker.APIClient(
                base_url=address, tls=tls or False, version="auto", timeout=REQUEST_PATIENCE_S
            )
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as wrong:
            raise EngineUnreachable(endpoint.address, wrong) from wrong
        try:
            objects = DockerObjects(client, label=endpoint.address, run=run, nonce=nonce, receipts=receipts)
            if engine is not None:
                objects.require_engine(engine)
            yield objects
        finally:
            client.close()
