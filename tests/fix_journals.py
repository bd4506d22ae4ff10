"""Whole runs as events, made up and consistent: what the seeds' run would have left in a journal.

Shared by the tests of evidence and of the commands that read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from console.gates.table import GATES
from console.journal import JournalWriter
from console.model.event import (
    AbortAsked,
    BoundaryArmed,
    DecisionMade,
    EngineStarted,
    Entry,
    Event,
    FactRecorded,
    GateJudged,
    GateWords,
    NoteRecorded,
    Operator,
    ReceiptClosed,
    ReceiptIdentified,
    ReceiptOpened,
    RowsCounted,
    RunCreated,
    RunEnded,
    ScenarioFinished,
    ScenarioStarted,
    ScenarioWords,
    StepFinished,
    StepStarted,
    StepWords,
)
from console.model.run_state import RunState, fold
from console.plans.dry_run import STEPS
from console.secrets import SecretRegistry

RUN = "20261121-034512-7f3a"
SOURCE, COPY = "7611578671664259111", "7640730715875692588"
STARTED = "2026-04-17T05:35:18.48439927Z"
HEAD = "84c52c57aa296de921998910d85b0d4a85ad0746"
SERVER_WORDS = "SET TRANSACTION ISOLATION LEVEL must be called before any query"
CULPRIT = "find (cutter_agent/db_adapter.py:87)"
WORK = "/var/tmp/drydock-20261121-034512-7f3a-916a3383"
OPERATOR = Operator(uid=1000, name="op", tty="/dev/pts/3", ssh="192.0.2.7 50022 192.0.2.1 22")
NOT_APPLICABLE = dict.fromkeys(("N-1", "N-2", "N-3"), "the embedded environment makes none")
TABLES = (
    "cut_change_set", "cut_change_set_affected_row", "cut_policy", "decision_backlog_dependency",
    "decision_backlog_entry", "decision_backlog_history", "dot_pair_signature", "manifest_envelope",
    "manifest_unit_block", "review_decision", "sweep_log", "verify_result",
)  # fmt: skip
ROWS: dict[str, dict[str, int]] = {
    "S1": {}, "S2": {}, "S3": {},
    "S4": {"decision_backlog_dependency": 1, "decision_backlog_entry": 1, "decision_backlog_history": 1},
    "S4b": {"sweep_log": 1},
    "S5": {"decision_backlog_history": 1, "manifest_envelope": 1, "manifest_unit_block": 1,
           "review_decision": 1},
    "S6": {"cut_change_set": 1, "cut_change_set_affected_row": 1, "decision_backlog_history": 1,
           "dot_pair_signature": 1},
    "S7": {"decision_backlog_history": 1, "dot_pair_signature": 1, "verify_result": 1},
    "S8": {}, "S9": {}, "S10": {}, "S11": {}, "S12": {},
}  # fmt: skip
KINDS = {"S10": "replay", **dict.fromkeys(("S1", "S2", "S3", "S8", "S9", "S11", "S12"), "negative")}


def sha(text: str) -> str:
    """Return a sha256 in hex that stands for some content."""
    return hashlib.sha256(text.encode()).hexdigest()


class Story:
    """Events in their order; each is one second after the one before."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, *events: Event) -> Story:
        """Append events."""
        self.events += events
        return self

    def fact(self, name: str, value: Any) -> None:
        """Append one fact."""
        self.add(FactRecorded(name=name, value=value, source="a test"))

    def entries(self) -> list[Entry]:
        """Return the events as journal entries."""
        began = datetime(2026, 11, 21, 3, 45, 12, tzinfo=UTC)
        times = (
            (began + timedelta(seconds=n)).isoformat().replace("+00:00", "Z") for n in range(len(self.events))
        )
        return [
            Entry(n=n, at=at, event=event)
            for n, (event, at) in enumerate(zip(self.events, times, strict=True), 1)
        ]

    @property
    def state(self) -> RunState:
        """Return the fold of everything."""
        return fold(self.entries())

    def without(self, *names: str) -> Story:
        """Return the same run in which some facts and notes were never recorded."""
        other = Story()
        return other.add(*(event for event in self.events if _named(event) not in names))

    def altered(self, name: str, value: Any) -> Story:
        """Return the same run in which one fact or note had another value."""
        other = Story()
        for event in self.events:
            if isinstance(event, FactRecorded) and event.name == name:
                other.fact(name, value)
            elif isinstance(event, NoteRecorded) and event.name == name:
                other.add(NoteRecorded(name=name, value=value))
            else:
                other.add(event)
        return other

    def write(self, runs: Path, run: str = RUN) -> JournalWriter:
        """Write the journal of one run and return its writer, which holds it as a living engine would."""
        folder = runs / run
        folder.mkdir(parents=True, mode=0o700)
        writer = JournalWriter(folder / "journal.jsonl", SecretRegistry())
        for event in self.events:
            writer.append(event)
        return writer


def _named(event: Event) -> str:
    return event.name if isinstance(event, FactRecorded | NoteRecorded) else ""


def created() -> RunCreated:
    """Return the first event of every run here."""
    return RunCreated(
        run=RUN, plan="dry-run", title="rehearsal on an isolated copy: dot-iu-cutter", digest=sha("digest"),
        parts={name: sha(name) for name in ("plan", "pack", "subject", "sql", "harness", "driver")},
        drydock="0.1.0", operator=OPERATOR,
        config={"environment": {"kind": "embedded"}, "subject_folder": "/srv/iu-cutter"},
        steps=tuple(
            StepWords(id=one.id, does=one.does, gates=one.gates, boundary=getattr(one.boundary, "id", ""))
            for one in STEPS
        ),
        gates=tuple(GateWords(id=gate.id, title=gate.title, step=gate.step) for gate in GATES),
        scenarios=tuple(
            ScenarioWords(id=name, title=f"what {name} does", kind=KINDS.get(name, "happy"), rows=rows)
            for name, rows in ROWS.items()
        ),
        tables=TABLES, not_applicable=NOT_APPLICABLE, cannot_claim=("a separate cluster, not a sandbox",),
    )  # fmt: skip


def begun() -> Story:
    """Return a run whose engine has started."""
    story = Story().add(created(), EngineStarted(identity="1:1:boot", watchdog="2:2:boot"))
    story.fact("subject.before", subject())
    return story


def subject(**changes: str) -> dict[str, str]:
    """Return the state of the subject's repository."""
    return {"tree_sha256": sha("tree"), "branch": "main", "head": HEAD, "status": "", **changes}


def armed(boundary: str, **changes: Any) -> BoundaryArmed:
    """Return a boundary at which the run waits."""
    told: dict[str, Any] = {
        "boundary": boundary, "question": f"may {boundary} be passed", "irrevocable": "production's load",
        "digest": sha("digest"), "default": "abort", "timeout_s": 86400.0,
        "approve_line": f"drydock approve {RUN} {boundary} --digest {sha('digest')[:12]}",
    }  # fmt: skip
    return BoundaryArmed(**{**told, **changes})


def decide(story: Story, boundary: str, answer: Any = "proceed") -> None:
    """Append a boundary and the operator's answer to it."""
    story.add(
        armed(boundary),
        DecisionMade(boundary=boundary, answer=answer, how="socket", digest=sha("digest"), operator=OPERATOR,
                     armed_at="2026-11-21T03:45:20Z", shown_at="2026-11-21T03:45:21Z", early_keys=2),
    )  # fmt: skip


def step(story: Story, name: str, facts: Mapping[str, Any], gates: Iterable[str] | None = None) -> None:
    """Append a whole step; its gates hold."""
    story.add(StepStarted(step=name))
    for fact, value in facts.items():
        story.fact(fact, value)
    story.add(StepFinished(step=name, duration_ms=1234, trace_head=sha(f"trace {name}")))
    planned = next(one.gates for one in STEPS if one.id == name) if gates is None else tuple(gates)
    story.add(*(GateJudged(gate=gate, verdict="PASS") for gate in planned if gate not in NOT_APPLICABLE))


def protected() -> dict[str, Any]:
    """Return the seeds' three neighbours."""
    names = ("v0.2-p0-2-2026-05-16", "v0.2-phase-alpha-2026-05-16", "hb05-2026-05-15")
    return {
        "objects": {f"pg-dry-run-{name}": {"id": sha(name)[:19], "started_at": STARTED} for name in names}
    }


def identity(**changes: Any) -> dict[str, Any]:
    """Return which server the source is."""
    return {"system_identifier": SOURCE, "started_at": STARTED, "read_only": True, **changes}


def receipt(story: Story, kind: str, name: str) -> None:
    """Append an object that is made."""
    story.add(
        ReceiptOpened(object=kind, name=name),
        ReceiptIdentified(object=kind, name=name, identity=f"id of {kind}"),
    )


def scan(files: int, *findings: str) -> dict[str, Any]:
    """Return a search for secrets."""
    return {"secrets_known": 4, "secrets_searched": 4, "files_kept": files, "files_scanned": files,
            "bytes_scanned": 91_000, "limit_hit": False, "findings": list(findings)}  # fmt: skip


def until_scenarios() -> Story:
    """Return a run that has come to C-10."""
    story = begun()
    decide(story, "B-1")
    receipt(story, "folder", WORK)
    step(
        story,
        "C-01",
        {"protected.before": protected(), "site.before": {"digests": {"/usr/lib/python3": sha("s")}}},
    )
    story.add(NoteRecorded(name="versions", value={"python": "3.11.7", "postgresql": "16.14"}))
    receipt(story, "file", f"{WORK}/secrets/rehearsal.json")
    place = {"kind": "file", "mode": 0o600, "owner_uid": 0, "real_path": "x", "git_index": "", "links": 1}
    folder = {"kind": "folder", "mode": 0o700, "owner_uid": 0, "real_path": "x", "git_index": ""}
    places = {"runner_uid": 0, "files": {f"{WORK}/secrets/rehearsal.json": place},
              "folders": {f"{WORK}/secrets": folder}, "registered": 4, "printed": []}  # fmt: skip
    step(story, "C-02", {"secrets.places": places})
    decide(story, "B-2")
    receipt(story, "file", f"{WORK}/source.dump")
    dump = {"sha256": sha("dump"), "size_bytes": 674_099_794, "path": f"{WORK}/source.dump"}
    story.add(NoteRecorded(name="dump", value=dump))
    query = {"sent_sha256": sha("q"), "shipped_sha256": sha("q")}
    reading = {"read_only": "on", "isolation": "repeatable read", "snapshot": "00000003-00000002-1",
               "dump_snapshot": "00000003-00000002-1", "dump_exit_code": 0, "not_reads": [], "staged": [],
               "queries": {"catalogue/identity": query, "catalogue/user_tables": query}}  # fmt: skip
    step(story, "C-03", {"source.before": identity(), "source.reading": reading})
    _copy_and_harness(story)
    decide(story, "B-4")
    return story.add(StepStarted(step="C-10"), RowsCounted(scenario="", rows=dict.fromkeys(TABLES, 0)))


def _copy_and_harness(story: Story) -> None:
    """C-04 to C-09."""
    decide(story, "B-3")
    receipt(story, "cluster", f"{WORK}/copy/data")
    receipt(story, "process", "postgres of the copy")
    step(story, "C-04", {"copy.created": {"system_identifier": COPY}})
    restore = {"tool": "pg_restore", "exit_code": 0, "trailer": True, "streamed_sha256": sha("dump"),
               "restored_sha256": sha("dump"), "log_lines": 4711, "errors": []}  # fmt: skip
    step(story, "C-05", {"restore": restore})
    step(story, "C-06", {})
    step(story, "C-07", {"copy.asked": {"system_identifier": COPY}})
    step(story, "C-08", {"site.after": {"digests": {"/usr/lib/python3": sha("s")}}})
    ready = {"ready": True, "python": "3.11.7", "driver": "psycopg 3.3.9 (binary)"}
    story.add(
        NoteRecorded(name="harness", value=ready),
        NoteRecorded(name="hardcode", value={"files": 63, "findings": []}),
    )
    step(story, "C-09", {"contents.found": contents()})


def contents(**changes: str) -> dict[str, Any]:
    """Return what lies in the harness's place."""
    return {"digests": {name: sha(name) for name in ("harness", "pack", "subject")} | changes}


def scenario(
    story: Story, name: str, before: dict[str, int], *, verbs: Mapping[str, int], failed: str = ""
) -> dict[str, int]:
    """Append a scenario that changes what it should (nothing when it fails); return the counts after."""
    after = {table: count + (0 if failed else ROWS[name].get(table, 0)) for table, count in before.items()}
    story.add(ScenarioStarted(scenario=name), RowsCounted(scenario=name, rows=after))
    story.fact(f"rows.{name}", {"before": before, "after": after})
    total = sum(verbs.values())
    story.fact(f"surface.{name}", {"statements": total, "judged": total, "refused": [], "unpaired": []})
    story.add(
        NoteRecorded(name=f"verbs.{name}", value=dict(verbs)),
        ScenarioFinished(
            scenario=name, verdict="FAIL" if failed else "PASS", duration_ms=250, reason=failed,
            findings=(failed, "scenario S4: transactions committed: 0, expected 1") if failed else (),
            culprit=CULPRIT if failed else "", cause="subject" if failed else None, statements=total,
        ),
    )  # fmt: skip
    for gate in ("G-15", "G-17", "G-19"):
        wrong = (
            f"{name}: decision_backlog_entry changed by +0 rows, expected +1"
            if failed and gate == "G-15"
            else ""
        )
        verdict = "FAIL" if wrong else "PASS"
        story.add(
            GateJudged(
                gate=gate, verdict=verdict, reason=wrong, scenario=name, cause="subject" if wrong else None
            )
        )
    return after


def torn_down(story: Story) -> None:
    """Append C-13: everything is removed and the closing gates hold."""
    story.add(DecisionMade(boundary="B-5", answer="proceed", how="in advance", digest=sha("digest")))
    for one in story.state.open_receipts:
        story.add(ReceiptClosed(object=one.kind, name=one.name, identity=one.identity or "", how="removed"))
    step(
        story,
        "C-13",
        {"protected.after": protected(), "source.closing": identity(), "subject.after": subject()},
    )


def fail_at_s4() -> Story:
    """Return the seeds' run: the subject's adapter fails at its first real transaction."""
    story = until_scenarios()
    rows = dict.fromkeys(TABLES, 0)
    for name, verbs in (("S1", {}), ("S2", {}), ("S3", {"SELECT": 2, "SET": 1})):
        rows = scenario(story, name, rows, verbs=verbs)
    scenario(story, "S4", rows, verbs={"SELECT": 1, "SET": 1}, failed=f"{SERVER_WORDS} (SQLSTATE 25001)")
    torn_down(story)
    return story.add(ended("FAIL", cause="subject", failed_gate="G-15", failed_scenario="S4",
                           reason=f"{SERVER_WORDS} (SQLSTATE 25001)", exit_code=1))  # fmt: skip


def passed() -> Story:
    """Return a run in which everything holds."""
    story = until_scenarios()
    rows = dict.fromkeys(TABLES, 0)
    for name in ROWS:
        rows = scenario(story, name, rows, verbs={"SELECT": 1, "INSERT": sum(ROWS[name].values())})
    story.add(StepFinished(step="C-10", duration_ms=40), GateJudged(gate="G-07", verdict="PASS"))
    step(story, "C-11", {
        "baseline": {"ran": list(ROWS), "expected": rows, "found": rows},
        "source.after": identity(), "scan.records": scan(5),
    })  # fmt: skip
    step(story, "C-12", {"scan.artefacts": scan(9)})
    seal = {"manifest": sha("manifest"), "journal": sha("journal"), "trace": sha("trace")}
    story.add(NoteRecorded(name="first_seal", value=seal))
    torn_down(story)
    return story.add(ended("PASS", exit_code=0))


def aborted_at_b1() -> Story:
    """Return a run that the operator did not let begin."""
    story = begun()
    story.add(armed("B-1"), AbortAsked(how="drydock abort", operator=OPERATOR))
    story.add(
        DecisionMade(boundary="B-1", answer="abort", how="socket", digest=sha("digest"), operator=OPERATOR)
    )
    step(story, "C-13", {"subject.after": subject()}, gates=("N-4", "N-5", "N-6", "N-7"))
    return story.add(ended("ABORTED", reason="B-1 was answered with abort", exit_code=3))


def waiting_at_b2() -> Story:
    """Return a run that waits for its operator before it touches production."""
    story = begun()
    decide(story, "B-1")
    step(story, "C-01", {"protected.before": protected()})
    step(story, "C-02", {})
    return story.add(armed("B-2"))


def running_in_c05() -> Story:
    """Return a run in the midst of its restore."""
    story = waiting_at_b2()
    decide(story, "B-2")
    receipt(story, "file", f"{WORK}/source.dump")
    step(story, "C-03", {"source.before": identity()})
    decide(story, "B-3")
    receipt(story, "cluster", f"{WORK}/copy/data")
    step(story, "C-04", {"copy.created": {"system_identifier": COPY}})
    return story.add(StepStarted(step="C-05"))


def ended(verdict: Any, **changes: Any) -> RunEnded:
    """Return a last event, CLEAN unless `residue` is given."""
    told: dict[str, Any] = {"closure": "CLEAN", "cause": None, "failed_gate": None, "failed_scenario": None,
                            "reason": "", "residue": (), "exit_code": 0}  # fmt: skip
    return RunEnded(verdict=verdict, **{**told, **changes})
