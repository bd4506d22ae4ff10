"""The facts of a small run in which everything holds, as they stand in a journal.

Shared by the tests of gates, plans and evidence. Two tables, two roles and three scenarios; every value
is made up and consistent with the others.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

import msgspec

from console.model import facts as shapes
from console.model import isolation_facts as isolation_shapes
from console.model.catalogue import Column, Grant, Inventory, Manifest, Privileges, Role, Table
from console.witness.privilege_matrix import ungranted_cells

GIB = 1024**3
SOURCE, COPY = "7611578671664259111", "7640730715875692588"
STARTED = "2026-04-17T05:35:18.484399+00:00"
RUN = "/var/tmp/drydock-20261121-034512-7f3a"
Environment = Literal["embedded", "docker"]


def passing_facts(environment: Environment = "embedded") -> dict[str, object]:
    """Return name to JSON value of every fact of a run that passes all gates."""
    found: dict[str, object] = {
        **_preflight(),
        **_source(),
        **_copy(environment),
        **_harness(),
        **_scenarios(),
        **_battery(),
        "isolation.before": _isolation(environment),
        "isolation.after": _isolation(environment),
        **_closing(),
    }
    decoded: dict[str, object] = json.loads(msgspec.json.encode(found))
    return decoded


def sha(text: str) -> str:
    """Return a sha256 in hex that stands for some content."""
    return hashlib.sha256(text.encode()).hexdigest()


def frozen_inventory() -> Inventory:
    """Return two tables, one of them with everything that an inventory can hold."""
    key = Column(name="id", type="uuid", not_null=True)
    status = Column(name="status", type="text", not_null=False, default="'open'::text")
    return Inventory(
        tables={
            "entry": Table(columns=(key, status), keys=("PRIMARY KEY (id)",), enums=("mood",)),
            "history": Table(columns=(key,), keys=("PRIMARY KEY (id)",), checks=("CHECK (id IS NOT NULL)",)),
        }
    )


def frozen_privileges() -> Privileges:
    """Return a writer with table and column privileges, and a reader of one table."""
    return Privileges(
        roles={
            "reader": Role(login=False),
            "writer": Role(login=True, connection_limit=2, settings=("statement_timeout=5s",)),
        },
        grants=(
            Grant(grantee="reader", kind="table", object="public.history", privilege="SELECT"),
            Grant(
                grantee="writer", kind="column", object="public.entry", privilege="UPDATE", column="status"
            ),
            Grant(grantee="writer", kind="table", object="public.entry", privilege="INSERT"),
            Grant(grantee="writer", kind="table", object="public.entry", privilege="SELECT"),
            Grant(grantee="writer", kind="table", object="public.history", privilege="INSERT"),
        ),
        public=(Grant(grantee="PUBLIC", kind="schema", object="public", privilege="USAGE"),),
    )


def refused_probes() -> shapes.Probes:
    """Return every ungranted cell, each refused."""
    cells = ungranted_cells(frozen_privileges(), frozen_inventory().tables, "public")
    return shapes.Probes(
        schema="public",
        cells=tuple(
            shapes.Probe(
                role=cell.role,
                table=cell.table,
                privilege=cell.privilege,
                column=cell.column,
                sqlstate="42501",
            )
            for cell in cells
        ),
    )


def manifest() -> Manifest:
    """Return a manifest with something of every kind."""
    return Manifest(
        rows={"public.entry": 20_000, "public.history": 0},
        constraints=("entry_pkey",),
        indexes=("entry_pkey",),
        triggers=("touch",),
        views=("v_entry",),
        functions=("f(integer)",),
        extensions=("plpgsql 1.0",),
        sequences={"public.s": "41,true"},
    )


def _protected() -> shapes.Protected:
    neighbour = shapes.ProtectedObject(id="7700000000000000001", started_at=STARTED)
    folder = shapes.ProtectedObject(id="2049:1311", started_at="")
    return shapes.Protected(objects={"neighbour": neighbour, "/srv/archive": folder})


def _preflight() -> dict[str, object]:
    return {
        "disk": shapes.Disk(
            free_bytes={"/var/tmp": 40 * GIB, "/home/op": 30 * GIB},
            floor_bytes=5_000_000_000,
            source_bytes=GIB,
        ),
        "names": shapes.Names(exists={f"folder {RUN}": False, f"cluster {RUN}/copy": False}),
        "protected.before": _protected(),
        "site.before": shapes.Digests(digests={"/usr/lib/python3/dist-packages": sha("site")}),
        "subject.before": _subject(),
        "secrets.places": shapes.SecretPlaces(
            runner_uid=1000,
            files={
                f"{RUN}/secrets/passwords.json": shapes.SecretFile(
                    kind="file",
                    mode=0o600,
                    owner_uid=1000,
                    links=1,
                    real_path=f"{RUN}/secrets/passwords.json",
                    git_index="",
                )
            },
            folders={
                f"{RUN}/secrets": shapes.SecretFolder(
                    kind="folder", mode=0o700, owner_uid=1000, real_path=f"{RUN}/secrets", git_index=""
                )
            },
            registered=4,
            printed=(),
        ),
    }


def _subject() -> shapes.SubjectState:
    return shapes.SubjectState(tree_sha256=sha("tree"), branch="main", head="84c52c5", status="")


def _source() -> dict[str, object]:
    queries = {
        name: shapes.SourceQuery(sent_sha256=sha(name), shipped_sha256=sha(name))
        for name in ("catalogue/identity", "catalogue/user_tables")
    }
    return {
        "source.reading": shapes.SourceReading(
            read_only="on",
            isolation="repeatable read",
            snapshot="00000003-00000002-1",
            dump_snapshot="00000003-00000002-1",
            dump_exit_code=0,
            queries=queries,
            not_reads=(),
            staged=(),
        ),
        "source.configured": shapes.Identifier(system_identifier=SOURCE),
        "source.before": _identity(),
        "manifest.source": manifest(),
        "privileges.source": frozen_privileges(),
    }


def _identity() -> shapes.SourceIdentity:
    return shapes.SourceIdentity(system_identifier=SOURCE, started_at=STARTED, read_only=True)


def _copy(environment: Environment) -> dict[str, object]:
    return {
        "isolation": _isolation(environment),
        "copy.created": shapes.Identifier(system_identifier=COPY),
        "restore": shapes.Restore(
            tool="psql",
            exit_code=0,
            trailer=True,
            streamed_sha256=sha("dump"),
            restored_sha256=sha("dump"),
            log_lines=4711,
            errors=(
                shapes.RestoreError(
                    sqlstate="42704",
                    object="role writer",
                    allowed_sqlstate="42704",
                    allowed_object="role writer",
                ),
            ),
        ),
        "manifest.copy": manifest(),
        "inventory.frozen": frozen_inventory(),
        "privileges.frozen": frozen_privileges(),
        "privileges.copy": frozen_privileges(),
        "privileges.probes": refused_probes(),
        "copy.asked": shapes.Identifier(system_identifier=COPY),
    }


def _isolation(environment: Environment) -> isolation_shapes.Isolation:
    return _embedded() if environment == "embedded" else _docker()


def _embedded() -> isolation_shapes.Isolation:
    return isolation_shapes.Isolation(
        embedded=isolation_shapes.EmbeddedIsolation(
            listen_addresses_asked="",
            socket_folder=f"{RUN}/socket",
            socket_folder_asked=f"{RUN}/socket",
            socket_folder_mode=0o700,
            socket_folder_owner_uid=60600,
            server_uid=60600,
            data_folder=f"{RUN}/data",
            data_folder_asked=f"{RUN}/data",
            postmaster_started="4242:100100",
            postmaster_found="4242:100100",
        )
    )


def _docker() -> isolation_shapes.Isolation:
    container = isolation_shapes.DockerContainer(
        port_bindings={}, ports={"5432/tcp": None, "9/udp": ()}, networks=("net1",)
    )
    return isolation_shapes.Isolation(
        docker=isolation_shapes.DockerIsolation(
            network="net1",
            network_internal=True,
            made={"c0ffee": "postgres"},
            containers={"postgres": container},
            members={"c0ffee": "postgres"},
            moves=(isolation_shapes.NetworkMove(network="net1", container="c0ffee", how="disconnect"),),
            unwatched="",
            reached={"the gateway": False, "the source": False, "a default route": False},
        )
    )


def _harness() -> dict[str, object]:
    contents = shapes.Digests(digests={name: sha(name) for name in ("harness", "pack", "subject")})
    return {
        "site.after": shapes.Digests(digests={"/usr/lib/python3/dist-packages": sha("site")}),
        "protected.during": _protected(),
        "contents.planned": contents,
        "contents.found": contents,
    }


def _scenarios() -> dict[str, object]:
    start, marked = {"entry": 7, "history": 0}, {"entry": 8, "history": 2}
    return {
        "scenarios.planned": shapes.ScenariosPlanned(
            scenarios={"S1": {}, "S2": {"entry": 1, "history": 2}, "S3": {}},
            tables=("entry", "history"),
            change_nothing=("S1", "S3"),
        ),
        "effects.before": _effects(),
        "rows.S1": shapes.ScenarioRows(before=start, after=start),
        "surface.S1": _surface(0),
        "rows.S2": shapes.ScenarioRows(before=start, after=marked),
        "surface.S2": _surface(9),
        "rows.S3": shapes.ScenarioRows(before=marked, after=marked),
        "surface.S3": _surface(3),
    }


def _surface(statements: int) -> shapes.ScenarioSurface:
    return shapes.ScenarioSurface(statements=statements, judged=statements, refused=(), unpaired=())


def _effects() -> shapes.Effects:
    return shapes.Effects(
        harness_backends=0,
        deleted={"public.entry": 0, "public.history": 3},
        elsewhere={"public.neighbour": (20, 4)},
        sequences={"public.neighbour_id_seq": "20,true"},
        catalogue={"pg_class": sha("pg_class"), "pg_authid": sha("pg_authid")},
    )


def _battery() -> dict[str, object]:
    rows = {"entry": 8, "history": 2}
    return {
        "inventory.copy": frozen_inventory(),
        "baseline": shapes.Baseline(ran=("S1", "S2", "S3"), expected=rows, found=rows),
        "privileges.after": frozen_privileges(),
        "privileges.probes_after": refused_probes(),
        "witnesses": shapes.Witnesses(
            client_statements=12,
            server_statements=11,
            explained=1,
            only_client=(),
            only_server=(),
            differences=(),
            unexplained_sessions=(),
            errors_expected={"S3 denied-insert": ("42501",)},
            errors_raised={"S3 denied-insert": ("42501",)},
        ),
        "effects.after": _effects(),
        "source.after": _identity(),
        "scan.records": _scan(5),
        "redactions": shapes.Redactions(subject=(), server=(), tool=()),
        "scan.artefacts": _scan(9),
    }


def _scan(files: int) -> shapes.Scan:
    return shapes.Scan(
        secrets_known=4,
        secrets_searched=4,
        files_kept=files,
        files_scanned=files,
        bytes_scanned=91_000,
        limit_hit=False,
        findings=(),
    )


def _left(*objects: str) -> shapes.Left:
    return shapes.Left(
        maker="finished", receipts=len(objects), exists=dict.fromkeys(objects, False), without_receipt=()
    )


def _closing() -> dict[str, object]:
    starts: dict[str, Any] = {"neighbour": STARTED, "/srv/archive": "", "the source": STARTED}
    return {
        "protected.after": _protected(),
        "source.closing": _identity(),
        "left.containers": _left("container drydock-pg 9f2c"),
        "left.volumes": _left("volume drydock-data drydock-data"),
        "left.networks": _left("network drydock-net 77aa"),
        "left.secrets": _left(f"file {RUN}/secrets/passwords.json 2049:17", f"file {RUN}/dump.sql 2049:18"),
        "left.processes": _left("process postgres of copy 4242:100100", f"folder {RUN}/data 2049:20"),
        "subject.after": _subject(),
        "starts": shapes.Starts(maker="finished", before=starts, after=starts),
    }
