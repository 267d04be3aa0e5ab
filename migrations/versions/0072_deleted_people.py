"""An index of deleted leads by person, for the calls that count towards frequency caps"""

import sqlalchemy as sa
from alembic import op

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None


def upgrade() -> None:
    deleted = sa.text("deleted_at IS NOT NULL")
    op.create_index("ix_lead_deleted_id_hash", "lead", ["id_hash"], postgresql_where=deleted)


def downgrade() -> None:
    op.drop_index("ix_lead_deleted_id_hash", "lead")
