"""names of a branch's leads are found by their beginning"""

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_lead_live_branch_name",
        "lead",
        ["branch_id", "name", "id"],
        postgresql_ops={"name": "text_pattern_ops"},
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_lead_live_branch_name", table_name="lead")
