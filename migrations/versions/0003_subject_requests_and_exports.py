"""subject requests, export jobs, indexes for retention and reveal limits"""

import sqlalchemy as sa
from alembic import op


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('subject_request',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('lead_no', sa.String(length=32), nullable=True),
    sa.Column('reason', sa.String(length=255), server_default='', nullable=False),
    sa.Column('created_by', sa.String(length=128), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_subject_request_at', 'subject_request', ['created_at'], unique=False)
    op.create_table('export_job',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('format', sa.String(length=8), nullable=False),
    sa.Column('query', sa.Text(), server_default='', nullable=False),
    sa.Column('status', sa.String(length=16), server_default='queued', nullable=False),
    sa.Column('progress', sa.Integer(), server_default='0', nullable=False),
    sa.Column('rows', sa.Integer(), nullable=True),
    sa.Column('file', sa.String(length=255), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('requested_by', sa.String(length=128), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("kind IN ('leads', 'hits')", name='ck_export_job_kind'),
    sa.CheckConstraint("format IN ('xlsx', 'csv')", name='ck_export_job_format'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_export_job_by', 'export_job', ['requested_by'], unique=False)
    op.create_index('ix_export_job_open', 'export_job', ['id'], unique=False, postgresql_where=sa.text("status IN ('queued', 'running')"))
    op.create_index('ix_lead_deleted', 'lead', ['deleted_at'], unique=False, postgresql_where=sa.text('deleted_at IS NOT NULL'))
    op.create_index('ix_reveal_by', 'reveal', ['revealed_by', 'revealed_at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_reveal_by', table_name='reveal')
    op.drop_index('ix_lead_deleted', table_name='lead', postgresql_where=sa.text('deleted_at IS NOT NULL'))
    op.drop_index('ix_export_job_open', table_name='export_job', postgresql_where=sa.text("status IN ('queued', 'running')"))
    op.drop_index('ix_export_job_by', table_name='export_job')
    op.drop_table('export_job')
    op.drop_index('ix_subject_request_at', table_name='subject_request')
    op.drop_table('subject_request')
