"""indexes of the orders in which customers in journeys are listed"""

from alembic import op
from sqlalchemy import text

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None

COLUMNS = {
    "ix_journey_enrolment_time": [],
    "ix_journey_enrolment_journey_time": ["journey_id"],
    "ix_journey_enrolment_version_time": ["version_id"],
    "ix_journey_enrolment_now_time": ["journey_id"],
}


def upgrade() -> None:
    for name, first in COLUMNS.items():
        now = text("status = 'under_way'") if "now" in name else None
        op.create_index(name, "journey_enrolment", [*first, "entered_at", "id"], postgresql_where=now)


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_index(name, "journey_enrolment")
