"""What C-03 and C-05 do for a dump: a file from elsewhere taken in, an archive looked through, the manifest.

A foreign dump is judged before anything of it runs. A file has no living source: nothing here looks at one.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import msgspec

from console.engine.preflight import require_free
from console.engine.rehearsal import Rehearsal
from console.environments.cluster import folder_identity
from console.environments.process import run_program
from console.errors import PlanError, StepFailed
from console.model.beside_facts import Beside
from console.model.catalogue import Manifest, Privileges
from console.sources.dump_file import DumpFileSource, available_extensions, lex, next_line
from console.sources.dump_lexer import DumpLexer, shown
from console.witness.beside import source_fact

_SETVAL = re.compile(r"SELECT pg_catalog\.setval\('((?:[^']|'')+)', (-?\d+), (true|false)\);")
_REFUSED_ENTRIES = (
    "EVENT TRIGGER", "FOREIGN DATA WRAPPER", "FOREIGN SERVER", "SERVER", "USER MAPPING", "FOREIGN TABLE",
    "SUBSCRIPTION",
    "PUBLICATION", "DATABASE", "PROCEDURAL LANGUAGE", "ROLE", "TABLESPACE",
)  # fmt: skip
_ENTRY = re.compile(r"\d+; \d+ \d+ ([A-Z][A-Z ]*[A-Z]) (.*)")


def copy_dump_file(run: Rehearsal, source: DumpFileSource) -> None:
    """C-03 for a dump file: one pass that copies, hashes and lexes it, and the manifest beside it."""
    recorder = run.recorder
    require_free(run, source.database_bytes(), what="the dump")
    recorder.opening("file", str(run.places.dump))
    total_bytes = source.database_bytes()
    copied = source.copy(
        run.places.dump, abort=recorder,
        progress=lambda done: recorder.progress("C-03", done=done, total=total_bytes, unit="bytes"),
    )  # fmt: skip
    recorder.identified("file", str(run.places.dump), folder_identity(run.places.dump))
    run.dumped = copied
    recorder.note(
        "dump", {**msgspec.to_builtins(copied), "path": str(run.places.dump), "given": str(source.path)}
    )
    try:
        manifest = source.manifest()
        elsewhere = source.owned_elsewhere() if run.plan.kind == "migration" else None
        beside = source.beside() if run.plan.kind == "migration" else None
    except PlanError as wrong:
        raise StepFailed(str(wrong), cause="source", gate="G-08") from wrong
    if manifest is not None:
        recorder.fact("manifest.source", manifest, source="the manifest beside the dump")
    if elsewhere is not None:
        recorder.fact("owned.elsewhere", elsewhere, source="the list of owners beside the dump")
    if beside is not None:
        keep_beside(run, beside, source="the list of settings and publications beside the dump")
    nobody = Privileges(roles={}, grants=())
    recorder.fact("privileges.source", nobody, source="a dump file has no roles")


def keep_beside(run: Rehearsal, found: Beside, *, source: str) -> None:
    """Keep what the source has beside its dump for the copy, and record its names: a value may be a secret."""
    run.beside = found
    run.recorder.fact("beside.source", source_fact(found), source=source)


def contents(run: Rehearsal) -> str | None:
    """Return the table of contents of a copy that has its end, None for one that was cut off.

    Plain text, which was lexed to its last line, has none: it is empty. A foreign archive is looked through as
    well: StepFailed (source) for what is not restored.
    """
    assert run.dumped is not None
    if run.dumped.kind == "plain":
        return ""
    if run.living_source() is None:
        return _contents_of_foreign(run)
    listed = run_program(
        [run.programs.path("pg_restore"), "--list", str(run.places.dump)],
        name="pg_restore --list", scratch=run.places.scratch, receipts=run.recorder, abort=run.recorder,
    )  # fmt: skip
    return listed.stdout.decode("utf-8", "replace") if listed.returncode == 0 else None


def _contents_of_foreign(run: Rehearsal) -> str:
    """The table of contents is searched and the SQL that would run is lexed, before any of it runs."""
    programs = run.the_environment().restoring_programs()
    if not programs.may_read_foreign_dumps:
        raise StepFailed(
            f"pg_restore {programs.version} is not safe with archives from elsewhere", cause="environment"
        )
    timeout_s = run.config.limits.step_timeout_s
    with run.the_environment().listed_archive(
        run.places.dump, abort=run.recorder, timeout_s=timeout_s
    ) as found:
        done, text = found
        if done.returncode:
            words = shown(done.stderr)
            raise StepFailed(f"pg_restore cannot read the archive: {words}", cause="source", gate="G-08")
        listing = done.stdout.decode("utf-8", "replace")
        _search_entries(listing)
        lex(text, lambda lexer: _feed(run, text, lexer), extensions=available_extensions(run.programs))
    return listing


def _search_entries(listing: str) -> None:
    for line in listing.splitlines():
        entry = _ENTRY.match(line)
        if entry is not None and entry[1].startswith(_REFUSED_ENTRIES):
            raise StepFailed(
                f"the archive holds {shown(f'{entry[1]} {entry[2]}')}, which is not restored", cause="source"
            )


def _feed(run: Rehearsal, text: Path, lexer: DumpLexer) -> None:
    descriptor = os.open(text, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StepFailed("pg_restore wrote no regular file", cause="source")
        while line := next_line(file, lexer):
            run.recorder.raise_if_requested()
            lexer.feed(line)


def require_extensions(run: Rehearsal, manifest: Manifest) -> None:
    """Raise StepFailed when the source has an extension that the environment's PostgreSQL lacks.

    What an image has is known when its server runs: there a missing one is an error of the restore.
    """
    if run.config.environment.kind == "docker":
        return
    available = available_extensions(run.programs)
    names = sorted(definition.rpartition(" ")[0] for definition in manifest.extensions)
    missing = [name for name in names if available is not None and name not in available]
    if missing:
        raise StepFailed(
            f"the source needs the extension {', '.join(missing)}, and {run.programs.root} has only "
            f"{', '.join(sorted(available or ()))}: use --environment docker, or --pg-programs",
            cause="environment",
        )


def with_moved_sequences(run: Rehearsal, before: Manifest, after: dict[str, str]) -> Manifest:
    """Return the manifest with the dump's own value of each sequence that moved during the dump.

    A sequence belongs to no snapshot: what pg_dump read lies between the two values that were read before
    and after it, or the first one stays and G-08 says so.
    """
    moved = {name for name, value in after.items() if before.sequences.get(name) != value}
    if not moved:
        return before
    dumped = _dumped_sequences(run)
    sequences = dict(before.sequences)
    for name in sorted(moved & sequences.keys() & dumped.keys()):
        low, high = sorted(int(value.split(",")[0]) for value in (before.sequences[name], after[name]))
        if low <= int(dumped[name].split(",")[0]) <= high:
            sequences[name] = dumped[name]
    run.recorder.note("sequences.moved", sorted(moved))
    return msgspec.structs.replace(before, sequences=sequences)


def _dumped_sequences(run: Rehearsal) -> dict[str, str]:
    """Return "last_value,is_called" by schema.name as the archive's SEQUENCE SET entries have them."""
    listing = run.places.scratch / "sequences.list"
    program = run.programs.path("pg_restore")
    listed = _listed(run, [program, "--list", str(run.places.dump)])
    listing.write_text(
        "\n".join(line for line in listed.splitlines() if " SEQUENCE SET " in line) + "\n", "utf-8"
    )
    text = _listed(run, [program, f"--use-list={listing}", "--file=-", str(run.places.dump)])
    return {
        name.replace("''", "'").replace('"', ""): f"{value},{called}"
        for name, value, called in _SETVAL.findall(text)
    }


def _listed(run: Rehearsal, argv: list[str]) -> str:
    done = run_program(
        argv,
        name="pg_restore of sequences",
        scratch=run.places.scratch,
        receipts=run.recorder,
        abort=run.recorder,
    )
    return done.stdout.decode("utf-8", "replace")
