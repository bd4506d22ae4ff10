"""Real packs for the tests of evidence."""

from __future__ import annotations

from fix_packs import copy_of, packs

__all__ = ["copy_of", "packs"]
