"""The source of a draft, opened to be read: a server by connection, a container, or the demo made for a moment.

Never writes to a source that it did not make, and leaves nothing behind.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from console.drafting.janitor import tidied
from console.environments.owner import make_folder
from console.environments.programs import Programs
from console.errors import PlanError, StepFailed
from console.model.config import SOCKET_FOLDER_INSIDE, SourceConfig
from console.model.protocols import Receipts
from console.secrets import SecretRegistry
from console.sources.connection import ConnectionSource, Target
from console.sources.demo import DemoSource

DEMO_FOLDER = Path(__file__).resolve().parent / "demo"
DEMO_DATABASE = "pgbench"
_REMEDIES = (
    ("password authentication failed", "store the right one (drydock secret set NAME), or give the role one"),
    ("no password supplied", "name the password's entry with --secret"),
    ("Peer authentication failed", "Drydock logs in with a password: add a scram-sha-256 line for this role to "
     "pg_hba.conf above the peer line, or read the source as a container"),
    ("no pg_hba.conf entry", "let this machine in: a scram-sha-256 line for database, role and address in pg_hba.conf"),
    ("does not exist", "mend the name: --database, --role"),
    ("Connection refused", "mend --host and --port, or start the server"),
    ("SSL", "choose another --sslmode"),
)  # fmt: skip


@contextmanager
def opened_source(
    config: SourceConfig, programs: Programs, *, password: Callable[[], str], work: Path
) -> Iterator[psycopg.Connection[Any]]:
    """Open one read-only session on the source. Raises PlanError in the server's words, with what to do."""
    work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="ddi-", dir=work))
    folder.chmod(0o711)
    try:
        with (
            tidied(folder) as receipts,
            _source(config, programs, password, folder, receipts) as source,
            source.connect() as connection,
        ):
            yield connection
    except StepFailed as failed:
        remedy = next((do for words, do in _REMEDIES if words in failed.reason), "mend the source's options")
        raise PlanError(failed.reason, remedy=remedy) from failed


@contextmanager
def _source(
    config: SourceConfig, programs: Programs, password: Callable[[], str], folder: Path, receipts: Receipts
) -> Iterator[ConnectionSource]:
    if config.kind == "demo":
        with _demo(config, programs, folder, receipts) as demo:
            yield demo
        return
    inside = SOCKET_FOLDER_INSIDE if config.kind == "container" else ""
    target = Target(
        host=config.host or inside, port=config.port, database=config.database, role=config.role, password=password,
        sslmode="disable" if config.kind == "container" else config.sslmode,
    )  # fmt: skip
    if config.kind == "connection":
        yield ConnectionSource(target, programs, scratch=folder, observer=None)
        return
    from console.environments.docker_endpoint import endpoint_of
    from console.sources.container import ContainerSource

    yield ContainerSource(
        target, programs, container=config.container, run_as=config.run_as, endpoint=endpoint_of(config),
        folder=folder / "source", receipts=receipts, registry=SecretRegistry(), observer=None,
    )  # fmt: skip


@contextmanager
def _demo(config: SourceConfig, programs: Programs, folder: Path, receipts: Receipts) -> Iterator[DemoSource]:
    scratch = folder / "scratch"
    make_folder(scratch)
    demo = DemoSource(
        folder=folder / "demo", programs=programs, database=DEMO_DATABASE,
        scripts=sorted(DEMO_FOLDER.glob("*.sql")), rows=config.rows, registry=SecretRegistry(),
        receipts=receipts, scratch=scratch, observer=None,
    )  # fmt: skip
    try:
        demo.prepare()
        yield demo
    finally:
        for cluster in (demo.production, demo.neighbour):
            if cluster.data_folder.exists():
                cluster.stop()
