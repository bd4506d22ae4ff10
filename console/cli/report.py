"""`drydock report`: the report of a run, made anew from its journal."""

from __future__ import annotations

import argparse

from console.cli.listing import print_json, print_text
from console.cli.options import add_json, add_runs_dir
from console.cli.reading import condition_of, the_run
from console.errors import UsageError
from console.evidence.html import html
from console.evidence.junit import junit
from console.evidence.report import markdown
from console.evidence.summary import machine_report

_FORMATS = ("md", "html", "json", "junit")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument("run", metavar="RUN", help="the run's id or its beginning")
    parser.add_argument("--format", metavar="|".join(_FORMATS), help="md (default)")
    add_runs_dir(parser)
    add_json(parser)


def main(options: argparse.Namespace) -> int:
    """Write the report on stdout; of an unfinished run it says that there is no verdict."""
    wanted = options.format or ("json" if options.json else "md")
    if wanted not in _FORMATS:
        raise UsageError(
            f"this release writes no {wanted} report", remedy=f"use one of {', '.join(_FORMATS)}"
        )
    if options.json and wanted != "json":
        raise UsageError(f"--json and --format {wanted} contradict each other", remedy="name one of them")
    found = the_run(options)
    if wanted == "json":
        print_json(
            {
                **machine_report(found.state),
                "run": found.run,
                "condition": condition_of(found),
                "evidence": str(found.path),
            }
        )
    elif wanted == "html":
        print_text(html(found.state, found.path).rstrip("\n"))
    elif wanted == "junit":
        print_text(junit(found.state).rstrip("\n"))
    else:
        print_text(markdown(found.state).rstrip("\n"))
    return 0
