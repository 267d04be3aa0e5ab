"""suppression, reveal and tags"""

import sqlalchemy as sa
from alembic import op


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('suppression',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('phone_index', sa.String(length=64), nullable=True),
    sa.Column('id_hash', sa.String(length=64), nullable=True),
    sa.Column('shown', sa.String(length=64), nullable=False),
    sa.Column('reason', sa.String(length=255), nullable=False),
    sa.Column('expires_on', sa.Date(), nullable=True),
    sa.Column('created_by', sa.String(length=128), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('removed_by', sa.String(length=128), nullable=True),
    sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('removal_reason', sa.String(length=255), nullable=True),
    sa.CheckConstraint('(phone_index IS NULL) <> (id_hash IS NULL)', name='ck_suppression_target'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_suppression_person', 'suppression', ['id_hash'], unique=False, postgresql_where=sa.text('removed_at IS NULL'))
    op.create_index('ix_suppression_phone', 'suppression', ['phone_index'], unique=False, postgresql_where=sa.text('removed_at IS NULL'))
    op.create_table('tag',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('colour', sa.String(length=16), server_default='blue', nullable=False),
    sa.Column('created_by', sa.String(length=128), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('name')
    )
    op.create_table('lead_tag',
    sa.Column('lead_id', sa.BigInteger(), nullable=False),
    sa.Column('tag_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['lead_id'], ['lead.id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['tag_id'], ['tag.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('lead_id', 'tag_id')
    )
    op.create_index('ix_lead_tag_tag', 'lead_tag', ['tag_id', 'lead_id'], unique=False)
    op.create_table('reveal',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('lead_id', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.String(length=255), nullable=False),
    sa.Column('revealed_by', sa.String(length=128), nullable=False),
    sa.Column('address', sa.String(length=64), nullable=False),
    sa.Column('revealed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['lead_id'], ['lead.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_reveal_at', 'reveal', ['revealed_at'], unique=False)
    op.create_index('ix_reveal_lead', 'reveal', ['lead_id'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_reveal_lead', table_name='reveal')
    op.drop_index('ix_reveal_at', table_name='reveal')
    op.drop_table('reveal')
    op.drop_index('ix_lead_tag_tag', table_name='lead_tag')
    op.drop_table('lead_tag')
    op.drop_table('tag')
    op.drop_index('ix_suppression_phone', table_name='suppression', postgresql_where=sa.text('removed_at IS NULL'))
    op.drop_index('ix_suppression_person', table_name='suppression', postgresql_where=sa.text('removed_at IS NULL'))
    op.drop_table('suppression')
