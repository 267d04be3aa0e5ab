"""pages of the lead list end at a row; places further down are no longer kept"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("list_mark")
    op.execute("DELETE FROM ticker_step WHERE name = 'list_marks'")


def downgrade() -> None:
    op.create_table(
        "list_mark",
        sa.Column("list", sa.String(32), primary_key=True),
        sa.Column("position", sa.BigInteger(), primary_key=True),
        sa.Column("lead_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
    )
