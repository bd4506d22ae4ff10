"""Takes the passwords of the rehearsal out of every text that leaves the process, and counts each find.

Searches the plain form and the form that JSON gives it; the engine searches the further forms again.
"""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring_ascii


class Redactor:
    """The known passwords by role."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        needles = {
            (form, role)
            for role, value in passwords.items()
            for form in (value, encode_basestring_ascii(value)[1:-1])
            if value
        }
        self._needles = tuple(sorted(needles, key=lambda needle: (-len(needle[0]), needle)))

    def redact(self, text: str) -> tuple[str, list[str]]:
        """Return `text` with each password replaced by `[redacted:ROLE]`, and a role for each find."""
        found: list[str] = []
        for needle, role in self._needles:
            if needle in text:
                found += [role] * text.count(needle)
                text = text.replace(needle, f"[redacted:{role}]")
        return text, found
