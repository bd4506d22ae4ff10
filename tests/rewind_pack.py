"""A pack whose scenarios disturb one another: each adds the same unit, and expects that nobody has."""

from __future__ import annotations

from pathlib import Path

from small_pack import AGENT, PACK, changed, write_pack

_HEAD = PACK[: PACK.index("@scenario(")]
_ADDS = (
    'principal="cutter_exec", commits=1, rows={"decision_backlog_entry": 1, "decision_backlog_history": 1}'
)

ADDS_TWICE = f"""{_HEAD}
@scenario("S1", title="a unit is added, and once only", repeatable=True, {_ADDS})
def add(ctx: Context) -> None:
    agent(ctx).add("unit-1")


@scenario("S2", title="the same unit on a fresh copy", rewind=True, {_ADDS})
def add_on_a_fresh_copy(ctx: Context) -> None:
    agent(ctx).add("unit-1")


@scenario("S3", title="what S2 added is there", kind="negative", principal="cutter_exec")
def look(ctx: Context) -> None:
    if agent(ctx).look("unit-1") is None:
        raise LookupError("nothing of S2")


@scenario("S4", title="nothing of S2 is there any more", kind="negative", principal="cutter_exec", rewind=True)
def look_at_nothing(ctx: Context) -> None:
    if agent(ctx).look("unit-1") is not None:
        raise LookupError("something of S2")
"""
"""S1 and its replay, S2 and S3, S4: three copies of one template."""

KEPT = (
    changed(
        "            return connection.execute(KNOWN, (key,)).fetchone()\n",
        "            found = connection.execute(KNOWN, (key,)).fetchone()\n"
        "        KEPT.append(self.connect())\n"
        "        return found\n",
    )
    + "\n\nKEPT: list[Any] = []\n"
)
"""An agent that keeps a connection open behind every look: S3 leaves it, and S4 is to be rewound."""


def write_rewind_pack(
    folder: Path, *, pack: str = ADDS_TWICE, agent: str = AGENT, rewind: str = "", baseline: str = ""
) -> Path:
    """Write the pack with its word on rewinding in pack.toml; `baseline` stands for every table where it is given."""
    made = write_pack(folder, pack=pack, agent=agent)
    toml = made / "pack.toml"
    words = toml.read_text("utf-8")
    if baseline:
        start, end = words.index("[baseline]"), words.index("[subject]")
        words = f'baseline = "{baseline}"\n{words[:start]}{words[end:]}'
    else:
        words = words.replace("decision_backlog_entry = 1", "decision_backlog_entry = 0")
        words = words.replace("decision_backlog_history = 1", "decision_backlog_history = 0")
    toml.write_text((f'rewind = "{rewind}"\n' if rewind else "") + words, "utf-8")
    return made


TAMPERS = (
    changed(
        "            return connection.execute(KNOWN, (key,)).fetchone()\n",
        "            tamper()\n            return connection.execute(KNOWN, (key,)).fetchone()\n",
    )
    + '''

def tamper() -> None:
    """Write into a file of the oldest database that is there beside PostgreSQL's own: the copy is made after it."""
    from pathlib import Path

    base = Path(__file__).resolve().parents[3] / "copy" / "data" / "base"
    oldest = min(int(it.name) for it in base.iterdir() if int(it.name) > 16000)
    template = base / str(oldest)
    largest = max(template.iterdir(), key=lambda it: it.stat().st_size)
    with largest.open("r+b") as file:
        file.seek(100)
        file.write(b"x")
'''
)
"""An agent that changes the template's files, where the server is the subject's own user."""

LATE = (
    changed(
        "    def look(self, key: str) -> Any:\n",
        """    def add_late(self) -> None:
        import threading, time

        def add() -> None:
            try:
                mine.execute(SLOW, (uuid4(),))
            except psycopg.OperationalError:
                mine.close()

        mine = self.connect()
        mine.autocommit = True
        thread = threading.Thread(target=add)
        thread.start()
        time.sleep(0.3)
        cut_off(mine.fileno())
        thread.join()

    def look(self, key: str) -> Any:
""",
    )
    + """

SLOW = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000)"
    " INSERT INTO public.decision_backlog_entry"
    " (entry_id, idempotency_key, unit_ref, priority, status, payload, marked_at)"
    " SELECT %s, 'late', 'iu:late', 1, 'marked', '{}', '2026-01-01T00:00:00Z' FROM n WHERE n.i = 2000000"
)


def cut_off(descriptor: int) -> None:
    import os
    import socket

    with socket.socket(fileno=os.dup(descriptor)) as own:
        own.shutdown(socket.SHUT_RDWR)
"""
)
"""An agent that gives up on a statement, as a client's time limit does: the server goes on, and commits it."""

_INSERTS = LATE[
    LATE.index('    " INSERT INTO public.decision_backlog_entry"') : LATE.index("\n\n\ndef cut_off")
]
LATE_UPDATE = LATE.replace("(SLOW, (uuid4(),))", "(SLOW)").replace(
    _INSERTS,
    """    " UPDATE public.decision_backlog_entry SET status = 'marked' FROM n WHERE n.i = 2000000"
)""",
)
"""The same with a statement that leaves every count as it was: it writes S2's row anew."""

ADDS_LATE = (
    ADDS_TWICE[: ADDS_TWICE.index('@scenario("S3"')]
    + """@scenario("S3", title="a statement is given up", principal="cutter_exec", commits=1, rows={})
def add_late(ctx: Context) -> None:
    agent(ctx).add_late()


"""
    + ADDS_TWICE[ADDS_TWICE.index('@scenario("S4"') :]
)
"""Its S3 says that nothing is added, and its count comes before the row; S4 is rewound."""
