"""What the docker tests share: see fix_engine.py and fix_rehearsals.py."""

from __future__ import annotations

from fix_engine import client, ears, engine, images, production, protected, setting
from fix_rehearsals import neighbourhood, neighbours, watched

__all__ = [
    "client", "ears", "engine", "images", "neighbourhood", "neighbours", "production", "protected", "setting",
    "watched",
]  # fmt: skip
