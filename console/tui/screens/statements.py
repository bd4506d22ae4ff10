"""A run's trace, matrix and gates side by side: the live screen over evidence, from which Esc and q go back."""

from __future__ import annotations

from collections.abc import Mapping

from console.tui.feed import RunFeed
from console.tui.screens.live import LiveScreen
from console.tui.seeking import Seeking


class StatementsScreen(LiveScreen):
    """Shows statements while they are unpacked, and goes to the one that is sought as soon as it can be there."""

    def __init__(self, feed: RunFeed, keymap: Mapping[str, str]) -> None:
        super().__init__(feed, observe=True, keymap=keymap)
        self.feed = feed
        self.trace.follow = False
        self.is_whole = False
        self.sought: Seeking | None = None

    def show(self, pane: str, seek: Seeking | None) -> None:
        """Go to a pane, and to a statement."""
        self.action_pane(pane)
        self.sought = seek
        self.look()

    def look(self) -> None:
        """Read what was unpacked meanwhile, and look for what is sought once all of it is there."""
        self.feed.poll()
        self.draw()
        if self.sought is None or not self.is_whole or not self.is_mounted:
            return
        seek, self.sought = self.sought, None
        if seek.number >= 0:
            self.trace.go_to(self.trace.view.row(seek.number), centred=True)
        else:
            self.trace.find(seek.rule, step=-1, what=seek.what, beyond=self.feed.trace.count)
        self._inspected = "trace"
        self._inspect()

    def key_escape(self) -> None:
        """Leave the line of input, then the inspector, then go back to the evidence."""
        if self._asking or self.pane == "inspector":
            super().key_escape()
        else:
            self.app.pop_screen()
