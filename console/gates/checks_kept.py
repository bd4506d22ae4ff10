"""Checks of a copy that is kept for later rehearsals, and of one that was: protected, whole, the one that was meant.

Pure functions over recorded facts: None when the truth holds, otherwise the sentence that says why not.
"""

from __future__ import annotations

from console.gates.sentences import first_few, said
from console.model.facts import Identifier
from console.model.gate import Facts
from console.model.kept_facts import NO_PROTECTION, KeptLaidOut, KeptLeft, KeptMade, KeptPlace, KeptTaken

FOLDER_MODE = 0o700
_HOUR_S = 3600.0
_SLACK_S = 1.0


def kept_copy_is_protected(facts: Facts) -> str | None:
    """The kept copy is its owner's alone, in memory or encrypted, byte for byte what was copied, and has its end."""
    place = facts.need("kept.place", KeptPlace)
    phrases = place_faults(place)
    made = facts.need("kept.made", KeptMade)
    if made.read_back_sha256 != made.sha256:
        phrases.append(
            f"what was kept reads back as sha256 {made.read_back_sha256}, written was {made.sha256}"
        )
    kept_s = (made.until - made.kept_at).total_seconds()
    if not 0 < kept_s <= made.hours * _HOUR_S + _SLACK_S:
        times = f"from {made.kept_at.isoformat()} until {made.until.isoformat()}"
        phrases.append(f"it is kept {times}, and the plan allows {made.hours:g} h")
    return said(phrases)


def place_faults(place: KeptPlace) -> list[str]:
    """Return one phrase for everything that speaks against keeping a copy in a place."""
    phrases = _folder_faults(place.folder, place.mode, place.owner_uid, place.runner_uid)
    if place.protection == NO_PROTECTION:
        phrases.append(
            f"{place.folder} ({place.file_system}) is neither in memory nor encrypted: {place.told_by}"
        )
    if place.free_bytes < place.needed_bytes:
        phrases.append(
            f"{place.folder} has {place.free_bytes} bytes free, and the copy needs {place.needed_bytes}"
        )
    return phrases


def kept_copy_is_the_approved_one(facts: Facts) -> str | None:
    """The copy is the kept one that was approved, byte for byte, fits, has not expired, and has its own identity."""
    taken = facts.need("kept.taken", KeptTaken)
    laid_out = facts.need("kept.laid_out", KeptLaidOut)
    created = facts.need("copy.created", Identifier).system_identifier
    phrases = [*taken_faults(taken), *content_faults(taken, laid_out)]
    if created in ("", taken.kept_identifier, taken.source_identifier):
        phrases.append(f"the copy has no system_identifier of its own, but {created or 'none'}")
    return said(phrases)


def content_faults(taken: KeptTaken, laid_out: KeptLaidOut) -> list[str]:
    """Return one phrase for everything by which what was laid out is not what was kept."""
    phrases: list[str] = []
    if laid_out.sha256 != taken.sha256 or laid_out.differences:
        named = f" ({first_few(laid_out.differences)})" if laid_out.differences else ""
        phrases.append(f"its content is not what was kept{named}")
    if (laid_out.files, laid_out.size_bytes) != (taken.files, taken.size_bytes):
        phrases.append(
            f"{laid_out.files} files of {laid_out.size_bytes} bytes were laid out, "
            f"kept were {taken.files} of {taken.size_bytes}"
        )
    return phrases


def taken_faults(taken: KeptTaken) -> list[str]:
    """Return one phrase for everything that speaks against taking a kept copy, before a byte of it is copied."""
    phrases = _folder_faults(taken.folder, taken.mode, taken.owner_uid, taken.runner_uid)
    if taken.list_sha256 != taken.approved_sha256:
        phrases.append(
            f"the kept copy's list has sha256 {taken.list_sha256}, approved was {taken.approved_sha256}"
        )
    if taken.fits != taken.wanted:
        phrases.append(
            f"the kept copy of run {taken.run} is of another source, pack or PostgreSQL than the plan's"
        )
    if taken.taken_at >= taken.until:
        phrases.append(f"the kept copy of run {taken.run} expired at {taken.until.isoformat()}")
    if taken.configured not in ("", taken.source_identifier):
        phrases.append(
            f"the kept copy is of a source with system_identifier {taken.source_identifier}, "
            f"the plan expects {taken.configured}"
        )
    return phrases


def only_the_kept_copy_is_left(facts: Facts) -> str | None:
    """Nothing is kept but the copy that the plan keeps, whole and with its end; a half-made one is gone."""
    left = facts.need("left.kept", KeptLeft)
    if not left.exists:
        return None
    if left.receipt == "none":
        return f"{left.folder} exists, and no receipt names it"
    if left.receipt != "kept":
        return f"{left.folder} still exists, and nothing in it was kept to the end"
    return None if left.same_folder else f"{left.folder} is not the folder that was kept any more"


def copy_is_another_server_than_the_kept_one(facts: Facts) -> str | None:
    """The copy is the server that was made for it, and neither the source nor the cluster that was kept."""
    created = facts.need("copy.created", Identifier).system_identifier
    asked = facts.need("copy.asked", Identifier).system_identifier
    taken = facts.need("kept.taken", KeptTaken)
    if not asked:
        return "the copy said no system_identifier"
    others = {taken.source_identifier: "the source", taken.kept_identifier: "the kept copy"}
    if asked in others:
        return f"the copy has the system_identifier {asked} of {others[asked]}; nothing may be written"
    if asked != created:
        return f"the copy has system_identifier {asked}, the server that was made for it {created}"
    return None


def _folder_faults(folder: str, mode: int, owner_uid: int, runner_uid: int) -> list[str]:
    phrases = [] if mode == FOLDER_MODE else [f"{folder} has mode {mode:04o}, allowed is 0700"]
    if owner_uid != runner_uid:
        phrases.append(f"{folder} belongs to uid {owner_uid}, the runner is {runner_uid}")
    return phrases
