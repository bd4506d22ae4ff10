"""`drydock completion bash|zsh|fish`: the shell's script, made by docs/completion.py; `runs` is what it asks for."""

from __future__ import annotations

import argparse
import sys

from console.cli.options import add_runs_dir, runs_folder
from console.settings import data_folder

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    what = 'the shell: eval "$(drydock completion bash)" in ~/.bashrc; runs: the ids of all runs, the newest first'
    parser.add_argument("what", choices=(*SHELLS, "runs"), help=what)
    add_runs_dir(parser)


def main(options: argparse.Namespace) -> int:
    """Write the script, or the ids one a line."""
    if options.what == "runs":
        from console.runs import run_names

        sys.stdout.write("".join(f"{name}\n" for name in reversed(run_names(runs_folder(options)) or [])))
        return 0
    script = data_folder("docs") / "completion" / f"drydock.{options.what}"
    sys.stdout.write(script.read_text("utf-8"))
    return 0
