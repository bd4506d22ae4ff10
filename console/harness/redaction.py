"""Takes the passwords of the rehearsal out of every text that leaves the process, and counts each find.

Knows the same forms as the engine's registry (a test holds the two together) and nothing but the standard
library, because it travels; the engine searches everything again.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

_ESCAPE = re.compile("%[0-9A-F]{2}")


def forms_of(value: str) -> frozenset[str]:
    """Return the texts in which a password is searched for."""
    raw = value.encode()
    url = quote(value, safe="")
    found = {
        value,
        raw.hex(),
        raw.hex().upper(),
        repr(value)[1:-1],
        repr(raw)[2:-1],
        value.replace("'", "''"),
    }
    found |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    found |= {url, quote(value), quote_plus(value), _ESCAPE.sub(lambda code: code[0].lower(), url)}
    for offset in range(3):
        start, end = (offset * 8 + 5) // 6, (offset + len(raw)) * 8 // 6
        found |= {
            encode(b"\0" * offset + raw).decode()[start:end] for encode in (b64encode, urlsafe_b64encode)
        }
    return frozenset(found)


class Redactor:
    """The known passwords by role."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        needles = {(form, role) for role, value in passwords.items() if value for form in forms_of(value)}
        self._needles = tuple(sorted(needles, key=lambda needle: (-len(needle[0]), needle)))

    def redact(self, text: str) -> tuple[str, list[str]]:
        """Return `text` with each password replaced by `[redacted:ROLE]`, and a role for each find."""
        found: list[str] = []
        for needle, role in self._needles:
            if needle in text:
                found += [role] * text.count(needle)
                text = text.replace(needle, f"[redacted:{role}]")
        return text, found
