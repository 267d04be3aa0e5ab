"""batches of outreach that hold the contacts of a step of a journey"""

import sqlalchemy as sa
from alembic import op

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None


def upgrade() -> None:
    version = sa.ForeignKey("journey_version.id", name="outreach_batch_journey_version_id_fkey", ondelete="RESTRICT")
    op.add_column("outreach_batch", sa.Column("journey_version_id", sa.Integer(), version, nullable=True))
    op.create_index(
        "ix_outreach_batch_journey",
        "outreach_batch",
        ["journey_version_id", "name"],
        postgresql_where=sa.text("journey_version_id IS NOT NULL"),
    )
    op.create_index("ix_outreach_event_received", "outreach_event", ["received_at"])
    op.create_index("ix_outcome_told", "outcome", ["told_at"])


def downgrade() -> None:
    op.drop_index("ix_outcome_told", "outcome")
    op.drop_index("ix_outreach_event_received", "outreach_event")
    op.drop_column("outreach_batch", "journey_version_id")
