"""Checks of the harness's place and contents: nothing installed elsewhere, every byte as planned.

Pure functions over recorded facts: None when the truth holds, otherwise the sentence that says why not.
"""

from __future__ import annotations

from console.gates.sentences import said, unequal, unlisted
from console.model.facts import Digests
from console.model.gate import Facts

CONTENTS = ("harness", "pack", "subject")


def nothing_was_installed_elsewhere(facts: Facts) -> str | None:
    """Every site-packages of the host and of protected objects has the digest of C-01."""
    before = facts.need("site.before", Digests).digests
    after = facts.need("site.after", Digests).digests
    if not before:
        return "no site-packages was looked at"
    return said(f"site {phrase}" for phrase in unequal(before, after))


def contents_are_the_planned_ones(facts: Facts) -> str | None:
    """The sha256 of harness, pack and subject in place are those of the plan."""
    planned = facts.need("contents.planned", Digests).digests
    found = facts.need("contents.found", Digests).digests
    phrases = [f"in the plan, {phrase}" for phrase in unlisted("the sha256 of", CONTENTS, planned)]
    return said(phrases + [f"sha256 of {phrase}" for phrase in unequal(planned, found)])
