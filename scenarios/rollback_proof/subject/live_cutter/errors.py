"""What the live adapter refuses, and what it lacks."""

from __future__ import annotations


class LiveError(Exception):
    """The base of every error of the live adapter."""


class KillSwitchOff(LiveError):
    """Live execution is switched off: nothing was connected to and nothing was sent."""


class NotLiveAdapter(LiveError):
    """Something else than the live adapter was handed to a place that needs it."""


class ConfigMissing(LiveError):
    """A key of the configuration is absent or empty."""
