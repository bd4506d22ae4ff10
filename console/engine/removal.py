"""Removing what receipts name, one object at a time, by exact kind, name and identity.

Never touches an object whose identity is not the receipt's, never uses a pattern, a prefix or a
label; what cannot be removed is said and the next one is still tried.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from console.engine.docker_removal import DOCKER_KINDS, DockerRemover, quietly_closed
from console.engine.folder_removal import remove_folder
from console.engine.recorder import MARK_NOTE, Recorder
from console.engine.rehearsal import UIDS_NOTE
from console.environments.cluster import folder_identity
from console.environments.process import (
    carries_mark,
    end_process,
    is_alive,
    is_of_this_boot,
    members_of_session,
    process_identity,
    process_uid,
)
from console.errors import DrydockError
from console.model.run_state import Receipt, RunState
from console.secrets import destroy_file
from console.sources.archive import destroy_dump, is_dump_folder

PROCESS_PATIENCE_S = 20.0
_PATH_KINDS = ("file", "folder", "socket", "kept")
_RANKS = {"process": 0, "container": 1, "file": 2}
_GROUND_KINDS = ("volume", "network")
_VANISHED = "is not there any more, and nobody of this run removed it"


class NotOurs(DrydockError):
    """Another object has taken over the name; it is left alone."""


def remove_part(recorder: Recorder, part: str) -> None:
    """Remove every object of `part` that may still exist: processes, files, then all else, newest first.

    What lies in a docker engine and does not run any more is removed beside what lies here: one waits for the other's
    disk. Each outcome is recorded; whatever one removal meets, the next one still follows. What could not
    be recorded (a full disk) is raised when all is done.
    """
    receipts = _in_order([open_ for open_ in recorder.state.open_receipts if open_.part == part])
    what_runs = [one for one in receipts if _rank(one) < _RANKS["file"]]
    ground = [one for one in receipts if one.kind in _GROUND_KINDS]
    with quietly_closed(DockerRemover(recorder)) as remover:
        unrecorded = _remove_each(what_runs, recorder, remover)
        with ThreadPoolExecutor(1) as pool:
            beside = pool.submit(_remove_each, ground, recorder, remover) if ground else None
            others = [one for one in receipts if one not in what_runs and one not in ground]
            unrecorded += _remove_each(others, recorder, remover)
            unrecorded += beside.result() if beside is not None else []
    _close_what_went_with_its_folder(recorder, part)
    if unrecorded:
        raise unrecorded[0]


def _remove_each(receipts: list[Receipt], recorder: Recorder, remover: DockerRemover) -> list[Exception]:
    """Remove one after the other; return what could not be recorded."""
    unrecorded: list[Exception] = []
    for receipt in receipts:
        try:
            _remove_one(receipt, recorder, remover)
        except Exception as broken:  # noqa: BLE001 - one object must never keep the others, it is raised at the end
            unrecorded.append(broken)
    return unrecorded


def _in_order(receipts: list[Receipt]) -> list[Receipt]:
    """What runs goes first, then what holds secrets or data, then what is only big."""
    newest_first = receipts[::-1]
    return sorted(newest_first, key=_rank)


def _rank(receipt: Receipt) -> int:
    kind = "file" if is_dump_folder(receipt.kind, receipt.name) else receipt.kind
    return _RANKS.get(kind, len(_RANKS))


def _remove_one(receipt: Receipt, recorder: Recorder, remover: DockerRemover) -> None:
    if receipt.identity is None and _inside_ours(receipt, recorder.state.open_receipts):
        return
    try:
        _require_found(receipt, recorder)
        if receipt.kind in DOCKER_KINDS:
            how = remover.remove(receipt)
            _require_not_vanished(receipt, recorder, vanished=how == "was not there")
        else:
            how = _REMOVERS.get(receipt.kind, _unknown_kind)(receipt, recorder.state)
    except (DrydockError, OSError) as wrong:
        recorder.removal_failed(receipt.kind, receipt.name, reason=str(wrong))
    except Exception as broken:  # noqa: BLE001 - recorded as this object's failure, the next one must follow
        recorder.removal_failed(
            receipt.kind, receipt.name, reason=f"drydock's own {type(broken).__name__}: {broken}"
        )
    else:
        recorder.closed(receipt.kind, receipt.name, identity=receipt.identity or "", how=how)


def _require_found(receipt: Receipt, recorder: Recorder) -> None:
    """Raise NotOurs for what vanished without us, and for a folder that holds what we left alone.

    An engine that died may have removed an object and not said so, and of an ended run the operator
    may have removed by hand what was left: then a missing one is believed, unless it was missed before.
    """
    if receipt.kind not in ("file", "folder", "kept"):
        return
    path = Path(receipt.name)
    _require_not_vanished(receipt, recorder, vanished=not os.path.lexists(path))
    for other in recorder.state.open_receipts:
        left = Path(other.name)
        inside = other.trouble and other.kind in _PATH_KINDS and left != path and left.is_relative_to(path)
        if inside and os.path.lexists(left):
            raise NotOurs(f"{path} holds {left}, which is left alone")


def _require_not_vanished(receipt: Receipt, recorder: Recorder, *, vanished: bool) -> None:
    by_hand = recorder.state.reopened is not None and receipt.trouble and _VANISHED not in receipt.trouble
    if vanished and receipt.identity is not None and recorder.state.engine_lost is None and not by_hand:
        raise NotOurs(f"{receipt.name} {_VANISHED}")


def _inside_ours(receipt: Receipt, others: list[Receipt]) -> bool:
    """Tell whether an object that nobody could identify lies in a folder of ours that goes as a whole."""
    if receipt.kind not in _PATH_KINDS:
        return False
    return any(
        other.kind == "folder"
        and other.identity is not None
        and Path(receipt.name).is_relative_to(other.name)
        and other.name != receipt.name
        and os.path.lexists(other.name)
        and folder_identity(Path(other.name)) == other.identity
        for other in others
    )


def _close_what_went_with_its_folder(recorder: Recorder, part: str) -> None:
    for receipt in recorder.state.open_receipts:
        gone = receipt.kind in _PATH_KINDS and not os.path.lexists(receipt.name)
        if receipt.part == part and receipt.identity is None and gone:
            recorder.closed(receipt.kind, receipt.name, identity="", how="gone with its folder")


def still_exists(receipt: Receipt) -> bool:
    """Tell whether the object of a receipt is still there, by looking and not by its receipt."""
    if receipt.kind == "process":
        return receipt.identity is not None and is_alive(receipt.identity)
    path = Path(receipt.name)
    if not os.path.lexists(path):
        return False
    return receipt.identity is None or folder_identity(path) == receipt.identity


def _end_process(receipt: Receipt, state: RunState) -> str:
    if receipt.identity is None:
        return "never began"
    leader = int(receipt.identity.split(":", 1)[0])
    if not is_of_this_boot(receipt.identity):
        return "ended with the machine"
    if not is_alive(receipt.identity):
        _end_members(leader, [one for one in members_of_session(leader) if is_of_the_run(one, state)])
        return "had ended"
    ask = signal.SIGQUIT if receipt.name.startswith("postgres of ") else signal.SIGTERM
    if not end_process(receipt.identity, ask=ask, patience_s=PROCESS_PATIENCE_S):
        raise NotOurs(f"process {leader} does not end")
    _end_members(leader, members_of_session(leader))
    return f"ended by {ask.name}"


def is_of_the_run(identity: str, state: RunState) -> bool:
    """Tell whether a process runs as a user made up for this run, or was started with the run's mark."""
    return is_of_the_run_as(process_uid(int(identity.split(":", 1)[0])), identity, state)


def is_of_the_run_as(uid: int | None, identity: str, state: RunState) -> bool:
    """Tell the same of a process whose user has just been read; None where it was gone by then."""
    made_up = uid is not None and uid in state.notes.get(UIDS_NOTE, {}).values()
    return made_up or carries_mark(identity, str(state.notes.get(MARK_NOTE, "")))


def _end_members(leader: int, identities: list[str]) -> None:
    """End what a child left behind in the session that was made for it.

    The number of one that died long ago may have been a stranger's since: then only what is surely the
    run's is named to us. A living leader under the number is a stranger, and so is the session.
    """
    if process_identity(leader) is not None:
        return
    for identity in identities:
        end_process(identity, ask=signal.SIGKILL, patience_s=PROCESS_PATIENCE_S)


def _remove_folder(receipt: Receipt, _state: RunState) -> str:
    path = Path(receipt.name)
    if not os.path.lexists(path):
        return "was not there"
    _require_ours(path, receipt)
    if receipt.identity is None and any(path.iterdir()):
        raise NotOurs(f"the folder {path} is not empty and nobody recorded which one it is")
    if is_dump_folder(receipt.kind, receipt.name):
        destroy_dump(path)
        remove_folder(path, identity=receipt.identity)
        return "overwritten and removed"
    remove_folder(path, identity=receipt.identity)
    return "removed"


def _remove_file(receipt: Receipt, _state: RunState) -> str:
    path = Path(receipt.name)
    if not os.path.lexists(path):
        return "was not there"
    _require_ours(path, receipt)
    destroy_file(path)
    return "overwritten and removed"


def _remove_socket(receipt: Receipt, _state: RunState) -> str:
    path = Path(receipt.name)
    if not os.path.lexists(path):
        return "was not there"
    _require_ours(path, receipt)
    path.unlink()
    return "removed"


def _require_ours(path: Path, receipt: Receipt) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise NotOurs(f"{path} has become a link")
    if receipt.identity is not None and folder_identity(path) != receipt.identity:
        raise NotOurs(f"{path} is not the object of the receipt any more")
    if receipt.identity is None and found.st_uid != os.geteuid():
        raise NotOurs(f"{path} belongs to somebody else")


def _unknown_kind(receipt: Receipt, _state: RunState) -> str:
    raise NotOurs(f"this release does not know how to remove a {receipt.kind}")


def _close_cluster(receipt: Receipt, _state: RunState) -> str:
    """A cluster is gone with its data folder, whose own receipt removes it."""
    if os.path.lexists(receipt.name):
        raise NotOurs(f"the data folder {receipt.name} is still there")
    return "gone with its folder"


_REMOVERS: dict[str, Callable[[Receipt, RunState], str]] = {
    "process": _end_process,
    "folder": _remove_folder,
    "kept": _remove_folder,
    "file": _remove_file,
    "socket": _remove_socket,
    "cluster": _close_cluster,
}
