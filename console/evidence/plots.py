"""Plots of a run as inline SVG: when each step, scenario and waiting was, and how many statements there were.

Pure functions of the folded journal; every text in them is escaped, every bar has its words beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from console.model.run_state import RunState
from console.model.text import visible

_ROW, _LEFT, _WIDTH = 20, 190, 1000


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One row: from `begin` to `end`, in the unit of the axis."""

    label: str
    begin: float
    end: float
    kind: str
    words: str


def timeline(state: RunState) -> str:
    """Return when each step, scenario and boundary began and how long it took, "" before the first."""
    began = moment(state.created_at)
    if began is None:
        return ""
    bars = _bars(state, began)
    return _svg(
        "Timeline in seconds since the run began", sorted(bars, key=lambda bar: (bar.begin, bar.label))
    )


def _bars(state: RunState, began: datetime) -> list[Bar]:
    bars: list[Bar] = []
    for step, at in state.steps_started.items():
        end = state.steps_finished.get(step)
        kind = "failed" if end is None or end.failed else "step"
        bars += _bar(began, at, end.duration_ms / 1000 if end else 0.0, step, kind)
    for scenario, at in state.scenarios_started.items():
        judged = state.scenarios.get(scenario)
        kind = "scenario" if judged is not None and judged.verdict == "PASS" else "failed"
        bars += _bar(began, at, judged.duration_ms / 1000 if judged else 0.0, scenario, kind)
    for boundary, made in state.decisions.items():
        armed, decided = moment(made.armed_at), moment(state.decided_at.get(boundary, ""))
        waited = (decided - armed).total_seconds() if armed and decided else 0.0
        at = made.armed_at or state.decided_at.get(boundary, "")
        bars += _bar(began, at, waited, f"{boundary} waits", "waited")
    return bars


def _bar(began: datetime, at: str, took_s: float, label: str, kind: str) -> list[Bar]:
    at_once = moment(at)
    if at_once is None:
        return []
    begin = (at_once - began).total_seconds()
    return [Bar(label=label, begin=begin, end=begin + took_s, kind=kind, words=f"{took_s:.2f} s")]


def statements(state: RunState) -> str:
    """Return how many statements each scenario sent, "" when none was judged."""
    bars = [
        Bar(
            label=f"{name} {end.verdict}", begin=0.0, end=float(end.statements),
            kind="scenario" if end.verdict == "PASS" else "failed", words=f"{end.statements}",
        )
        for name, end in state.scenarios.items()
    ]  # fmt: skip
    return _svg("Statements of each scenario", bars) if bars else ""


def _svg(title: str, bars: Sequence[Bar]) -> str:
    longest = max((bar.end for bar in bars), default=0.0) or 1.0
    scale = (_WIDTH - _LEFT - 90) / longest
    height = _ROW * (len(bars) + 1)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        f'<line class="axis" x1="{_LEFT}" y1="0" x2="{_LEFT}" y2="{height}"/>',
    ]
    for number, bar in enumerate(bars):
        y = number * _ROW
        x, width = _LEFT + bar.begin * scale, max(2.0, (bar.end - bar.begin) * scale)
        label, words = escape(visible(bar.label, limit_chars=28)), escape(visible(bar.words))
        parts += [
            f'<text x="0" y="{y + 14}">{label}</text>',
            f'<rect class="{bar.kind}" x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="12"/>',
            f'<text x="{x + width + 5:.1f}" y="{y + 14}">{words}</text>',
        ]
    return "\n".join((*parts, "</svg>"))


def moment(text: str) -> datetime | None:
    """Return a journal's time, None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
