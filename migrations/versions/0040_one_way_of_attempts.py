"""background work: when the last worker began, so that a restart of the database is not taken for its death"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

TABLES = ("audit_job", "backtest", "bulk_job", "export_job", "job_run", "outreach_batch")


def upgrade() -> None:
    op.add_column('outreach_batch', sa.Column('attempts', sa.Integer(), server_default='0', nullable=False))
    for table in TABLES:
        op.add_column(table, sa.Column('attempted_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, 'attempted_at')
    op.drop_column('outreach_batch', 'attempts')
