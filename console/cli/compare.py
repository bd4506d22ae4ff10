"""`drydock compare RUN RUN`: what differs between two runs, the cause first; exit code 1 when they differ."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.cli.listing import print_json, print_text
from console.cli.options import add_json, add_runs_dir, runs_folder
from console.errors import RunsFolderError
from console.evidence.compare import Side, as_json, as_markdown, compare
from console.evidence.fingerprint import statements_of
from console.runs import RunFolder, find_run, read_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument("run", metavar="RUN", nargs=2, help="a run's id or its beginning, or a pack's folder")
    add_runs_dir(parser)
    add_json(parser)


def main(options: argparse.Namespace) -> int:
    """Print the differences; 0 when the runs are the same in all that was compared, 1 otherwise."""
    runs = runs_folder(options)
    before, after = (_side(_found(runs, named)) for named in options.run)
    differences = compare(before, after)
    if options.json:
        print_json(as_json(differences))
    else:
        print_text(as_markdown(differences).rstrip("\n"))
    return 1 if differences.any else 0


def _found(runs: Path, named: str) -> RunFolder:
    folder = Path(named).absolute()
    if (folder / "journal.jsonl").exists():
        return read_run(folder.parent, folder.name)
    return find_run(runs, named)


def _side(found: RunFolder) -> Side:
    try:
        statements = statements_of(found.path)
    except OSError as wrong:
        raise RunsFolderError(
            f"the trace of {found.run} cannot be read: {wrong.strerror}", remedy="ask as its owner"
        ) from wrong
    return Side(state=found.state, statements=statements)
