"""Whether an attempt that was made to fail at a statement failed there, and left nothing behind.

Pure. That the fault struck is the harness's claim, and a claim can only fail an attempt; what stayed in the database
is what the server logged and the engine counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from console.model.pack import Attempt
from console.witness import explain
from console.witness.client_lines import InducedFault
from console.witness.reconcile import shortened
from console.witness.scenario_evidence import Seen


def wrong_after_fault(attempt: Attempt, seen: Seen, faults: Sequence[InducedFault]) -> list[str]:
    """Return what is wrong with an attempt that `fails_at` a statement: never reached, or writes that stayed."""
    if attempt.fails_at is None:
        return []
    struck = next((one for one in faults if one.a == attempt.name), None)
    if struck is None:
        own = sum(one.client is not None and not one.client.implicit for one in seen.witnessed)
        at = f"statement {attempt.fails_at}" if isinstance(attempt.fails_at, int) else repr(attempt.fails_at)
        return [f"the fault at {at} was never reached: the attempt sent {own} statements of its own"]
    stayed = [it for it in seen.transactions if it.wrote and it.ended == "commit"]
    if len(stayed) <= attempt.commits:
        return []
    where = described_fault(struck)
    return [
        f"it must roll back when it fails, and the transaction opened by {explain.described_with_sender(it.opener)} "
        f"committed its writes although a fault was induced at {where}"
        for it in stayed
    ]


def described_fault(struck: InducedFault) -> str:
    """Return "statement 2, INSERT …, sent by add (app/agent.py:22)"."""
    named = [one for one in struck.callers if not one.startswith(("_", "<"))]
    by = (named or list(struck.callers) or ["code that is not the subject's"])[0]
    return f"statement {struck.n} of the attempt, {shortened(struck.sql)}, sent by {by}"
