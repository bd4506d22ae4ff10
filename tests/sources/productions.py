"""A production that the tests own: a second real cluster with the cutter's demo in it, changed at will."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fix_places import cache_for_tests, place_for_clusters
from fix_uids import own_uid
from psycopg import sql

from console.environments.cluster import PORT, Cluster, read_system_identifier
from console.environments.programs import find_programs
from console.secrets import make_password, scram_verifier
from console.sources.connection import ConnectionSource, Target

PACK = Path(__file__).resolve().parents[2] / "scenarios" / "cutter_dry_run"
ROWS = 200
ROLE = "workflow_admin"
TABLES = """SELECT c.oid::regclass::text FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1"""
ROWS_OF = "SELECT md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) FROM {} AS t"
SEQUENCES = "SELECT * FROM pg_sequences ORDER BY 1, 2"
CATALOGUE = """SELECT 'acl ' || c.relname || coalesce(c.relacl::text, '') FROM pg_class AS c
UNION ALL SELECT 'role ' || r::text FROM pg_authid AS r
UNION ALL SELECT 'setting ' || s::text FROM pg_db_role_setting AS s ORDER BY 1"""


@dataclass(kw_only=True)
class Production:
    """A running cluster whose database directus holds the demo."""

    cluster: Cluster
    superuser_password: str
    password: str
    folder: Path

    @property
    def system_identifier(self) -> str:
        """Return what G-06 compares."""
        return read_system_identifier(self.cluster.data_folder)

    def connect(self, database: str = "directus") -> Any:
        """Open an autocommit session as the superuser (a context manager)."""
        return self.cluster.connect(password=self.superuser_password, database=database)

    def execute(self, *statements: str) -> None:
        """Change production, as its own people do."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def digest(self) -> str:
        """Return one digest of all rows, sequences, privileges, roles and settings."""
        total = hashlib.sha256()
        with self.connect() as connection:
            for (table,) in connection.execute(TABLES).fetchall():
                [(rows,)] = connection.execute(ROWS_OF.format(table)).fetchall()
                total.update(f"{table} {rows}\n".encode())
            total.update(repr(connection.execute(SEQUENCES).fetchall()).encode())
            total.update(repr(connection.execute(CATALOGUE).fetchall()).encode())
        return total.hexdigest()

    def restart(self) -> None:
        """Restart the server: another start time, the same system_identifier."""
        self.cluster.stop(immediate=False)
        self.cluster.start()

    def secret_file(self, value: str | None = None) -> Path:
        """Return a 0600 file with the role's password, or with `value`."""
        path = Path(tempfile.mkdtemp(dir=self.folder)) / "password"
        path.touch(mode=0o600)
        path.write_text((value or self.password) + "\n")
        return path

    def plan(self, *more: str, **changes: str) -> Path:
        """Write a plan file with this source; `changes` replace keys of [source], `more` are lines below."""
        keys = {
            "kind": '"connection"', "host": f'"{self.cluster.socket_folder}"', "port": str(PORT),
            "database": '"directus"', "role": f'"{ROLE}"', "sslmode": '"disable"',
        } | changes  # fmt: skip
        keys.setdefault("secret", f'"file:{self.secret_file()}"')
        path = Path(tempfile.mkdtemp(dir=self.folder)) / "plan.toml"
        path.write_text(
            "[source]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) + "\n".join(more)
        )
        return path


def made_production(major: int) -> Production:
    folder = Path(tempfile.mkdtemp(prefix="ddp-", dir=place_for_clusters()))
    folder.chmod(0o711)
    cluster = Cluster(
        folder=folder / "c",
        programs=find_programs(major),
        uid=own_uid(),
        templates=cache_for_tests(),
        label="production",
    )
    made = Production(
        cluster=cluster, superuser_password=make_password(), password=make_password(), folder=folder
    )
    cluster.create(made.superuser_password)
    cluster.start()
    with made.connect("postgres") as connection:
        connection.execute("CREATE DATABASE directus TEMPLATE template0")
    with made.connect() as connection:
        connection.execute("SELECT set_config('drydock.demo_rows', %s, false)", [str(ROWS)])
        for file in sorted((PACK / "demo").glob("*.sql")):
            connection.execute(file.read_bytes())
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(
            sql.Identifier(ROLE), sql.Literal(scram_verifier(made.password))
        )
        connection.execute(statement)
    return made


def source_of(production: Production, scratch: Path, **changes: Any) -> ConnectionSource:
    """Return the production as a source."""
    target: dict[str, Any] = {
        "host": str(production.cluster.socket_folder), "port": PORT, "database": "directus", "role": ROLE,
        "password": lambda: production.password, "sslmode": "disable",
    } | changes  # fmt: skip
    return ConnectionSource(Target(**target), find_programs(16), scratch=scratch, observer=None)
