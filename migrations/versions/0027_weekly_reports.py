"""weekly reports: when they go out, to whom, what they say, the mails"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        'report_setting',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('active', sa.Boolean(), server_default='false', nullable=False),
        sa.Column('weekday', sa.SmallInteger(), server_default='1', nullable=False),
        sa.Column('at', sa.Time(), nullable=False),
        sa.Column('since', MOMENT, nullable=False),
        sa.Column('planned_week', sa.Date(), nullable=True),
        sa.Column('updated_by', sa.String(length=128), nullable=False),
        sa.Column('updated_at', MOMENT, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint('id = 1', name='ck_report_setting_one'),
        sa.CheckConstraint('weekday BETWEEN 1 AND 7', name='ck_report_setting_weekday'),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_table(
        'report_receiver',
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('added_by', sa.String(length=128), nullable=False),
        sa.Column('added_at', MOMENT, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(['person_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('person_id'),
    )
    op.create_table(
        'weekly_report',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('week', sa.Date(), nullable=False),
        sa.Column('branch_id', sa.Integer(), nullable=True),
        sa.Column('person_id', sa.Integer(), nullable=True),
        sa.Column('content', postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
        sa.Column('error', sa.Text(), server_default='', nullable=False),
        sa.Column('requested_by', sa.String(length=128), nullable=False),
        sa.Column('created_at', MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column('made_at', MOMENT, nullable=True),
        sa.ForeignKeyConstraint(['branch_id'], ['branch.id'], ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['person_id'], ['ab_user.id'], ondelete='SET NULL'),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint(
            'week', 'branch_id', name='weekly_report_week_branch_key', postgresql_nulls_not_distinct=True
        ),
    )
    op.create_index('ix_weekly_report_branch_id', 'weekly_report', ['branch_id'])
    op.create_index('ix_weekly_report_open', 'weekly_report', ['id'], postgresql_where=sa.text('made_at IS NULL'))
    op.create_table(
        'report_mail',
        sa.Column('id', sa.BigInteger(), nullable=False),
        sa.Column('report_id', sa.Integer(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('week', sa.Date(), nullable=False),
        sa.Column('is_test', sa.Boolean(), server_default='false', nullable=False),
        sa.Column('key', sa.Uuid(), server_default=sa.text('gen_random_uuid()'), nullable=False),
        sa.Column('status', sa.String(length=16), server_default='waiting', nullable=False),
        sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
        sa.Column('next_at', MOMENT, nullable=True),
        sa.Column('lease_owner', sa.String(length=64), nullable=True),
        sa.Column('lease_until', MOMENT, nullable=True),
        sa.Column('last_error', sa.String(length=512), server_default='', nullable=False),
        sa.Column('created_at', MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column('sent_at', MOMENT, nullable=True),
        sa.CheckConstraint("status IN ('waiting', 'sending', 'sent', 'failed')", name='ck_report_mail_status'),
        sa.ForeignKeyConstraint(['report_id'], ['weekly_report.id'], ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['person_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('key'),
    )
    op.create_index(
        'ix_report_mail_once', 'report_mail', ['week', 'person_id'], unique=True, postgresql_where=sa.text('NOT is_test')
    )
    op.create_index(
        'ix_report_mail_open', 'report_mail', ['next_at'], postgresql_where=sa.text("status IN ('waiting', 'sending')")
    )
    op.create_index('ix_report_mail_report', 'report_mail', ['report_id'])
    op.create_index('ix_report_mail_person_id', 'report_mail', ['person_id'])


def downgrade() -> None:
    for table in ('report_mail', 'weekly_report', 'report_receiver', 'report_setting'):
        op.drop_table(table)
