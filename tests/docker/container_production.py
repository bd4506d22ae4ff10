"""The mission's own setting: production is a container named postgres, two more must not be touched.

Makes them with the docker command, as their own people would have; knows nothing of Drydock's docker code.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from docker_engine import PATIENCE_S, Engine, EngineFailed
from docker_images import POSTGRES_IMAGE, PYTHON_IMAGE

from console.secrets import make_password, scram_verifier

PRODUCTION = "postgres"
PRODUCTION_NETWORK = "incomex_default"
PRODUCTION_VOLUME = "incomex_pgdata"
PROTECTED = ("pg-dry-run-v0.2-p0-2-2026-05-16", "pg-dry-run-hb05-2026-05-15")
ADMIN = "workflow_admin"
READER = "rehearsal_reader"
DATABASE = "directus"
PACK = Path(__file__).resolve().parents[2] / "scenarios" / "cutter_dry_run"
ROWS = 200


@dataclass(kw_only=True)
class ContainerProduction:
    """A running container whose database directus holds the demo."""

    engine: Engine
    superuser_password: str
    reader_password: str
    name: str = PRODUCTION

    def psql(self, text: str, database: str = DATABASE) -> str:
        """Return what psql says inside the container as the superuser: rows only, fields parted by |."""
        words = [
            "exec",
            "--interactive",
            self.name,
            "psql",
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
            "--quiet",
        ]
        words += ["--tuples-only", "--no-align", "--username=postgres", f"--dbname={database}"]
        return self.engine.docker(*words, given=text.encode())

    @property
    def system_identifier(self) -> str:
        """Return what G-06 compares."""
        return self.psql("SELECT system_identifier FROM pg_control_system()")

    @property
    def identity(self) -> str:
        """Return Id, StartedAt and restart count."""
        return self.engine.docker(
            "inspect", "--format={{.Id}} {{.State.StartedAt}} {{.RestartCount}}", self.name
        )

    @property
    def address(self) -> str:
        """Return its address on its network."""
        return address_of(self.engine, self.name)

    def digest(self) -> str:
        """Return one digest of all rows, sequences, privileges, roles and settings."""
        words = ["exec", self.name, "pg_dumpall", "--username=postgres", "--restrict-key=same"]
        text = self.engine.docker(*words)
        return hashlib.sha256(text.encode()).hexdigest()


def address_of(engine: Engine, container: str) -> str:
    """Return a container's address on its first network."""
    form = "--format={{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    return engine.docker("inspect", form, container).split()[0]


def make_production(engine: Engine, rows: int = ROWS) -> ContainerProduction:
    """Start production and fill it as the demo's own source does."""
    made = ContainerProduction(
        engine=engine, superuser_password=make_password(), reader_password=make_password()
    )
    engine.docker("network", "create", PRODUCTION_NETWORK)
    engine.docker("volume", "create", PRODUCTION_VOLUME)
    engine.docker(
        "create", f"--name={made.name}", f"--network={PRODUCTION_NETWORK}", "--restart=unless-stopped",
        f"--volume={PRODUCTION_VOLUME}:/var/lib/postgresql/data", "--env=POSTGRES_PASSWORD_FILE=/etc/superuser",
        POSTGRES_IMAGE, "postgres", "-c", "fsync=off",
    )  # fmt: skip
    engine.docker("cp", "-", f"{made.name}:/etc", given=one_file("superuser", made.superuser_password))
    engine.docker("start", made.name)
    await_server(engine, made.name)
    made.psql(f"CREATE DATABASE {DATABASE} TEMPLATE template0", database="postgres")
    made.psql(demo_script(rows))
    made.psql(
        f"CREATE ROLE {READER} LOGIN PASSWORD '{scram_verifier(made.reader_password)}' IN ROLE pg_read_all_data;"
        f"GRANT CONNECT ON DATABASE {DATABASE} TO {READER}"
    )
    return made


def demo_script(rows: int) -> str:
    """Return the pack's demo/*.sql as one text, each file in a transaction of its own."""
    parts = [f"SELECT set_config('drydock.demo_rows', '{rows}', false) \\g /dev/null"]
    parts += [f"BEGIN;\n{it.read_text('utf-8')}\nCOMMIT;" for it in sorted((PACK / "demo").glob("*.sql"))]
    return "\n".join(parts)


def one_file(name: str, content: str, *, uid: int = 999) -> bytes:
    """Return a tar with one 0600 file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size, member.uid, member.gid, member.mode = len(content.encode()), uid, uid, 0o600
        tar.addfile(member, io.BytesIO(content.encode()))
    return out.getvalue()


def await_server(engine: Engine, container: str) -> None:
    """Return when PostgreSQL answers by network, which its entry point opens last."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            engine.docker("exec", container, "pg_isready", "--quiet", "--host=127.0.0.1")
        except EngineFailed as wrong:
            living = engine.docker("inspect", "--format={{.State.Running}}", container) == "true"
            if time.monotonic() > deadline or not living:
                said = engine.docker("logs", "--tail=30", container)
                raise EngineFailed(f"{container} does not answer: {wrong}\n{said}") from wrong
        else:
            return


def make_protected(engine: Engine) -> tuple[str, ...]:
    """Start the two protected containers, each with a volume of its own; returns their names."""
    for name in PROTECTED:
        engine.docker("volume", "create", f"{name}-data")
        engine.docker(
            "run", "--detach", "--init", f"--name={name}", f"--network={PRODUCTION_NETWORK}",
            f"--volume={name}-data:/data", "--restart=unless-stopped", "--stop-timeout=1",
            PYTHON_IMAGE, "python3", "-m", "http.server", "--directory=/data", "5432",
        )  # fmt: skip
    return PROTECTED
