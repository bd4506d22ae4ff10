"""The panes: each draws lines of folded state and owns nothing but focus, cursor and scroll."""
