"""What a plan says of a copy that is kept for later rehearsals, or that an earlier one kept: problems, words, claims.

Pure: looks at values only. Where a kept copy lies and whether it is whole, the engine looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from console.kept import FORMAT
from console.model.catalogue import pack_name
from console.model.config import KeptCopy, ReuseConfig, RunConfig
from console.model.plan import Boundary, CopyKind, Step
from console.model.problem import Problem
from console.packs import LoadedPack

_SOURCES = ("connection", "container")
_SHORT_SHA256 = 12
_NO_SOURCE = "the copy was kept by an earlier run: this one does not reach its source"


def copy_kind(config: RunConfig, kept: KeptCopy | None) -> CopyKind:
    """Return what becomes of a run's copy, or where it comes from."""
    if not config.reuse.copy:
        return "new"
    return "reused" if kept is not None else "kept"


def reuse_problems(config: RunConfig) -> Iterator[Problem]:
    """Yield every problem of [reuse] that needs no look at a folder."""
    reuse = config.reuse
    if not reuse.copy:
        if reuse != ReuseConfig():
            yield _problem(
                "copy", "[reuse] says how a copy is kept, and not that one is", "copy = true, or no [reuse]",
                "write copy = true, or remove the section",
            )  # fmt: skip
        return
    for what, remedy, rests_on in _unfit(config):
        yield _problem(
            "copy", what, "a dry-run of a whole server on the embedded environment", remedy, rests_on
        )
    if reuse.folder and not reuse.folder.startswith("/"):
        yield _problem(
            "folder", f"{reuse.folder!r} is not an absolute path", "a path that begins with /",
            "write the whole path of a folder in memory or on an encrypted disk",
        )  # fmt: skip


def _unfit(config: RunConfig) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    without = "leave --reuse-copy and [reuse] away"
    if config.plan != "dry-run":
        yield f"a {config.plan} keeps no copy", without, ("plan",)
    if config.environment.kind != "embedded":
        what = "a copy in a container cannot be kept: its engine may be another machine's"
        yield what, f"{without}, or take --environment embedded", ("environment.kind",)
    if config.source.kind not in _SOURCES:
        what = f"a source of kind {config.source.kind} is not kept: it is no server that would be spared"
        yield what, f"{without}, or take the copy from a server", ("source.kind",)
    if not config.takes_all:
        yield "a copy that is not the whole source is not kept", without, ("sample", "mask")


def fits_of(config: RunConfig, loaded: LoadedPack, *, programs: str, root: str) -> str:
    """Return one hash of all that a copy's content, and what was recorded of its source, depends on.

    `programs` is the version of PostgreSQL's programs, `root` their folder: others of the same version may have
    another ICU, which sorts an index in another order.
    """
    source, pack = config.source, loaded.pack
    words = {
        "format": FORMAT,
        "source": [source.kind, source.host, source.port, source.container, source.endpoint, source.context],
        "role": source.role,
        "database": source.database or pack.database,
        "owner": pack.owner,
        "schema": pack.schema,
        "roles": sorted(loaded.privileges.roles),
        "relations": relations_of(loaded),
        "programs": [programs, root],
        "whole": config.takes_all,
    }
    return hashlib.sha256(msgspec.json.encode(words, order="sorted")).hexdigest()


def relations_of(loaded: LoadedPack) -> list[str]:
    """Return the relations of a pack whose privileges are compared with the source's."""
    schema = loaded.pack.schema
    granted = {
        pack_name(schema, *grant.object.split(".", 1))
        for grant in loaded.privileges.grants
        if grant.kind in ("table", "view", "column")
    }
    return sorted(granted | set(loaded.pack.tables))


def reuse_words(kind: CopyKind, kept: KeptCopy | None) -> str:
    """Return what a title adds for a copy that is kept, or was; "" for any other."""
    if kind == "reused" and kept is not None:
        return f", which is the one that run {kept.run} KEPT"
    return ", whose copy is KEPT" if kind == "kept" else ""


def with_reuse(steps: Sequence[Step], config: RunConfig, kept: KeptCopy | None) -> tuple[Step, ...]:
    """Return the steps of a plan whose copy is kept, or was, with B-2 asking about that; others as they are."""
    kind = copy_kind(config, kept)
    if kind == "kept":
        return tuple(_keeping(step, config.reuse) for step in steps)
    return tuple(_taking(step, kept) for step in steps) if kept is not None else tuple(steps)


def _keeping(step: Step, reuse: ReuseConfig) -> Step:
    if step.boundary is not None and step.boundary.id == "B-2":
        stays = (
            f"{step.boundary.irrevocable}; a second one stays in {reuse.folder} for at most {reuse.hours:g} h, "
            "also after the run, and drydock kept remove ends it"
        )
        return replace(step, boundary=replace(step.boundary, irrevocable=stays))
    if step.id == "C-06":
        does = f"the copy kept in {reuse.folder} for at most {reuse.hours:g} h; {step.does}"
        return replace(step, does=does, gates=("G-29", *step.gates))
    return replace(step, gates=(*step.gates, "N-8")) if step.id == "C-13" else step


def _taking(step: Step, kept: KeptCopy) -> Step:
    if step.boundary is not None and step.boundary.id == "B-2":
        asked = Boundary(
            id="B-2",
            question=f"take the copy that run {kept.run} kept, read from production ({kept.source}) at {kept.read_at} "
            f"({kept.size_bytes / 1e6:.1f} MB, list {kept.sha256[:_SHORT_SHA256]}); production is not touched",
            irrevocable="a copy of its data will be on this machine until the teardown, and the kept one until "
            f"{kept.until}",
        )
        return replace(
            step, boundary=asked, does="the kept copy instead of a new one: its list, its place, its age"
        )
    told = {
        "C-04": f"{step.does} from the kept copy, with an identity of its own",
        "C-05": "every row of the kept copy counted, and searched, in the place of a restore",
    }
    gates = (*step.gates, "G-30") if step.id == "C-05" else step.gates
    return replace(step, does=told.get(step.id, step.does), gates=gates)


def not_applicable_to_kept(kind: CopyKind, *, nothing_protected: bool) -> Mapping[str, str]:
    """Return the gates that a run on a kept copy does not ask, each with its reason."""
    if kind != "reused":
        return {}
    gates = ("G-05", "G-06", "G-21", "G-25", *(("N-6",) if nothing_protected else ()))
    return dict.fromkeys(gates, _NO_SOURCE)


def reuse_claims(config: RunConfig, kept: KeptCopy | None) -> tuple[str, ...]:
    """Return what the evidence of a run whose copy is kept, or was, does not show."""
    kind = copy_kind(config, kept)
    if kind == "kept":
        return (
            f"a copy of production stays in {config.reuse.folder} for at most {config.reuse.hours:g} h; the process "
            "that ends it may be killed, then the next drydock run, kept or recover does",
        )
    if kept is None:
        return ()
    return (
        f"production was not reached: the copy is as run {kept.run} read it at {kept.read_at}, and nothing is said of "
        "what has changed there since, nor that it was not restarted",
        f"that production was only read, and that the restore was complete, is in run {kept.run}'s evidence; here the "
        "kept bytes are compared with what was kept, and the rows counted with what that run counted in production",
        "where Drydock runs as an ordinary user, subjects of runs in between had the same user and could have changed "
        "the kept files and their list",
    )


def _problem(key: str, what: str, expected: str, remedy: str, rests_on: tuple[str, ...] = ()) -> Problem:
    return Problem(section="reuse", key=key, what=what, expected=expected, remedy=remedy, rests_on=rests_on)
