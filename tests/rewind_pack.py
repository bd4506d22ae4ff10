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
