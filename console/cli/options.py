"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.settings import default_runs_folder


def add_runs_dir(parser: argparse.ArgumentParser) -> None:
    """Add --runs-dir."""
    parser.add_argument(
        "--runs-dir",
        metavar="DIR",
        type=Path,
        default=None,
        help="the folder of the runs (default: DRYDOCK_RUNS_DIR, else drydock/runs in the state folder)",
    )


def runs_folder(options: argparse.Namespace) -> Path:
    """Return the runs folder that was named, else the default."""
    named: Path | None = options.runs_dir
    return (named or default_runs_folder()).absolute()


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def add_screen_options(parser: argparse.ArgumentParser) -> None:
    """Declare what every screen takes."""
    parser.add_argument(
        "--theme", choices=("dark", "light", "ansi"), help="colours (default: by the terminal)"
    )
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
