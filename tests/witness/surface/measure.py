"""Executes SQL once on a real, disposable server and measures what came of it; makes measured.json.

Run it to record the facts again: `PYTHONPATH=. python tests/witness/surface/measure.py`. Judges nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq

from console.environments.cluster import Cluster
from console.environments.owner import lease_uid
from console.environments.programs import find_programs
from console.settings import default_cache_folder

HERE = Path(__file__).parent
STATEMENTS, MEASURED, SETUP = HERE / "statements.jsonl", HERE / "measured.json", HERE / "setup.sql"
SETTINGS = {
    "autovacuum": "off",
    "max_prepared_transactions": "5",
    "statement_timeout": "3000",
    "shared_buffers": "16MB",
}
Facts = dict[str, Any]

TUPLES = """SELECT relid::regclass::text, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables
            WHERE schemaname NOT LIKE 'pg_temp%'"""
SEQUENCES = """SELECT string_agg(format('SELECT %L, last_value, is_called FROM %s', oid::regclass,
               oid::regclass), ' UNION ALL ') FROM pg_class WHERE relkind = 'S' AND relpersistence <> 't'"""
CATALOGUES = """SELECT string_agg(format('SELECT %L, count(*),
                coalesce(sum(hashtext(ctid::text || xmin::text)), 0) FROM pg_catalog.%I', relname, relname),
                ' UNION ALL ') FROM pg_class
                WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'
                  AND relname NOT IN ('pg_statistic', 'pg_statistic_ext_data')"""
SESSION = """SELECT 'setting ' || name, setting FROM pg_settings WHERE name NOT LIKE 'transaction_%'
             UNION ALL SELECT 'role', current_user UNION ALL SELECT 'session role', session_user
             UNION ALL SELECT 'prepared ' || name, '' FROM pg_prepared_statements
             UNION ALL SELECT 'cursor ' || name, '' FROM pg_cursors WHERE is_holdable
             UNION ALL SELECT 'listening ' || c, '' FROM pg_listening_channels() AS c"""
OBJECTS = """SELECT coalesce(md5(string_agg(loid || ':' || pageno || ':' || md5(data), ','
             ORDER BY loid, pageno)), '') FROM pg_largeobject"""
SHARED = """SELECT 'advisory lock ' || objid, count(*) FROM pg_locks WHERE locktype = 'advisory' GROUP BY 1
            UNION ALL SELECT 'prepared transaction ' || gid, 1 FROM pg_prepared_xacts
            UNION ALL SELECT 'slot ' || slot_name, 1 FROM pg_replication_slots"""


def read_statements() -> list[dict[str, str]]:
    """Return the suite's own statements: id, sql, expect and, where it is needed, role and undo."""
    return [json.loads(line) for line in STATEMENTS.read_text(encoding="utf-8").splitlines()]


@dataclass(kw_only=True)
class Laboratory:
    """A cluster with one disposable database, a bystander who listens, and a folder the server may write."""

    cluster: Cluster
    password: str
    files: Path
    admin: psycopg.Connection[Any]
    bystander: psycopg.Connection[Any] | None = None
    heard: list[str] = field(default_factory=list)
    known: Facts | None = None

    def connect(self, user: str = "postgres", **options: Any) -> psycopg.Connection[Any]:
        """Open one autocommit connection to the disposable database."""
        return psycopg.connect(
            host=str(self.cluster.socket_folder), port=5432, user=user, password=self.password, dbname="lab",
            sslmode="disable", autocommit=True, connect_timeout=10, **options,
        )  # fmt: skip

    def renew(self) -> None:
        """Make the disposable database anew from its template."""
        if self.bystander is not None:
            self.bystander.close()
        for (gid,) in self.admin.execute("SELECT gid FROM pg_prepared_xacts").fetchall():
            with self.connect() as there:
                there.execute(f"ROLLBACK PREPARED '{gid}'")
        self.admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        self.admin.execute("DROP DATABASE IF EXISTS lab WITH (FORCE)")
        self.admin.execute("CREATE DATABASE lab TEMPLATE lab_template")
        self.listen()

    def listen(self) -> None:
        """Let the bystander in and have it listen."""
        self.bystander = self.connect(application_name="bystander")
        self.bystander.add_notify_handler(lambda notify: self.heard.append(notify.channel))
        self.bystander.execute("LISTEN planted")
        self.known = None

    def measure(self, sql: str, *, role: str = "postgres", undo: str = "") -> Facts:
        """Execute `sql` once and return what changed, only what is not empty."""
        assert self.bystander is not None
        self.heard.clear()
        sql = sql.replace("{files}", str(self.files))
        before = self.known if self.known is not None else self._outside()
        with self.connect(role) as session:
            inside = self._session(session)
            facts: Facts = {"sqlstate": _execute(session, sql)}
            facts["session"] = _changes(inside, self._session(session))
            facts["terminated"] = self._bystander_is_gone()
            after = self._outside()
        facts |= {name: _changes(before[name], after[name]) for name in before}
        facts["notified"] = sorted(set(self.heard))
        facts = {name: value for name, value in facts.items() if value}
        changed = facts.keys() - {"sqlstate", "session", "notified", "terminated"}
        if changed <= {"inserted", "updated", "deleted", "sequences"} and not undo:
            self.known = after
            if changed:
                self._restore()
        else:
            self._undo(undo)
        return facts

    def _restore(self) -> None:
        assert self.bystander is not None
        self.known = None
        self.bystander.execute("CALL kept.restore()")
        self.bystander.execute("SELECT pg_stat_force_next_flush()")

    def _undo(self, undo: str) -> None:
        self.admin.execute("ALTER SYSTEM RESET ALL")
        for path in self.files.iterdir():
            path.unlink()
        self.renew()
        if undo:
            self.admin.execute(undo.encode())
        self.known = None

    def _bystander_is_gone(self) -> bool:
        assert self.bystander is not None
        try:
            self.bystander.execute("SELECT 1")
        except psycopg.OperationalError:
            self.listen()
            return True
        return False

    def _session(self, session: psycopg.Connection[Any]) -> dict[str, Any]:
        if session.pgconn.status != pq.ConnStatus.OK:
            return {"ended": "by itself"}
        session.execute("SELECT pg_stat_force_next_flush()")
        rows = session.execute(SESSION).fetchall()
        return {_text(name): _text(value) for name, value in rows}

    def _outside(self) -> Facts:
        assert self.bystander is not None
        ask = self.bystander.execute
        tuples = ask(TUPLES).fetchall()
        (sequences,), (catalogues,) = ask(SEQUENCES).fetchone() or ("",), ask(CATALOGUES).fetchone() or ("",)
        configuration = (self.cluster.data_folder / "postgresql.auto.conf").read_bytes()
        objects = ask(OBJECTS).fetchone() or ("",)
        return {
            "inserted": {name: count for name, count, _updated, _deleted in tuples},
            "updated": {name: count for name, _inserted, count, _deleted in tuples},
            "deleted": {name: count for name, _inserted, _updated, count in tuples},
            "sequences": {name: [last, called] for name, last, called in ask(sequences).fetchall()},
            "catalogue": {name: [rows, str(total)] for name, rows, total in ask(catalogues).fetchall()},
            "shared": dict(ask(SHARED).fetchall()),
            "large_objects": {"pages": objects[0]},
            "files": {path.name: path.stat().st_size for path in self.files.iterdir()},
            "configuration": {"auto.conf": hashlib.sha256(configuration).hexdigest()},
        }


def _text(value: str | bytes) -> str:
    """Return text also from a session that set an encoding in which psycopg gives bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _execute(session: psycopg.Connection[Any], sql: str) -> str:
    """Send the text as it is, end what it opened, and return the first SQLSTATE."""
    wire = session.pgconn
    result = wire.exec_(sql.encode("utf-8", "surrogatepass").split(b"\0")[0])
    while result.status in (pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_IN):
        if result.status == pq.ExecStatus.COPY_IN:
            wire.put_copy_end()
        else:
            while wire.get_copy_data(0)[0] > 0:
                pass
        result = wire.get_result() or result
        if result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.FATAL_ERROR):
            while wire.get_result() is not None:
                pass
            break
    state = result.error_field(pq.DiagnosticField.SQLSTATE)
    if wire.status == pq.ConnStatus.OK and wire.transaction_status == pq.TransactionStatus.INTRANS:
        wire.exec_(b"COMMIT")
    elif wire.status == pq.ConnStatus.OK and wire.transaction_status == pq.TransactionStatus.INERROR:
        wire.exec_(b"ROLLBACK")
    return state.decode() if state else ""


def _changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what differs: a number by how much, everything else by its new value (None: gone)."""
    found: dict[str, Any] = {}
    if "ended" in after:
        return after
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        counted = isinstance(old, int) and isinstance(new, int)
        found[name] = new - old if counted else new  # type: ignore[operator]
        if (isinstance(new, list) and isinstance(new[1], str)) or name in ("pages", "auto.conf"):
            found[name] = "changed"
    return found


@contextmanager
def laboratory(major: int = 16) -> Iterator[Laboratory]:
    """Run a cluster for the time of the block and remove it afterwards."""
    home = Path(tempfile.mkdtemp(prefix="dd-surface-", dir="/var/tmp"))
    home.chmod(0o755)
    password, lease = secrets.token_urlsafe(16), lease_uid()
    uid = lease.uid if lease is not None else None
    cluster = Cluster(
        folder=home / "c",
        programs=find_programs(major),
        uid=uid,
        label="the surface suite",
        settings=SETTINGS,
        templates=default_cache_folder(),
    )
    files = home / "files"
    files.mkdir(mode=0o700)
    if uid is not None:
        os.chown(files, uid, uid)
    try:
        cluster.create(password)
        cluster.start()
        with cluster.connect(password=password) as admin:
            admin.execute("CREATE ROLE keeper")
            admin.execute(f"CREATE ROLE clerk LOGIN PASSWORD '{password}'")
            admin.execute("CREATE DATABASE lab_template")
            with cluster.connect(password=password, database="lab_template") as template:
                template.execute(SETUP.read_bytes())
            admin.execute("SET statement_timeout = 0")
            admin.execute("CREATE DATABASE lab_seen TEMPLATE lab_template")
            lab = Laboratory(cluster=cluster, password=password, files=files, admin=admin)
            lab.renew()
            try:
                yield lab
            finally:
                if lab.bystander is not None:
                    lab.bystander.close()
    finally:
        cluster.stop()
        shutil.rmtree(home)


def measure_all() -> Facts:
    """Return the server's version and the facts of every statement by its id."""
    with laboratory() as lab:
        version = lab.admin.info.server_version
        facts = {
            one["id"]: lab.measure(one["sql"], role=one.get("role", "postgres"), undo=one.get("undo", ""))
            for one in read_statements()
        }
    return {"server": f"{version // 10000}.{version % 10000}", "facts": facts}


if __name__ == "__main__":
    MEASURED.write_text(json.dumps(measure_all(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
