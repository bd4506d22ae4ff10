"""The live side of the cutter: the adapter that production will use, switched off."""

from __future__ import annotations
