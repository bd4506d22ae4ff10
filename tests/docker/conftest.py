"""What the docker tests share: see fix_engine.py."""

from __future__ import annotations

from fix_engine import client, ears, engine, images, production, protected

__all__ = ["client", "ears", "engine", "images", "production", "protected"]
