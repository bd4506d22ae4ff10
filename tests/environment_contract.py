"""What every environment keeps: the same tests for the fake, the embedded and the docker one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from console.engine.archive import build_harness
from console.environments.environment import OWNER_SECRET, SUPERUSER_SECRET, Environment, HarnessPlace
from console.errors import StepFailed
from console.gates.checks_copy import nothing_is_published
from console.model.gate import Facts
from console.model.protocols import NeverAborted
from console.packs import placed_sha256, tree_sha256
from console.secrets import SecretRegistry, make_password
from console.settings import data_folder

PACK = data_folder("scenarios") / "cutter_dry_run"
CONTEXT = {"pack", "subject", "trace", "host", "port", "database", "sslmode", "passwords"}
DATABASE = "postgres"


@dataclass(kw_only=True)
class Ledger:
    """Receipts in memory: "kind name" to what became of it."""

    mark: str = "c0ffee42"
    opened: dict[str, str] = field(default_factory=dict)

    def opening(self, kind: str, name: str) -> None:
        """Note an object that is about to be made."""
        self.opened[f"{kind} {name}"] = "opened"

    def identified(self, kind: str, name: str, identity: str) -> None:
        """Note which it became; one that was not opened is an error."""
        assert identity
        assert self.opened[f"{kind} {name}"] == "opened"
        self.opened[f"{kind} {name}"] = identity

    def closed(self, kind: str, name: str, *, identity: str, how: str) -> None:
        """Note that it is gone."""
        del self.opened[f"{kind} {name}"]


@dataclass(kw_only=True)
class Made:
    """An environment under test, provisioned, and what it rests on; `has_server` is False for the fake alone."""

    environment: Environment
    ledger: Ledger
    names_before: dict[str, bool]
    place: HarnessPlace
    has_server: bool = True


def registry() -> SecretRegistry:
    """Return a registry with the secrets that every environment needs."""
    made = SecretRegistry()
    for name in (SUPERUSER_SECRET, OWNER_SECRET):
        made.learn(name, make_password())
    return made


def provisioned(environment: Environment, ledger: Ledger, scratch: Path, *, has_server: bool = True) -> Made:
    """Provision an environment and lay out its harness's place."""
    names = environment.taken_names()
    environment.provision()
    archive = scratch / "harness.pyz"
    build_harness(archive)
    place = environment.make_harness_place(archive=archive, pack=PACK, subject=PACK / "subject")
    return Made(
        environment=environment, ledger=ledger, names_before=names, place=place, has_server=has_server
    )


class EnvironmentContract:
    """Derive from it with a fixture `made` of scope class."""

    def test_no_name_was_taken_before(self, made: Made) -> None:
        """A name that is said to be free before the provisioning is taken by it."""
        assert set(made.names_before.values()) <= {False}

    def test_the_engine_is_known_where_there_is_one(self, made: Made) -> None:
        """A container engine is told by id, host, folder and address, the same at each asking; no engine by nothing."""
        told = made.environment.engine_identity()
        assert told == made.environment.engine_identity()
        assert all(told.values())
        assert told.keys() in (set(), {"id", "name", "root", "address"})
        assert bool(told) == (made.environment.kind == "docker" and made.has_server)

    def test_the_later_looks_find_what_the_first_did(self, made: Made) -> None:
        """G-07 holds over a second look too, which has all that the first has."""
        first, second = made.environment.isolation(), made.environment.isolation()
        looks = {"isolation": first, "isolation.before": second, "isolation.after": second}
        assert nothing_is_published(Facts(msgspec.to_builtins(looks))) is None

    def test_every_receipt_says_which_object(self, made: Made) -> None:
        """After the provisioning no receipt is without its object's identity."""
        assert made.ledger.opened
        assert [name for name, what in made.ledger.opened.items() if what == "opened"] == []

    def test_there_is_no_way_in_or_out(self, made: Made) -> None:
        """G-07 holds over what the environment says of its own isolation."""
        facts = Facts({"isolation": msgspec.to_builtins(made.environment.isolation())})
        assert nothing_is_published(facts) is None

    def test_the_copy_has_an_identity(self, made: Made) -> None:
        """The identity that was read out of its files is the one that its server says."""
        assert made.environment.system_identifier.isdecimal()
        if not made.has_server:
            with pytest.raises(StepFailed), made.environment.connect():
                pass
            return
        with made.environment.connect(DATABASE) as connection:
            [(asked,)] = connection.execute("SELECT system_identifier::text FROM pg_control_system()")
            assert asked == made.environment.system_identifier
            assert connection.info.backend_pid in made.environment.engine_pids

    def test_another_identity_is_a_hard_stop(self, made: Made) -> None:
        """A server that is not the one that was made is refused at G-10 before anything is sent."""
        if not made.has_server:
            return
        known, made.environment.system_identifier = made.environment.system_identifier, "1"
        try:
            with (
                pytest.raises(StepFailed, match="another server answers") as refused,
                made.environment.connect(DATABASE),
            ):
                pass
            assert refused.value.gate == "G-10"
        finally:
            made.environment.system_identifier = known

    def test_what_is_in_place_is_what_was_given(self, made: Made) -> None:
        """Pack and subject in the harness's place are byte for byte the given ones."""
        assert placed_sha256(made.place.pack) == tree_sha256(PACK)
        assert placed_sha256(made.place.subject) == tree_sha256(PACK / "subject")

    def test_the_server_witness_speaks(self, made: Made) -> None:
        """A statement of ours comes to the log that the environment gives out."""
        if not made.has_server:
            with made.environment.server_log() as log:
                assert log.read().lines == ()
            return
        with made.environment.connect(DATABASE) as connection:
            connection.execute("SELECT 'heard by the witness'")
        said: list[str] = []
        patience = time.monotonic() + 20
        with made.environment.server_log() as log:  # which the server's collector writes when it comes to it
            while not any("heard by the witness" in text for text in said) and time.monotonic() < patience:
                said += [line.sql for line in log.read().lines]
        assert any("heard by the witness" in text for text in said)

    def test_a_harness_starts_and_ends(self, made: Made) -> None:
        """The harness greets, or says what is wrong with its context; after its end it says nothing more."""
        context = made.environment.context(made.place, database=DATABASE, passwords={})
        assert context.keys() - {"numbers"} == CONTEXT  # numbers need a file that harness and engine share
        harness = made.environment.start_harness(made.place, database=DATABASE)
        assert made.environment.harness is harness
        assert harness.greet(context, timeout_s=60.0, abort=NeverAborted()).ready
        harness.end()
        harness.end()
        with pytest.raises(StepFailed, match="ended before it"):
            harness.run("S1", timeout_s=20.0, abort=NeverAborted(), meanwhile=lambda: None)
        made.environment.close_harness_way(made.place)

    def test_it_stands_until_it_is_let_go(self, made: Made) -> None:
        """Nothing is lost while it stands; letting go twice is once, and removes nothing."""
        assert made.environment.lost() == ""
        made.environment.keep_logs()
        made.environment.close()
        made.environment.close()
        assert made.ledger.opened
