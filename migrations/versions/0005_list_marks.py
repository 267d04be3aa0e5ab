"""list marks"""

import sqlalchemy as sa
from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('list_mark',
    sa.Column('list', sa.String(length=32), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('lead_id', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_id', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('list', 'position')
    )
    op.drop_index(op.f('ix_lead_branch_created'), table_name='lead')
    op.drop_index(op.f('ix_lead_created'), table_name='lead')
    op.drop_index(op.f('ix_lead_source_status_created'), table_name='lead')
    op.create_index('ix_lead_live_branch', 'lead', ['branch_id', 'created_at', 'id'], unique=False, postgresql_where=sa.text('deleted_at IS NULL'))
    op.create_index('ix_lead_live_created', 'lead', ['created_at', 'id'], unique=False, postgresql_where=sa.text('deleted_at IS NULL'))
    op.create_index('ix_lead_live_source', 'lead', ['source', 'status', 'created_at', 'id'], unique=False, postgresql_where=sa.text('deleted_at IS NULL'))
    op.create_index('ix_lead_live_status', 'lead', ['status', 'created_at', 'id'], unique=False, postgresql_where=sa.text('deleted_at IS NULL'))


def downgrade() -> None:
    op.drop_index('ix_lead_live_status', table_name='lead', postgresql_where=sa.text('deleted_at IS NULL'))
    op.drop_index('ix_lead_live_source', table_name='lead', postgresql_where=sa.text('deleted_at IS NULL'))
    op.drop_index('ix_lead_live_created', table_name='lead', postgresql_where=sa.text('deleted_at IS NULL'))
    op.drop_index('ix_lead_live_branch', table_name='lead', postgresql_where=sa.text('deleted_at IS NULL'))
    op.create_index(op.f('ix_lead_source_status_created'), 'lead', ['source', 'status', 'created_at'], unique=False)
    op.create_index(op.f('ix_lead_created'), 'lead', ['created_at', 'id'], unique=False)
    op.create_index(op.f('ix_lead_branch_created'), 'lead', ['branch_id', 'created_at'], unique=False)
    op.drop_table('list_mark')
