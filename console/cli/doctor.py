"""`drydock doctor`: what works here, and what to do about the rest; makes nothing and changes nothing."""

from __future__ import annotations

import argparse
import dataclasses
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from console.cli.doctor_rows import (
    Row,
    State,
    docker_rows,
    exit_code,
    folder_rows,
    keyring_row,
    postgresql_rows,
    source_rows,
    system_rows,
    terminal_rows,
)
from console.cli.listing import print_json, print_table, print_text
from console.cli.options import add_json
from console.errors import PlanError
from console.model.config import RunConfig
from console.settings import (
    default_cache_folder,
    default_runs_folder,
    default_state_folder,
    default_work_folder,
)

LONGEST_PROBE_S = 45.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    plan = "a plan file: its source's server is asked for its version, read-only, with the plan's secret"
    parser.add_argument("plan", metavar="PLAN.toml", nargs="?", type=Path, help=plan)
    add_json(parser)


def main(options: argparse.Namespace) -> int:
    """Write one row a thing; 0 when a demo rehearsal can be run, 1 when something that it needs is missing."""
    from console.plans.file import read_plan_file

    rows = gathered(read_plan_file(options.plan) if options.plan else RunConfig())
    code = exit_code(rows)
    if options.json:
        print_json({"demo": code == 0, "things": [dataclasses.asdict(row) for row in rows]})
        return code
    table: list[tuple[str, str, str]] = []
    for row in rows:
        table.append((row.thing, row.state, row.found))
        table += [("", "", f"remedy: {row.remedy}")] if row.remedy else []
    print_table(("thing", "state", "what was found"), table)
    missing = ", ".join(row.thing for row in rows if row.needed and row.state == "MISSING")
    print_text(
        f"a demo rehearsal cannot be run: {missing}"
        if missing
        else "a demo rehearsal can be run: drydock run"
    )
    return code


def gathered(config: RunConfig) -> list[Row]:
    """Look at everything and return its rows."""
    from console.cli import doctor_facts as facts
    from console.environments.programs import find_programs

    major, configured = config.environment.major, config.environment.programs
    try:
        programs = find_programs(major, Path(configured) if configured else None)
    except PlanError:
        programs = None
    folders = {
        "runs": default_runs_folder(), "state": default_state_folder(), "cache": default_cache_folder(),
        "work": Path(config.environment.work_folder or default_work_folder()),
    }  # fmt: skip
    probes: dict[str, Callable[[], list[Row]]] = {
        "terminal": lambda: terminal_rows(facts.terminal_facts()),
        "PostgreSQL": lambda: postgresql_rows(facts.embedded_programs(), facts.system_programs(), major=16),
        "source": lambda: source_rows(facts.source_facts(config, programs), major=major, from_wheel=not configured),
        "docker engine": lambda: docker_rows(facts.docker_facts(config)),
        "keyring": lambda: [keyring_row(*facts.keyring_backend(), over_ssh="SSH_CONNECTION" in os.environ)],
    }  # fmt: skip
    for role, path in folders.items():
        probes[f"{role} folder"] = partial(_of_folder, role, path, config.limits.free_bytes)
    probes["system"] = lambda: system_rows(facts.system_facts())
    return [row for thing, probe in probes.items() for row in in_time(thing, probe)]


def _of_folder(role: str, path: Path, least_bytes: int) -> list[Row]:
    from console.cli.doctor_facts import folder_facts

    return folder_rows(folder_facts(role, path), least_bytes=least_bytes)


def in_time(thing: str, probe: Callable[[], list[Row]], *, patience_s: float = LONGEST_PROBE_S) -> list[Row]:
    """Return a probe's rows, or one that says that it did not come back (a dead file server, a mute engine)."""
    asked: Future[list[Row]] = Future()

    def ask() -> None:
        try:
            asked.set_result(probe())
        except BaseException as wrong:  # noqa: BLE001 - raised again by whoever waits for it
            asked.set_exception(wrong)

    threading.Thread(target=ask, name=f"look at {thing}", daemon=True).start()
    try:
        return asked.result(patience_s)
    except TimeoutError:
        needed = thing in ("PostgreSQL", "runs folder", "work folder", "system")
        state: State = "MISSING" if needed else "UNKNOWN"
        found = f"no answer in {patience_s:g} s"
        return [Row(thing=thing, state=state, found=found, remedy="look at it by hand", needed=needed)]
