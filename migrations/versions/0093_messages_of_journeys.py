"""messages of journeys to systems of the bank"""

import sqlalchemy as sa
from alembic import op

revision = "0093"
down_revision = "0083"
branch_labels = None
depends_on = None


def upgrade() -> None:
    version = sa.ForeignKey("journey_version.id", name="push_journey_version_id_fkey", ondelete="CASCADE")
    op.add_column("push", sa.Column("journey_version_id", sa.Integer(), version, nullable=True))
    op.drop_constraint("ck_push_version", "push")
    op.create_check_constraint(
        "ck_push_version", "push", "is_test OR version_id IS NOT NULL OR journey_version_id IS NOT NULL"
    )
    named = sa.text("journey_version_id IS NOT NULL")
    op.create_index("ix_push_journey", "push", ["journey_version_id"], postgresql_where=named)
    delivery = sa.ForeignKey("delivery.id", name="journey_step_delivery_id_fkey", ondelete="SET NULL")
    op.add_column("journey_step", sa.Column("delivery_id", sa.BigInteger(), delivery, nullable=True))
    told = sa.text("delivery_id IS NOT NULL")
    op.create_index("ix_journey_step_delivery", "journey_step", ["delivery_id"], postgresql_where=told)


def downgrade() -> None:
    op.drop_column("journey_step", "delivery_id")
    op.execute("DELETE FROM push WHERE journey_version_id IS NOT NULL")
    op.drop_constraint("ck_push_version", "push")
    op.drop_column("push", "journey_version_id")
    op.create_check_constraint("ck_push_version", "push", "is_test OR version_id IS NOT NULL")
