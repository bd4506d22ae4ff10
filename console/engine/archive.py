"""Packs the harness into one archive that is the same byte for byte whenever its sources are.

Owns which files travel; never packs anything but the harness.
"""

from __future__ import annotations

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path

from console.settings import PACKAGE_FOLDER

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16
_UNIX = 3


def build_harness(into: Path) -> str:
    """Write the archive to `into` (replaced when it exists) and return its sha256 as hex."""
    packed = _packed()
    into.write_bytes(packed)
    return hashlib.sha256(packed).hexdigest()


def harness_sha256() -> str:
    """Return the sha256 (hex) of the archive that `build_harness` would write now."""
    return hashlib.sha256(_packed()).hexdigest()


def _packed() -> bytes:
    into = BytesIO()
    sources = {
        f"console/harness/{path.name}": path.read_bytes()
        for path in (PACKAGE_FOLDER / "harness").glob("*.py")
    }
    sources["console/__init__.py"] = b""
    sources["__main__.py"] = sources["console/harness/__main__.py"]
    with zipfile.ZipFile(into, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(sources):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            archive.writestr(entry, sources[name])
    return into.getvalue()
