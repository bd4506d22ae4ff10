"""What is changed of the shipped packs of migrations so that a real run shows each harm."""

from __future__ import annotations

from collections.abc import Mapping

HIDDEN = '''"""Sends a statement past the driver's cursors, which the client witness cannot see."""

from console.harness import Context, migrations
from psycopg import Connection


@migrations.before
def look(ctx: Context) -> None:
    """Ask behind the witness's back."""
    with Connection.connect(
        host=ctx.host, port=ctx.port, dbname=ctx.database, user="shop_owner", password=ctx.password("shop_owner")
    ) as connection:
        connection.pgconn.exec_(b"SELECT 'nobody saw this'")
'''
WRONG: Mapping[str, str] = {
    "subject/migrations/0001_amount_in_bigint.up.sql": (
        "ALTER TABLE public.purchase ALTER COLUMN amount_cents TYPE bigint;\nSELECT pg_sleep(0.3);\n"
    ),
    "subject/migrations/0002_email_key.up.sql": (
        "ALTER TABLE public.customer ADD COLUMN email_key text;\nCREATE TABLE public.stray (a integer);\n"
        "GRANT SELECT ON public.stray TO shop_app;\nDELETE FROM public.purchase WHERE status = 'open';\n"
        "UPDATE public.customer SET name = upper(name) WHERE customer_id = 1;\n"
    ),
    "pack.py": HIDDEN,
}
"""A migration that is wrong in every way but one: it raises no error."""

OTHERS = '''"""Opens a session that is not the role's own, with the driver and in the witness's sight."""

from console.harness import Context, migrations
from psycopg import connect


@migrations.before
def look(ctx: Context) -> None:
    """Ask as the application."""
    with connect(
        host=ctx.host, port=ctx.port, dbname=ctx.database, user="shop_app", password=ctx.password("shop_app")
    ) as connection:
        connection.execute("SELECT 1")
'''
HARMFUL: Mapping[str, str] = {
    "subject/migrations/0001_amount_in_bigint.up.sql": (
        "CREATE TABLE public.purchase_new (LIKE public.purchase INCLUDING ALL);\n"
        "ALTER TABLE public.purchase_new ALTER amount_cents TYPE bigint;\n"
        "INSERT INTO public.purchase_new OVERRIDING SYSTEM VALUE SELECT * FROM public.purchase;\n"
        "DROP TABLE public.purchase;\nALTER TABLE public.purchase_new RENAME TO purchase;\n"
    ),
    "subject/migrations/0001_amount_in_bigint.down.sql": "SELECT 1;\n",
    "subject/migrations/0002_email_key.up.sql": (
        "ALTER TABLE public.customer ADD COLUMN email_key text;\n"
        "ALTER TABLE public.customer REPLICA IDENTITY FULL;\nSELECT lo_from_bytea(0, 'left');\n"
        "ALTER TABLE public.ledger ADD COLUMN note text;\n"
        "CREATE OR REPLACE FUNCTION public.audit() RETURNS integer LANGUAGE sql AS 'SELECT 2';\n"
        "CREATE OR REPLACE FUNCTION public.audit() RETURNS integer LANGUAGE sql AS 'SELECT 1';\n"
        "ALTER TABLE public.event DETACH PARTITION public.event_2;\n"
    ),
    "subject/migrations/0004_index_email_key.up.sql": (
        "BEGIN;\nALTER TABLE public.customer ALTER COLUMN name SET STATISTICS 7;\n"
    ),
    "subject/migrations/0004_index_email_key.down.sql": "SELECT 1;\n",
    "demo/021_ledger.sql": (
        "-- Purpose: a table that the shop's owner does not own.\n-- Lowest server version: 16.\n\n"
        "CREATE ROLE shop_books;\nCREATE TABLE public.ledger (entry integer);\n"
        "ALTER TABLE public.ledger OWNER TO shop_books;\n"
        "CREATE FUNCTION public.audit() RETURNS integer LANGUAGE sql AS 'SELECT 1';\n"
        "ALTER FUNCTION public.audit() OWNER TO shop_books;\nSET ROLE shop_owner;\n"
        "CREATE TABLE public.event (id integer) PARTITION BY LIST (id);\n"
        "CREATE TABLE public.event_1 PARTITION OF public.event FOR VALUES IN (1);\n"
        "CREATE TABLE public.event_2 PARTITION OF public.event FOR VALUES IN (2);\n"
        "INSERT INTO public.event VALUES (1), (2);\nRESET ROLE;\n"
    ),
    "pack.py": OTHERS,
}
"""Harm of which nobody but M-8 tells the whole: what is left, not committed, another's, or in another's place."""

WITH_SAVEPOINT: Mapping[str, str] = {
    "subject/migrations/0001_amount_in_bigint.up.sql": (
        "SAVEPOINT before;\nALTER TABLE public.purchase ALTER COLUMN amount_cents TYPE bigint;\n"
        "CREATE TABLE public.scratch AS SELECT * FROM public.purchase;\nDROP TABLE public.scratch;\n"
        "RELEASE before;\nREFRESH MATERIALIZED VIEW public.totals;\n"
    ),
    "demo/025_totals.sql": (
        "-- Purpose: a view whose rows are kept.\n-- Lowest server version: 16.\n\n"
        "CREATE MATERIALIZED VIEW public.totals AS SELECT count(*) AS purchases FROM public.purchase;\n"
        "ALTER MATERIALIZED VIEW public.totals OWNER TO shop_owner;\n"
    ),
}
"""A savepoint, a scratch table and a refreshed view in the transaction that rewrites a table."""

NOT_COMMITTED: Mapping[str, str] = {
    "subject/migrations/env.py": (
        '"""An environment that lacks begin_transaction()."""\n\nfrom alembic import context\n'
        "from sqlalchemy import engine_from_config, pool\n\n"
        "section = context.config.get_section(context.config.config_ini_section, {})\n"
        "with engine_from_config(section, prefix='sqlalchemy.', poolclass=pool.NullPool).connect() as connection:\n"
        "    context.configure(connection=connection)\n    context.run_migrations()\n"
    ),
}
"""SQLAlchemy begins a transaction by itself and rolls it back when the connection is closed: nobody raises an error."""

AT_ONCE: Mapping[str, str] = {
    "subject/migrations/versions/0002_amount_in_bigint.py": '''"""Two connections at once, then a pipeline."""

import threading
import time

import psycopg
from alembic import op

revision = "0002"
down_revision = "0001"


def ask(words: dict[str, str]) -> None:
    """Send a statement while the other connection executes one."""
    time.sleep(0.4)
    with psycopg.connect(**words) as connection:
        connection.execute("SELECT 1")


def upgrade() -> None:
    """Lock a table late in a long statement, and another one in a pipeline."""
    url = op.get_bind().engine.url
    words = {"host": url.query["host"], "port": url.query["port"], "dbname": url.database, "user": url.username,
             "password": url.password}
    other = threading.Thread(target=ask, args=(words,))
    other.start()
    with psycopg.connect(**words, autocommit=True) as connection:
        connection.execute(
            "DO $$ BEGIN PERFORM pg_sleep(0.8); LOCK TABLE public.customer; PERFORM pg_sleep(1.2); END $$"
        )
    other.join()
    with psycopg.connect(**words) as connection, connection.pipeline():
        connection.execute("LOCK TABLE public.purchase")
        for number in range(50):
            connection.execute("SELECT %s::integer", (number,))


def downgrade() -> None:
    """Nothing."""
''',
}
"""A lock that is taken while another connection is looked at, and one in a pipeline, whose statements overlap."""

BEYOND = (
    "+ pg_attribute public.customer.email_key", "+ pg_attribute public.customer_email_key.email_key",
    "pg_attribute public.purchase.amount_cents: attalign i, then d; attlen 4, then 8; atttypid integer, then bigint",
    "+ pg_class public.customer_email_key", "+ pg_index public.customer_email_key",
)  # fmt: skip
"""What the shipped migrations change of the whole database, as a report shows it."""

REFUSED: Mapping[str, str] = {
    "subject/migrations/0002_email_key.up.sql": (
        "ALTER TABLE public.customer ADD COLUMN email_key text;\nALTER TABLE public.customer ADD COLUMN name text;\n"
    ),
}

_DEFAULT = "    with context.begin_transaction():\n        context.run_migrations()\n"
ONE_TRANSACTION: Mapping[str, str] = {
    "subject/migrations/env.py": NOT_COMMITTED["subject/migrations/env.py"].replace(
        "    context.run_migrations()\n", _DEFAULT
    ),
    "subject/migrations/versions/0003_email_key.py": (
        "from alembic import op\n\nrevision = '0003'\ndown_revision = '0002'\n\n\n"
        "def upgrade():\n    op.execute('SELECT pg_sleep(0.4)')\n\n\ndef downgrade():\n    op.execute('SELECT 1')\n"
    ),
}
"""What `alembic init` writes: every revision in one transaction, in which the second keeps the first one's lock."""

TWO_HEADS: Mapping[str, str] = {
    "subject/migrations/versions/0002b_other.py": (
        "revision = '0002b'\ndown_revision = '0001'\n\n\ndef upgrade():\n    pass\n"
    ),
}
AT_EXIT: Mapping[str, str] = {
    "subject/migrations/versions/0003_email_key.py": (
        "import atexit\n\nimport psycopg\nfrom alembic import op\n\nrevision = '0003'\ndown_revision = '0002'\n\n\n"
        "def late(url):\n    with psycopg.connect(user=url.username, password=url.password, dbname=url.database, "
        "**url.query) as it:\n        it.execute('DELETE FROM purchase')\n\n\n"
        "def upgrade():\n    atexit.register(late, op.get_bind().engine.url)\n\n\ndef downgrade():\n    pass\n"
    ),
}
_SETTINGS = (
    "SECRET_KEY = 'x'\nINSTALLED_APPS = ['shop']\nDEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'\n"
)
OWN_ENGINE: Mapping[str, str] = {
    "subject/shop_site/settings.py": (
        f"{_SETTINGS}DATABASES = {{'default': {{'ENGINE': 'shop_site.backend', 'NAME': 'shop'}}}}\n"
    ),
    "subject/shop_site/backend/__init__.py": "",
    "subject/shop_site/backend/base.py": (
        "from django.db.backends.postgresql import base, schema\n\n\n"
        "class Editor(schema.DatabaseSchemaEditor):\n    def add_field(self, model, field):\n"
        "        super().add_field(model, field)\n        self.execute('DELETE FROM shop_purchase')\n\n\n"
        "class DatabaseWrapper(base.DatabaseWrapper):\n    SchemaEditorClass = Editor\n"
    ),
}
"""An ENGINE of the project's own that does more than PostgreSQL's."""


def _beside(words: str) -> dict[str, str]:
    """Return a file of the demo's that says something to production beside its tables."""
    return {
        "demo/031_beside.sql": f"-- Purpose: what no dump holds.\n-- Lowest server version: 16.\n\n{words}\n"
    }


TIMED_OUT = _beside(
    "ALTER ROLE shop_owner SET statement_timeout = '1ms';\nALTER DATABASE shop SET work_mem = '2MB';"
) | {"subject/migrations/0001_amount_in_bigint.up.sql": "SELECT pg_sleep(0.5);\n"}
PUBLISHED = _beside("CREATE PUBLICATION everything FOR TABLE public.purchase, public.customer;")
NOT_BEGUN_WITH = _beside("ALTER ROLE shop_owner SET default_tablespace = 'fast';")
ABSENT_ROLE = _beside("CREATE ROLE shop_reports;") | {
    "subject/migrations/0002_email_key.up.sql": "GRANT SELECT ON public.customer TO shop_reports;\n"
}
"""Words of the source that the copy takes, and some that it cannot follow."""

ANOTHER_ENGINE: Mapping[str, str] = {
    "subject/shop_site/settings.py": (
        f"{_SETTINGS}DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'shop'}}}}\n"
    ),
}
