"""the journey of each step, by which those that are due are found"""

import sqlalchemy as sa
from alembic import op

revision = "0104"
down_revision = "0105"
branch_labels = None
depends_on = None

WAITING = sa.text("status = 'waiting'")


def upgrade() -> None:
    op.add_column("journey_step", sa.Column("journey_id", sa.Integer()))
    op.execute(
        "UPDATE journey_step s SET journey_id = e.journey_id FROM journey_enrolment e "
        "WHERE e.id = s.enrolment_id AND s.status = 'waiting'"
    )
    op.create_check_constraint(
        "ck_journey_step_waiting", "journey_step", "journey_id IS NOT NULL OR status <> 'waiting'"
    )
    op.drop_index("ix_journey_step_due", "journey_step")
    op.create_index("ix_journey_step_due", "journey_step", ["journey_id", "next_at"], postgresql_where=WAITING)
    # Without statistics of the new column the planner sorts everything that is due.
    op.execute("ANALYZE journey_step")


def downgrade() -> None:
    op.drop_index("ix_journey_step_due", "journey_step")
    op.create_index("ix_journey_step_due", "journey_step", ["next_at"], postgresql_where=WAITING)
    op.drop_constraint("ck_journey_step_waiting", "journey_step")
    op.drop_column("journey_step", "journey_id")
