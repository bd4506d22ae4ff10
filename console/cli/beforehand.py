"""What can be known of a plan before its run exists: the same looks for `drydock run` and for `drydock check`.

Looks at files and programs and imports the subject in a process of its own; a docker engine is asked for its
images. Nothing here reaches a source, and nothing stays.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from console.cli.approvers import approvers_gid
from console.engine.notifier import require_notify
from console.environments.packages import fill_wheelhouse, lock_of
from console.environments.programs import Programs, find_programs
from console.environments.protection import protection_of
from console.errors import PackError, PlanError, StepFailed, SubjectError, UsageError
from console.kept import fitting, now
from console.model.config import KeptCopy, PackConfig, RunConfig, RunOrder, SourceConfig, SubjectConfig
from console.model.problem import Wrong
from console.packs import LoadedPack, find_pack, read_pack, tree_sha256
from console.plans.file import with_options
from console.plans.order import plan_of, subject_folder
from console.plans.reusing import fits_of
from console.plans.sampling import inventory_problems
from console.repository import read_repository
from console.settings import data_folder, default_kept_folder, default_work_folder
from console.sources.dump_file import check_dump_file

Answer = TypeVar("Answer")

_PROVEN = (("embedded", "connection"), ("embedded", "demo"))
DEFAULT_PACKS = {"proof": "rollback_proof", "migration": "migrations_sql"}
"""The pack of a kind of plan for which nobody names one."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong beyond the plan file's text; `wrong` where it has a file and a line of its own.

    `item` is the key below the key where it is one of a table's.
    """

    key: str
    expected: str
    error: UsageError
    wrong: Wrong | None = None
    item: str = ""


Tell = Callable[[Finding], None]


class _Looking:
    """Takes one look after the other; one that rests on a key which cannot be read is not taken."""

    def __init__(self, tell: Tell, unread: Collection[str]) -> None:
        self.tell, self._unread = tell, unread

    def known(self, *keys: str) -> bool:
        """Tell whether all these keys, and their sections, can be read."""
        return not any(one in self._unread for key in keys for one in (key, key.partition(".")[0]))

    def at(
        self, key: str, what: Callable[[], Answer], *, expected: str, needs: tuple[str, ...] = ()
    ) -> Answer | None:
        """Return what a look finds, None when it was told instead or not taken."""
        if not self.known(key, *needs):
            return None
        try:
            return what()
        except UsageError as wrong:
            self.tell(Finding(key=key, expected=expected, error=wrong))
            return None


def check_before(config: RunConfig) -> LoadedPack:
    """Check everything that needs neither the source nor the environment.

    Raises UsageError in one sentence for the first of: a kind that this release cannot do, missing programs, an
    unknown pack, a subject that is missing or does not import.
    """

    def refuse(found: Finding) -> None:
        raise found.error

    loaded, _programs = look_before(config, refuse)
    assert loaded is not None
    return loaded


def look_before(
    config: RunConfig, tell: Tell, unread: Collection[str] = ()
) -> tuple[LoadedPack | None, Programs | None]:
    """Tell everything that is wrong before a run exists; return pack and programs as far as they can be had."""
    look = _Looking(tell, unread)
    look.at("source.rows", lambda: _require_rows(config.source.rows), expected="1 to 50000000")
    configured = Path(config.environment.programs) if config.environment.programs else None
    programs = look.at(
        "environment.programs" if configured else "environment.major",
        lambda: find_programs(config.environment.major, configured),
        expected="PostgreSQL's programs of that major version", needs=("environment.major", "environment.programs"),
    )  # fmt: skip
    if config.source.kind == "dump_file" and look.known("source.kind", "source.path", "source.manifest"):
        _look_at_dump(look, config, programs)
    look.at("boundaries.approvers", lambda: approvers_gid(config.boundaries), expected="a group of this machine",
            needs=("boundaries.require_two",))  # fmt: skip
    folder = look.at(
        "pack.name",
        lambda: find_pack(config.pack.name),
        expected="a shipped pack or a folder",
        needs=("plan",),
    )
    loaded = _look_at_pack(look, config, folder) if folder is not None else None
    if loaded is not None:
        _look_at_subject(look, config, loaded)
        _look_at_masks(look, config, loaded)
        if config.plan == "migration" and look.known("subject.path"):
            loaded = look.at(
                "pack.name", lambda: _with_migrations(config), expected="migrations that can be read"
            )
    if config.reuse.copy:
        look.at("reuse.folder", lambda: _require_kept_place(config), expected="a folder in memory or encrypted",
                needs=("reuse.encrypted", "reuse.copy"))  # fmt: skip
    look.at("notify", lambda: require_notify(config.notify), expected="a program that can be started")
    if config.environment.kind == "docker":
        look.at("environment.image", lambda: _require_images(config), expected="an engine that has both images",
                needs=("environment.kind", "environment.harness_image", "environment.endpoint", "environment.context",
                       "environment.tls"))  # fmt: skip
    return loaded, programs


def _look_at_dump(look: _Looking, config: RunConfig, programs: Programs | None) -> None:
    if config.source.manifest:
        look.at("source.manifest", lambda: _require_manifest(config.source), expected="the manifest's file")
    if programs is not None:
        look.at(
            "source.path", lambda: check_dump_file(config.source, programs, environment=config.environment.kind),
            expected="a dump that these programs may read", needs=("source.accept_untrusted", "environment.kind"),
        )  # fmt: skip


def _look_at_pack(look: _Looking, config: RunConfig, folder: Path) -> LoadedPack | None:
    loaded, wrong = read_pack(folder)
    for one in wrong:
        error = PackError(one.what, remedy=one.remedy)
        look.tell(Finding(key="pack.name", expected=one.expected, error=error, wrong=one))
    if loaded is not None:
        key = "plan" if config.plan in DEFAULT_PACKS else "pack.name"
        look.at(key, lambda: _require_fitting(config, loaded), expected="a pack and a source that fit the plan",
                needs=("plan", "pack.name", "source.kind", "environment.kind"))  # fmt: skip
    return loaded


def _look_at_masks(look: _Looking, config: RunConfig, loaded: LoadedPack) -> None:
    """Hold masked columns against the pack's frozen inventory; other tables only the source knows."""
    for one in inventory_problems(config, loaded.inventory, loaded.pack.schema):
        if look.known("mask.columns", *one.rests_on):
            error = PlanError(one.what, remedy=one.remedy)
            look.tell(
                Finding(key=f"{one.section}.{one.key}", expected=one.expected, error=error, item=one.item)
            )


def _look_at_subject(look: _Looking, config: RunConfig, loaded: LoadedPack) -> None:
    if not look.known("subject.path"):
        return
    folder = subject_folder(loaded, config)
    planned = config.subject
    if planned.commit:
        look.at("subject.commit", lambda: _require_commit(folder, planned), expected="the planned commit")
    if planned.tree:
        look.at("subject.tree", lambda: _require_tree(folder, planned), expected="the planned tree hash")
    usable = look.at(
        "environment.work_folder", lambda: _try_work_folder(work_folder(config)), expected="a folder of yours with room"
    )  # fmt: skip
    if (
        usable is None
        or config.plan == "migration"
        or folder.is_relative_to(data_folder("scenarios").resolve())
    ):
        return
    from console.engine.import_check import subject_imports

    look.at(
        "subject.path",
        lambda: subject_imports(folder, loaded.pack.subject.package, work=work_folder(config)),
        expected=f"a folder from which {loaded.pack.subject.package} can be imported",
    )


def with_default_pack(config: RunConfig) -> RunConfig:
    """Return the configuration with the pack of its kind of plan, where that has one of its own and names none."""
    if config.plan in DEFAULT_PACKS and config.pack.name == PackConfig().name:
        pack = msgspec.structs.replace(config.pack, name=DEFAULT_PACKS[config.plan])
        return msgspec.structs.replace(config, pack=pack)
    return config


def kept_for(config: RunConfig, loaded: LoadedPack) -> KeptCopy | None:
    """Return the kept copy that a run of this configuration takes, None for a new one; its paths are absolute."""
    if not config.reuse.copy:
        return None
    configured = Path(config.environment.programs) if config.environment.programs else None
    programs = find_programs(config.environment.major, configured)
    fits = fits_of(config, loaded, programs=programs.version, root=str(programs.root))
    found = fitting(Path(config.reuse.folder), fits, now=now())
    return found.copy() if found is not None else None


def boundaries_of(config: RunConfig, loaded: LoadedPack) -> dict[str, str]:
    """Return the boundaries of a configuration's plan, each with the name that it asks for ("" for none)."""
    plan = plan_of(loaded, RunOrder(run="", config=config))
    return {step.boundary.id: step.boundary.typed for step in plan.steps if step.boundary is not None}


def foreseen_digest(config: RunConfig, loaded: LoadedPack, programs: Programs) -> str:
    """Return the digest that `drydock run` of this configuration would ask about, as things are now."""
    from console.engine.digest import whole_digest
    from console.engine.rehearsal import parts_of

    order = msgspec.json.encode(
        absolute(config)
    )  # the engine reads it from a file: a whole number becomes 900.0
    whole = msgspec.json.decode(order, type=RunConfig)
    plan = plan_of(loaded, RunOrder(run="", config=whole, kept=kept_for(whole, loaded)))
    with tempfile.TemporaryDirectory(prefix="drydock-check-", dir=work_folder(config)) as scratch:
        return whole_digest(
            parts_of(
                plan, whole, loaded, subject=subject_folder(loaded, whole), programs=programs, scratch=Path(scratch)
            )
        )  # fmt: skip


def _with_migrations(config: RunConfig) -> LoadedPack:
    """Return the pack with a scenario for each migration, and fetch the packages that it locks."""
    from console.engine.rehearsal import rehearsed_pack

    loaded = rehearsed_pack(config)
    if (lock := lock_of(loaded.folder)) is not None:
        fill_wheelhouse(lock)
    return loaded


def _require_rows(rows: int) -> None:
    if rows < 1 or rows > 50_000_000:
        what = f"--demo-rows {rows} is not between 1 and 50000000"
        raise PlanError(what, remedy="mend the number")


def _require_manifest(source: SourceConfig) -> None:
    """Refuse a manifest that the plan names and that is not there; one beside the dump may be missing."""
    if not Path(source.manifest).is_file():
        raise PlanError(
            f"there is no manifest {source.manifest}",
            remedy="mend the path, or leave manifest away and prove less",
        )


def _require_fitting(config: RunConfig, loaded: LoadedPack) -> None:
    """Refuse a plan that its pack or source is not made for."""
    name = loaded.pack.id
    if config.plan == "proof" and loaded.pack.proof is None:
        raise PlanError(f"the pack {name} has no [proof]", remedy="name a pack that has one with --pack")
    if config.plan == "migration" and loaded.pack.migration is None:
        what = f"the pack {name} has no [migration]"
        raise PlanError(what, remedy="name a pack that has one with --pack")
    if config.pack.rewind:
        _require_rewindable(config, loaded)
    if config.plan == "dry-run" and not loaded.pack.scenario:
        raise PlanError(
            f"the pack {name} has no scenario", remedy="run it with --plan proof or --plan migration"
        )
    if config.environment.kind != "embedded" and lock_of(loaded.folder) is not None:
        what = f"the pack {name} has a requirements.lock, which only the embedded environment installs"
        raise PlanError(what, remedy="leave [environment] kind away, or rehearse SQL files")
    if config.plan == "proof" and config.source.kind == "dump_file":
        raise PlanError(
            "a proof needs a living database, not a dump file", remedy="use a source of kind connection"
        )
    if config.plan == "proof" and (config.environment.kind, config.source.kind) not in _PROVEN:
        raise PlanError(
            "a proof runs its harness on this machine against a database that it reaches by connection",
            remedy="leave [environment] kind away, and use a source of kind connection",
        )


def _require_rewindable(config: RunConfig, loaded: LoadedPack) -> None:
    """Refuse to rewind what does not run scenarios on a copy, and a pack whose scenarios build on one another."""
    if config.plan != "dry-run":
        what = f"a {config.plan} has no scenarios between which a copy could be rewound"
        raise PlanError(what, remedy="leave --rewind and [pack] rewind away")
    if loaded.pack.rewind == "no":
        raise PlanError(
            f"the pack {loaded.pack.id} does not say that its scenarios can each begin on a fresh copy",
            remedy='leave --rewind away, or write rewind = "allowed" in its pack.toml once what each scenario must do '
            "counts from the prepared copy",
        )


def _require_images(config: RunConfig) -> None:
    """Refuse an engine that does not answer and an image that it does not have, before a run exists."""
    from console.environments.docker_images import image_ids

    folder = work_folder(config) / f"drydock-check-{secrets.token_hex(4)}"
    try:
        image_ids(config.environment, folder=folder)
    except StepFailed as wrong:
        remedy = "start the engine, pull the image by hand, name another one, or take --environment embedded"
        raise PlanError(wrong.reason, remedy=remedy) from wrong


def work_folder(config: RunConfig) -> Path:
    """Return the folder below which everything to be thrown away is made.

    Decided here and kept in the order, so that engine, watchdog and recovery name the same one whatever
    their environment says.
    """
    return Path(config.environment.work_folder or default_work_folder()).absolute()


def _require_kept_place(config: RunConfig) -> None:
    """Refuse a folder in which production's data may not be kept, before a run exists."""
    folder = Path(config.reuse.folder or default_kept_folder())
    place = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
    found = folder.lstat() if place == folder else None
    if found is not None and not (stat.S_ISDIR(found.st_mode) and _is_own(found)):
        what = f"the folder of kept copies {folder} is not a folder of yours alone (mode 0700)"
        raise PlanError(what, remedy="name another in [reuse] folder")
    if found is None and (place != folder.parent or not os.access(place, os.W_OK | os.X_OK)):
        what = f"the folder of kept copies {folder} is not there, and cannot be made in {folder.parent}"
        raise PlanError(what, remedy="make it (mode 0700), or name another in [reuse] folder")
    seen = protection_of(place)
    if not seen.kind and not config.reuse.encrypted:
        raise PlanError(
            f"the folder of kept copies {folder} ({seen.file_system}) is neither in memory nor encrypted: "
            f"{seen.told_by}",
            remedy="name one that is in [reuse] folder, or write encrypted = true where you know that it is",
        )


def _is_own(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _try_work_folder(work: Path) -> Path:
    """Return the folder when something can be made in it."""
    try:
        Path(tempfile.mkdtemp(prefix="drydock-check-", dir=work)).rmdir()
    except OSError as wrong:
        raise PlanError(
            f"the work folder {work} cannot be written: {wrong.strerror or wrong}",
            remedy="name another with --work-dir",
        ) from wrong
    return work


def _require_commit(folder: Path, planned: SubjectConfig) -> None:
    """Refuse a subject that is not at the commit that the plan names."""
    if folder.is_dir() and (head := read_repository(folder).head) != planned.commit:
        raise SubjectError(
            f"the subject in {folder} is at commit {head or 'none'}, and the plan names {planned.commit}",
            remedy="check out the planned commit, or mend [subject] commit",
        )


def _require_tree(folder: Path, planned: SubjectConfig) -> None:
    """Refuse a subject that is not the tree whose hash the plan names."""
    if folder.is_dir() and (tree := tree_sha256(folder)) != planned.tree:
        raise SubjectError(
            f"the subject in {folder} has the tree hash {tree}, and the plan names {planned.tree}",
            remedy="restore the planned files, or mend [subject] tree",
        )


def absolute(config: RunConfig) -> RunConfig:
    """The engine works from /, so that no folder of the operator's is kept busy."""
    changes: dict[str, dict[str, Any]] = {"subject": {}, "environment": {}, "pack": {}}
    if config.subject.path:
        changes["subject"]["path"] = str(Path(config.subject.path).absolute())
    changes["source"] = {
        name: str(Path(value).absolute())
        for name in ("path", "manifest")
        if (value := getattr(config.source, name))
    }
    if config.environment.programs:
        changes["environment"]["programs"] = str(Path(config.environment.programs).absolute())
    changes["environment"]["work_folder"] = str(work_folder(config))
    if config.reuse.copy:
        changes["reuse"] = {"folder": str(Path(config.reuse.folder or default_kept_folder()).absolute())}
    changes["pack"]["name"] = str(find_pack(config.pack.name))
    return with_options(config, changes)
