"""C-01 to C-04 of the plan `proof`: preflight, the harness in place, every refusal, the seam, the hazards.

Nothing connects to the real database before C-03, and the harness holds no password before then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from psycopg import sql

from console.engine.archive import build_harness
from console.engine.copying import require_the_configured_one
from console.engine.preflight import check_beforehand, site_digests
from console.engine.proof_state import Proving
from console.engine.protecting import PROTECTED_BY, look_at_protected
from console.engine.rehearsal import Rehearsal, file_sha256
from console.environments.embedded import EmbeddedEnvironment, EmbeddedPlace
from console.environments.harness_talk import HarnessTalk, Report
from console.errors import SecretUnavailable, StepFailed
from console.model.event import SecretRedacted
from console.model.facts import Digests
from console.model.pack import ProofWords
from console.model.proof_facts import Acceptance, FoundHazards, Refusals, Seam, SeamSession, Switch
from console.packs import placed_sha256
from console.secret_store import known_or_resolved
from console.secrets import make_password, scram_verifier
from console.sources.demo import SECRET_NAME, DemoSource
from console.sql import EngineConnection
from console.sql import run as run_sql
from console.subjects import materialise
from console.witness.abort_certificate import Seen, count, forbidden_attributes, look_at_backends
from console.witness.client import ClientTrace
from console.witness.hazards import reached_by, unaccepted
from console.witness.kill_switch import assigned_values, first_calls

_RECONNECT_S = 0.1
_CLIENT_CHECK_MS = 100
"""A server that executes a statement looks this often whether its client still lives: a harness that was ended, or
died, leaves no lock behind for longer (PostgreSQL manual, 20.3.2)."""

CLAIM = "the harness's claim"
INDEPENDENT = "the engine's own session in the database"
_CLIENT_AND_SERVER = f"the client's trace; {INDEPENDENT}"


def words_of(run: Rehearsal) -> ProofWords:
    """Return what the pack says about its proof. Raises StepFailed for a pack without."""
    words = run.loaded.pack.proof
    if words is None:
        raise StepFailed(f"the pack {run.loaded.pack.id} has no [proof]", cause="drydock")
    return words


def proving_of(run: Rehearsal) -> Proving:
    """Return what the steps share, made at the first call."""
    if run.proving is None:
        run.proving = Proving()
    return run.proving


def check_before_proof(run: Rehearsal) -> None:
    """C-01: as in the dry run; the two principals' passwords must be there too, and are asked of nobody yet."""
    check_beforehand(run)
    if run.config.source.kind == "demo":
        return
    words = words_of(run)
    for role in (words.writer, words.reader):
        name = run.config.proof.secrets.get(role, words.secrets.get(role, ""))
        try:
            run.registry.learn(role, known_or_resolved(name, run.registry))
        except SecretUnavailable as wrong:
            raise StepFailed(f"the password of {role}: {wrong}", cause="environment") from wrong


def place_and_refuse(run: Rehearsal) -> None:
    """C-02: harness, pack and subject in place, and every refusal, while nobody there has a password."""
    _make_place(run)
    if not _start(run):
        return
    words, proving = words_of(run), proving_of(run)
    told = _claims(run, "statements")["statements"].told
    proving.writes, proving.reads = _texts(told, "writes"), _texts(told, "reads")
    run.recorder.note(
        "proof.statements", {"writes": proving.writes, "reads": proving.reads}, origin="subject"
    )
    run.recorder.fact("proof.switch", switch_of(run, "P-1"), source=f"the module's source; {CLAIM}")
    run.recorder.fact(
        "proof.refusals", _refusals(run, words), source=f"the module's source; the trace; {CLAIM}"
    )
    claims = _claims(run, "P-3")
    acceptance = Acceptance(
        same=claims["the real adapter"].told.get("same") is True, look_alikes=words.look_alikes,
        refusal=words.not_the_adapter,
        claimed={name: one.type for name, one in claims.items() if name != "the real adapter"},
    )  # fmt: skip
    run.recorder.fact("proof.acceptance", acceptance, source=CLAIM)


def _texts(told: Mapping[str, Any], name: str) -> tuple[str, ...]:
    try:
        return msgspec.convert(told.get(name), tuple[str, ...])
    except msgspec.ValidationError as wrong:
        raise StepFailed(f"the pack does not tell its statements: {wrong}", cause="drydock") from wrong


def _make_place(run: Rehearsal) -> None:
    scratch = run.places.scratch
    archive, subject = scratch / "harness.pyz", scratch / "subject"
    build_harness(archive)
    materialise(run.subject, subject)
    run.harness_place = _embedded(run).make_harness_place(
        archive=archive, pack=run.loaded.folder, subject=subject, socket=_socket_of(run)
    )
    run.recorder.fact("site.after", Digests(digests=site_digests()), source="names, sizes and times of files")
    run.recorder.fact("protected.during", look_at_protected(run), source=PROTECTED_BY)


def _embedded(run: Rehearsal) -> EmbeddedEnvironment:
    """Return the harness's environment, which for a proof is this machine (checked before a run exists)."""
    environment = run.the_environment()
    assert isinstance(environment, EmbeddedEnvironment)
    return environment


def _socket_of(run: Rehearsal) -> Path | None:
    """Return the database's socket where it lies on this machine: the harness reaches it by a link of its own."""
    source = run.the_source()
    if isinstance(source, DemoSource):
        return source.production.socket_path
    config = run.config.source
    return Path(config.host) / f".s.PGSQL.{config.port}" if config.host.startswith("/") else None


def _start(run: Rehearsal) -> bool:
    """Start the harness, where everything in place is as planned; otherwise G-13 says what is not."""
    place, proving = run.harness_place, proving_of(run)
    assert isinstance(place, EmbeddedPlace) and run.recorder.state.created is not None
    parts = run.recorder.state.created.parts
    proving.subject_sha256 = placed_sha256(place.subject)
    planned = Digests(digests={name: parts[name] for name in ("harness", "pack", "subject")})
    found = {
        "harness": file_sha256(place.archive),
        "pack": placed_sha256(place.pack),
        "subject": proving.subject_sha256,
    }
    run.recorder.fact("contents.planned", planned, source="the digest that B-1 showed")
    run.recorder.fact("contents.found", Digests(digests=found), source="the files in the harness's place")
    if planned.digests != found:
        return False
    environment, config = _embedded(run), run.config
    context = environment.context(place, database=run.database, passwords={})
    if not any(place.socket.iterdir()):
        context |= {"host": config.source.host, "port": config.source.port, "sslmode": config.source.sslmode}
    elif config.source.kind != "demo":
        context |= {"port": config.source.port}
    context["limits_ms"] = limits_ms(run)
    harness = environment.start_harness(place, database=None)
    ready = harness.greet(context, timeout_s=run.loaded.pack.scenario_timeout_s, abort=run.recorder)
    run.client = ClientTrace(place.trace)
    run.recorder.note("harness", msgspec.to_builtins(ready), origin="subject")
    return True


def limits_ms(run: Rehearsal) -> dict[str, int]:
    """Return the limits that the server keeps for the harness's sessions (PostgreSQL manual, 20.11)."""
    proof = run.config.proof
    return {
        "statement_timeout": int(proof.statement_timeout_s * 1000),
        "lock_timeout": int(proof.lock_timeout_s * 1000),
        "idle_in_transaction_session_timeout": int(proof.longest_lock_s * 1000),
        "client_connection_check_interval": _CLIENT_CHECK_MS,
    }


def the_harness(run: Rehearsal) -> HarnessTalk:
    """Return the running harness."""
    harness = run.the_environment().harness
    if harness is None:
        raise StepFailed("the harness does not run", cause="drydock")
    return harness


def _claims(run: Rehearsal, scenario: str) -> dict[str, Report]:
    """Return what the harness claims of each attempt of one scenario without a database."""
    reports = the_harness(run).run(
        scenario,
        timeout_s=float(run.loaded.pack.scenario_timeout_s),
        abort=run.recorder,
        meanwhile=lambda: None,
    )
    drain(run)
    return _Reports({one.name: one for one in reports})


class _Reports(dict[str, Report]):
    """Reports by attempt; one that is missing ended with nothing."""

    def __missing__(self, name: str) -> Report:
        return Report(name=name, outcome="missing")


def drain(run: Rehearsal) -> None:
    """Take what the client witness claims since the last time into the trace."""
    client, recorder = run.client, run.recorder
    assert client is not None
    told = len(client.redactions)
    found = client.drain(everything=True)
    run.the_trace().append(found, origin="subject")
    proving_of(run).statements += found
    for one in client.redactions[told:]:
        origin = f"subject {one.origin} {one.scenario} {one.attempt}".strip()
        recorder.record(SecretRedacted(secret=one.secret, origin=origin, form=one.form, position=0))


def _module_source(run: Rehearsal) -> str:
    place = run.harness_place
    assert place is not None
    path = place.subject / words_of(run).module
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        reason = f"{words_of(run).module} of the subject cannot be read: {wrong}"
        raise StepFailed(reason, cause="subject", gate="P-1") from wrong


def switch_of(run: Rehearsal, scenario: str) -> Switch:
    """Return what the module's source and the harness say of the kill-switch now."""
    words = words_of(run)
    claimed = _claims(run, scenario)["switch"].told.get("value", "")
    return Switch(assigned=assigned_values(_module_source(run), words.switch), claimed=str(claimed))


def _refusals(run: Rehearsal, words: ProofWords) -> Refusals:
    client = run.client
    assert client is not None
    claims = _claims(run, "P-2")
    calls = claims["spy"].told.get("calls")
    return Refusals(
        methods=words.methods, guard=words.guard, refusal=words.refusal,
        first_calls=first_calls(_module_source(run), words.adapter, words.methods),
        claimed={method: claims[method].type for method in words.methods},
        provider_calls=calls if isinstance(calls, int) else -1,
        sessions=len(client.sessions),
        password_given=proving_of(run).password_given,
    )  # fmt: skip


@contextmanager
def independent(run: Rehearsal, *, patience_s: float = 0.0) -> Iterator[EngineConnection]:
    """Open the engine's own read-only session in the real database, whose statements have a limit of their own.

    A server that restarts itself is asked again until `patience_s` has passed.
    """
    with ExitStack() as stack:
        connection = _connected(run, stack, time.monotonic() + patience_s)
        limit_ms = int(run.config.proof.count_timeout_s * 1000)
        run_sql(connection, "proof/set_timeout", {"name": "statement_timeout", "value": f"{limit_ms}ms"})
        yield connection


def _connected(run: Rehearsal, stack: ExitStack, deadline: float) -> EngineConnection:
    source = run.living_source()
    if source is None:
        raise StepFailed("a dump file is no database to prove anything on", cause="drydock")
    while True:
        try:
            connection = stack.enter_context(source.connect())
            assert isinstance(connection, EngineConnection)
            return connection
        except StepFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RECONNECT_S)


def connect_and_reach(run: Rehearsal) -> None:
    """C-03: which server it is, the first counts, and the adapter's own seam as both principals."""
    words, pack, recorder = words_of(run), run.loaded.pack, run.recorder
    source = run.living_source()
    assert source is not None
    require_the_configured_one(run, source.look())
    with independent(run) as connection:
        first = count(connection, pack.schema, pack.tables)
        _give_passwords(run, words)
        sessions: dict[str, SeamSession] = {}

        def look(principal: str) -> None:
            sessions[principal] = _session(run, connection)

        the_harness(run).run(
            "P-4",
            timeout_s=float(pack.scenario_timeout_s),
            abort=recorder,
            meanwhile=lambda: None,
            at_checkpoint=look,
        )
        drain(run)
    given = run.config.proof.baseline
    baseline = msgspec.structs.replace(first, rows=given, snapshot="", deleted={}) if given else first
    recorder.fact("proof.baseline", baseline, source="the plan file" if given else INDEPENDENT)
    seam = Seam(principals=(words.writer, words.reader), database=run.database, sessions=sessions)
    recorder.fact("proof.seam", seam, source=_CLIENT_AND_SERVER)


def _give_passwords(run: Rehearsal, words: ProofWords) -> None:
    """The harness gets exactly the two principals' passwords, through the pipe that it inherited."""
    source = run.the_source()
    roles = (words.writer, words.reader)
    if isinstance(source, DemoSource):
        password = run.registry.value(SECRET_NAME)
        with source.production.connect(password=password, database=run.database) as connection:
            for role in roles:
                run.registry.learn(role, make_password())
                parts = {
                    "role": sql.Identifier(role), "verifier": sql.Literal(scram_verifier(run.registry.value(role)))
                }  # fmt: skip
                run_sql(connection, "proof/set_password", parts=parts)
    passwords = {role: run.registry.value(role) for role in roles}
    proving_of(run).password_given = True
    the_harness(run).give(passwords, timeout_s=float(run.loaded.pack.scenario_timeout_s), abort=run.recorder)


def _session(run: Rehearsal, connection: EngineConnection) -> SeamSession:
    """Return the newest session of the client witness as the server has it."""
    client = run.client
    assert client is not None
    drain(run)
    seen = Seen()
    newest = [session.pid for session in client.sessions if session.closed_at is None][-1:]
    look_at_backends(connection, newest, seen)
    user, database = seen.users.get(newest[0], ("", "")) if newest else ("", "")
    attributes = forbidden_attributes(connection, [user]).get(user, ("is no role that the server knows",))
    return SeamSession(user=user, database=database, attributes=attributes)


def find_hazards(run: Rehearsal) -> None:
    """C-04: everything that the planned statements can reach; what a ROLLBACK does not undo refuses the proof."""
    with independent(run) as connection:
        look_for_hazards(run, connection)


def look_for_hazards(run: Rehearsal, connection: EngineConnection) -> FoundHazards:
    """Record and return what the catalogue holds now; a later look replaces an earlier one."""
    proving = proving_of(run)
    statements = (*proving.writes, *proving.reads)
    reached = reached_by(connection, statements)
    proving.tables = reached.tables
    left = unaccepted(reached.hazards, run.config.proof.accept)
    run.recorder.note("proof.reached", msgspec.to_builtins(reached), origin="server")
    found = FoundHazards(
        statements=len(statements), functions=len(reached.functions),
        unaccepted=tuple(f"{one.what}{_acceptable(one.name)}" for one in left),
    )  # fmt: skip
    run.recorder.fact(
        "proof.hazards", found, source=f"the catalogue, over {INDEPENDENT}; PostgreSQL's grammar"
    )
    return found


def _acceptable(name: str) -> str:
    return f' (the plan may accept "{name}")' if name else ""
