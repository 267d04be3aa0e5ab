"""entries of the do-not-disturb list are found by phone and person when they were taken off, too"""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

COLUMNS = {"ix_suppression_phone": "phone_index", "ix_suppression_person": "id_hash"}


def upgrade() -> None:
    for name, column in COLUMNS.items():
        op.drop_index(name, table_name="suppression")
        op.create_index(name, "suppression", [column])


def downgrade() -> None:
    for name, column in COLUMNS.items():
        op.drop_index(name, table_name="suppression")
        op.create_index(name, "suppression", [column], postgresql_where=sa.text("removed_at IS NULL"))
