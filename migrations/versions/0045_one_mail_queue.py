"""one queue of mails: those of reminders and of weekly reports are rows of one table"""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def _moment(name, **options):
    return sa.Column(name, sa.DateTime(timezone=True), **options)


def upgrade() -> None:
    op.create_table(
        'mail',
        sa.Column('id', sa.BigInteger(), nullable=False),
        sa.Column('kind', sa.String(length=16), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('key', sa.String(length=64), server_default=sa.text('(gen_random_uuid())::text'), nullable=False),
        sa.Column('reminders', sa.Integer(), server_default='0', nullable=False),
        sa.Column('report_id', sa.Integer(), nullable=True),
        sa.Column('week', sa.Date(), nullable=True),
        sa.Column('is_test', sa.Boolean(), server_default='false', nullable=False),
        sa.Column('status', sa.String(length=16), server_default='waiting', nullable=False),
        sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
        _moment('attempted_at', nullable=True),
        _moment('next_at', nullable=True),
        sa.Column('lease_owner', sa.String(length=64), nullable=True),
        _moment('lease_until', nullable=True),
        sa.Column('answer', sa.String(length=512), server_default='', nullable=False),
        _moment('created_at', server_default=sa.text('now()'), nullable=False),
        _moment('done_at', nullable=True),
        sa.CheckConstraint(
            "status IN ('waiting', 'sending', 'sent', 'failed', 'dropped')", name='ck_mail_status'
        ),
        sa.CheckConstraint(
            "kind = 'reminders' AND report_id IS NULL OR kind = 'report' AND report_id IS NOT NULL",
            name='ck_mail_kind',
        ),
        sa.ForeignKeyConstraint(['person_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['report_id'], ['weekly_report.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('key'),
    )
    # A mail under way keeps its Message-ID. One that a worker held is free at the end of that worker's lease.
    op.execute("""
        INSERT INTO mail (id, kind, person_id, key, reminders, status, attempts, next_at, lease_until, answer,
                          created_at, done_at)
        SELECT id, 'reminders', person_id, 'reminders-' || id, reminders, status, attempts, next_at,
               CASE WHEN status = 'sending' THEN next_at END, answer, created_at, done_at
        FROM reminder_mail
    """)
    op.execute("SELECT setval('mail_id_seq', coalesce((SELECT max(id) + 1 FROM mail), 1), false)")
    op.execute("""
        INSERT INTO mail (kind, person_id, key, report_id, week, is_test, status, attempts, next_at, lease_owner,
                          lease_until, answer, created_at, done_at)
        SELECT 'report', person_id, key::text, report_id, week, is_test, status, attempts, next_at, lease_owner,
               lease_until, last_error, created_at, sent_at
        FROM report_mail ORDER BY id
    """)
    op.create_index('ix_mail_due', 'mail', ['next_at'], postgresql_where=sa.text("status IN ('waiting', 'sending')"))
    op.create_index('ix_mail_person', 'mail', ['person_id', 'created_at'])
    op.create_index('ix_mail_report', 'mail', ['report_id'], postgresql_where=sa.text('report_id IS NOT NULL'))
    op.create_index(
        'ix_mail_report_once', 'mail', ['week', 'person_id'], unique=True,
        postgresql_where=sa.text("kind = 'report' AND NOT is_test"),
    )
    op.drop_constraint('reminder_mail_id_fkey', 'reminder', type_='foreignkey')
    op.create_foreign_key('reminder_mail_id_fkey', 'reminder', 'mail', ['mail_id'], ['id'], ondelete='SET NULL')
    op.drop_table('report_mail')
    op.drop_table('reminder_mail')


def downgrade() -> None:
    op.create_table(
        'reminder_mail',
        sa.Column('id', sa.BigInteger(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('status', sa.String(length=16), server_default='waiting', nullable=False),
        sa.Column('reminders', sa.Integer(), nullable=False),
        sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
        _moment('next_at', nullable=False),
        sa.Column('answer', sa.String(length=512), server_default='', nullable=False),
        _moment('created_at', server_default=sa.text('now()'), nullable=False),
        _moment('done_at', nullable=True),
        sa.CheckConstraint(
            "status IN ('waiting', 'sending', 'sent', 'failed', 'dropped')", name='ck_reminder_mail_status'
        ),
        sa.ForeignKeyConstraint(['person_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id'),
    )
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
        _moment('next_at', nullable=True),
        sa.Column('lease_owner', sa.String(length=64), nullable=True),
        _moment('lease_until', nullable=True),
        sa.Column('last_error', sa.String(length=512), server_default='', nullable=False),
        _moment('created_at', server_default=sa.text('now()'), nullable=False),
        _moment('sent_at', nullable=True),
        sa.CheckConstraint("status IN ('waiting', 'sending', 'sent', 'failed')", name='ck_report_mail_status'),
        sa.ForeignKeyConstraint(['person_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.ForeignKeyConstraint(['report_id'], ['weekly_report.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('key'),
    )
    op.execute("""
        INSERT INTO reminder_mail (id, person_id, status, reminders, attempts, next_at, answer, created_at, done_at)
        SELECT id, person_id, status, reminders, attempts, coalesce(lease_until, next_at, done_at, created_at),
               answer, created_at, done_at
        FROM mail WHERE kind = 'reminders'
    """)
    op.execute("""
        INSERT INTO report_mail (id, report_id, person_id, week, is_test, key, status, attempts, next_at,
                                 lease_owner, lease_until, last_error, created_at, sent_at)
        SELECT id, report_id, person_id, week, is_test, key::uuid, status, attempts,
               CASE WHEN status = 'waiting' THEN coalesce(next_at, now()) ELSE next_at END,
               lease_owner, lease_until, answer, created_at, CASE WHEN status = 'sent' THEN done_at END
        FROM mail WHERE kind = 'report'
    """)
    for table in ('reminder_mail', 'report_mail'):
        op.execute(f"SELECT setval('{table}_id_seq', coalesce((SELECT max(id) + 1 FROM {table}), 1), false)")
    op.create_index(
        'ix_reminder_mail_due', 'reminder_mail', ['next_at'],
        postgresql_where=sa.text("status IN ('waiting', 'sending')"),
    )
    op.create_index('ix_reminder_mail_person', 'reminder_mail', ['person_id', 'created_at'])
    op.create_index(
        'ix_report_mail_once', 'report_mail', ['week', 'person_id'], unique=True,
        postgresql_where=sa.text('NOT is_test'),
    )
    op.create_index(
        'ix_report_mail_open', 'report_mail', ['next_at'],
        postgresql_where=sa.text("status IN ('waiting', 'sending')"),
    )
    op.create_index('ix_report_mail_report', 'report_mail', ['report_id'])
    op.create_index('ix_report_mail_person_id', 'report_mail', ['person_id'])
    op.drop_constraint('reminder_mail_id_fkey', 'reminder', type_='foreignkey')
    op.create_foreign_key(
        'reminder_mail_id_fkey', 'reminder', 'reminder_mail', ['mail_id'], ['id'], ondelete='SET NULL'
    )
    op.drop_table('mail')
