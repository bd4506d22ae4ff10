"""One table of cases: each gate just inside and just outside what it allows, with the operator's sentence."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from alterations import GONE, Path, altered
from passing import COPY, RUN, SOURCE, STARTED, Environment, passing_facts

from console.gates.table import GATES, by_id
from console.model.gate import Facts, judge
from console.model.verdict import GateVerdict


class Case(NamedTuple):
    """One alteration of the passing facts; `says` empty means that the gate still holds."""

    gate: str
    fact: str
    path: Path
    value: object
    says: str
    environment: Environment = "embedded"


FILE = f"{RUN}/secrets/passwords.json"
FOLDER = f"{RUN}/secrets"
LEFT = "process postgres of copy 4242:100100"
OTHER_SHA = "0" * 64
BAD_TABLE = {"columns": [{"name": "id", "type": "uuid", "not_null": True}]}
NOTHING_LEFT = {"receipts": 0, "exists": {}, "without_receipt": []}
ROLE = {"login": True}

CASES = (
    Case("G-01", "disk", ("free_bytes", "/var/tmp"), 5_000_000_000, ""),
    Case("G-01", "disk", ("free_bytes", "/var/tmp"), 4_999_999_999,
         "/var/tmp has 4,999,999,999 bytes free; the run needs 5,000,000,000 (the larger of 5,000,000,000 "
         "and 3 times the source's 1,073,741,824)"),
    Case("G-01", "disk", ("source_bytes",), 10_737_418_240, ""),
    Case("G-01", "disk", ("source_bytes",), 10_737_418_241,
         "/home/op has 32,212,254,720 bytes free; the run needs 32,212,254,723"),
    Case("G-01", "disk", ("free_bytes",), {}, "no folder was measured for free space"),
    Case("G-02", "names", ("exists", "cluster other"), False, ""),
    Case("G-02", "names", ("exists", f"folder {RUN}"), True, f"folder {RUN} exists already"),
    Case("G-02", "names", ("exists",), {}, "no name was looked up before its use"),
    Case("G-03", "protected.before", ("objects", "third"), {"id": "1", "started_at": ""}, ""),
    Case("G-03", "protected.before", ("objects", "neighbour"), None, "protected neighbour was not found"),
    Case("G-03", "protected.before", ("objects",), {},
         "the plan protects no object, so nothing can be shown to be the same afterwards"),
    Case("G-04", "secrets.places", ("files", FILE, "mode"), 0o640, f"{FILE} has mode 0640, allowed is 0600"),
    Case("G-04", "secrets.places", ("folders", FOLDER, "mode"), 0o755,
         f"{FOLDER} has mode 0755, allowed is 0700"),
    Case("G-04", "secrets.places", ("files", FILE, "links"), 2, f"{FILE} has 2 hard links, allowed is 1"),
    Case("G-04", "secrets.places", ("files", FILE, "kind"), "link", f"{FILE} is a link, expected a file"),
    Case("G-04", "secrets.places", ("files", FILE, "owner_uid"), 0,
         f"{FILE} belongs to uid 0, the runner is uid 1000"),
    Case("G-04", "secrets.places", ("folders", FOLDER, "real_path"), "/mnt/x",
         f"{FOLDER} is reached through a link and really is /mnt/x"),
    Case("G-04", "secrets.places", ("files", FILE, "git_index"), "/repo",
         f"{FILE} is in the git index of /repo"),
    Case("G-04", "secrets.places", ("folders",), {}, f"the folder of {FILE} was not looked at"),
    Case("G-04", "secrets.places", ("files",), {}, "no secrets file was looked at"),
    Case("G-04", "secrets.places", ("printed",), ["progress plain 4"],
         "a secret was about to be shown: progress plain 4"),
    Case("G-05", "source.reading", ("read_only",), "off",
         "transaction_read_only was off in the session on the source, not on"),
    Case("G-05", "source.reading", ("isolation",), "read committed",
         "the session on the source was read committed, not repeatable read"),
    Case("G-05", "source.reading", ("dump_snapshot",), "00000009-1",
         "pg_dump read snapshot 00000009-1, the queries read 00000003-00000002-1"),
    Case("G-05", "source.reading", ("dump_exit_code",), 1, "pg_dump ended with exit code 1, not 0"),
    Case("G-05", "source.reading", ("queries", "catalogue/identity", "sent_sha256"), OTHER_SHA,
         "the text of catalogue/identity sent to the source is not the shipped one"),
    Case("G-05", "source.reading", ("queries",), {}, "no statement on the source was recorded"),
    Case("G-05", "source.reading", ("not_reads",), ["effects/flush"], "effects/flush is not a pure read"),
    Case("G-05", "source.reading", ("staged",), ["/tmp/dr_src.sql"],
         "/tmp/dr_src.sql was written inside the source"),
    Case("G-06", "source.configured", ("system_identifier",), "", ""),
    Case("G-06", "source.configured", ("system_identifier",), "1",
         f"the source has system_identifier {SOURCE}, the plan expects 1"),
    Case("G-06", "source.before", ("read_only",), False,
         "the source's identity was read in a session that was not read-only"),
    Case("G-07", "isolation", ("embedded", "listen_addresses_asked"), "localhost",
         "listen_addresses is localhost, it must be empty"),
    Case("G-07", "isolation", ("embedded", "socket_folder_mode"), 0o755,
         "the socket folder has mode 0755, allowed is 0700"),
    Case("G-07", "isolation", ("embedded", "socket_folder_owner_uid"), 0,
         "the socket folder belongs to uid 0, the server runs as 60600"),
    Case("G-07", "isolation", ("embedded", "socket_folder_asked"), f"{RUN}/socket, /tmp",
         f"unix_socket_directories is {RUN}/socket, /tmp, we made {RUN}/socket"),
    Case("G-07", "isolation", ("embedded", "data_folder_asked"), "/srv/production",
         f"data_directory is /srv/production, we made {RUN}/data"),
    Case("G-07", "isolation", ("embedded", "postmaster_found"), "",
         "the postmaster is nothing, we made 4242:100100"),
    Case("G-07", "isolation", ("embedded",), None,
         "the isolation of exactly one environment must be recorded"),
    Case("G-07", "isolation", ("docker", "containers", "postgres", "ports", "80/tcp"), [], "", "docker"),
    Case("G-07", "isolation", ("docker", "containers", "postgres", "ports", "5432/tcp"), ["0.0.0.0:5432"],
         "container postgres publishes port 5432/tcp", "docker"),
    Case("G-07", "isolation", ("docker", "containers", "postgres", "port_bindings", "5432/tcp"), None,
         "container postgres binds port 5432/tcp", "docker"),
    Case("G-07", "isolation", ("docker", "containers", "postgres", "networks"), ["net1", "bridge"],
         "container postgres is in network bridge, allowed is only net1", "docker"),
    Case("G-07", "isolation", ("docker", "network_internal"), False,
         "network net1 is not internal", "docker"),
    Case("G-07", "isolation", ("docker", "reached", "the gateway"), True,
         "the gateway is reached from inside", "docker"),
    Case("G-07", "isolation", ("docker", "reached"), {}, "no probe was made from inside", "docker"),
    Case("G-07", "isolation", ("docker", "containers"), {}, "no container was inspected", "docker"),
    Case("G-07", "isolation", ("docker", "members", "beef"), "production",
         "container production (beef) is in network net1 and is not one of the run's", "docker"),
    Case("G-07", "isolation", ("docker", "members"), {}, "nobody is in network net1, not even the copy", "docker"),
    Case("G-07", "isolation", ("docker", "made", "beef"), "carrier", "container carrier is missing", "docker"),
    Case("G-07", "isolation.before", ("docker", "containers", "postgres", "networks"), ["net1", "net2"],
         "container postgres is in network net2, allowed is only net1 (looked at before the first scenario)", "docker"),
    Case("G-07", "isolation.before", ("embedded", "listen_addresses_asked"), "localhost",
         "listen_addresses is localhost, it must be empty (looked at before the first scenario)"),
    Case("G-07", "isolation.after", ("docker", "moves", 0, "how"), "connect", "", "docker"),
    Case("G-07", "isolation.after", ("docker", "moves", 0, "container"), "beef",
         "container beef left network net1 in between (looked at after the last scenario)", "docker"),
    Case("G-07", "isolation.after", ("docker", "moves", 0, "network"), "net2",
         "container postgres left network net2 in between (looked at after the last scenario)", "docker"),
    Case("G-08", "restore", ("errors",), [], ""),
    Case("G-08", "restore", ("errors", 0, "allowed_sqlstate"), "",
         "the server raised 42704 for role writer, which the allow-list does not hold"),
    Case("G-08", "restore", ("errors", 0, "object"), "role stranger",
         "the server raised 42704 for role stranger, which the allow-list does not hold"),
    Case("G-08", "restore", ("exit_code",), 3, "psql ended with exit code 3, expected 0"),
    Case("G-08", "restore", ("tool",), "pg_restore", "pg_restore ended with exit code 0, expected 1"),
    Case("G-08", "restore", ("trailer",), False, "the dump has no trailer, so it was cut off"),
    Case("G-08", "restore", ("restored_sha256",), OTHER_SHA,
         f"the client read sha256 {OTHER_SHA}, the source sent "),
    Case("G-08", "manifest.copy", ("rows", "public.entry"), 19_999,
         "the row count of public.entry is 19999, expected 20000"),
    Case("G-08", "manifest.copy", ("sequences", "public.s"), "41,false",
         "sequence public.s is 41,false, expected 41,true"),
    Case("G-08", "manifest.copy", ("constraints",), [], "constraint entry_pkey is missing"),
    Case("G-08", "manifest.copy", ("triggers",), ["touch", "spy"], "trigger spy is not expected"),
    Case("G-08", "manifest.copy", ("views",), ["v_entry", "v_entry"],
         "views are listed 2 times, at the source 1 times"),
    Case("G-09", "privileges.copy", ("roles", "writer", "connection_limit"), -1,
         "role writer: connection limit is -1, frozen is 2"),
    Case("G-09", "privileges.copy", ("grants", 0, "grantable"), True,
         "reader may pass on SELECT on table public.history"),
    Case("G-09", "privileges.frozen", ("grants", 0, "grantable"), True,
         "the frozen matrix lets reader pass on SELECT on public.history"),
    Case("G-09", "privileges.copy", ("roles", "writer", "bypassrls"), True, "role writer has bypassrls"),
    Case("G-09", "privileges.copy", ("public",), [], "PUBLIC lacks USAGE on schema public"),
    Case("G-09", "privileges.source", ("grants", 1, "column"), "id",
         "at the source: writer lacks UPDATE (status) on table public.entry"),
    Case("G-09", "privileges.source", ("roles", "writer", "login"), False,
         "at the source: role writer: login is off, frozen is on"),
    Case("G-09", "privileges.source", (), {"roles": {}, "grants": []}, ""),
    Case("G-09", "privileges.source", (), {"roles": {"stranger": ROLE}, "grants": []},
         "at the source: role stranger is not in the frozen matrix"),
    Case("G-09", "privileges.probes", ("cells", 0, "sqlstate"), "",
         "reader SELECT entry was allowed, expected 42501"),
    Case("G-09", "privileges.probes", ("cells", 0, "sqlstate"), "42P01",
         "reader SELECT entry was answered with 42P01, expected 42501"),
    Case("G-09", "privileges.probes", ("cells", 0), GONE, "reader SELECT entry was never tried"),
    Case("G-09", "privileges.frozen", (), {"roles": {}, "grants": []},
         "the frozen matrix names no role or no grant"),
    Case("G-10", "copy.asked", ("system_identifier",), SOURCE,
         f"the copy has the source's own system_identifier {SOURCE}; nothing may be written"),
    Case("G-10", "copy.asked", ("system_identifier",), "5",
         f"the copy has system_identifier 5, the server that was made for it {COPY}"),
    Case("G-10", "copy.asked", ("system_identifier",), "", "the copy said no system_identifier"),
    Case("G-11", "site.after", ("digests", "/usr/lib/python3/dist-packages"), OTHER_SHA,
         f"site /usr/lib/python3/dist-packages is {OTHER_SHA}, expected "),
    Case("G-11", "site.after", ("digests", "/opt/new"), OTHER_SHA, "site /opt/new is not expected"),
    Case("G-11", "site.before", ("digests",), {}, "no site-packages was looked at"),
    Case("G-12", "protected.during", ("objects", "neighbour", "started_at"), "2026-11-21",
         f"protected neighbour started at 2026-11-21, in C-01 at {STARTED}"),
    Case("G-12", "protected.during", ("objects", "neighbour"), None, "protected neighbour was not found"),
    Case("G-13", "contents.found", ("digests", "harness"), OTHER_SHA,
         f"sha256 of harness is {OTHER_SHA}, expected "),
    Case("G-13", "contents.planned", ("digests", "pack"), GONE, "in the plan, the sha256 of pack is missing"),
    Case("G-13", "contents.found", ("digests", "subject"), GONE, "sha256 of subject is missing"),
)  # fmt: skip

LATER_CASES = (
    Case("G-14", "inventory.copy", ("tables", "history"), GONE, "table history is missing"),
    Case("G-14", "inventory.copy", ("tables", "extra"), BAD_TABLE, "table extra is not expected"),
    Case("G-14", "inventory.copy", ("tables", "entry", "columns", 1), GONE,
         "table entry: column status is missing"),
    Case("G-14", "inventory.copy", ("tables", "entry", "columns", 0, "type"), "text",
         "table entry: column id is type=text not_null=True"),
    Case("G-14", "inventory.copy", ("tables", "entry", "triggers"), ["spy"],
         "table entry: trigger spy is not expected"),
    Case("G-14", "inventory.frozen", ("tables",), {}, "the frozen inventory names no table"),
    Case("G-15", "rows.S2", ("after", "entry"), 9,
         "S2: entry changed by +2 rows, expected +1; before S3: entry is 8, expected 9"),
    Case("G-15", "rows.S3", ("before", "history"), 1,
         "S3: history changed by +1 rows, expected +0; before S3: history is 1, expected 2"),
    Case("G-15", "rows.S3", ("after", "history"), GONE, "S3: table history is missing"),
    Case("G-15", "scenarios.planned", ("tables",), [], "the pack names no table"),
    Case("G-15", "scenarios.planned", ("scenarios", "S2"), {"entry": 1, "history": 2, "nowhere": 1},
         "S2 expects rows of nowhere, no table of the pack"),
    Case("G-16", "baseline", ("found", "history"), 3, "the row count of history is 3, expected 2"),
    Case("G-16", "baseline", ("ran",), ["S1", "S2"], "scenario S3 is missing"),
    Case("G-16", "baseline", ("ran",), ["S2", "S1", "S3"], "the scenarios ran in another order"),
    Case("G-16", "baseline", ("expected",), {}, "the pack expects no rows of any table"),
    Case("G-17", "rows.S3", ("after", "entry"), 9, "S3 changed rows: entry is 9, expected 8"),
    Case("G-17", "rows.S2", ("after", "entry"), 9, ""),
    Case("G-17", "scenarios.planned", ("change_nothing",), ["S1", "S9"], "scenario S9 is not in the plan"),
    Case("G-17", "scenarios.planned", ("change_nothing",), ["S1", "S1"],
         "a scenario that may change nothing is listed twice"),
    Case("G-18", "privileges.after", ("roles", "writer", "settings"), [],
         "role writer: settings is none, frozen is statement_timeout=5s"),
    Case("G-18", "privileges.probes_after", ("cells", 1, "sqlstate"), "",
         "reader INSERT entry was allowed, expected 42501"),
    Case("G-19", "surface.S2", ("refused",), ["DELETE FROM entry: DELETE is not allowed"],
         "S2: refused DELETE FROM entry: DELETE is not allowed"),
    Case("G-19", "surface.S2", ("judged",), 8, "S2: 8 of 9 statements were judged"),
    Case("G-19", "surface.S2", ("unpaired",), ["BEGIN of 17"],
         "S2: transaction control does not pair up, BEGIN of 17"),
    Case("G-20", "witnesses", ("only_server",), ["DELETE FROM entry"],
         "only the server saw: DELETE FROM entry"),
    Case("G-20", "witnesses", ("only_client",), ["SELECT 1"], "only the client claims: SELECT 1"),
    Case("G-20", "witnesses", ("differences",), ["other text"], "other text"),
    Case("G-20", "witnesses", ("unexplained_sessions",), ["pid 7"], "unexplained session: pid 7"),
    Case("G-20", "witnesses", ("server_statements",), 12,
         "the client sent 12 statements, the server logged 12 and 1 are explained"),
    Case("G-20", "witnesses", ("errors_raised",), {}, "the server's error in S3 denied-insert is missing"),
    Case("G-20", "effects.after", ("deleted", "public.history"), 4,
         "the count of deleted tuples of public.history is 4, expected 3"),
    Case("G-20", "effects.after", ("catalogue", "pg_class"), "x",
         "the digest of catalogue pg_class is x, expected "),
    Case("G-20", "effects.after", ("harness_backends",), 1,
         "1 sessions of the harness lived when effects were read after"),
    Case("G-20", "effects.before", ("deleted",), {},
         "no table or no catalogue was looked at before the scenarios"),
    Case("G-21", "source.after", ("system_identifier",), "1",
         f"the source has system_identifier 1, in C-03 {SOURCE}"),
    Case("G-21", "source.after", ("started_at",), "today",
         f"the source started at today, in C-03 at {STARTED}"),
    Case("G-22", "scan.records", ("findings",), ["trace.jsonl line 7"], "a secret is in trace.jsonl line 7"),
    Case("G-22", "scan.records", ("files_scanned",), 4, "4 of 5 files were searched"),
    Case("G-22", "scan.records", ("secrets_searched",), 3, "3 of 4 known secrets were searched for"),
    Case("G-22", "scan.records", ("limit_hit",), True, "a limit stopped the search, so it is not clean"),
    Case("G-22", "redactions", ("subject",), ["harness plain 31"],
         "a secret came from the subject: harness plain 31"),
    Case("G-22", "redactions", ("tool",), ["pg_dump plain 1"],
         "a secret came from the tool: pg_dump plain 1"),
    Case("G-23", "scan.artefacts", ("findings",), ["report.md"], "a secret is in report.md"),
    Case("G-24", "protected.after", ("objects", "/srv/archive", "id"), "1:1",
         "protected /srv/archive has id 1:1, in C-01 it had 2049:1311"),
    Case("G-24", "protected.after", ("objects", "new"), {"id": "1", "started_at": ""},
         "protected new was not recorded in C-01"),
    Case("G-25", "source.closing", ("system_identifier",), "1",
         f"the source has system_identifier 1, in C-03 {SOURCE}"),
    Case("N-1", "left.containers", ("exists", "container drydock-pg 9f2c"), True,
         "container drydock-pg 9f2c still exists"),
    Case("N-2", "left.volumes", ("without_receipt",), ["volume 55"],
         "volume 55 exists, and no receipt names it"),
    Case("N-3", "left.networks", ("receipts",), 2, "1 of 2 receipts were looked up"),
    Case("N-4", "left.secrets", ("exists", f"file {RUN}/dump.sql 2049:18"), True,
         f"file {RUN}/dump.sql 2049:18 still exists"),
    Case("N-4", "left.secrets", (), {"maker": "finished", **NOTHING_LEFT},
         "no receipt of any secrets file or dump, though the step that makes the first one finished"),
    Case("N-4", "left.secrets", (), {"maker": "not finished", **NOTHING_LEFT},
         ""),
    Case("N-4", "left.secrets", (), {"maker": "not begun", **NOTHING_LEFT},
         ""),
    Case("N-4", "left.secrets", ("maker",), "not begun",
         "a receipt of a secrets file or dump exists, though the step that makes the first one never began"),
    Case("N-5", "subject.after", ("head",), "b00", "the subject's head is b00, expected 84c52c5"),
    Case("N-5", "subject.after", ("status",), "?? x", "the subject's status is ?? x, expected nothing"),
    Case("N-6", "starts", ("after", "neighbour"), "today",
         f"start of neighbour is today, expected {STARTED}"),
    Case("N-6", "starts", (), {"maker": "finished", "before": {}, "after": {}},
         "the first look finished, but no start time was recorded"),
    Case("N-6", "starts", (), {"maker": "not begun", "before": {}, "after": {}}, ""),
    Case("N-6", "starts", (), {"maker": "finished", "before": {"a": "1", "b": "2"}, "after": {"b": "2"},
                               "gone": ["a"]}, ""),
    Case("N-6", "starts", (), {"maker": "finished", "before": {"a": "1"}, "after": {"a": "2"}, "gone": ["a"]},
         "a was seen after it had gone"),
    Case("N-6", "starts", ("maker",), "not begun", "start times were recorded, but the first look never began"),
    Case("N-7", "left.processes", ("exists", LEFT), True, f"{LEFT} still exists"),
    Case("N-7", "left.processes", ("without_receipt",), ["process 991 of uid 60600"],
         "process 991 of uid 60600 exists, and no receipt names it"),
)  # fmt: skip


@pytest.mark.parametrize(
    "case", CASES + LATER_CASES, ids=lambda case: f"{case.gate} {case.says[:60] or 'holds'}"
)
def test_a_gate_says_what_is_wrong(case: Case) -> None:
    """The gate fails with exactly the sentence that names object, finding and limit, or still holds."""
    facts = altered(passing_facts(case.environment), case.fact, case.path, case.value)
    judged = judge(by_id(case.gate), Facts(facts))
    assert judged.verdict == (GateVerdict.FAIL if case.says else GateVerdict.PASS), judged.reason
    assert case.says in judged.reason


def test_every_gate_has_a_case_outside() -> None:
    """No gate is without a case in which the real thing is wrong."""
    assert {case.gate for case in CASES + LATER_CASES if case.says} == {gate.id for gate in GATES}


def test_a_later_look_is_needed_once_the_scenarios_were_prepared() -> None:
    """In C-04 one look is enough for G-07; beside the effects' own two looks a missing second or third is UNKNOWN."""
    facts = passing_facts("docker")
    looks = ("isolation.before", "isolation.after")
    in_c04 = {
        name: value
        for name, value in facts.items()
        if name not in (*looks, "effects.before", "effects.after")
    }
    assert judge(by_id("G-07"), Facts(in_c04)).verdict == GateVerdict.PASS
    for look, beside in zip(looks, ("effects.before", "effects.after"), strict=True):
        judged = judge(by_id("G-07"), Facts(in_c04 | {beside: facts[beside]}))
        assert (judged.verdict, judged.reason) == (GateVerdict.UNKNOWN, f"the fact {look} was never recorded")


def test_an_unwatched_time_is_unknown_but_hides_no_stranger() -> None:
    """Events that nobody has leave G-07 UNKNOWN, with why; a stranger that a look found still fails it."""
    why = "the engine ended its stream of events"
    facts = altered(passing_facts("docker"), "isolation.after", ("docker", "unwatched"), why)
    judged = judge(by_id("G-07"), Facts(facts))
    assert judged.verdict == GateVerdict.UNKNOWN
    assert judged.reason == f"nobody knows who came to the copy's network in between: {why}"
    worse = altered(facts, "isolation.before", ("docker", "members", "beef"), "production")
    assert judge(by_id("G-07"), Facts(worse)).verdict == GateVerdict.FAIL
