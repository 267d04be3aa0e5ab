"""who edited a schedule version"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "schedule_version",
        sa.Column("edited_by", postgresql.ARRAY(sa.String(length=128)), server_default="{}", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("schedule_version", "edited_by")
