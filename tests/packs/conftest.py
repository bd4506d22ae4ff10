"""Runs of the small pack: the right subject, and one wrong subject for each helper, played two at a time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pytest
from fix_runs import Drydock, Ended, Play, played_together
from small_pack import AGENT, PACK, changed, write_pack

RUNS: Mapping[str, tuple[str, str]] = {
    "right": (PACK, AGENT),
    "refusal swallowed": (
        PACK,
        changed(
            "            connection.execute(PAYLOAD, (key,))\n",
            "            try:\n                connection.execute(PAYLOAD, (key,))\n"
            "            except psycopg.Error:\n                connection.rollback()\n",
        ),
    ),
    "looking writes": (
        PACK,
        changed(
            "            return connection.execute(KNOWN, (key,)).fetchone()\n",
            "            set_status = KNOWN.replace('SELECT entry_id FROM', 'UPDATE')\n"
            "            set_status = set_status.replace(' WHERE', \" SET status = 'seen' WHERE\")\n"
            "            return connection.execute(set_status, (key,))\n",
        ),
    ),
    "adds again": (
        PACK,
        changed(
            "if connection.execute(KNOWN, (key,)).fetchone():", "if not connection.execute(KNOWN, (key,)):"
        ),
    ),
    "half stays": (
        PACK,
        changed(
            "            connection.execute(HISTORY, (uuid4(), entry))\n",
            "            if key == 'unit-2':\n                connection.commit()\n"
            "            connection.execute(HISTORY, (uuid4(), entry))\n",
        ),
    ),
    "the pack's own line": (
        changed(
            '    agent(ctx).look("unit-1")\n',
            '    agent(ctx).look("unit-1")\n    raise LookupError("mine")\n',
            PACK,
        ),
        AGENT,
    ),
}


@pytest.fixture(scope="package")
def small_runs(drydock: Drydock) -> dict[str, Ended]:
    """Every run of the table; share them, never change them."""

    def play(texts: tuple[str, str], given: Drydock) -> Ended:
        pack, agent = texts
        folder = write_pack(given.place("small"), pack=pack, agent=agent)
        return given.run("--pack", str(folder), "--subject", str(folder / "subject"))

    plays: dict[str, Play] = {name: partial(play, texts) for name, texts in RUNS.items()}
    return {name: done.result() for name, done in played_together(drydock, plays).items()}
