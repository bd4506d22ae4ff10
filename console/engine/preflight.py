"""C-01 and C-02: what must be true before anything is touched, and the rehearsal's own secrets."""

from __future__ import annotations

import hashlib
import marshal
import os
import shutil
import site
import stat
import sys
import sysconfig
from pathlib import Path

import msgspec

from console.engine.docker_removal import ENGINE_NOTE
from console.engine.protecting import PROTECTED_BY, look_at_protected
from console.engine.rehearsal import UIDS_NOTE, Rehearsal
from console.engine.sampling import learn_mask_key
from console.environments.cluster import folder_identity
from console.environments.environment import OWNER_SECRET, SUPERUSER_SECRET
from console.environments.owner import make_folder
from console.errors import StepFailed
from console.gates.table import by_id
from console.model.facts import (
    Digests,
    Disk,
    Names,
    SecretFile,
    SecretFolder,
    SecretPlaces,
)
from console.model.gate import Facts, judge
from console.model.plan import Plan
from console.model.verdict import GateVerdict
from console.repository import index_listing
from console.secrets import make_password, write_secret_file
from console.sources.demo import DemoSource

_NOT_YET = ("connection", "container")
"""Sources that nothing looks into before B-2."""

_KIND_OF = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "folder"), (stat.S_ISLNK, "link"))


def check_beforehand(run: Rehearsal) -> None:
    """C-01: names, disk, protected objects, host's packages; the demo makes its production here."""
    if run.config.source.secret and run.plan.copy != "reused":
        run.source_password()
    learn_mask_key(run)
    names = {
        f"folder {path}": os.path.lexists(path)
        for path in (run.places.work, run.places.demo, run.places.secrets)
    }
    names |= run.the_environment().taken_names()
    engine = run.the_environment().engine_identity()
    if engine:
        run.recorder.note(ENGINE_NOTE, engine)
    run.recorder.fact("names", Names(exists=names), source="each exact name, looked up")
    _require(run, "G-02")
    _make_work_folder(run)
    if min(_free_bytes(run).values()) < run.config.limits.free_bytes:
        _record_disk(run, source_bytes=0)
        _require(run, "G-01")
    _record_disk(run, source_bytes=_source_bytes(run))
    run.recorder.fact("protected.before", look_at_protected(run), source=PROTECTED_BY)
    run.recorder.fact(
        "site.before", Digests(digests=site_digests()), source="names, sizes and times of files"
    )
    run.recorder.note("versions", _versions(run))


def _source_bytes(run: Rehearsal) -> int:
    """Prepare the source where this run has one of its own, and return its size; 0 where nobody may look yet."""
    if run.order.kept is not None:
        return run.order.kept.size_bytes
    source = run.the_source()
    if isinstance(source, DemoSource):
        made_up = {"production": source.production.uid, "neighbour": source.neighbour.uid}
        run.recorder.note(UIDS_NOTE, made_up)
    source.prepare()
    return 0 if run.config.source.kind in _NOT_YET else source.database_bytes()


def _make_work_folder(run: Rehearsal) -> None:
    """The work folder is open for passing through when root works for other users; all below is 0700."""
    work = run.places.work
    if not work.parent.is_dir():
        raise StepFailed(f"the work folder's parent {work.parent} is not there", cause="environment")
    run.recorder.opening("folder", str(work))
    make_folder(work, mode=0o711 if os.geteuid() == 0 else 0o700)
    run.recorder.identified("folder", str(work), folder_identity(work))


def _require(run: Rehearsal, gate_id: str) -> None:
    """Raise StepFailed in the gate's own words when it does not hold: nothing further may be made."""
    found = judge(by_id(gate_id), Facts(run.recorder.state.facts))
    if found.verdict != GateVerdict.PASS:
        raise StepFailed(found.reason, cause="environment", gate=gate_id)


def _free_bytes(run: Rehearsal) -> dict[str, int]:
    return {str(folder): shutil.disk_usage(folder).free for folder in (run.places.run, run.places.work)}


def times_source(plan: Plan) -> int:
    """Return how many times the source's size must be free: dump, copy and room, and a template where there is one."""
    return 4 if plan.rewound else 3


def require_free(run: Rehearsal, source_bytes: int, *, what: str) -> None:
    """Raise StepFailed (environment, G-01) where the work folder has no room for a copy of so much."""
    times, free = times_source(run.plan), shutil.disk_usage(run.places.work).free
    if free < times * source_bytes:
        raise StepFailed(
            f"{run.places.work} has {free} bytes free and the copy needs {times * source_bytes} ({times} times {what})",
            cause="environment", gate="G-01",
        )  # fmt: skip


def _record_disk(run: Rehearsal, *, source_bytes: int) -> None:
    fact = Disk(
        free_bytes=_free_bytes(run), floor_bytes=run.config.limits.free_bytes, source_bytes=source_bytes,
        times_source=times_source(run.plan),
    )  # fmt: skip
    run.recorder.fact("disk", fact, source="statvfs; pg_database_size")


def site_digests() -> dict[str, str]:
    """Return a digest of each site-packages folder of this interpreter and of the system's Python."""
    folders = {*site.getsitepackages(), sysconfig.get_path("purelib"), "/usr/lib/python3/dist-packages"}
    folders |= {str(path) for path in Path("/usr/local/lib").glob("python3*/dist-packages")}
    if sys.prefix != sys.base_prefix:
        base = Path(sys.base_prefix, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}")
        folders.add(str(base / "site-packages"))
    return {folder: _folder_digest(Path(folder)) for folder in sorted(folders) if Path(folder).is_dir()}


def _folder_digest(folder: Path) -> str:
    """Return a digest of names, sizes and times; nobody can set back a change time (inode(7)).

    A file with several names (hard links, as uv installs) has its change time moved whenever another of them comes or
    goes, in an environment that nobody here uses: of such a file the content counts.
    """
    total = hashlib.sha256()
    waiting = [str(folder)]
    while waiting:
        path = waiting.pop()
        try:
            here = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            folders, files = _looked_into(here)
        finally:
            os.close(here)
        total.update(marshal.dumps((path, files), _BY_VALUE))
        waiting += [f"{path}/{name}" for name in folders]
    return total.hexdigest()


_BY_VALUE = 0
"""The version of marshal's format in which equal values are equal bytes, whoever else holds them."""


def _looked_into(here: int) -> tuple[list[str], list[tuple[str, int, int, int | str]]]:
    """Return the names of the folders in an open folder, and name, size and times of all else; caches left out.

    Each is looked up from the open folder: a path of ten parts costs more than the look itself.
    """
    folders, files = [], []
    with os.scandir(here) as inside:
        for entry in inside:
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if name != "__pycache__":
                    folders.append(name)
                continue
            found = entry.stat(follow_symlinks=False)
            changed_ns = found.st_ctime_ns
            changed = changed_ns if found.st_nlink == 1 else _content_digest(here, name, changed_ns)
            files.append((name, found.st_size, found.st_mtime_ns, changed))
    return sorted(folders), sorted(files)


def _content_digest(here: int, name: str, changed_ns: int) -> str:
    """Return the sha256 of a file's bytes, its change time where this user may not read it."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=here)
    except OSError:
        return f"unreadable {changed_ns}"
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions(run: Rehearsal) -> dict[str, str]:
    return {
        "python": sys.version.split()[0],
        "postgresql": run.programs.version,
        "programs": str(run.programs.root),
        "system": " ".join(os.uname()[index] for index in (0, 2, 4)),
    }


def stage_secrets(run: Rehearsal) -> None:
    """C-02: the rehearsal's own passwords, known to the registry before they are written anywhere."""
    for name in secret_names(run):
        run.registry.learn(name, make_password())
    places = run.places
    run.recorder.opening("folder", str(places.secrets))
    make_folder(places.secrets)
    run.recorder.identified("folder", str(places.secrets), folder_identity(places.secrets))
    run.recorder.opening("file", str(places.secrets_file))
    values = {name: run.registry.value(name) for name in secret_names(run)}
    write_secret_file(places.secrets_file, msgspec.json.encode(values).decode())
    run.recorder.identified("file", str(places.secrets_file), folder_identity(places.secrets_file))
    run.recorder.fact("secrets.places", _secret_places(run), source="lstat; git ls-files; the registry")


def secret_names(run: Rehearsal) -> tuple[str, ...]:
    """Return the names of the rehearsal's own secrets: superuser, owner, and each role that logs in."""
    roles = [name for name, role in sorted(run.loaded.privileges.roles.items()) if role.login]
    return (SUPERUSER_SECRET, OWNER_SECRET, *roles)


def _secret_places(run: Rehearsal) -> SecretPlaces:
    file, folder = run.places.secrets_file, run.places.secrets
    printed = [
        f"{found.origin} {found.form} {found.position}"
        for found in run.recorder.state.redactions
        if found.origin == "engine"
    ]
    return SecretPlaces(
        runner_uid=os.geteuid(),
        files={str(file): msgspec.convert(_looked_at(file) | {"links": file.lstat().st_nlink}, SecretFile)},
        folders={
            str(path): msgspec.convert(_looked_at(path), SecretFolder) for path in (folder, run.places.run)
        },
        registered=len(run.registry.values()),
        printed=tuple(printed),
    )


def _looked_at(path: Path) -> dict[str, object]:
    found = path.lstat()
    kind = next((name for is_kind, name in _KIND_OF if is_kind(found.st_mode)), "other")
    return {
        "kind": kind,
        "mode": stat.S_IMODE(found.st_mode),
        "owner_uid": found.st_uid,
        "real_path": str(path.resolve()),
        "git_index": index_listing(path),
    }
