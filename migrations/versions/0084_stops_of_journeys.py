"""times in which journeys stand still, and when what fell due meanwhile goes on"""

import sqlalchemy as sa
from alembic import op

revision = "0084"
down_revision = "0093"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("journey_enrolment", sa.Column("not_before", moment))
    journey = sa.ForeignKey("journey.id", ondelete="CASCADE")
    op.create_table(
        "journey_stop",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("journey_id", sa.Integer(), journey),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("stopped_by", sa.String(128), nullable=False),
        sa.Column("stopped_at", moment, server_default=sa.text("app_now(now())"), nullable=False),
        sa.Column("ended_by", sa.String(128)),
        sa.Column("ended_at", moment),
        sa.Column("hours", sa.Integer()),
        sa.Column("spread_at", moment),
    )
    op.create_index(
        *("ix_journey_stop_open", "journey_stop", [sa.text("coalesce(journey_id, 0)")]),
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        *("ix_journey_stop_unspread", "journey_stop", ["ended_at"]),
        postgresql_where=sa.text("spread_at IS NULL"),
    )
    op.create_index("ix_journey_stop_journey", "journey_stop", ["journey_id", "ended_at"])


def downgrade() -> None:
    op.drop_table("journey_stop")
    op.drop_column("journey_enrolment", "not_before")
