"""The files of a kept copy, read and hashed beside the steps that already work on what was laid out of them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from console.environments.keeping import Folders, LaidOut, Listing, changed
from console.model.protocols import Abort


class KeptReading:
    """One reading of all kept files, begun after they were copied; `held` lets go of the kept copy when it ends."""

    def __init__(self, data: Path, laid_out: LaidOut, *, abort: Abort, held: ExitStack) -> None:
        self.laid_out = laid_out
        pool = ThreadPoolExecutor(1, "kept copy")
        self._reading: Future[tuple[Listing, tuple[str, ...]]] = pool.submit(self._read, data, abort, held)
        pool.shutdown(wait=False)

    def _read(self, data: Path, abort: Abort, held: ExitStack) -> tuple[Listing, tuple[str, ...]]:
        with held:
            return Folders(abort).read(data), changed(data, self.laid_out)

    def result(self) -> tuple[Listing, tuple[str, ...]]:
        """Wait until all is read; return what was found and what was written meanwhile. Raises what ended it."""
        return self._reading.result()
