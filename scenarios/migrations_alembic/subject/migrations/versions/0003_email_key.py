"""A key for the address, filled in batches of their own transactions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BATCH = sa.text(
    "UPDATE customer SET email_key = lower(email) WHERE customer_id IN "
    "(SELECT customer_id FROM customer WHERE email_key IS NULL ORDER BY customer_id LIMIT :rows)"
)


def upgrade() -> None:
    """Add the column, then fill it 60 rows at a time."""
    op.add_column("customer", sa.Column("email_key", sa.Text()))
    with op.get_context().autocommit_block():
        while op.get_bind().execute(BATCH, {"rows": 60}).rowcount:
            pass


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("customer", "email_key")
