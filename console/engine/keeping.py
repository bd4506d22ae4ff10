"""A copy kept for later rehearsals: looked at as it was restored, before anything of ours or of the subject is in it.

Owns when a copy is kept and what its list says. Its receipt is open until it is whole, so that a teardown removes what
is half made; what is kept then is removed by its end, by `drydock kept remove`, or by whoever comes first after that.
"""

from __future__ import annotations

import stat
import time
from datetime import datetime, timedelta
from pathlib import Path

from console import __version__
from console.engine.grounding import make_roles
from console.engine.isolating import require_gate
from console.engine.keeping_place import GATE, KEPT_UNTIL, own_path, require_place
from console.engine.rehearsal import Rehearsal
from console.engine.restore_errors import GRANTEES_NOTE
from console.environments.cluster import folder_identity
from console.environments.embedded import EmbeddedEnvironment
from console.environments.keeping import Folders, Listing, resting
from console.environments.owner import make_folder
from console.kept import DATA_FOLDER, FORMAT, KeptList, now, shown, unused, write_list
from console.model.kept_facts import KeptMade, KeptPlace
from console.model.kept_words import KEPT_NOTE
from console.plans.reusing import fits_of

RECEIPT = "kept"
CARRIED = ("restore", "manifest.source", "privileges.source")
"""Facts of the run that keeps a copy which stand, in one that takes it, in the place of dump and restore."""

_ROOM = 1.1


def keep_and_make_roles(run: Rehearsal) -> None:
    """C-06: the copy kept where the plan keeps it, then as in every run."""
    if run.plan.copy == "kept":
        _keep(run)
    make_roles(run)


def _keep(run: Rehearsal) -> None:
    """Stop the server in order, copy its data folder, start it again; then read back what was written."""
    environment, recorder, path = run.the_environment(), run.recorder, own_path(run)
    assert isinstance(environment, EmbeddedEnvironment)
    began = time.monotonic()
    place = require_place(run, needed_bytes=int(_ROOM * _bytes_below(environment.cluster.data_folder)))
    recorder.fact(
        "kept.place", place, source="lstat; /proc/self/mountinfo, /proc/swaps, /sys/dev/block; statvfs"
    )
    recorder.opening(RECEIPT, str(path))
    make_folder(path)
    identity = folder_identity(path)
    recorder.identified(RECEIPT, str(path), identity)
    with unused(path, wait=False):
        written, listed = _written(run, place, path)
    recorder.closed(RECEIPT, str(path), identity=identity, how=f"{KEPT_UNTIL}{shown(listed.until)}")
    told = {
        "folder": str(path), "until": shown(listed.until), "size_bytes": written.size_bytes,
        "protection": place.told_by,
        "shared": written.shared, "took_ms": int((time.monotonic() - began) * 1000),
    }  # fmt: skip
    recorder.note(KEPT_NOTE, told)


def _written(run: Rehearsal, place: KeptPlace, path: Path) -> tuple[Listing, KeptList]:
    """Write the copy and then its list; raises StepFailed (G-29) before there is one that could be believed."""
    environment, recorder = run.the_environment(), run.recorder
    assert isinstance(environment, EmbeddedEnvironment)
    into = path / DATA_FOLDER
    make_folder(into)
    folders = Folders(recorder)
    with resting(environment.cluster) as redo_segment:
        written = folders.kept(environment.cluster.data_folder, into, redo_segment=redo_segment)
    listed = _list_of(run, written, place, kept_at=now().replace(microsecond=0))
    made = KeptMade(
        kept_at=listed.kept_at, until=listed.until, hours=run.config.reuse.hours,
        system_identifier=listed.system_identifier, files=len(written.files), size_bytes=written.size_bytes,
        sha256=written.sha256, read_back_sha256=folders.read(into).sha256,
    )  # fmt: skip
    recorder.fact("kept.made", made, source="each file as it was copied, and as it was read back")
    require_gate(run, GATE)
    write_list(path, listed)
    return written, listed


def _list_of(run: Rehearsal, written: Listing, place: KeptPlace, *, kept_at: datetime) -> KeptList:
    state, source = run.recorder.state, run.config.source
    fits = fits_of(run.config, run.loaded, programs=run.programs.version, root=str(run.programs.root))
    named = source.container if source.kind == "container" else f"{source.host}:{source.port}"
    return KeptList(
        format=FORMAT, run=run.order.run, drydock=__version__, kept_at=kept_at,
        until=kept_at + timedelta(hours=run.config.reuse.hours),
        read_at=state.steps_started["C-03"], fits=fits,
        source=f"{source.kind} {named} {run.database}",
        source_identifier=state.facts["source.before"]["system_identifier"],
        system_identifier=run.the_environment().system_identifier,
        protection=place.protection, folders=written.folders, files=written.files, size_bytes=written.size_bytes,
        sha256=written.sha256, facts={name: state.facts[name] for name in CARRIED},
        grantees=list(state.notes.get(GRANTEES_NOTE, [])),
    )  # fmt: skip


def _bytes_below(data: Path) -> int:
    return sum(entry.lstat().st_size for entry in data.rglob("*") if stat.S_ISREG(entry.lstat().st_mode))
