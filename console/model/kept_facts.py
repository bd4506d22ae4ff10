"""Every fact of a run whose copy is kept for later ones, or that takes a kept copy: its name, its shape, its time.

Owns the shapes only; what is the same in every run is in `console.model.facts`. Times are UTC in ISO 8601.
"""

from __future__ import annotations

from typing import Literal

from console.model.fact import Count, Fact, Sha256, Some, Text, Time

NO_PROTECTION = ""


class KeptPlace(Fact, frozen=True, kw_only=True):
    """C-06, before a byte is kept: the folder as lstat has it, and what is known of what lies below it.

    `protection` is how its bytes are kept from whoever gets the disk: they are on none (memory), file system or device
    encrypt, or the plan's word stands for what cannot be seen; "" for none. `told_by` says how that is known, or what
    speaks against it.
    """

    folder: Text
    mode: int
    owner_uid: int
    runner_uid: int
    file_system: Text
    protection: Literal["memory", "encrypted", "word", ""]
    told_by: str
    free_bytes: Count
    needed_bytes: Some


class KeptMade(Fact, frozen=True, kw_only=True):
    """C-06: the copy that is kept, as it was written and as it was read back, and how long the plan lets it be."""

    kept_at: Time
    until: Time
    hours: float
    system_identifier: Text
    files: Some
    size_bytes: Some
    sha256: Sha256
    read_back_sha256: Sha256


class KeptTaken(Fact, frozen=True, kw_only=True):
    """C-03 of a run that takes a kept copy: what its list says beside what was approved and what is wanted.

    `list_sha256` is of the list as it is, `approved_sha256` as it was when the plan was shown; `sha256` of the kept
    files, as the list has it. `fits` is over everything that a copy's content depends on, `wanted` the same of this
    run's configuration; `configured` the plan's system_identifier of the source, "" for none.
    """

    folder: Text
    mode: int
    owner_uid: int
    runner_uid: int
    run: Text
    read_at: Text
    until: Time
    taken_at: Time
    fits: Sha256
    wanted: Sha256
    sha256: Sha256
    list_sha256: Sha256
    approved_sha256: Sha256
    files: Some
    size_bytes: Some
    source_identifier: Text
    configured: str
    kept_identifier: Text


class KeptLaidOut(Fact, frozen=True, kw_only=True):
    """C-05: what was laid out of the kept copy in C-04, and its files as they were read after that.

    `differences`: by name, from its list, and what was written between the copying and the reading's end.
    """

    files: Count
    size_bytes: Count
    sha256: Sha256
    differences: tuple[str, ...]


class KeptLeft(Fact, frozen=True, kw_only=True):
    """C-13: what is there of the kept copy. `receipt`: never begun, still to be removed, kept, or removed."""

    receipt: Literal["none", "open", "kept", "removed"]
    folder: str
    exists: bool
    same_folder: bool


KEPT_FACTS: dict[str, type] = {
    "kept.place": KeptPlace,
    "kept.made": KeptMade,
    "kept.taken": KeptTaken,
    "kept.laid_out": KeptLaidOut,
    "left.kept": KeptLeft,
}
"""Fact name to its shape: the first two and the last are of a run that keeps its copy."""
