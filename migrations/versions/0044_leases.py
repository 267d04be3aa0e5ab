"""leases: background jobs are held like T+1 runs, and a contact's lease has a column of its own"""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

JOBS = ("audit_job", "backtest", "bulk_job", "export_job")


def upgrade() -> None:
    for table in JOBS:
        op.add_column(table, sa.Column('lease_owner', sa.String(length=64), nullable=True))
        op.add_column(table, sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True))
    op.add_column('weekly_report', sa.Column('attempted_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('outreach', sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE outreach SET lease_until = next_at, next_at = reserved_at WHERE status = 'sending'")
    op.drop_index('ix_outreach_open', table_name='outreach')
    op.create_index('ix_outreach_unknown', 'outreach', ['next_at'], postgresql_where=sa.text("status = 'unknown'"))
    op.create_index('ix_outreach_leased', 'outreach', ['lease_until'], postgresql_where=sa.text("status = 'sending'"))


def downgrade() -> None:
    op.drop_index('ix_outreach_leased', table_name='outreach')
    op.drop_index('ix_outreach_unknown', table_name='outreach')
    op.create_index(
        'ix_outreach_open', 'outreach', ['next_at'], postgresql_where=sa.text("status IN ('sending', 'unknown')")
    )
    op.execute("UPDATE outreach SET next_at = lease_until WHERE status = 'sending'")
    op.drop_column('weekly_report', 'attempted_at')
    for table in ('outreach', *JOBS):
        op.drop_column(table, 'lease_until')
    for table in JOBS:
        op.drop_column(table, 'lease_owner')
