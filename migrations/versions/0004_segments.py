"""segments, and one truth about who must not be contacted"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('segment',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('definition', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('shared', sa.Boolean(), server_default='false', nullable=False),
    sa.Column('owner', sa.String(length=128), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('owner', 'name', name='segment_owner_name_key')
    )
    op.create_index(op.f('ix_segment_owner'), 'segment', ['owner'], unique=False)
    op.create_index('ix_lead_opted_out', 'lead', ['id'], unique=False, postgresql_where=sa.text('opted_out AND deleted_at IS NULL'))
    op.create_index('ix_suppression_expiry', 'suppression', ['expires_on'], unique=False, postgresql_where=sa.text('removed_at IS NULL'))
    # Leads that were ticked by hand before the list existed keep what the customer asked for.
    op.execute("""
        INSERT INTO suppression (id_hash, shown, reason, created_by)
        SELECT l.id_hash, '#' || left(l.id_hash, 8), '系统升级前已设为免打扰', 'system'
        FROM lead l
        WHERE l.opted_out AND l.deleted_at IS NULL
          AND NOT EXISTS (SELECT FROM suppression s
                          WHERE s.removed_at IS NULL AND (s.id_hash = l.id_hash OR s.phone_index = l.phone_index))
    """)


def downgrade() -> None:
    op.drop_index('ix_suppression_expiry', table_name='suppression', postgresql_where=sa.text('removed_at IS NULL'))
    op.drop_index('ix_lead_opted_out', table_name='lead', postgresql_where=sa.text('opted_out AND deleted_at IS NULL'))
    op.drop_index(op.f('ix_segment_owner'), table_name='segment')
    op.drop_table('segment')
