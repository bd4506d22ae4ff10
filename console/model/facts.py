"""Every fact that a gate rests on: its name, its shape, and when it is recorded.

Owns the shapes only. A fact holds what was observed and what it is compared with, never anything that
no gate looks at. Names that end in a dot are completed by a scenario's id (design section 4)."""

from __future__ import annotations

from typing import Literal

from console.model.catalogue import Inventory, Manifest, Privileges
from console.model.fact import Count, Fact, Sha256, Some, StepEnd, Text
from console.model.isolation_facts import Isolation


class Disk(Fact, frozen=True, kw_only=True):
    """C-01, G-01: free bytes of each folder written to; limit: max(floor, times_source * source)."""

    free_bytes: dict[str, Count]
    floor_bytes: Some
    source_bytes: Count
    times_source: Some = 3


class Names(Fact, frozen=True, kw_only=True):
    """C-01, G-02: for each exact name to be used, as "kind name", whether an object of that name exists."""

    exists: dict[str, bool]


class ProtectedObject(Fact, frozen=True, kw_only=True):
    """Which object it is, since when it runs ("" where it does not), and what else of it must stay."""

    id: Text
    started_at: str
    details: dict[str, str] = {}


class Protected(Fact, frozen=True, kw_only=True):
    """C-01, C-08 and C-13: each object that the plan protects, by name; null when it was not found."""

    objects: dict[str, ProtectedObject | None]


class SecretFolder(Fact, frozen=True, kw_only=True):
    """One path from lstat: `mode` are the permission bits, `real_path` has every link resolved.

    `git_index` is the work tree whose index lists the path or something below it, "" for none.
    """

    kind: Literal["file", "folder", "link", "other"]
    mode: int
    owner_uid: int
    real_path: str
    git_index: str


class SecretFile(SecretFolder, frozen=True, kw_only=True):
    """A secrets file; `links` counts its hard links."""

    links: int


class SecretPlaces(Fact, frozen=True, kw_only=True):
    """C-02, G-04: secrets files and their folders by path.

    `registered` counts the registry; `printed`: where one was about to be shown by the engine itself.
    """

    runner_uid: int
    files: dict[str, SecretFile]
    folders: dict[str, SecretFolder]
    registered: Some
    printed: tuple[str, ...]


class SourceQuery(Fact, frozen=True, kw_only=True):
    """One statement of the engine's own on the source: the text sent and the file shipped."""

    sent_sha256: Sha256
    shipped_sha256: Sha256


class SourceReading(Fact, frozen=True, kw_only=True):
    """C-03, G-05: how the source was read.

    `read_only` and `isolation` are transaction_read_only and transaction_isolation of the engine's
    session; `snapshot` is what it exported, `dump_snapshot` what pg_dump was told; `queries` by name
    in the sql folder; `not_reads` names queries that the grammar does not find to be pure reads;
    `staged` lists files that appeared inside the source's container or data folder.
    """

    read_only: str
    isolation: str
    snapshot: Text
    dump_snapshot: Text
    dump_exit_code: int
    queries: dict[str, SourceQuery]
    not_reads: tuple[str, ...]
    staged: tuple[str, ...]


class Identifier(Fact, frozen=True, kw_only=True):
    """G-06: the plan file's, "" for none. G-10: the copy's, by its control file (C-04) and by SQL (C-07)."""

    system_identifier: str


class SourceIdentity(Fact, frozen=True, kw_only=True):
    """C-03, C-11 and C-13: which server the source is, read in a session that was read-only.

    `started_at` is "" when it was looked at and did not run.
    """

    system_identifier: Text
    started_at: str
    read_only: bool


class RestoreError(Fact, frozen=True, kw_only=True):
    """One error in the server's log, and the allow-list's row for the same object ("" for none)."""

    sqlstate: str
    object: str
    allowed_sqlstate: str
    allowed_object: str


class Restore(Fact, frozen=True, kw_only=True):
    """C-05, G-08: the dump's sha256 as it left the source and as the restoring client read it.

    `trailer` tells whether the dump has its last line (or a whole table of contents); `log_lines`
    counts the server's log lines of the restore, `errors` are all errors among them, distinct;
    `unknown_grantees` are roles with privileges at the source that neither the copy nor the allow-list has.
    """

    tool: Literal["psql", "pg_restore"]
    exit_code: int
    trailer: bool
    streamed_sha256: Sha256
    restored_sha256: Sha256
    log_lines: Some
    errors: tuple[RestoreError, ...]
    unknown_grantees: tuple[str, ...] = ()


class Probe(Fact, frozen=True, kw_only=True):
    """One ungranted cell that was tried and rolled back; `sqlstate` "" when the server let it through."""

    role: str
    table: str
    privilege: str
    column: str
    sqlstate: str


class Probes(Fact, frozen=True, kw_only=True):
    """C-06 and C-11, G-09 and G-18: the cells of witness.privileges.ungranted_cells, each once."""

    schema: str
    cells: tuple[Probe, ...]


class Digests(Fact, frozen=True, kw_only=True):
    """sha256 by place: each site-packages of the host and of protected objects (C-01, C-08, G-11).

    Or of exactly harness, pack and subject, as the plan has them and as found in place (C-09, G-13).
    """

    digests: dict[str, Sha256]


class ScenariosPlanned(Fact, frozen=True, kw_only=True):
    """C-09, G-15 to G-19: the row-count changes (absent: 0) of each scenario of the pack, in order.

    `tables` are the pack's; `change_nothing` its negative and replay scenarios (G-17).
    """

    scenarios: dict[str, dict[str, int]]
    tables: tuple[Text, ...]
    change_nothing: tuple[Text, ...]


class ScenarioRows(Fact, frozen=True, kw_only=True):
    """C-10, once a scenario, G-15 and G-17: exact counts of the pack's tables before and after it."""

    before: dict[str, Count]
    after: dict[str, Count]


class ScenarioSurface(Fact, frozen=True, kw_only=True):
    """C-10, once a scenario, G-19: statements in the trace, how many were judged, which were refused.

    `unpaired` names transactions whose control statements do not pair up.
    """

    statements: Count
    judged: Count
    refused: tuple[str, ...]
    unpaired: tuple[str, ...]


class Baseline(Fact, frozen=True, kw_only=True):
    """C-11, G-16: which scenarios ran, in order; rows of each table as the pack expects and as counted."""

    ran: tuple[Text, ...]
    expected: dict[str, Count]
    found: dict[str, Count]


class Witnesses(Fact, frozen=True, kw_only=True):
    """C-11, G-20: the two witnesses reconciled, statement by statement, over the whole of C-10.

    `errors_expected` and `errors_raised`: SQLSTATEs in order by "scenario attempt", where there are any;
    `explained` counts the client's statements that the server need not have seen.
    """

    client_statements: Some
    server_statements: Some
    explained: Count
    only_client: tuple[str, ...]
    only_server: tuple[str, ...]
    differences: tuple[str, ...]
    unexplained_sessions: tuple[str, ...]
    errors_expected: dict[str, tuple[str, ...]]
    errors_raised: dict[str, tuple[str, ...]]


class Effects(Fact, frozen=True, kw_only=True):
    """Before C-10 and after it, G-20: n_tup_del by schema.table, a digest of each catalogue table.

    `elsewhere`: n_tup_ins and n_tup_upd of tables that are not the pack's; `sequences`:
    "last_value,is_called" of those from which no column of the pack's tables takes its values (an INSERT moves
    such a one, also when it is rolled back); `harness_backends`: living sessions of the pack's roles.
    """

    harness_backends: Count
    deleted: dict[str, Count]
    elsewhere: dict[str, tuple[Count, Count]]
    sequences: dict[str, str]
    catalogue: dict[str, str]


class Scan(Fact, frozen=True, kw_only=True):
    """C-11 (journal, trace, logs: G-22), C-12 (artefacts: G-23): a search for known secrets.

    `secrets_known` counts the registry, `secrets_searched` the secrets whose forms were searched for;
    `findings` say where, never what; `limit_hit` when a limit stopped the search.
    """

    secrets_known: Some
    secrets_searched: Some
    files_kept: Some
    files_scanned: Some
    bytes_scanned: Some
    limit_hit: bool
    findings: tuple[str, ...]


class Redactions(Fact, frozen=True, kw_only=True):
    """C-11, G-22: redactions so far as "origin form position", by where the text had come from."""

    subject: tuple[str, ...]
    server: tuple[str, ...]
    tool: tuple[str, ...]


class Left(Fact, frozen=True, kw_only=True):
    """C-13, N-1 to N-4 and N-7: every receipt of some kinds, and whether its object still exists.

    `exists` by "kind name identity", looked up by exact name and identity; `receipts` counts them in
    the journal; `maker` is how far the step came that makes the first of them; `without_receipt` names
    objects of the run (its uid) without one; `not_removed` says why an object was not removed by us.
    """

    maker: StepEnd
    receipts: Count
    exists: dict[str, bool]
    without_receipt: tuple[str, ...]
    not_removed: dict[str, str] = {}


class SubjectState(Fact, frozen=True, kw_only=True):
    """Before B-1 and in C-13, N-5: the subject's tree hash, and its repository's state where it has one."""

    tree_sha256: Sha256
    branch: str
    head: str
    status: str


class Starts(Fact, frozen=True, kw_only=True):
    """C-13, N-6: since when each protected object and the source run, as first seen in this run and now.

    `maker`: the end of the step that sees the first of them (C-01; C-03 where only the source is seen).
    `gone`: the demo's own servers that a dead engine's teardown, or a reboot, took before anybody looked.
    """

    maker: StepEnd
    before: dict[str, str]
    after: dict[str, str]
    gone: tuple[str, ...] = ()


FACTS: dict[str, type] = {
    "disk": Disk,
    "names": Names,
    "protected.before": Protected,
    "site.before": Digests,
    "subject.before": SubjectState,
    "secrets.places": SecretPlaces,
    "source.reading": SourceReading,
    "source.configured": Identifier,
    "source.before": SourceIdentity,
    "manifest.source": Manifest,
    "privileges.source": Privileges,
    "isolation": Isolation,
    "copy.created": Identifier,
    "restore": Restore,
    "manifest.copy": Manifest,
    "inventory.frozen": Inventory,
    "privileges.frozen": Privileges,
    "privileges.copy": Privileges,
    "privileges.probes": Probes,
    "copy.asked": Identifier,
    "site.after": Digests,
    "protected.during": Protected,
    "contents.planned": Digests,
    "contents.found": Digests,
    "scenarios.planned": ScenariosPlanned,
    "isolation.before": Isolation,
    "effects.before": Effects,
    "rows.": ScenarioRows,
    "surface.": ScenarioSurface,
    "inventory.copy": Inventory,
    "baseline": Baseline,
    "privileges.after": Privileges,
    "privileges.probes_after": Probes,
    "isolation.after": Isolation,
    "witnesses": Witnesses,
    "effects.after": Effects,
    "source.after": SourceIdentity,
    "scan.records": Scan,
    "redactions": Redactions,
    "scan.artefacts": Scan,
    "protected.after": Protected,
    "source.closing": SourceIdentity,
    "left.containers": Left,
    "left.volumes": Left,
    "left.networks": Left,
    "left.secrets": Left,
    "left.processes": Left,
    "subject.after": SubjectState,
    "starts": Starts,
}
"""Fact name, or prefix ending in a dot, to its shape, in the order in which a run records them."""
