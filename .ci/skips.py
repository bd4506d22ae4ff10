"""Fails when a test was skipped, or expected to fail, without standing on the committed list.

`skips.py JUNIT.xml skips.txt`: the list holds one test a line, as module.path::name, with # comments. Also
fails when no test ran, or when the list names a test that was not skipped. Never changes either file.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def complaints(report: str, allowed: str) -> list[str]:
    """Return one sentence for each thing that is wrong; empty when nothing is."""
    cases = list(ET.fromstring(report).iter("testcase"))  # noqa: S314 - pytest's own file
    words = {line.partition("#")[0].strip() for line in allowed.splitlines()} - {""}
    skipped = {
        f"{case.get('classname')}::{case.get('name')}": one.get("message") or ""
        for case in cases
        for one in case.iter("skipped")
    }
    found = [f"{name} was skipped: {why}" for name, why in skipped.items() if name not in words]
    left_over = sorted(words - set(skipped))
    found += [f"{name} is on the list and was not skipped: take it off" for name in left_over]
    return found if cases else ["no test ran"]


if __name__ == "__main__":
    wrong = complaints(*(Path(name).read_text(encoding="utf-8") for name in sys.argv[1:3]))
    for sentence in wrong:
        sys.stderr.write(sentence + "\n")
    sys.exit(1 if wrong else 0)
