"""The docker column of the fault matrix: what a docker run's receipts name, and what can be killed below it."""

from __future__ import annotations

import dataclasses

from fault_cell import ABORTED, DOCKER, FAIL, KILL, PASS, STEPS, Cell

VOLUMES = tuple(f"volume {name}" for name in ("data", "socket", "dump", "place", "own"))
CONTAINERS = tuple(f"container {name}" for name in ("carrier", "relay", "copy", "harness"))
FORWARD = (
    "folder WORK-source-1",
    "file WORK/source.dump",
    *VOLUMES,
    "network net",
    *CONTAINERS,
    "container client",
)
"""What only a docker run's receipts name, and the dump, which is streamed out of a container here."""

CLOSED_AT_WORK = ("folder WORK-source-1", "container client")
CLOSED_AT_THE_END = (
    "container harness",
    "container copy",
    "container relay",
    "container carrier",
    "file WORK/source.dump",
    "network net",
    "volume own",
    "volume data",
    "folder WORK/copy",
    "folder WORK",
)

AT_B4 = ("--approve", "B-1,B-2,B-3")


def _receipts() -> list[Cell]:
    cells = []
    for name in FORWARD:
        cells.append(Cell(act=KILL, moment=f"opened {name}"))
        cells += [Cell(act=KILL, moment=f"identified {name}", when=when) for when in ("before", "after")]
    for name in CLOSED_AT_WORK:
        cells += [Cell(act=KILL, moment=f"closed {name}", when=when) for when in ("before", "after")]
    return cells + [Cell(act=KILL, moment=f"closed {name}", when="before") for name in CLOSED_AT_THE_END]


def _steps() -> list[Cell]:
    cells = [Cell(act=KILL, moment=f"begun {step}") for step in STEPS]
    cells += [Cell(act="SIGKILL both", moment=f"begun {step}", recover=True) for step in STEPS]
    cells += [
        Cell(act="SIGTERM engine", moment=f"begun {step}", verdicts=ABORTED)
        for step in ("C-03", "C-04", "C-05", "C-10", "C-13")
    ]
    return [
        *cells,
        Cell(act="SIGHUP engine", moment="begun C-10", verdicts=PASS),
        Cell(act="SIGKILL console", moment="begun C-10", verdicts=PASS),
        Cell(act=KILL, moment="ended", verdicts=PASS),
        Cell(act="SIGKILL both", moment="ended", when="before", recover=True),
    ]


def _containers_die() -> list[Cell]:
    """The harness's container dies, the copy's, and the way between engine and copy."""
    harness, copy, relay = (f"container {name} killed" for name in ("harness", "copy", "relay"))
    cells = [
        Cell(act=harness, moment=moment)
        for moment in ("identified container harness", "begun C-08", "begun C-10", "begun S1", "begun S4b")
    ]
    cells += [
        Cell(act=copy, moment=moment)
        for moment in ("begun C-05", "begun C-06", "begun C-07", "begun C-10", "begun S4b", "begun C-11")
    ]
    cells.append(Cell(act=copy, moment="begun C-13", verdicts=(*PASS, *FAIL)))
    return cells + [Cell(act=relay, moment=moment) for moment in ("begun C-05", "begun S4b", "begun C-11")]


def _daemon() -> list[Cell]:
    """The copy's daemon dies, or is stopped with all its containers, and is back once the teardown waits for it."""
    cells = []
    for act in ("daemon killed", "daemon stopped"):
        cells += [Cell(act=act, moment=moment) for moment in ("begun C-04", "begun C-05", "begun S4b")]
        cells.append(Cell(act=act, moment="begun C-13", verdicts=(*PASS, *FAIL)))
    return cells


def _people() -> list[Cell]:
    return [
        Cell(act="two recovers", moment="armed B-4", words=AT_B4, recover=True),
        Cell(act="killed recovers", moment="armed B-4", words=AT_B4, recover=True),
        Cell(act="torn", moment="identified container copy", recover=True),
        Cell(act="stranger", moment="identified container copy", verdicts=(), exits=(5,)),
    ]


DOCKER_CELLS = tuple(
    dataclasses.replace(cell, environment=DOCKER)
    for cell in (*_receipts(), *_steps(), *_containers_die(), *_daemon(), *_people())
)
DOCKER_SAMPLE = (
    "SIGKILL engine before identified container copy on docker",
    "container harness killed after begun S4b on docker",
)
