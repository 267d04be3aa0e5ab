"""where a kept list begins, and how long it was"""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("work_queue", sa.Column("first", sa.Integer(), server_default="0", nullable=False))
    op.add_column("work_queue", sa.Column("total", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("work_queue", "total")
    op.drop_column("work_queue", "first")
