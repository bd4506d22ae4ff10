"""A run's configuration as frozen values: what a plan file or the command line says (design section 9)."""

from __future__ import annotations

from typing import Literal

import msgspec

from console.settings import BOUNDARY_TIMEOUT_S, DESTROY_TIMEOUT_S, SMALLEST_FREE_BYTES


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of a plan file's sections: unknown keys are errors."""


SOCKET_FOLDER_INSIDE = "/var/run/postgresql"
"""Where a container's server has its socket unless [source] host names another folder inside."""


class SourceConfig(_Section, frozen=True, kw_only=True):
    """Where the copy comes from.

    `secret` is the *name* of the password's entry (keyring, systemd credential or file), never a value. `jobs` is how
    many sessions of pg_dump read a large database. `rows` is the demo's size. `path` and `manifest` belong to a dump
    file; `container`, `run_as` and the engine's address (`endpoint`, `context`, `tls`) to a container, where `host` is
    the folder of its socket inside.
    """

    kind: Literal["demo", "connection", "dump_file", "container"] = "demo"
    container: str = ""
    run_as: str = "postgres"
    endpoint: str = ""
    context: str = ""
    tls: str = ""
    host: str = ""
    port: int = 5432
    database: str = ""
    role: str = ""
    secret: str = ""
    sslmode: str = "prefer"
    system_identifier: str = ""
    jobs: int = 2
    rows: int = 60_000
    path: str = ""
    manifest: str = ""
    accept_untrusted: bool = False


class EnvironmentConfig(_Section, frozen=True, kw_only=True):
    """The isolated PostgreSQL: kind, major version, and where programs and clusters are.

    For docker: which engine, two images (by digest, local id or tag), exact names ("" for ones of the run's own),
    limits of each container, and addresses ("host:port") that the probe must not reach beside those it finds.
    """

    kind: Literal["embedded", "docker"] = "embedded"
    major: int = 16
    programs: str = ""
    work_folder: str = ""
    endpoint: str = ""
    context: str = ""
    tls: str = ""
    image: str = "postgres:16"
    harness_image: str = "python:3.12-slim"
    container: str = ""
    harness: str = ""
    network: str = ""
    memory_bytes: int = 4 << 30
    cpus: float = 0.0
    probe: tuple[str, ...] = ()


class ProtectConfig(_Section, frozen=True, kw_only=True):
    """Objects that must be the same afterwards, by exact name: data folders of clusters, and docker's objects."""

    clusters: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    @property
    def names_nothing(self) -> bool:
        """Tell whether nothing is protected."""
        return not (self.clusters or self.containers or self.volumes or self.networks)


class SubjectConfig(_Section, frozen=True, kw_only=True):
    """The code under rehearsal; `commit` and `tree` are checked where they are given."""

    path: str = ""
    commit: str = ""
    tree: str = ""


class PackConfig(_Section, frozen=True, kw_only=True):
    """Which scenario pack: a shipped name or a folder; `rewind` asks for a fresh copy before each of its scenarios."""

    name: str = "cutter_dry_run"
    rewind: bool = False


class BoundariesConfig(_Section, frozen=True, kw_only=True):
    """Time limits in seconds; whether two different users must approve, and the group of the second one."""

    timeout_s: float = BOUNDARY_TIMEOUT_S
    destroy_timeout_s: float = DESTROY_TIMEOUT_S
    require_two: bool = False
    approvers: str = ""


class LimitsConfig(_Section, frozen=True, kw_only=True):
    """Limits that gates rest on; `engine_patience_s` is how long a teardown waits for a docker engine that is away."""

    free_bytes: int = SMALLEST_FREE_BYTES
    step_timeout_s: float = 3600.0
    engine_patience_s: float = 120.0


class SearchConfig(_Section, frozen=True, kw_only=True):
    """The plan's word on what the search of the copy lists: exact names that are accepted."""

    security_definer: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


class ProofConfig(_Section, frozen=True, kw_only=True):
    """The rollback-only proof: hazards that are accepted by their exact name, limits in seconds, earlier counts.

    `baseline` maps tables to rows as an earlier report has them; empty: what this run counts first.
    `secrets` maps roles to the names of their passwords' entries, over those that the pack names.
    """

    accept: tuple[str, ...] = ()
    baseline: dict[str, int] = {}
    secrets: dict[str, str] = {}
    statement_timeout_s: float = 10.0
    lock_timeout_s: float = 2.0
    longest_lock_s: float = 5.0
    count_timeout_s: float = 600.0


class NotifyConfig(_Section, frozen=True, kw_only=True):
    """Whom to tell when a boundary waits and when the run ends: a command's argv, a webhook's secret, or both.

    `webhook_secret` is the *name* of the entry that holds the address. `details`: the server's words go along.
    """

    command: tuple[str, ...] = ()
    webhook_secret: str = ""
    events: tuple[Literal["boundary", "ended"], ...] = ("boundary", "ended")
    details: bool = False
    timeout_s: float = 10.0


class MigrationConfig(_Section, frozen=True, kw_only=True):
    """The migration plan: why there is no way back, "" where every migration has its down."""

    irreversible: str = ""


class ReuseConfig(_Section, frozen=True, kw_only=True):
    """Whether a copy is kept for later rehearsals and taken again (`copy`), where, and for how many hours at most.

    `folder` must be in memory (tmpfs) or encrypted; `encrypted` is the plan's word that it is, where nobody can see it.
    """

    copy: bool = False
    folder: str = ""
    hours: float = 8.0
    encrypted: bool = False


class SampleConfig(_Section, frozen=True, kw_only=True):
    """Which rows the copy takes, by whole table names (schema.table).

    `rows` is what a table gives that nothing here names; `tables` are taken whole, of those under `where` the rows for
    which the expression is true; with `follow` only rows whose foreign keys lead to rows that are taken.
    """

    rows: Literal["all", "none"] = "all"
    tables: tuple[str, ...] = ()
    where: dict[str, str] = {}
    follow: bool = False


class MaskConfig(_Section, frozen=True, kw_only=True):
    """Which columns (schema.table.column) leave the source as deterministic fakes only, and of which sort.

    `secret` is the *name* of the key's entry, "" for a key of this run alone; `keys` are those of the columns that are
    in a key and are masked all the same.
    """

    secret: str = ""
    columns: dict[str, Literal["fake", "email"]] = {}
    keys: tuple[str, ...] = ()


class RunConfig(_Section, frozen=True, kw_only=True):
    """A whole plan file."""

    plan: Literal["dry-run", "proof", "migration"] = "dry-run"

    source: SourceConfig = SourceConfig()
    environment: EnvironmentConfig = EnvironmentConfig()
    protect: ProtectConfig = ProtectConfig()
    subject: SubjectConfig = SubjectConfig()
    pack: PackConfig = PackConfig()
    boundaries: BoundariesConfig = BoundariesConfig()
    limits: LimitsConfig = LimitsConfig()
    search: SearchConfig = SearchConfig()
    proof: ProofConfig = ProofConfig()
    notify: NotifyConfig = NotifyConfig()
    migration: MigrationConfig = MigrationConfig()
    sample: SampleConfig = SampleConfig()
    mask: MaskConfig = MaskConfig()
    reuse: ReuseConfig = ReuseConfig()

    @property
    def takes_all(self) -> bool:
        """Tell whether the copy is the whole source: every row, and every value as it is."""
        return self.sample == SampleConfig() and not self.mask.columns


class KeptCopy(msgspec.Struct, frozen=True, kw_only=True):
    """Which kept copy a run takes: its folder, the run that kept it, when which source was read, its list's sha256."""

    folder: str
    run: str
    source: str
    read_at: str
    until: str
    sha256: str
    size_bytes: int


class RunOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What `drydock run` hands to the engine's process, through a file in the run's folder.

    `approvers_gid` is the group that may give a second approval, -1 when one person is enough. `kept` is the copy that
    is taken instead of a new one, None where there is none that fits.
    """

    run: str
    config: RunConfig
    approve: tuple[str, ...] = ()
    supervise: Literal["boundary", "step", "scenario"] = "boundary"
    operator_uid: int = 0
    operator_name: str = ""
    operator_tty: str = ""
    operator_ssh: str = ""
    nonce: str = ""
    runs_folder: str = ""
    state_folder: str = ""
    approvers_gid: int = -1
    kept: KeptCopy | None = None
