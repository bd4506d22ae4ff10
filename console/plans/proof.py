"""The plan `proof`: C-01 to C-09, rollback-only on the real database (design section 6)."""

from __future__ import annotations

from typing import Literal

from console.gates.proof_table import PROOF_GATES
from console.model.config import RunConfig
from console.model.plan import Boundary, Plan, Step

_B1 = Boundary(
    id="B-1",
    question="connect to the real database: as the independent reader, and as the adapter's two principals",
    irrevocable="sessions in the real database; nothing is written, and every count reads its table once",
)
_B3 = Boundary(id="B-3", question="seal the evidence of this proof", irrevocable="")


def _b2(database: str) -> Boundary:
    return Boundary(
        id="B-2",
        question=f"open the rollback-only transaction in the real database; type its name: {database}",
        irrevocable="row locks for the length of the transaction; its rows are rolled back, never committed",
        typed=database,
    )


def steps(database: str) -> tuple[Step, ...]:
    """Return the steps, with B-2 asking for the name of the database."""
    return (
        Step(id="C-01", does="preflight: disk, names, protected snapshot, tools and versions, secrets",
             gates=("G-01", "G-02", "G-03")),
        Step(id="C-02", does="harness, pack and subject in place; every refusal, with no password and no database",
             gates=("G-11", "G-12", "G-13", "P-1", "P-2", "P-3")),
        Step(id="C-03", does="identity, first counts, and the adapter's own seam", gates=("G-06", "P-4"), boundary=_B1),
        Step(id="C-04", does="hazards: everything that the statements can reach", gates=("H-1",)),
        Step(id="C-05", does="the rollback-only transaction, and the verify path", gates=("P-5", "P-6", "L-1"),
             boundary=_b2(database)),
        Step(id="C-06", does="abort certificate and counts, over an independent session",
             gates=("A-1", "P-7", "P-8", "P-9")),
        Step(id="C-07", does="the database once more, and the search for secrets", gates=("G-21", "G-22")),
        Step(id="C-08", does="artefacts gathered and scanned, first seal", gates=("G-23",), boundary=_B3),
        Step(id="C-09", does="teardown, closing gates", gates=("G-24", "G-25", "N-5", "N-6", "N-7")),
    )  # fmt: skip


_NOTHING_PROTECTED = "the plan protects no object under [protect]"


def not_applicable(config: RunConfig) -> dict[str, str]:
    """Return the gates that do not apply to this kind of plan, each with its reason."""
    if config.source.kind == "demo" or config.protect.clusters:
        return {}
    return dict.fromkeys(("G-03", "G-12", "G-24"), _NOTHING_PROTECTED)


def cannot_claim(config: RunConfig) -> tuple[str, ...]:
    """Return what the evidence of this kind of plan does not show (design section 6)."""
    claims = [
        "the methods' bodies were not run: the kill-switch is off, and what was run is their SQL, over their seam",
        "files of the server change after any transaction: rows, sequences and settings are as before, bytes are not",
        "the database's own log was not read: what was sent is the client witness's word, and the server's word is "
        "the transaction's user, number, locks and status",
        "counts move on a busy database; the abort certificate (A-1) decides, and says which counts moved",
        "hazards are what the catalogue held when it was read, before the transaction began",
        "rows that a foreign transaction made while it was provoked by a NOTIFY or a lock of ours are not looked for",
    ]
    if config.proof.accept:
        claims.append(f"accepted by the plan without having been read: {', '.join(config.proof.accept)}")
    if not config.proof.baseline:
        claims.append("P-8's baseline is this run's own first count, because the plan names no earlier one")
    if config.source.kind != "demo" and not config.protect.clusters:
        claims.append("no neighbour was protected by name, so nothing is said about neighbours")
    return tuple(claims)


def proof(
    config: RunConfig, *, database: str, supervise: Literal["boundary", "step", "scenario"] = "boundary"
) -> Plan:
    """Return the plan for one configuration and the database whose name B-2 asks for."""
    return Plan(
        kind="proof",
        title="rollback-only proof on the real database",
        steps=steps(database),
        gates=PROOF_GATES,
        scenario_step="",
        scenarios=(),
        not_applicable=not_applicable(config),
        supervise=supervise,
    )
