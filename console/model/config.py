"""A run's configuration as frozen values: what a plan file or the command line says (design section 9)."""

from __future__ import annotations

from typing import Literal

import msgspec

from console.settings import BOUNDARY_TIMEOUT_S, DESTROY_TIMEOUT_S, SMALLEST_FREE_BYTES


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of a plan file's sections: unknown keys are errors."""


class SourceConfig(_Section, frozen=True, kw_only=True):
    """Where the copy comes from.

    `secret` is the *name* of the password's entry (keyring, systemd credential or file), never a value.
    `rows` is the demo's size. `path` and `manifest` belong to a dump file.
    """

    kind: Literal["demo", "connection", "dump_file"] = "demo"
    host: str = ""
    port: int = 5432
    database: str = ""
    role: str = ""
    secret: str = ""
    sslmode: str = "prefer"
    system_identifier: str = ""
    rows: int = 20_000
    path: str = ""
    manifest: str = ""
    accept_untrusted: bool = False


class EnvironmentConfig(_Section, frozen=True, kw_only=True):
    """The isolated PostgreSQL: kind, major version, and where programs and clusters are."""

    kind: Literal["embedded", "docker"] = "embedded"
    major: int = 16
    programs: str = ""
    work_folder: str = ""


class ProtectConfig(_Section, frozen=True, kw_only=True):
    """Objects that must be the same afterwards, by exact name: data folders of clusters."""

    clusters: tuple[str, ...] = ()


class SubjectConfig(_Section, frozen=True, kw_only=True):
    """The code under rehearsal; `commit` and `tree` are checked where they are given."""

    path: str = ""
    commit: str = ""
    tree: str = ""


class PackConfig(_Section, frozen=True, kw_only=True):
    """Which scenario pack: a shipped name or a folder."""

    name: str = "cutter_dry_run"


class BoundariesConfig(_Section, frozen=True, kw_only=True):
    """Time limits in seconds; whether two different users must approve, and the group of the second one."""

    timeout_s: float = BOUNDARY_TIMEOUT_S
    destroy_timeout_s: float = DESTROY_TIMEOUT_S
    require_two: bool = False
    approvers: str = ""


class LimitsConfig(_Section, frozen=True, kw_only=True):
    """Limits that gates rest on."""

    free_bytes: int = SMALLEST_FREE_BYTES
    step_timeout_s: float = 3600.0


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


class RunConfig(_Section, frozen=True, kw_only=True):
    """A whole plan file."""

    plan: Literal["dry-run", "proof"] = "dry-run"

    source: SourceConfig = SourceConfig()
    environment: EnvironmentConfig = EnvironmentConfig()
    protect: ProtectConfig = ProtectConfig()
    subject: SubjectConfig = SubjectConfig()
    pack: PackConfig = PackConfig()
    boundaries: BoundariesConfig = BoundariesConfig()
    limits: LimitsConfig = LimitsConfig()
    search: SearchConfig = SearchConfig()
    proof: ProofConfig = ProofConfig()


class RunOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What `drydock run` hands to the engine's process, through a file in the run's folder.

    `approvers_gid` is the group that may give a second approval, -1 when one person is enough.
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
