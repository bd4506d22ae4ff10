"""The base of what draws spans: the style of each role, resolved from the stylesheet when it is first drawn.

Textual's own component classes are all resolved for each widget whenever focus, size or a class changes, drawn or not:
they took half of the first paint and most of a key's time. The rules are the same: `Lines > .lines--dim { … }`.
"""

from __future__ import annotations

from rich.style import Style
from textual.dom import DOMNode
from textual.theme import Theme
from textual.widget import Widget


class Shaded(Widget):
    """A widget whose lines are spans; owns the resolved styles and nothing else."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._own_style: Style | None = None
        self._shades: dict[tuple[Style, str], Style] = {}

    def on_mount(self) -> None:
        """Draw in the colours of another theme when there is one."""
        self.app.theme_changed_signal.subscribe(self, self._theme_changed)

    def _theme_changed(self, theme: Theme) -> None:
        del theme
        self._shades.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        """Look again what the widget's own style is."""
        self._own_style = None
        super().notify_style_update()

    @property
    def own_style(self) -> Style:
        """Return the style of the widget itself, on which everything is drawn."""
        if self._own_style is None:
            self._own_style = self.rich_style
        return self._own_style

    def style_of(self, role: str) -> Style:
        """Return the style of a role in the current theme."""
        key = (self.own_style, role)
        found = self._shades.get(key)
        if found is None:
            node = DOMNode(classes=f"lines--{role}")
            node._attach(self)
            self.app.stylesheet.apply(node)
            found = self._shades[key] = node.rich_style
        return found
