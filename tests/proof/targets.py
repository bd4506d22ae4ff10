"""A real target that the tests own: one cluster, one database for each case, digests of everything in it."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fix_places import place_for_clusters
from fix_runs import Drydock, Ended, Living
from fix_uids import own_uid
from psycopg import sql

from console.environments.cluster import PORT, Cluster
from console.environments.programs import find_programs
from console.secrets import make_password, scram_verifier
from console.settings import data_folder
from console.subjects import materialise

PACK = data_folder("scenarios") / "rollback_proof"
READER, WRITER, VERIFIER = "proof_reader", "cutter_exec", "cutter_verify"
ROWS = "50"
TABLES = """SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1"""
ROWS_OF = "SELECT md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) FROM {} AS t"
SEQUENCES = "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relkind = 'S' ORDER BY 1"
CATALOGUE = """SELECT 'acl ' || c.relname || coalesce(c.relacl::text, '') FROM pg_class AS c
UNION ALL SELECT 'function ' || p.oid::text || p.prosrc FROM pg_proc AS p
UNION ALL SELECT 'role ' || r::text FROM pg_authid AS r
UNION ALL SELECT 'large object ' || l.oid::text FROM pg_largeobject_metadata AS l
UNION ALL SELECT 'setting ' || s::text FROM pg_db_role_setting AS s ORDER BY 1"""


@dataclass(kw_only=True)
class Target:
    """One database of the tests' own cluster, in place of production."""

    cluster: Cluster
    superuser_password: str
    folder: Path
    name: str

    @contextmanager
    def connect(self, database: str = "") -> Iterator[Any]:
        """Open an autocommit session as the superuser."""
        with self.cluster.connect(
            password=self.superuser_password, database=database or self.name, application_name="test"
        ) as connection:
            yield connection

    def digest(self) -> str:
        """Return one digest of all rows of users' tables, all sequences, functions, privileges, roles and settings."""
        total = hashlib.sha256()
        with self.connect() as connection:
            for (table,) in connection.execute(TABLES).fetchall():
                [(rows,)] = connection.execute(ROWS_OF.format(table)).fetchall()
                total.update(f"{table} {rows}\n".encode())
            for (sequence,) in connection.execute(SEQUENCES).fetchall():
                total.update(repr(connection.execute(f"SELECT * FROM {sequence}").fetchall()).encode())
            total.update(repr(connection.execute(CATALOGUE).fetchall()).encode())
        return total.hexdigest()

    def plan(self, *more: str, password: Path | None = None) -> Path:
        """Write a plan file of the kind proof; `more` are lines of [proof], `password` is the reader's file."""
        path = Path(tempfile.mkdtemp(dir=self.folder)) / "plan.toml"
        places = {role: f"file:{self.folder}/{role}" for role in (READER, WRITER, VERIFIER)}
        places[READER] = f"file:{password or self.folder / READER}"
        path.write_text(
            f'plan = "proof"\n[source]\nkind = "connection"\nhost = "{self.cluster.socket_folder}"\nport = {PORT}\n'
            f'database = "{self.name}"\nrole = "{READER}"\nsecret = "{places[READER]}"\nsslmode = "disable"\n'
            "[proof]\n" + "\n".join(more) + "\n[proof.secrets]\n"
            f'{WRITER} = "{places[WRITER]}"\n{VERIFIER} = "{places[VERIFIER]}"\n'
        )  # fmt: skip
        return path

    def words(self, drydock: Drydock, *more: str, subject: str = "") -> list[str]:
        """Return the command's words, everything approved."""
        approve = f"B-1,B-2={self.name},B-3"
        return [str(self.plan(*more)), "--approve", approve, "--subject", str(a_subject(drydock, subject))]

    def run(self, drydock: Drydock, *more: str, subject: str = "") -> Ended:
        """Prove on this database, to the end."""
        return self.start(drydock, *more, subject=subject).finish()

    def start(self, drydock: Drydock, *more: str, subject: str = "") -> Living:
        """Start a proof on this database."""
        return drydock.start(*self.words(drydock, *more, subject=subject))


def a_subject(drydock: Drydock, name: str) -> Path:
    """Return a plain copy of the pack's subject, or of one of its known defects, outside every repository."""
    into = drydock.root / f"live-{secrets.token_hex(4)}"
    materialise(PACK / "known_bad" / name if name else PACK / "subject", into)
    for path in [into, *into.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return into


@contextmanager
def made_target(major: int = 16) -> Iterator[Target]:
    """Make the cluster with the pack's demo as template; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ddt-", dir=place_for_clusters()))
    folder.chmod(0o711)
    cluster = Cluster(folder=folder / "c", programs=find_programs(major), uid=own_uid(), label="the target")
    password = make_password()
    cluster.create(password)
    cluster.start()
    made = Target(cluster=cluster, superuser_password=password, folder=folder, name="directus")
    try:
        _fill(made)
        yield made
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def _fill(made: Target) -> None:
    with made.connect("postgres") as connection:
        connection.execute("CREATE DATABASE directus TEMPLATE template0")
    with made.connect() as connection:
        connection.execute("SELECT set_config('drydock.demo_rows', %s, false)", [ROWS])
        for file in sorted((PACK / "demo").glob("*.sql")):
            connection.execute(file.read_bytes())
        for role in (READER, WRITER, VERIFIER):
            value = make_password()
            words = {"role": sql.Identifier(role), "verifier": sql.Literal(scram_verifier(value))}
            connection.execute(sql.SQL("ALTER ROLE {role} PASSWORD {verifier}").format(**words))
            place = made.folder / role
            place.touch(mode=0o600)
            place.write_text(value + "\n")


def another(made: Target, name: str, statements: Sequence[str] = ()) -> Target:
    """Return a database of its own, a copy of the template, changed by its owner's statements."""
    with made.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE directus OWNER directus".encode())
        connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC".encode())
        connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {READER}, {WRITER}, {VERIFIER}".encode())
    target = Target(
        cluster=made.cluster, superuser_password=made.superuser_password, folder=made.folder, name=name
    )
    with target.connect() as connection:
        for statement in statements:
            connection.execute(statement.encode())
    return target
