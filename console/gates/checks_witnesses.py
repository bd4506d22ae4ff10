"""Checks of the two witnesses, of effects, and of leaks.

Pure functions over recorded facts: None when the truth holds, otherwise the sentence that says why not.
"""

from __future__ import annotations

from console.gates.sentences import said, unequal
from console.model.facts import Effects, Redactions, Scan, ScenariosPlanned, Witnesses
from console.model.gate import Facts
from console.model.rewind_facts import Prepared, Rewound


def witnesses_agree(facts: Facts) -> str | None:
    """Client and server saw the same statements and errors, nothing was deleted, no catalogue row changed."""
    phrases = _disagreements(facts)
    before = facts.need("effects.before", Effects)
    after = facts.need("effects.after", Effects)
    return said(phrases + _effect_faults(before, after))


def witnesses_agree_on_each_copy(facts: Facts) -> str | None:
    """The same where the copy is rewound: of every copy that scenarios ran in, also of those that were dropped."""
    prepared = facts.need("prepared", Prepared)
    planned = facts.need("scenarios.planned", ScenariosPlanned)
    before = facts.need("effects.before", Effects)
    after = facts.need("effects.after", Effects)
    phrases, began, since = _disagreements(facts), before, next(iter(planned.scenarios), "")
    for scenario in prepared.rewound:
        rewound = facts.need(f"rewound.{scenario}", Rewound)
        phrases += effects_on_one_copy(since, began, rewound.ended)
        began, since = rewound.began, scenario
    return said(phrases + effects_on_one_copy(since, began, after))


def effects_on_one_copy(since: str, began: Effects, ended: Effects) -> list[str]:
    """Return what was done that may not be to the copy that scenarios from `since` on ran in."""
    return [f"on the copy of {since}: {it}" for it in _effect_faults(began, ended)]


def _disagreements(facts: Facts) -> list[str]:
    seen = facts.need("witnesses", Witnesses)
    phrases = [f"only the server saw: {it}" for it in seen.only_server]
    phrases += [f"only the client claims: {it}" for it in seen.only_client]
    phrases += [*seen.differences, *(f"unexplained session: {it}" for it in seen.unexplained_sessions)]
    if seen.client_statements != seen.server_statements + seen.explained:
        phrases.append(
            f"the client sent {seen.client_statements} statements, the server logged "
            f"{seen.server_statements} and {seen.explained} are explained"
        )
    phrases += [f"the server's error in {it}" for it in unequal(seen.errors_expected, seen.errors_raised)]
    return phrases


def _effect_faults(before: Effects, after: Effects) -> list[str]:
    phrases: list[str] = []
    for when, effects in (("before", before), ("after", after)):
        if effects.harness_backends:
            phrases.append(
                f"{effects.harness_backends} sessions of the harness lived when effects were read {when}"
            )
    if not before.deleted or not before.catalogue:
        phrases.append("no table or no catalogue was looked at before the scenarios")
    phrases += [f"the count of deleted tuples of {it}" for it in unequal(before.deleted, after.deleted)]
    phrases += [f"the tuples written in {it}" for it in unequal(before.elsewhere, after.elsewhere)]
    phrases += [f"the sequence {it}" for it in unequal(before.sequences, after.sequences)]
    return phrases + [f"the digest of catalogue {it}" for it in unequal(before.catalogue, after.catalogue)]


def records_hold_no_secret(facts: Facts) -> str | None:
    """Journal, trace and logs were searched wholly and hold no secret, and none had to be taken out."""
    redactions = facts.need("redactions", Redactions)
    phrases = _leaks(facts, "scan.records")
    for origin in ("subject", "server", "tool"):
        phrases += [f"a secret came from the {origin}: {it}" for it in getattr(redactions, origin)]
    return said(phrases)


def artefacts_hold_no_secret(facts: Facts) -> str | None:
    """Every artefact was searched wholly and holds no secret."""
    return said(_leaks(facts, "scan.artefacts"))


def _leaks(facts: Facts, name: str) -> list[str]:
    scan = facts.need(name, Scan)
    phrases = [f"a secret is in {finding}" for finding in scan.findings]
    if scan.secrets_searched != scan.secrets_known:
        phrases.append(f"{scan.secrets_searched} of {scan.secrets_known} known secrets were searched for")
    if scan.files_scanned != scan.files_kept:
        phrases.append(f"{scan.files_scanned} of {scan.files_kept} files were searched")
    if scan.limit_hit:
        phrases.append("a limit stopped the search, so it is not clean")
    return phrases
