"""Every cell of the fault matrix: what happens, at which moment of a run, and how the run may end."""

from __future__ import annotations

from docker_cells import DOCKER_CELLS, DOCKER_SAMPLE
from fault_cell import ABORTED, FAIL, KILL, PASS, READ_ONLY, STEPS, Cell

FORWARD = (
    "folder WORK",
    "folder DEMO",
    "cluster DEMO/production/data",
    "folder DEMO/production",
    "process initdb of the demo's production",
    "process postgres of the demo's production",
    "folder RUN/secrets",
    "file RUN/secrets/rehearsal.json",
    "file WORK/source.dump",
    "file RUN/scratch/source.pass",
    "process pg_dump of directus",
    "cluster WORK/copy/data",
    "folder WORK/copy",
    "process initdb of the copy",
    "process postgres of the copy",
    "process pg_restore --list",
    "file WORK/copy/restore/owner.pass",
    "file WORK/copy/restore/source.dump",
    "process pg_restore",
    "folder WORK/harness",
    "process harness",
)
"""What receipts name, in the order of a run. The neighbour of the demo is made by the same code as production."""

CLOSED_AT_WORK = (
    "process initdb of the demo's production",
    "file RUN/scratch/source.pass",
    "process pg_dump of directus",
    "process initdb of the copy",
    "process pg_restore --list",
    "process pg_restore",
    "file WORK/copy/restore/owner.pass",
    "file WORK/copy/restore/source.dump",
)
"""What is closed before the teardown."""

CLOSED_AT_THE_END = (
    "process harness",
    "process postgres of the copy",
    "file WORK/source.dump",
    "file RUN/secrets/rehearsal.json",
    "folder WORK/harness",
    "folder WORK/copy",
    "cluster WORK/copy/data",
    "folder RUN/secrets",
    "folder WORK",
    "process postgres of the demo's neighbour",
    "process postgres of the demo's production",
    "folder DEMO/neighbour",
    "cluster DEMO/neighbour/data",
    "folder DEMO/production",
    "cluster DEMO/production/data",
    "folder DEMO",
)
FILLED_WORK = ("C-02", "C-03", "C-04", "C-05", "C-06", "C-08", "C-10", "C-11")
HARNESSES = {
    "a harness that floods stdout": (*PASS, *FAIL),
    "a harness that prints garbage": FAIL,
    "a harness that hangs": FAIL,
    "a harness that exits 0 early": FAIL,
    "a statement that returns 100 MB": (*PASS, *FAIL),
}


def _receipts() -> list[Cell]:
    """Kill the engine after a receipt, after its object, after its identity, after its end and after its closing."""
    cells = []
    for name in FORWARD:
        cells.append(Cell(act=KILL, moment=f"opened {name}"))
        cells += [Cell(act=KILL, moment=f"identified {name}", when=when) for when in ("before", "after")]
    for name in CLOSED_AT_WORK:
        cells += [Cell(act=KILL, moment=f"closed {name}", when=when) for when in ("before", "after")]
    cells += [Cell(act=KILL, moment=f"closed {name}", when="before") for name in CLOSED_AT_THE_END]
    return cells


def _steps() -> list[Cell]:
    cells = [Cell(act=KILL, moment=f"begun {step}") for step in STEPS]
    cells += [Cell(act=KILL, moment=f"finished {step}", when="before") for step in STEPS]
    cells += [Cell(act="SIGTERM engine", moment=f"begun {step}", verdicts=ABORTED) for step in STEPS]
    for step in STEPS:
        cells.append(Cell(act="SIGINT engine", moment=f"begun {step}", verdicts=ABORTED))
        cells.append(Cell(act="SIGHUP engine", moment=f"begun {step}", verdicts=PASS))
        cells += [
            Cell(act=f"{signal} console", moment=f"begun {step}", verdicts=PASS)
            for signal in ("SIGKILL", "SIGTERM", "SIGHUP")
        ]
        cells.append(Cell(act="SIGINT console", moment=f"begun {step}", verdicts=(*ABORTED, *PASS)))
    cells += [Cell(act="SIGKILL both", moment=f"begun {step}", recover=True) for step in STEPS]
    cells += [
        Cell(act=KILL, moment="created"),
        Cell(act=KILL, moment="ended", when="before"),
        Cell(act=KILL, moment="ended", verdicts=PASS),
        Cell(act="SIGKILL both", moment="ended", when="before", recover=True),
    ]
    return cells


def _others_die() -> list[Cell]:
    cells = []
    for moment in ("begun S1", "begun S4b", "begun S6", "begun S9", "begun S12"):
        cells += [
            Cell(act=f"{signal} harness", moment=moment)
            for signal in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
        ]
    copy = "SIGKILL postgres of the copy"
    cells += [
        Cell(act=copy, moment=f"begun {step}") for step in ("C-05", "C-06", "C-07", "C-08", "C-10", "C-11")
    ]
    cells += [
        Cell(act=copy, moment="begun S4b"),
        Cell(act=copy, moment="begun C-13", verdicts=(*PASS, *FAIL)),
    ]
    return cells


def _machine() -> list[Cell]:
    steps = ("C-01", "C-02", "C-03", "C-05", "C-09", "C-10", "C-12", "C-13")
    cells = [Cell(act="full", moment=f"begun {step}") for step in steps]
    cells += [Cell(act="full", moment="armed B-5", words=("--approve", "B-1,B-2,B-3,B-4"))]
    cells += [Cell(act="full work", moment=f"begun {step}") for step in FILLED_WORK]
    cells.append(Cell(act="full cache", moment="begun C-01", verdicts=PASS))
    cells.append(Cell(act="full /tmp", moment="begun C-01", verdicts=PASS))
    for act in READ_ONLY:
        cells += [Cell(act=act, moment=f"begun {step}") for step in ("C-03", "C-05", "C-08", "C-10")]
    for step in ("C-01", "C-03", "C-05", "C-08", "C-10", "C-11"):
        ends = (*PASS, *FAIL) if step == "C-10" else FAIL
        cells.append(Cell(act="fds", moment=f"begun {step}", verdicts=ends))
    cells += [Cell(act="processes", moment=f"begun {step}") for step in ("C-01", "C-03", "C-04")]
    for act in ("tomorrow", "yesterday"):
        cells += [
            Cell(act=act, moment=f"begun {step}", verdicts=PASS) for step in ("C-01", "C-03", "C-10", "C-13")
        ]
    return cells


def _journals() -> list[Cell]:
    moments = ("begun C-01", "identified process postgres of the copy", "begun S4b", "begun C-13")
    cells = [Cell(act="torn", moment=moment, recover=True) for moment in moments]
    cells += [Cell(act="half", moment=moment) for moment in moments]
    cells += [Cell(act="stranger", moment=moment, verdicts=(), exits=(5,)) for moment in moments]
    cells += [Cell(act="changed", moment=moment, verdicts=(), exits=(5,)) for moment in moments]
    return cells


def _subjects() -> list[Cell]:
    """Harnesses that do not do what a harness does."""
    return [Cell(act=act, moment="begun C-01", verdicts=ends) for act, ends in HARNESSES.items()]


def _people() -> list[Cell]:
    return [
        Cell(act="socket", moment="armed B-3", words=("--approve", "B-1,B-2"), verdicts=ABORTED),
        Cell(act="two engines", moment="armed B-3", words=("--approve", "B-1,B-2"), verdicts=ABORTED),
        Cell(act="two consoles", moment="armed B-3", words=("--approve", "B-1,B-2,B-4,B-5"), verdicts=PASS),
        Cell(act="two recovers", moment="armed B-4", words=("--approve", "B-1,B-2,B-3"), recover=True),
        Cell(act="a reader that never reads", moment="begun C-01", verdicts=PASS),
        Cell(act="killed recovers", moment="armed B-4", words=("--approve", "B-1,B-2,B-3"), recover=True),
    ]


EMBEDDED_CELLS = (
    *_receipts(), *_steps(), *_others_die(), *_machine(), *_journals(), *_subjects(), *_people(),
)  # fmt: skip
CELLS = (*EMBEDDED_CELLS, *DOCKER_CELLS)
BY_NAME = {cell.name: cell for cell in CELLS}
assert len(BY_NAME) == len(CELLS), "two cells have one name"

SAMPLE = (
    "SIGKILL engine before identified process postgres of the copy",
    "SIGKILL engine after opened file WORK/source.dump",
    "SIGKILL both after begun C-05",
    "SIGHUP harness after begun S4b",
    "full after begun C-05",
    "torn after identified process postgres of the copy",
    "stranger after identified process postgres of the copy",
    "fds after begun C-05",
    "socket after armed B-3",
    "two recovers after armed B-4",
    *DOCKER_SAMPLE,
)
"""What every test run plays; the rest is played by its own command."""
