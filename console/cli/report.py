"""`drydock report`: the report of a run, made anew from its journal."""

from __future__ import annotations

import argparse

from console.cli.listing import print_json, print_text
from console.cli.options import add_json, add_runs_dir
from console.cli.reading import condition_of, the_run
from console.errors import UsageError
from console.evidence.report import markdown
from console.evidence.summary import summary

_FORMATS = ("md", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument("run", metavar="RUN", help="the run's id or its beginning")
    parser.add_argument("--format", metavar="md|json", help="md (default) or json, the run's summary")
    add_runs_dir(parser)
    add_json(parser)


def main(options: argparse.Namespace) -> int:
    """Write the report on stdout; of an unfinished run it says that there is no verdict."""
    wanted = options.format or ("json" if options.json else "md")
    if wanted not in _FORMATS:
        raise UsageError(f"this release writes no {wanted} report", remedy="use --format md or --format json")
    if options.json and wanted != "json":
        raise UsageError(f"--json and --format {wanted} contradict each other", remedy="name one of them")
    found = the_run(options)
    if wanted == "json":
        print_json(
            {
                **summary(found.state, evidence=str(found.path)),
                "run": found.run,
                "condition": condition_of(found),
            }
        )
    else:
        print_text(markdown(found.state).rstrip("\n"))
    return 0
