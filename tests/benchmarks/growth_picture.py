"""Draws what `growth.py` measured as plain SVG: both axes logarithmic, a dashed line for what grows as its work."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _STEP = 920, 560, 85, 30, 22
_PLOT_WIDTH, _PLOT_HEIGHT = 420, 480
_COLOURS = (
    "#0b6e99",
    "#b3541e",
    "#3d7a3d",
    "#7a3d7a",
    "#8a6d00",
    "#a3293d",
    "#3d5a99",
    "#555555",
    "#1f8a70",
    "#94511f",
)
_DASHES = ("", "6 3", "2 3")


def picture(growth: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Return the picture: one line a work, its name and order of growth beside it."""
    lines = [(f"{kind}: {name}", kept) for kind, works in growth.items() for name, kept in works.items()]
    values = [kept[size] for _name, kept in lines for size in ("1x", "10x", "100x")]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def at(times: float, value: float) -> str:
        x = _LEFT + math.log10(times) / 2 * _PLOT_WIDTH
        y = _TOP + (high - math.log10(value)) / (high - low) * _PLOT_HEIGHT
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12"><title>what grows how</title>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for power in range(low, high + 1):
        (left, y), right = at(1, 10**power).split(","), at(100, 10**power).split(",")[0]
        parts.append(f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{float(y) + 4}" text-anchor="end">{10**power:g} ms</text>')
    for times in (1, 10, 100):
        x = at(times, 1).split(",")[0]
        parts.append(f'<text x="{x}" y="{_TOP + _PLOT_HEIGHT + 20}" text-anchor="middle">{times}x</text>')
    both = f"{at(1, 10**low)} {at(100, 10 ** (low + 2))}"
    parts.append(
        f'<polyline points="{both}" fill="none" stroke="#999999" stroke-dasharray="1 4" stroke-width="2"/>'
    )
    beside = _LEFT + _PLOT_WIDTH + 30
    for number, (name, kept) in enumerate(lines):
        look = f'stroke="{_COLOURS[number % len(_COLOURS)]}" stroke-dasharray="{_DASHES[number // len(_COLOURS) % 3]}"'
        points = " ".join(at(times, kept[f"{times}x"]) for times in (1, 10, 100))
        parts.append(f'<polyline points="{points}" fill="none" stroke-width="2" {look}/>')
        row = _TOP + 10 + number * _STEP
        parts.append(
            f'<line x1="{beside}" y1="{row}" x2="{beside + 24}" y2="{row}" stroke-width="2" {look}/>'
        )
        parts.append(f'<text x="{beside + 30}" y="{row + 4}">{escape(name)} ({kept["order"]:g})</text>')
    last = _TOP + 14 + len(lines) * _STEP
    parts.append(f'<text x="{beside}" y="{last}">dotted: as its work grows (1)</text></svg>')
    return "\n".join(parts) + "\n"
