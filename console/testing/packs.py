"""A scenario pack without a database: every problem of its files and of its code, and its scenarios tried on a fake.

Runs the pack's code as a rehearsal does: in the real harness, in a process of its own with a clean environment. What
comes of a scenario here is a claim about a fake; only a rehearsal judges.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from console.engine.archive import build_harness
from console.environments.process import CLEAN_ENVIRONMENT
from console.errors import PackError, SubjectError
from console.model.pack import AGAIN, Scenario
from console.model.problem import Wrong
from console.pack_code import overlooked
from console.packs import LoadedPack, read_pack
from console.subjects import materialise
from console.testing.server import FakeServer

WAIT_S = 60.0
_PASSWORD = "a password of the fake's"


def check_pack(folder: Path | str, *, subject: Path | str | None = None, wait_s: float = WAIT_S) -> list[str]:
    """Return every problem of a pack as a sentence; empty when a rehearsal could begin with it.

    Reads pack.toml, the frozen files, the declarations, the subject and each known_bad and variants folder, and
    imports pack.py with the subject in the harness. Needs no database.
    """
    place = Path(folder)
    loaded, wrong = read_pack(place)
    problems = [_sentence(one) for one in wrong]
    problems += [*_patches(place)]
    if loaded is None:
        return problems
    problems += _roles(loaded)
    try:
        replies = _harness(loaded, subject, server=None, commands=(), wait_s=wait_s)
    except (PackError, SubjectError) as unready:
        return [*problems, _sentence(unready)]
    return [*problems, *_imported(loaded, replies)]


def try_pack(
    folder: Path | str,
    server: FakeServer,
    *scenarios: str,
    subject: Path | str | None = None,
    wait_s: float = WAIT_S,
) -> dict[str, dict[str, Any]]:
    """Return what the harness tells of scenarios (all, in order, where none is named) run against a fake server.

    Each has `attempts` (name, outcome, type, message, sqlstate, frames) and, where it ended early, `failed`. Faults
    that the pack declares are induced. Raises PackError for a pack that cannot be read or imported.
    """
    loaded, wrong = read_pack(Path(folder))
    for problem in wrong:
        raise PackError(problem.what, remedy=problem.remedy)
    assert loaded is not None
    known = {one.id: one for one in loaded.pack.scenario}
    wanted = [known[name] for name in scenarios] if scenarios else list(known.values())
    replies = _harness(loaded, subject, server=server, commands=[*map(_command, wanted)], wait_s=wait_s)
    for problem_text in _imported(loaded, replies):
        raise PackError(problem_text, remedy="mend pack.py")
    return {reply["scenario"]: reply for reply in replies[1:]}


def _sentence(wrong: PackError | SubjectError | Wrong) -> str:
    return f"{wrong.what}; {wrong.remedy}"


def _command(scenario: Scenario) -> dict[str, Any]:
    faults = [
        {"attempt": one.name, "at": one.fails_at, "kind": one.fault}
        for one in scenario.attempt
        if one.fails_at is not None
    ]
    return {"scenario": scenario.id, "faults": faults}


def _roles(loaded: LoadedPack) -> Iterator[str]:
    """Name each role that a scenario or a rival uses and that frozen/privileges.json does not know as a login."""
    logins = {name for name, role in loaded.privileges.roles.items() if role.login}
    used = {
        role: f"scenario {scenario.id}, attempt {attempt.name}"
        for scenario in loaded.pack.scenario
        for attempt in scenario.attempt
        for role in attempt.principals
    }
    used |= {rival.role: f"the rival of scenario {rival.scenario}" for rival in loaded.pack.rival}
    for role in sorted(used.keys() - logins):
        yield f"{used[role]}: the role {role} is no login of frozen/privileges.json; mend one of them"


def _patches(folder: Path) -> Iterator[str]:
    """Name each planted defect and variant whose changes do not fit."""
    for patch in sorted([*folder.glob("known_bad/*/subject.toml"), *folder.glob("variants/*/subject.toml")]):
        with tempfile.TemporaryDirectory(prefix="drydock-pack-") as scratch:
            try:
                materialise(patch.parent, Path(scratch, "subject"))
            except SubjectError as wrong:
                yield _sentence(wrong)


def _imported(loaded: LoadedPack, replies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say what the harness's first words miss: an import that failed, functions and declarations without each other."""
    first = replies[0]
    if not first.get("ready"):
        yield str(first.get("failed", "the harness does not say why it cannot start"))
        return
    registered, declared = set(first["scenarios"]), [one.id for one in loaded.pack.scenario]
    path = loaded.folder / "pack.py"
    for name in declared:
        if name not in registered and name.removesuffix(AGAIN) not in registered:
            yield f'{path} has no function for the scenario {name}; write @scenario("{name}")'
    for name in overlooked(path, first["declared"]):
        yield f"{path} declares {name} in a decorator of another name; write @scenario(...), or declare it in pack.toml"
    for name in sorted(registered - {*declared}):
        yield f"{path} registers {name}, which nothing declares; declare it in pack.toml or in its decorator"


@contextmanager
def _laid_out(loaded: LoadedPack, subject: Path | str | None) -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory(prefix="drydock-pack-") as scratch:
        folder = Path(scratch)
        materialise(Path(subject or loaded.folder / loaded.pack.subject.folder), folder / "subject")
        build_harness(folder / "harness.pyz")
        yield folder, folder / "subject"


def _harness(
    loaded: LoadedPack, subject: Path | str | None, *, server: FakeServer | None,
    commands: Sequence[Mapping[str, Any]], wait_s: float,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the harness's first words and its reply to each command.

    Raises PackError when it says less than that within the time.
    """
    with _laid_out(loaded, subject) as (folder, laid_out):
        where = server.conninfo if server is not None else {"host": str(folder), "port": 5432}
        context = {
            "pack": str(loaded.folder.resolve()), "subject": str(laid_out), "trace": str(folder / "trace.jsonl"),
            "host": where["host"], "port": where["port"], "database": loaded.pack.database, "sslmode": "disable",
            "passwords": {name: _PASSWORD for name, role in loaded.privileges.roles.items() if role.login},
        }  # fmt: skip
        lines = "".join(json.dumps(one) + "\n" for one in (context, *commands, {"end": True}))
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-B", str(folder / "harness.pyz")], input=lines, capture_output=True,
                text=True, encoding="utf-8", errors="replace", env=dict(CLEAN_ENVIRONMENT), timeout=wait_s,
                check=False, cwd=folder,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            what = f"{loaded.folder / 'pack.py'} did not come to its end in {wait_s:g} s"
            raise PackError(what, remedy="look for what it waits for when it is imported") from late
    replies: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    if not replies or (replies[0].get("ready") and len(replies) != 1 + len(commands)):
        words = done.stderr.strip().splitlines()[-1:] or ["it says nothing"]
        what = f"{loaded.folder / 'pack.py'}: the harness ended with {done.returncode}: {words[0]}"
        raise PackError(what, remedy="run pack.py's imports by hand")
    return replies
