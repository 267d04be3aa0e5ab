"""working a hit: owner, dates, outcome, every step; close reasons and how hits are handed out"""

import sqlalchemy as sa
from alembic import op


revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

OPEN_AND_OWNED = "owner_id IS NOT NULL AND status IN ('waiting', 'in_progress')"

UNCLAIMED = "owner_id IS NULL AND status = 'waiting' AND NOT (opted_out OR holdout)"


def upgrade() -> None:
    op.create_table('close_reason',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('position', sa.Integer(), server_default='0', nullable=False),
    sa.Column('active', sa.Boolean(), server_default='true', nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('name')
    )
    op.create_table('work_setting',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('auto_assign', sa.Boolean(), server_default='false', nullable=False),
    sa.Column('most_open', sa.Integer(), server_default='50', nullable=False),
    sa.Column('respond_days', sa.Integer(), server_default='1', nullable=False),
    sa.Column('overdue_days', sa.Integer(), server_default='2', nullable=False),
    sa.Column('updated_by', sa.String(length=128), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('id = 1', name='ck_work_setting_one'),
    sa.CheckConstraint('most_open BETWEEN 1 AND 1000', name='ck_work_setting_most_open'),
    sa.CheckConstraint('respond_days BETWEEN 0 AND 30', name='ck_work_setting_respond'),
    sa.CheckConstraint('overdue_days BETWEEN 0 AND 60', name='ck_work_setting_overdue'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('hit_event',
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('hit_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('from_status', sa.String(length=16), nullable=False),
    sa.Column('to_status', sa.String(length=16), nullable=False),
    sa.Column('owner', sa.String(length=128), nullable=True),
    sa.Column('note', sa.Text(), server_default='', nullable=False),
    sa.Column('next_on', sa.Date(), nullable=True),
    sa.Column('person', sa.String(length=128), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['hit_id'], ['hit.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_hit_event_at', 'hit_event', ['at'])
    op.create_index('ix_hit_event_hit', 'hit_event', ['hit_id', 'id'])
    op.add_column('hit', sa.Column('owner_id', sa.Integer(), nullable=True))
    op.add_column('hit', sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('hit', sa.Column('next_on', sa.Date(), nullable=True))
    op.add_column('hit', sa.Column('escalated_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('hit', sa.Column('converted_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('hit', sa.Column('amount', sa.Numeric(precision=14, scale=2), nullable=True))
    op.add_column('hit', sa.Column('close_reason_id', sa.Integer(), nullable=True))
    op.create_foreign_key('hit_owner_id_fkey', 'hit', 'ab_user', ['owner_id'], ['id'], ondelete='SET NULL')
    op.create_foreign_key('hit_close_reason_id_fkey', 'hit', 'close_reason', ['close_reason_id'], ['id'], ondelete='RESTRICT')
    op.create_check_constraint('ck_hit_amount', 'hit', 'amount >= 0')
    op.create_index('ix_hit_owner', 'hit', ['owner_id', 'next_on'], postgresql_where=sa.text(OPEN_AND_OWNED))
    op.create_index('ix_hit_next', 'hit', ['next_on'], postgresql_where=sa.text(OPEN_AND_OWNED))
    op.create_index('ix_hit_unclaimed', 'hit', ['grade', sa.text('hit_date DESC'), sa.text('score DESC'), 'id'], postgresql_where=sa.text(UNCLAIMED))
    op.create_index('ix_hit_escalated', 'hit', ['escalated_at'], postgresql_where=sa.text('escalated_at IS NOT NULL'))
    op.create_index('ix_hit_close_reason', 'hit', ['close_reason_id'], postgresql_where=sa.text('close_reason_id IS NOT NULL'))
    # Hits that were converted before steps were kept: the last change is the best that is known.
    op.execute("UPDATE hit SET converted_at = updated_at WHERE status = 'converted'")
    op.execute("""
        CREATE FUNCTION hit_event_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM hit WHERE id = OLD.hit_id) THEN
                RETURN OLD;
            END IF;
            RAISE EXCEPTION 'the steps of a hit are never changed';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER hit_event_is_kept BEFORE UPDATE OR DELETE ON hit_event
        FOR EACH ROW EXECUTE FUNCTION hit_event_is_kept()
    """)


def downgrade() -> None:
    op.drop_index('ix_hit_close_reason', table_name='hit', postgresql_where=sa.text('close_reason_id IS NOT NULL'))
    op.drop_index('ix_hit_escalated', table_name='hit', postgresql_where=sa.text('escalated_at IS NOT NULL'))
    op.drop_index('ix_hit_unclaimed', table_name='hit', postgresql_where=sa.text(UNCLAIMED))
    op.drop_index('ix_hit_next', table_name='hit', postgresql_where=sa.text(OPEN_AND_OWNED))
    op.drop_index('ix_hit_owner', table_name='hit', postgresql_where=sa.text(OPEN_AND_OWNED))
    op.drop_constraint('ck_hit_amount', 'hit', type_='check')
    op.drop_constraint('hit_close_reason_id_fkey', 'hit', type_='foreignkey')
    op.drop_constraint('hit_owner_id_fkey', 'hit', type_='foreignkey')
    for name in ('close_reason_id', 'amount', 'converted_at', 'escalated_at', 'next_on', 'claimed_at', 'owner_id'):
        op.drop_column('hit', name)
    op.drop_table('hit_event')
    op.execute('DROP FUNCTION hit_event_is_kept')
    op.drop_table('work_setting')
    op.drop_table('close_reason')
