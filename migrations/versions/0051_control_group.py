"""members of the universal control group"""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "control_member",
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("lead_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("year", "lead_id"),
    )
    op.create_index("ix_control_member_lead", "control_member", ["lead_id"])


def downgrade() -> None:
    op.drop_table("control_member")
