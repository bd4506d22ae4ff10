"""What a cell of the fault matrix is. Values only."""

from __future__ import annotations

from dataclasses import dataclass

EMBEDDED, DOCKER = "embedded", "docker"
STEPS = tuple(f"C-{n:02}" for n in range(1, 14))

FAIL = ("FAIL",)
ABORTED = ("ABORTED",)
PASS = ("PASS",)

KILL = "SIGKILL engine"
FULL = ("full", "full work", "full cache", "full /tmp")
READ_ONLY = ("readonly", "readonly run", "readonly work")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One fault. `verdicts` are those that the run may end with; `recover` says that it must need a recover."""

    act: str
    moment: str
    when: str = "after"
    verdicts: tuple[str, ...] = FAIL
    recover: bool = False
    exits: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    environment: str = EMBEDDED

    @property
    def needs_root(self) -> bool:
        """Tell whether it mounts a file system, rests on users made up for the run, or starts a docker engine."""
        return self.act in (*FULL, *READ_ONLY, "processes") or self.environment == DOCKER

    @property
    def name(self) -> str:
        """Return what tests and table call it."""
        on = " on docker" if self.environment == DOCKER else ""
        return f"{self.act} {self.when} {self.moment}{on}"
