"""The two lines above the panes: which run, on what, by whom, for how long, and how it stands."""

from __future__ import annotations

from datetime import UTC, datetime

from console.model.kept_words import kept_mark
from console.model.run_state import RunState
from console.model.sample_words import sample_kind, sample_words
from console.model.text import one_line
from console.tui.checklist import progress_words
from console.tui.describe import makes_a_copy, source, target, time_left
from console.tui.feed import RunFeed
from console.tui.spans import GLYPHS, VERDICT_ROLES, Spans, duration

_WIDE_COLUMNS = 130


def status_spans(feed: RunFeed, *, observe: bool = False, now: datetime | None = None) -> Spans:
    """Return how the run stands, in words and a glyph; of a boundary also how long it still waits."""
    state, condition = feed.state, feed.condition
    if condition == "broken":
        return ((f"✗ {one_line(feed.broken, limit_chars=60)}", "fail"),)
    if state.ended is not None:
        ended = state.ended
        where = ended.failed_scenario or ended.failed_gate
        place = f" at {one_line(where, limit_chars=16)}" if where else ""
        cause = f", cause {ended.cause}" if ended.cause else ""
        of = f" of a {kind}" if (kind := one_line(sample_kind(state))) else ""
        told = f"{GLYPHS[ended.verdict]} {ended.verdict}{of}{place}, {ended.closure}{cause}"
        return ((told, VERDICT_ROLES[ended.verdict] if ended.closure == "CLEAN" else "fail"),)
    if condition == "gone":
        return (("✗ the engine is gone: drydock recover", "fail"),)
    if state.armed is not None:
        whom = "A SECOND USER" if state.approvals else "ITS OPERATOR" if observe else "YOU"
        left = time_left(state.armed, state.armed_at, now or datetime.now(UTC))
        return (
            (f"● {one_line(state.armed.boundary, limit_chars=12)} WAITS FOR {whom}, {left} left", "wait"),
        )
    if state.abort is not None:
        return ((f"■ ending: {_doing(state)}", "wait"),)
    return ((f"▶ {_doing(state)}", "name"),)


def _doing(state: RunState) -> str:
    running = [scenario for scenario in state.scenarios_started if scenario not in state.scenarios]
    step = state.current_step or "starting"
    beside = running[-1] if running else progress_words(state)
    return one_line(f"{step} {beside}".strip(), limit_chars=40)


def elapsed(state: RunState, now: datetime) -> str:
    """Return how long the run has gone on, or went on."""
    if not state.created_at:
        return ""
    began = datetime.fromisoformat(state.created_at)
    until = datetime.fromisoformat(state.last_at) if state.ended else now
    seconds = max(0, int((until - began).total_seconds()))
    return duration(seconds) if seconds >= 60 else f"{seconds} s"


def header_lines(
    feed: RunFeed, width: int, *, observe: bool, now: datetime | None = None
) -> list[tuple[Spans, Spans]]:
    """Return the two lines as (left, right) parts."""
    state = feed.state
    run = one_line(state.run or feed.folder.name, limit_chars=40)
    mode = ((" OBSERVING ", "title"),) if observe and state.ended is None else ()
    first: Spans = (
        (" drydock ", "title"),
        *mode,
        (f" {run}  ", "name"),
        *status_spans(feed, observe=observe, now=now),
    )
    took = ((f"{elapsed(state, now or datetime.now(UTC))} ", "plain"),)
    operator = ""
    if state.created is not None:
        who = state.created.operator
        operator = f"operator {one_line(who.name, limit_chars=24)} "
    copy, taken_from = one_line(target(state)), one_line(source(state))
    if not makes_a_copy(state):
        real: Spans = ((" real database ", "dim"), (taken_from, "plain"))
        return [(first, took), (real, ((operator, "dim"),))]
    if words := sample_words(state):
        copy = f"{one_line(words)}; {copy}"
    if mark := kept_mark(state):
        copy = f"{mark}; {copy}"
    second: Spans
    if width >= _WIDE_COLUMNS:
        second = ((" copy ", "dim"), (copy, "plain"), ("   source ", "dim"), (taken_from, "plain"))
    else:
        second = ((" copy ", "dim"), (copy, "plain"))
    return [(first, took), (second, ((operator, "dim"),))]
