"""The source of a small subject and pack that use every way psycopg has of sending a statement."""

from __future__ import annotations

SUBJECT = """
import asyncio

import psycopg
from psycopg import ClientCursor, RawCursor

TABLE = "CREATE TEMP TABLE basket (id int, name text)"


def connect(ctx, **options):
    return psycopg.connect(
        host=ctx.host, port=ctx.port, dbname=ctx.database, user="shopper",
        password=ctx.password("shopper"), sslmode=ctx.sslmode, **options,
    )


def plain(ctx):
    with connect(ctx) as conn:
        conn.execute("SELECT 1 AS plain")


def parameters(ctx):
    with connect(ctx) as conn:
        conn.execute("SELECT %s::int + %s, %s::text, %s", (1, 40000, "secret value", None))
        conn.execute("SELECT %(first)s || 'x\\u00fc\\U0001f40d'", {"first": "y"})
        RawCursor(conn).execute("SELECT $1::int AS raw", (5,))
        ClientCursor(conn).execute("SELECT %s AS merged", (7,))
        conn.execute("SELECT 1 AS binary", binary=True)
        conn.execute("SELECT %s::int[] AS listed", ([1, 2],))


def several(ctx):
    with connect(ctx, autocommit=True) as conn:
        conn.execute("SELECT 1 AS one; SELECT 2 AS two")
        conn.execute("")


def many(ctx):
    with connect(ctx) as conn:
        conn.execute(TABLE)
        with conn.cursor() as cursor:
            cursor.executemany("INSERT INTO basket VALUES (%s, %s)", [(n, "n") for n in range(4)])
            cursor.executemany(
                "INSERT INTO basket VALUES (%s, %s) RETURNING id",
                [(n, "n") for n in range(3)], returning=True,
            )
            cursor.executemany("INSERT INTO basket SELECT %s WHERE false", [])


def prepared(ctx):
    with connect(ctx) as conn:
        for number in range(8):
            conn.execute("SELECT %s::int AS prepared", (number,))
        conn.execute("SELECT 'at once'", prepare=True)
        conn.rollback()
        conn.execute("SELECT 'after'")


def evicted(ctx):
    with connect(ctx, autocommit=True) as conn:
        conn.prepared_max = 1
        for text in ("SELECT 'a'", "SELECT 'b'", "SELECT 'a'"):
            conn.execute(text, prepare=True)


def unpreparable(ctx):
    with connect(ctx, autocommit=True) as conn:
        try:
            conn.execute("SELECT * FROM no_such_prepared", prepare=True)
        except psycopg.errors.UndefinedTable:
            pass
        conn.execute("SELECT 'goes on'")


def server_cursor(ctx):
    with connect(ctx) as conn:
        with conn.cursor("shelf") as cursor:
            cursor.execute("SELECT generate_series(1, %s)", (250,))
            for _ in cursor:
                pass
        with conn.cursor("scrolling", scrollable=True) as cursor:
            cursor.execute("SELECT generate_series(1, 9)", binary=True)
            cursor.scroll(3)
            cursor.fetchmany(2)


def copies(ctx):
    with connect(ctx) as conn:
        conn.execute(TABLE)
        cursor = conn.cursor()
        with cursor.copy("COPY basket FROM STDIN") as copy:
            copy.write_row((1, "a"))
            copy.write_row((2, "b"))
        with cursor.copy("COPY basket TO STDOUT") as copy:
            list(copy.rows())
        try:
            with cursor.copy("COPY basket (id) FROM STDIN") as copy:
                copy.write_row(("not a number",))
        except psycopg.errors.InvalidTextRepresentation:
            conn.rollback()


def pipelined(ctx):
    with connect(ctx) as conn:
        with conn.pipeline():
            conn.execute(TABLE)
            for number in range(7):
                conn.execute("INSERT INTO basket VALUES (%s, %s)", (number, "p"))
            with conn.transaction():
                conn.execute("SELECT count(*) FROM basket")
            conn.execute("SELECT 'prepared in a pipeline'", prepare=True)


def pipeline_fails(ctx):
    with connect(ctx, autocommit=True) as conn:
        try:
            with conn.pipeline():
                conn.execute("SELECT 'before'")
                conn.execute("SELECT * FROM no_such_piped")
                conn.execute("SELECT 'skipped'")
        except psycopg.errors.UndefinedTable:
            pass
        conn.execute("SELECT 'afterwards'")


def streamed(ctx):
    with connect(ctx) as conn:
        for _ in conn.cursor().stream("SELECT generate_series(1, %s)", (3,)):
            pass
        stream = conn.cursor().stream("SELECT generate_series(1, 1000000)")
        next(stream)
        stream.close()
        conn.rollback()


def savepoints(ctx):
    with connect(ctx) as conn:
        with conn.transaction():
            conn.execute("SELECT 'outer'")
            with conn.transaction("named"):
                conn.execute("SELECT 'inner'")
            try:
                with conn.transaction():
                    conn.execute("SELECT 1 / 0")
            except psycopg.errors.DivisionByZero:
                pass
        with conn.transaction(force_rollback=True):
            conn.execute("SELECT 'undone'")


def errors(ctx):
    with connect(ctx) as conn:
        for text in ("SELECT * FROM no_such_table", "SELEKT", "SELECT %s::int + no_such_column"):
            try:
                conn.execute(text, (1,) if "%s" in text else None)
            except psycopg.Error:
                conn.rollback()
        conn.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        conn.execute("SELECT 'serializable'")
        conn.commit()


def refuse(ctx):
    with connect(ctx) as conn:
        conn.execute("SELECT 1 / 0 AS refused")


async def _asynchronous(ctx):
    conn = await psycopg.AsyncConnection.connect(
        host=ctx.host, port=ctx.port, dbname=ctx.database, user="shopper",
        password=ctx.password("shopper"), sslmode=ctx.sslmode,
    )
    async with conn:
        await conn.execute("SELECT 'async'")
        async with conn.transaction():
            await conn.execute("SELECT %s::int", (3,))
        await conn.execute(TABLE)
        cursor = conn.cursor()
        async with cursor.copy("COPY basket FROM STDIN") as copy:
            await copy.write_row((1, "a"))
        async with conn.cursor("async_shelf") as shelf:
            await shelf.execute("SELECT 5")
            await shelf.fetchall()
        async with conn.pipeline():
            await conn.execute("SELECT 'async pipeline'")
        async for _ in cursor.stream("SELECT generate_series(1, 3)"):
            pass


def asynchronous(ctx):
    asyncio.run(_asynchronous(ctx))


WAYS = [
    plain, parameters, several, many, prepared, evicted, unpreparable, server_cursor, copies, pipelined,
    pipeline_fails, streamed, savepoints, errors, asynchronous,
]
"""

PACK = """
from console.harness import Context, scenario
from shop import ways


@scenario("WAYS")
def every_way(ctx: Context) -> None:
    for way in ways.WAYS:
        with ctx.attempt(way.__name__), ctx.phase(way.__name__.upper()):
            way(ctx)


@scenario("REFUSED")
def refused(ctx: Context) -> None:
    with ctx.attempt("refused"):
        ways.refuse(ctx)


@scenario("RIVAL")
def rival(ctx: Context) -> None:
    with ctx.attempt("interference"):
        ctx.rival("shopper").execute("SELECT 'rival'")
        ctx.memory["seen"] = True
"""
