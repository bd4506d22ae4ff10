"""Whether a pack has its final seal, and what that says of the run's exit code; loads no cryptography."""

from __future__ import annotations

from pathlib import Path

from console.model.event import RunEnded

FIRST_SEAL = "seal-first.json"
FINAL_SEAL = "seal.json"
EXIT_NOT_VERIFIED = 5


def signature_of(seal: Path) -> Path:
    """Return where a seal's signature lies."""
    return seal.with_suffix(".sig")


def is_sealed(folder: Path) -> bool:
    """Tell whether a pack has its final seal with a signature beside it; `verify` says whether they are good."""
    final = folder / FINAL_SEAL
    return final.exists() and signature_of(final).exists()


def code_once_sealed(folder: Path, ended: RunEnded) -> int:
    """Return an ended run's exit code as it stands: 5 without its seal, while UNCLEAN stays what it is."""
    if is_sealed(folder) or ended.closure == "UNCLEAN":
        return ended.exit_code
    return EXIT_NOT_VERIFIED
