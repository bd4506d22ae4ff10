"""The pages docs/gates.md and docs/proofs.md, written from the tables so that they cannot say anything else.

`python -m console.gates.document > docs/gates.md` and `python -m console.gates.document proof > docs/proofs.md`
write them anew.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence

from console.gates.kept_table import with_kept_rows
from console.gates.migration_table import MIGRATIONS
from console.gates.proof_table import PROOF_GATES
from console.gates.rewind_table import with_rewind_rows
from console.gates.sample_table import with_sample_gates
from console.gates.table import GATES
from console.model.gate import Gate

_HEAD = """# Gates

Written from `console/gates/table.py`, `sample_table.py`, `rewind_table.py` and `kept_table.py` by
`python -m console.gates.document > docs/gates.md`; do not edit.

A gate is one row and one pure function over recorded facts (`console/model/facts.py`). Its verdict is PASS
when the function finds nothing to say, FAIL with the sentence that it says, and UNKNOWN when a fact is
missing or cannot be read. UNKNOWN is never a pass.

G-26 belongs to plans that do not take the whole source as it is (docs/sampling.md); others do not have it.
G-27, G-28 and G-31 belong to plans that rewind the copy between scenarios (docs/pack.md); there G-15 lets a rewound
scenario begin with the prepared copy's rows and looks at rows written late in a copy that is dropped, and G-20 looks
at every copy that scenarios ran in.
G-29 and N-8 belong to plans that keep their copy for later runs, G-30 to those that take a kept one (docs/reuse.md);
there G-10 compares with the kept cluster, too, and G-05, G-06, G-21 and G-25 do not apply: production is not reached.
"""


_PROOF_HEAD = """# Proofs

Written from `console/gates/proof_table.py` by `python -m console.gates.document proof > docs/proofs.md`; do not edit.

The rows of the plan `proof` (docs/proof.md), in the order in which they are asked. Each is a pure function over
recorded facts (`console/model/proof_facts.py`, `console/model/facts.py`): PASS when it finds nothing to say, FAIL with
the sentence that it says, UNKNOWN when a fact is missing or when the facts do not settle it. UNKNOWN is never a pass.
"""


def markdown(gates: Sequence[Gate], head: str = _HEAD) -> str:
    """Return the whole page: a table of all gates, then one section a gate with its facts and remedy."""
    return "\n".join([head, _overview(gates), *(_section(gate) for gate in gates)])


def _overview(gates: Sequence[Gate]) -> str:
    rows = [f"| {gate.id} | {gate.step} | {gate.title} | {gate.cause} |" for gate in gates]
    return "\n".join(["| gate | step | holds when | cause of a FAIL |", "|---|---|---|---|", *rows, ""])


def _section(gate: Gate) -> str:
    facts = ", ".join(f"`{name}*`" if name.endswith(".") else f"`{name}`" for name in gate.rests_on)
    lines = [f"## {gate.id}: {gate.title}", "", _truth(gate), "", f"- asked in: {_asked(gate)}"]
    return "\n".join([*lines, f"- rests on: {facts}", f"- remedy: {gate.remedy}", ""])


def _truth(gate: Gate) -> str:
    if gate.check is None:
        return "This release cannot ask it yet, so it is UNKNOWN."
    return f"{inspect.getdoc(gate.check)} (`{gate.check.__module__}.{gate.check.__name__}`)"


def _asked(gate: Gate) -> str:
    extra = ", and after each scenario" if gate.each_scenario else ""
    again = f", and again in {gate.again}" if gate.again else ""
    return gate.step + extra + again + (", always" if gate.closing else "")


def gates_page() -> str:
    """Return the page of the plan `dry-run`, the gates of a sampled and of a rewound copy among them."""
    return markdown(with_kept_rows(with_rewind_rows(with_sample_gates(GATES))))


_MIGRATION_HEAD = """# Gates of migrations

Written from `console/gates/migration_table.py` by `python -m console.gates.document migration >
docs/migration-gates.md`; do not edit.

The rows of the plan `migration` (docs/migrations.md) beside those of docs/gates.md. Each is a pure function over
recorded facts (`console/model/migration_facts.py`, `console/model/facts.py`): PASS when it finds nothing to say, FAIL
with the sentence that it says, UNKNOWN when a fact is missing or does not settle it. UNKNOWN is never a pass.
"""


def migration_gates() -> str:
    """Return the page of the plan `migration`."""
    return markdown(MIGRATIONS, _MIGRATION_HEAD)


def proofs() -> str:
    """Return the page of the plan `proof`."""
    return markdown(PROOF_GATES, _PROOF_HEAD)


if __name__ == "__main__":
    pages = {"proof": proofs, "migration": migration_gates}
    wanted = pages.get("".join(sys.argv[1:]))
    sys.stdout.write(wanted() if wanted else gates_page())
