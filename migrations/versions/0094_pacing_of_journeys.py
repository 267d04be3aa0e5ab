"""slots of contacts in paced journeys"""

import sqlalchemy as sa
from alembic import op

revision = "0094"
down_revision = "0096"
branch_labels = None
depends_on = None

MOMENTS = ("slot_at", "refused_at", "hold_until")


def upgrade() -> None:
    for name in MOMENTS:
        op.add_column("journey_step", sa.Column(name, sa.DateTime(timezone=True)))
    journey = sa.ForeignKey("journey.id", ondelete="CASCADE")
    op.create_table(
        "journey_slots",
        sa.Column("journey_id", sa.Integer(), journey, primary_key=True),
        sa.Column("channel", sa.String(8), primary_key=True),
        sa.Column("user_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("given", sa.Integer(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("journey_slots")
    for name in reversed(MOMENTS):
        op.drop_column("journey_step", name)
