"""The shop's two tables, which production has."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: production was stamped with this revision."""


def downgrade() -> None:
    """Nothing."""
