"""Checks of the rollback-only proof (design section 6).

Pure functions over recorded facts: None when the truth holds, otherwise the sentence that says why not. Counts
move on a busy database: a difference that nobody showed to be another transaction's is neither, and raises Unsettled.
"""

from __future__ import annotations

from collections.abc import Iterable

from console.errors import Unsettled
from console.gates.sentences import first_few, said, unequal, unlisted
from console.model.gate import Facts
from console.model.proof_facts import (
    Acceptance,
    Certificate,
    Contents,
    Counts,
    FoundHazards,
    Locks,
    Others,
    Refusals,
    RolledBack,
    Seam,
    Switch,
)

OFF = "False"
ABORTED = "aborted"
_LIVING = ("committed", "in progress")
_TRANSACTIONS = ("P-5", "P-6")


def kill_switch_is_off(facts: Facts) -> str | None:
    """The module sets the kill-switch to False once and nowhere to anything else, and False is what it holds."""
    return said(_switch_phrases(facts.need("proof.switch", Switch)))


def kill_switch_is_still_off(facts: Facts) -> str | None:
    """After the proof the kill-switch is off as before, and no byte of the subject in place has changed."""
    phrases = _switch_phrases(facts.need("proof.switch_after", Switch))
    contents = facts.need("proof.contents", Contents)
    if contents.before != contents.after:
        phrases.append(f"the subject's sha256 in place is {contents.after}, before it ran {contents.before}")
    return said(phrases)


def _switch_phrases(switch: Switch) -> list[str]:
    phrases = [f"the module sets it to {value}" for value in switch.assigned if value != OFF]
    if not switch.assigned:
        phrases.append("the module does not set it")
    if len(switch.assigned) > 1:
        phrases.append(f"the module sets it {len(switch.assigned)} times")
    if switch.claimed != OFF:
        phrases.append(f"its value is {switch.claimed or 'not told'}")
    return phrases


def every_method_is_refused(facts: Facts) -> str | None:
    """Each method asks the guard first and is refused before its provider is called or a session opened."""
    found = facts.need("proof.refusals", Refusals)
    phrases = [] if found.methods else ["no method was named"]
    phrases += [
        f"{method} begins with {found.first_calls.get(method) or 'no call'}, not with {found.guard}"
        for method in found.methods
        if found.first_calls.get(method) != found.guard
    ]
    phrases += [
        f"{method} ended with {found.claimed.get(method) or 'no refusal'}, not with {found.refusal}"
        for method in found.methods
        if found.claimed.get(method) != found.refusal
    ]
    phrases += unlisted("method", found.methods, [*found.first_calls, *found.claimed])
    if found.provider_calls != 0:
        phrases.append(f"the connection provider was called {found.provider_calls} times, not 0")
    if found.sessions:
        phrases.append(f"{found.sessions} sessions were opened")
    if found.password_given:
        phrases.append("the harness had a password by then")
    return said(phrases)


def only_the_real_adapter_is_accepted(facts: Facts) -> str | None:
    """The real adapter is taken and given back, and each look-alike is refused by the exception for it."""
    found = facts.need("proof.acceptance", Acceptance)
    phrases = [] if found.same else ["the real adapter was not given back"]
    if not found.look_alikes:
        phrases.append("no look-alike was tried")
    phrases += unlisted("look-alike", found.look_alikes, found.claimed)
    phrases += [
        f"{name} was {'accepted' if not error else f'refused with {error}'}, expected {found.refusal}"
        for name, error in found.claimed.items()
        if error != found.refusal
    ]
    return said(phrases)


def seam_reaches_the_database(facts: Facts) -> str | None:
    """The adapter's seam opens a session of each principal in the right database, with no attribute too many."""
    found = facts.need("proof.seam", Seam)
    phrases = unlisted("session of", found.principals, found.sessions)
    if len(found.principals) < 2:
        phrases.append("fewer than two principals were tried")
    for principal, session in found.sessions.items():
        if session.user != principal:
            phrases.append(f"the session for {principal} is one of {session.user or 'nobody'}")
        if session.database != found.database:
            phrases.append(
                f"the session for {principal} is in {session.database or 'none'}, not in {found.database}"
            )
        phrases += [f"{session.user} {attribute}" for attribute in session.attributes]
    return said(phrases)


def nothing_outlives_a_rollback(facts: Facts) -> str | None:
    """Everything that the statements can reach was read, and a ROLLBACK undoes it, or the plan accepts it by name."""
    found = facts.need("proof.hazards", FoundHazards)
    phrases = list(found.unaccepted)
    if not found.functions:
        phrases.append("no function was reached, though the statement calls one")
    return said(phrases)


def exact_statement_is_rolled_back(facts: Facts) -> str | None:
    """Exactly the named statements ran between BEGIN and ROLLBACK, as the writer, with one row more inside."""
    return said(_rolled_back(facts.need("proof.write", RolledBack)))


def verify_path_is_valid(facts: Facts) -> str | None:
    """Exactly the verify path's statements ran as the reader, in a transaction that wrote nothing and rolled back."""
    found = facts.need("proof.read", RolledBack)
    return said([*_rolled_back(found), *(f"it locked {name} for writing" for name in found.writes)])


def _rolled_back(found: RolledBack) -> list[str]:
    phrases = [f"the attempt {found.outcome}"] if found.outcome != "returned" else []
    if found.too_long:
        phrases.append("its locks were held for longer than allowed, and it was ended")
    if not found.expected:
        phrases.append("no statement was planned")
    if not found.looked_inside:
        phrases.append("it was not looked at from outside between its last statement and the ROLLBACK")
    if found.sent != found.expected:
        phrases.append(_first_difference(found.expected, found.sent))
    if found.sessions != (found.principal,):
        phrases.append(
            f"sessions were opened as {', '.join(found.sessions) or 'nobody'}, expected {found.principal}"
        )
    phrases += [f"{stranger} was not opened through the driver" for stranger in found.strangers]
    if found.user != found.principal:
        phrases.append(
            f"the server saw the transaction as {found.user or 'nobody'}'s, expected {found.principal}"
        )
    phrases += [
        f"{name} was not locked for writing" for name in found.expected_writes if name not in found.writes
    ]
    if found.change != found.expected_change:
        phrases.append(f"the count inside changed by {found.change:+d}, expected {found.expected_change:+d}")
    return phrases


def _first_difference(expected: tuple[str, ...], sent: tuple[str, ...]) -> str:
    for number, (wanted, seen) in enumerate(zip(expected, sent, strict=False), 1):
        if wanted != seen:
            return f"statement {number} was {seen[:200]}, expected {wanted[:200]}"
    more, number = (sent, len(expected)) if len(sent) > len(expected) else (expected, len(sent))
    word = "was sent too" if len(sent) > len(expected) else "was not sent"
    return f"statement {number + 1}, {more[number][:200]}, {word}"


def locks_were_short(facts: Facts) -> str | None:
    """No lock was held for longer than the limit, and none waited for longer than the lock timeout."""
    found = facts.need("proof.locks", Locks)
    phrases = unlisted("transaction", _TRANSACTIONS, found.open_ms)
    phrases += [
        f"the transaction of {name} was open for {open_ms} ms, at most {found.limit_ms} ms are allowed"
        for name, open_ms in found.open_ms.items()
        if open_ms > found.limit_ms
    ]
    if found.held_ms > found.limit_ms:
        phrases.append(f"locks were held for {found.held_ms} ms, at most {found.limit_ms} ms are allowed")
    if found.waited_ms > found.wait_limit_ms:
        phrases.append(
            f"a lock was waited for for {found.waited_ms} ms, the lock timeout is {found.wait_limit_ms} ms"
        )
    if not phrases and found.held_at_most_ms > found.limit_ms:
        raise Unsettled(
            f"locks could have been held for {found.held_at_most_ms} ms, at most {found.limit_ms} ms are allowed: "
            "the looks from outside lie too far apart"
        )
    return said(phrases)


def server_calls_it_aborted(facts: Facts) -> str | None:
    """The server calls the transaction aborted, and nothing of it is left: no row, sequence, lock or setting."""
    found = facts.need("proof.certificate", Certificate)
    before = facts.need("proof.before", Counts)
    if found.unmade:
        raise Unsettled(f"the server could not be asked: {found.unmade}")
    phrases = [
        f"transaction {xid} is {status}, not aborted"
        for xid, status in found.statuses.items()
        if status in _LIVING
    ]
    phrases += [f"{name} was not looked at" for name in unlooked(found, before)]
    phrases += [f"{name} has {count} rows of it" for name, count in found.rows.items() if count]
    moved = unequal(found.sequences_before, found.sequences_after)
    ours = set(found.locked)
    phrases += [f"sequence {phrase}" for phrase in moved if phrase.split(" is ", 1)[0] in ours]
    phrases += [
        f"sequence {phrase}" for phrase in moved if phrase.endswith(("is missing", "is not expected"))
    ]
    phrases += [f"backend {pid} still lives" for pid in found.backends]
    phrases += [f"the lock {lock} is still held" for lock in found.advisory]
    phrases += [f"the session's setting {name} was not put back" for name in found.settings_changed]
    if found.settings_before != found.settings_after:
        phrases.append("a setting that is kept for a role or a database has changed")
    if not phrases and not found.statuses:
        raise Unsettled(
            "the server was never seen to give the transaction a number, so it has no status to ask for"
        )
    unknown = [f"transaction {xid} ({status or 'forgotten'})" for xid, status in found.statuses.items()
               if status not in (ABORTED, *_LIVING)]  # fmt: skip
    if not phrases and moved and not found.looked_inside:
        raise Unsettled(
            f"{first_few(moved)}: the transaction was not looked at inside, so nobody knows whose that is"
        )
    if not phrases and unknown:
        raise Unsettled(f"the server does not know what became of {first_few(unknown)}")
    return said(phrases)


def unlooked(found: Certificate, before: Counts) -> list[str]:
    """Return the tables that should have been searched for rows of ours and were not."""
    counted = {name.rpartition(".")[2] for name in found.rows}
    return sorted({name for name in found.reached if name not in found.rows} | (before.rows.keys() - counted))


def counts_are_unchanged(facts: Facts) -> str | None:
    """Each table has as many rows after as before, or another transaction was shown to have made the difference."""
    return _same_counts(facts, "proof.before", "proof.others")


def counts_equal_the_baseline(facts: Facts) -> str | None:
    """Each table has as many rows as the baseline, or another transaction was shown to have made the difference."""
    return _same_counts(facts, "proof.baseline", "proof.others_since_baseline")


def _same_counts(facts: Facts, earlier: str, others: str) -> str | None:
    before, after = facts.need(earlier, Counts), facts.need("proof.after", Counts)
    found = facts.need(others, Others)
    certificate = facts.need("proof.certificate", Certificate)
    phrases = unlisted("table", before.rows, after.rows)
    if not before.rows:
        phrases.append("no table was counted")
    if phrases:
        return said(phrases)
    open_questions = [
        f"{table} went from {rows} to {after.rows[table]} rows"
        for table, rows in before.rows.items()
        if after.rows[table] != rows and not _shown_elsewhere(table, before, after, found)
    ]
    if open_questions:
        raise Unsettled(f"{first_few(open_questions)}: nothing shows that another transaction did that")
    if any(after.rows[table] != rows for table, rows in before.rows.items()) and not _all_aborted(
        certificate
    ):
        raise Unsettled("counts have moved, and the server does not call our transaction aborted")
    return None


def _shown_elsewhere(table: str, before: Counts, after: Counts, others: Others) -> bool:
    """A count that grew needs as many new rows of committed others; one that shrank, as many deletions."""
    change = after.rows[table] - before.rows[table]
    if not before.snapshot or not after.snapshot:
        return False
    if change > 0:
        new_rows = others.new_rows.get(table, 0)
        return others.of_others.get(table, 0) == new_rows >= change
    return after.deleted.get(table, 0) - before.deleted.get(table, 0) >= -change


def _all_aborted(certificate: Certificate) -> bool:
    statuses: Iterable[str] = certificate.statuses.values()
    return bool(certificate.statuses) and all(status == ABORTED for status in statuses)
