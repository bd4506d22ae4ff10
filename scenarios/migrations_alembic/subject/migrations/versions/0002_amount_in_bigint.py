"""Amounts above 21 million: ALTER COLUMN TYPE, for which PostgreSQL writes the whole table anew."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Widen the column."""
    op.alter_column("purchase", "amount_cents", type_=sa.BigInteger(), existing_type=sa.Integer())


def downgrade() -> None:
    """Narrow it again."""
    op.alter_column("purchase", "amount_cents", type_=sa.Integer(), existing_type=sa.BigInteger())
