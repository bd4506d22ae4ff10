"""The rollback-only proof of the live adapter: what is done, in order; what must come of it the engine judges.

Never flips the kill-switch and never calls a method's body: the adapter's own seam is what reaches the
database, and what goes through it is the adapter's own SQL, in a transaction that can only roll back.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from live_cutter import adapter as live
from live_cutter import statements
from live_cutter.adapter import ProductionLiveExecutionAdapter, require_live_adapter
from live_cutter.provider import psycopg3_provider

from console.harness import Context, scenario

METHODS = ("mark", "review", "cut_leg_a", "cut_leg_b", "verify", "find")
WRITES = (statements.COUNT_UNITS, statements.CUT_LEG_A, statements.COUNT_UNITS)


class Spy:
    """A connection provider that counts how often it is called."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.calls = 0

    def __call__(self, principal: str) -> Any:
        """Connect as `principal`, once the passwords have been handed over."""
        self.calls += 1
        return psycopg3_provider(environment(self._ctx))(principal)


def environment(ctx: Context) -> dict[str, str]:
    """Return the adapter's configuration; without passwords while the harness has none."""
    given = {
        "DOT_CUTTER_DB_HOST": ctx.host, "DOT_CUTTER_DB_PORT": str(ctx.port), "DOT_CUTTER_DB_NAME": ctx.database,
        "DOT_CUTTER_DB_SSLMODE": ctx.sslmode, "DOT_CUTTER_EXEC_DB_USER": "cutter_exec",
        "DOT_CUTTER_VERIFY_DB_USER": "cutter_verify",
    }  # fmt: skip
    if ctx.has_passwords:
        given["DOT_CUTTER_EXEC_DB_PASSWORD"] = ctx.password("cutter_exec")
        given["DOT_CUTTER_VERIFY_DB_PASSWORD"] = ctx.password("cutter_verify")
    return given


def spied(ctx: Context) -> tuple[ProductionLiveExecutionAdapter, Spy]:
    """Return the real adapter behind a counting provider, one for the whole proof."""
    if "adapter" not in ctx.memory:
        spy = Spy(ctx)
        ctx.memory["adapter"] = (ProductionLiveExecutionAdapter(connection_provider=spy), spy)
    found: Any = ctx.memory["adapter"]
    return found


@scenario("statements")
def tell_statements(ctx: Context) -> None:
    """Tell the exact texts that P-5 and P-6 will send."""
    with ctx.attempt("statements") as outcome:
        outcome.told = {"writes": list(WRITES), "reads": list(statements.VERIFY_PATH)}


def _switch(ctx: Context) -> None:
    with ctx.attempt("switch") as outcome:
        outcome.told = {"value": repr(live.__execution_enabled__)}


scenario("P-1")(_switch)
scenario("P-9")(_switch)


@scenario("P-2")
def every_method_refuses(ctx: Context) -> None:
    """Call all six methods of the real adapter, whose provider is wired to the real database."""
    with ctx.attempt("construction"):
        spied(ctx)
    adapter, spy = spied(ctx)
    for method in METHODS:
        with ctx.attempt(method):
            getattr(adapter, method)(())
    with ctx.attempt("spy") as outcome:
        outcome.told = {"calls": spy.calls}


@scenario("P-3")
def only_the_real_adapter(ctx: Context) -> None:
    """Hand the real adapter to require_live_adapter, and everything that could be taken for it."""

    def refused(_self: object, *_arguments: object) -> None:
        raise AssertionError("a fake was called")

    methods = dict.fromkeys(METHODS, refused)
    adapter, _spy = spied(ctx)
    subclass = type("Mine", (ProductionLiveExecutionAdapter,), {})
    candidates: dict[str, object] = {
        "nothing": None,
        "an object": object(),
        "a class": ProductionLiveExecutionAdapter,
        "a fake of the same methods": type("Fake", (), methods)(),
        "a fake of the same name": type("ProductionLiveExecutionAdapter", (), methods)(),
        "a subclass": subclass(connection_provider=lambda _principal: None),
    }
    with ctx.attempt("the real adapter") as outcome:
        outcome.told = {"same": require_live_adapter(adapter) is adapter}
    for name, candidate in candidates.items():
        with ctx.attempt(name):
            require_live_adapter(candidate)


@scenario("P-4")
def the_seam_reaches_the_database(ctx: Context) -> None:
    """Connect through the adapter's own seam as both principals, and let the engine look at each session."""
    adapter, _spy = spied(ctx)
    for principal in (live.PRINCIPAL_EXEC, live.PRINCIPAL_VERIFY):
        with ctx.attempt(principal):
            connection = adapter._connect(principal)
            try:
                ctx.checkpoint(principal)
            finally:
                connection.close()


@scenario("P-5")
def the_exact_statement(ctx: Context) -> None:
    """Send the adapter's own fn_iu_create between BEGIN and ROLLBACK; count inside, before and after.

    Nothing is sent before the engine has written the transaction's number down.
    """
    adapter, _spy = spied(ctx)
    reference = f"proof-{uuid4()}"
    values = (reference, "note", "rollback-only proof", "", "{}", "drydock", "proof", None, reference)
    with ctx.attempt("write") as outcome:
        with ctx.rollback_only(adapter._connect(live.PRINCIPAL_EXEC), allowed=WRITES) as transaction:
            transaction.take_number()
            ctx.checkpoint("begun")
            before = transaction.execute(statements.COUNT_UNITS).fetchone()[0]
            transaction.execute(statements.CUT_LEG_A, values)
            after = transaction.execute(statements.COUNT_UNITS).fetchone()[0]
            ctx.checkpoint("inside")
        outcome.told = {"before": before, "after": after, "settings_changed": transaction.settings_changed}


@scenario("P-6")
def the_verify_path(ctx: Context) -> None:
    """Send the verify path's statements as cutter_verify, in a transaction that is rolled back as well."""
    adapter, _spy = spied(ctx)
    values = {"text": ("proof-of-the-verify-path",), "uuid": (str(uuid4()),)}
    with (
        ctx.attempt("read"),
        ctx.rollback_only(
            adapter._connect(live.PRINCIPAL_VERIFY), allowed=statements.VERIFY_PATH
        ) as transaction,
    ):
        for statement in statements.VERIFY_PATH:
            kind = "text" if statement is statements.VERIFY_UNIT else "uuid"
            transaction.execute(statement, values[kind]).fetchall()
        ctx.checkpoint("inside")
