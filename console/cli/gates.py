"""`drydock gates`: the table of gates, as the code has it."""

from __future__ import annotations

import argparse

from console.cli.listing import print_json, print_table
from console.cli.options import add_json
from console.gates.kept_table import with_kept_rows
from console.gates.migration_table import MIGRATION_GATES
from console.gates.proof_table import PROOF_GATES
from console.gates.rewind_table import with_rewind_rows
from console.gates.sample_table import with_sample_gates
from console.gates.table import GATES
from console.model.gate import Gate

TABLES: dict[str, tuple[Gate, ...]] = {
    "dry-run": with_kept_rows(with_rewind_rows(with_sample_gates(GATES))),
    "proof": PROOF_GATES,
    "migration": with_sample_gates(MIGRATION_GATES),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument("--plan", choices=tuple(TABLES), default="dry-run", help="whose gates")
    add_json(parser)


def main(options: argparse.Namespace) -> int:
    """Write each gate with its step, what must hold, and what to do when it does not."""
    gates = TABLES[options.plan]
    if options.json:
        print_json(
            [
                {
                    "id": gate.id,
                    "step": gate.step,
                    "title": gate.title,
                    "cause": gate.cause,
                    "each_scenario": gate.each_scenario,
                    "again": gate.again,
                    "closing": gate.closing,
                    "rests_on": list(gate.rests_on),
                    "remedy": gate.remedy,
                }
                for gate in gates
            ]
        )
    else:
        rows = [(gate.id, gate.step, gate.title, gate.remedy) for gate in gates]
        print_table(("gate", "step", "holds when", "when it does not"), rows)
    return 0
