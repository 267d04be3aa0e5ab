"""bulk changes by filter, and attempts of exports"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('export_job', sa.Column('attempts', sa.Integer(), server_default='0', nullable=False))
    op.create_table('bulk_job',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=16), nullable=False),
        sa.Column('tag_id', sa.Integer(), nullable=True),
        sa.Column('query', sa.Text(), server_default='', nullable=False),
        sa.Column('status', sa.String(length=16), server_default='queued', nullable=False),
        sa.Column('progress', sa.Integer(), server_default='0', nullable=False),
        sa.Column('rows', sa.Integer(), server_default='0', nullable=False),
        sa.Column('changed', sa.Integer(), nullable=True),
        sa.Column('refusal', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
        sa.Column('cancel_requested', sa.Boolean(), server_default='false', nullable=False),
        sa.Column('requested_by', sa.String(length=128), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('tag', 'untag', 'delete')", name='ck_bulk_job_kind'),
        sa.ForeignKeyConstraint(['tag_id'], ['tag.id'], ondelete='SET NULL'),
        sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_bulk_job_by', 'bulk_job', ['requested_by'], unique=False)
    op.create_index('ix_bulk_job_open', 'bulk_job', ['id'], unique=False, postgresql_where=sa.text("status IN ('queued', 'running')"))
    op.create_index(op.f('ix_bulk_job_tag_id'), 'bulk_job', ['tag_id'], unique=False)


def downgrade() -> None:
    op.drop_table('bulk_job')
    op.drop_column('export_job', 'attempts')
