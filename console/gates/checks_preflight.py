"""Checks of C-01 and C-02: room, names, what is protected, and where secrets lie.

Pure functions over recorded facts: None when the truth holds, otherwise the sentence that says why not.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from console.gates.sentences import said, unequal
from console.model.facts import Disk, Names, Protected, SecretFile, SecretFolder, SecretPlaces
from console.model.gate import Facts

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def there_is_room(facts: Facts) -> str | None:
    """Every folder written to has the larger of the floor and a multiple of the source's size free."""
    disk = facts.need("disk", Disk)
    wanted = max(disk.floor_bytes, disk.times_source * disk.source_bytes)
    if not disk.free_bytes:
        return "no folder was measured for free space"
    limit = (
        f"the run needs {wanted:,} (the larger of {disk.floor_bytes:,} "
        f"and {disk.times_source} times the source's {disk.source_bytes:,})"
    )
    short = [f"{folder} has {free:,} bytes free" for folder, free in disk.free_bytes.items() if free < wanted]
    return f"{said(short)}; {limit}" if short else None


def no_name_is_taken(facts: Facts) -> str | None:
    """None of the exact names to be used exists."""
    names = facts.need("names", Names)
    if not names.exists:
        return "no name was looked up before its use"
    return said(f"{name} exists already" for name, exists in names.exists.items() if exists)


def protected_objects_are_known(facts: Facts) -> str | None:
    """Every object that the plan protects was found, and at least one is protected."""
    objects = facts.need("protected.before", Protected).objects
    if not objects:
        return "the plan protects no object, so nothing can be shown to be the same afterwards"
    return said(f"protected {name} was not found" for name, found in objects.items() if found is None)


def no_protected_service_restarted(facts: Facts) -> str | None:
    """In C-08 every protected object has the id and the start time of C-01."""
    return changed_objects(facts, "protected.during")


def protected_objects_are_unchanged(facts: Facts) -> str | None:
    """After the teardown every protected object has the id and the start time of C-01."""
    return changed_objects(facts, "protected.after")


def changed_objects(facts: Facts, later: str) -> str | None:
    """Return which protected objects differ between C-01 and the fact `later`, None when none does."""
    before = facts.need("protected.before", Protected).objects
    after = facts.need(later, Protected).objects
    if not before:
        return "the plan protects no object, so nothing can be shown to be the same"
    phrases = [f"protected {name} was not recorded in C-01" for name in sorted(after.keys() - before.keys())]
    for name, known in sorted(before.items()):
        found = after.get(name)
        if known is None or found is None:
            phrases.append(f"protected {name} was not found")
        elif known.id != found.id:
            phrases.append(f"protected {name} has id {found.id}, in C-01 it had {known.id}")
        elif known.started_at and not found.started_at:
            phrases.append(f"protected {name} does not run, in C-01 it ran since {known.started_at}")
        elif known.started_at != found.started_at:
            phrases.append(
                f"protected {name} started at {found.started_at}, in C-01 at {known.started_at or 'no time'}"
            )
        elif known.details != found.details:
            phrases += [f"protected {name}: {phrase}" for phrase in unequal(known.details, found.details)]
    return said(phrases)


def secrets_are_private(facts: Facts) -> str | None:
    """Secrets files are 0600 in 0700 folders of the runner, no links, outside git, and none was printed."""
    places = facts.need("secrets.places", SecretPlaces)
    if not places.files:
        return "no secrets file was looked at"
    phrases: list[str] = []
    for path, file in places.files.items():
        phrases += _faults(path, file, "file", FILE_MODE, places.runner_uid)
        if file.links != 1:
            phrases.append(f"{path} has {file.links} hard links, allowed is 1")
        if str(PurePosixPath(path).parent) not in places.folders:
            phrases.append(f"the folder of {path} was not looked at")
    for path, folder in places.folders.items():
        phrases += _faults(path, folder, "folder", FOLDER_MODE, places.runner_uid)
    phrases += [f"a secret was about to be shown: {place}" for place in places.printed]
    return said(phrases)


def _faults(path: str, found: SecretFolder | SecretFile, kind: str, mode: int, runner_uid: int) -> list[str]:
    phrases: list[str] = []
    if found.kind != kind:
        phrases.append(f"{path} is a {found.kind}, expected a {kind}")
    if found.mode != mode:
        phrases.append(f"{path} has mode {found.mode:04o}, allowed is {mode:04o}")
    if found.owner_uid != runner_uid:
        phrases.append(f"{path} belongs to uid {found.owner_uid}, the runner is uid {runner_uid}")
    if found.real_path != path:
        phrases.append(f"{path} is reached through a link and really is {found.real_path}")
    if found.git_index:
        phrases.append(f"{path} is in the git index of {found.git_index}")
    return phrases
