"""What the docker tests share: see fix_engine.py."""

from __future__ import annotations

from fix_engine import client, engine, images

__all__ = ["client", "engine", "images"]
