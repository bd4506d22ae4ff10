"""What no scenario's judge looks at: statements outside every scenario, and transactions that the log belies.

Owns the last look over everything that both witnesses have. Pure: returns sentences, all of which fail
G-20. What is said here is never excused by what the client claims.
"""

from __future__ import annotations

from collections.abc import Iterable

from console.witness.control import controls
from console.witness.reconcile import Witnessed, shortened
from console.witness.transactions import Transaction

_ENDS_QUIETLY = frozenset({"rollback"})


def outside_every_scenario(witnessed: Iterable[Witnessed]) -> list[str]:
    """Return a sentence for each statement that ran while no scenario did, but for a plain ROLLBACK.

    Also for one that was sent in one scenario and ran in another: each has its own judge, which must
    not be slipped between.
    """
    said: list[str] = []
    for one in witnessed:
        place = f"backend {one.server.pid} ({one.server.user})"
        if not one.server.scenario:
            if {control.deed for control in controls(one.server.sql)} - _ENDS_QUIETLY:
                said.append(f"{place}, outside every scenario: {shortened(one.server.sql)}")
        elif one.client is not None and one.client.scenario != one.server.scenario:
            where = f"scenario {one.client.scenario}" if one.client.scenario else "outside every scenario"
            said.append(
                f"{place}: statement {one.client.n} was sent in {where} and ran in scenario "
                f"{one.server.scenario}: {shortened(one.server.sql)}"
            )
    return said


def belied_by_the_server(transactions: Iterable[Transaction]) -> list[str]:
    """Return a sentence for each transaction in which the server was in more than one.

    The server's virtual transaction id cannot be chosen by a client: where it changes within what the
    texts say is one transaction, a text was read in another way than the server read it.
    """
    said: list[str] = []
    for one in transactions:
        seen = list(dict.fromkeys(it.server.vxid for it in one.statements if it.server.vxid))
        if one.begin != "autocommit" and len(seen) > 1:
            said.append(
                f"backend {one.pid} ({one.principal}): the server went through transactions {', '.join(seen[:4])} "
                f"where its statements say one, begun by {shortened(one.opener.server.sql)}"
            )
    return said
