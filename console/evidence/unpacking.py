"""A pack's trace as the screen needs it: unpacked into a private folder for as long as somebody looks."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from console.evidence.storage import SUFFIX, open_kept


@contextlib.contextmanager
def unpacked(folder: Path) -> Iterator[Path]:
    """Yield a folder of the same name in which journal and trace are plain files: the pack's own where they are."""
    if not any((folder / f"{name}{SUFFIX}").exists() for name in ("trace.jsonl", "trace.idx")):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="drydock-browse-") as made:
        shown = Path(made) / folder.name
        shown.mkdir(mode=0o700)
        for name in ("journal.jsonl", "trace.jsonl", "trace.idx"):
            with open_kept(folder / name) as kept, (shown / name).open("xb") as plain:
                shutil.copyfileobj(kept, plain, 1 << 20)
        yield shown
