"""Checks of net-zero: what the run made is gone, what it found is as it was. All from receipts.

Pure functions over recorded facts: None when the truth holds, otherwise the sentence that says what is
left, by exact name.
"""

from __future__ import annotations

import msgspec

from console.gates.sentences import said, unequal
from console.model.facts import Left, Starts, SubjectState
from console.model.gate import Facts


def containers_are_gone(facts: Facts) -> str | None:
    """No container of the run exists."""
    return _left(facts, "left.containers", "container")


def volumes_are_gone(facts: Facts) -> str | None:
    """No volume of the run exists."""
    return _left(facts, "left.volumes", "volume")


def networks_are_gone(facts: Facts) -> str | None:
    """No network of the run exists."""
    return _left(facts, "left.networks", "network")


def secrets_and_dump_are_destroyed(facts: Facts) -> str | None:
    """No secrets file and no dump of the run exists."""
    return _left(facts, "left.secrets", "secrets file or dump")


def no_process_is_left(facts: Facts) -> str | None:
    """No process, socket, cluster or folder of the run exists."""
    return _left(facts, "left.processes", "process, socket or cluster")


def subject_is_unchanged(facts: Facts) -> str | None:
    """The subject's tree hash and its repository's branch, HEAD and status are as before the run."""
    before = msgspec.structs.asdict(facts.need("subject.before", SubjectState))
    after = msgspec.structs.asdict(facts.need("subject.after", SubjectState))
    return said(f"the subject's {phrase}" for phrase in unequal(before, after))


def nothing_restarted(facts: Facts) -> str | None:
    """Every protected object and the source runs since the time that was first seen in this run."""
    starts = facts.need("starts", Starts)
    before = {name: start for name, start in starts.before.items() if name not in starts.gone}
    phrases = [f"start of {phrase}" for phrase in unequal(before, starts.after)]
    phrases += [f"{name} was seen after it had gone" for name in starts.gone if name in starts.after]
    phrases += [f"{name} went and was never seen" for name in starts.gone if name not in starts.before]
    if starts.maker == "finished" and not starts.before:
        phrases.append("the first look finished, but no start time was recorded")
    if starts.maker == "not begun" and starts.before:
        phrases.append("start times were recorded, but the first look never began")
    return said(phrases)


def _left(facts: Facts, name: str, kind: str) -> str | None:
    left = facts.need(name, Left)
    phrases = [f"{thing} was not removed: {why}" for thing, why in left.not_removed.items()]
    standing = [thing for thing, exists in left.exists.items() if exists and thing not in left.not_removed]
    phrases += [f"{thing} still exists" for thing in standing]
    phrases += [f"{thing} exists, and no receipt names it" for thing in left.without_receipt]
    if len(left.exists) != left.receipts:
        phrases.append(f"{len(left.exists)} of {left.receipts} receipts were looked up")
    if left.maker == "finished" and not left.receipts:
        phrases.append(f"no receipt of any {kind}, though the step that makes the first one finished")
    if left.maker == "not begun" and left.receipts:
        phrases.append(f"a receipt of a {kind} exists, though the step that makes the first one never began")
    return said(phrases)
