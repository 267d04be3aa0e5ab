"""reminders by e-mail: what each person chose, and the mails as rows"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'reminder_choice',
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('kinds', postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column('daily_at', sa.Time(), server_default='08:30', nullable=False),
        sa.Column('since', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('last_daily_on', sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(['person_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('person_id'),
    )
    op.create_table(
        'reminder_mail',
        sa.Column('id', sa.BigInteger(), nullable=False),
        sa.Column('person_id', sa.Integer(), nullable=False),
        sa.Column('status', sa.String(length=16), server_default='waiting', nullable=False),
        sa.Column('reminders', sa.Integer(), nullable=False),
        sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
        sa.Column('next_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('answer', sa.String(length=512), server_default='', nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('waiting', 'sending', 'sent', 'failed', 'dropped')", name='ck_reminder_mail_status'
        ),
        sa.ForeignKeyConstraint(['person_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index(
        'ix_reminder_mail_due', 'reminder_mail', ['next_at'],
        postgresql_where=sa.text("status IN ('waiting', 'sending')"),
    )
    op.create_index('ix_reminder_mail_person', 'reminder_mail', ['person_id', 'created_at'])
    op.add_column('reminder', sa.Column('mark', sa.BigInteger(), server_default='0', nullable=False))
    op.add_column('reminder', sa.Column('mail_id', sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        'reminder_mail_id_fkey', 'reminder', 'reminder_mail', ['mail_id'], ['id'], ondelete='SET NULL'
    )
    op.create_index('ix_reminder_person', 'reminder', ['person_id', 'created_at', 'id'])
    op.create_index(
        'ix_reminder_unmailed', 'reminder', ['person_id', 'created_at'],
        postgresql_where=sa.text('read_at IS NULL AND mail_id IS NULL'),
    )
    op.create_index(
        'ix_reminder_mail', 'reminder', ['mail_id'], postgresql_where=sa.text('mail_id IS NOT NULL')
    )
    # Stopped targets are one of several faults of the installation that people are reminded of.
    op.execute("UPDATE reminder SET kind = 'system' WHERE kind = 'target'")


def downgrade() -> None:
    op.execute("UPDATE reminder SET kind = 'target' WHERE kind = 'system' AND source LIKE 'target-%'")
    op.drop_index('ix_reminder_mail', table_name='reminder')
    op.drop_index('ix_reminder_unmailed', table_name='reminder')
    op.drop_index('ix_reminder_person', table_name='reminder')
    op.drop_constraint('reminder_mail_id_fkey', 'reminder', type_='foreignkey')
    op.drop_column('reminder', 'mail_id')
    op.drop_column('reminder', 'mark')
    op.drop_index('ix_reminder_mail_person', table_name='reminder_mail')
    op.drop_index('ix_reminder_mail_due', table_name='reminder_mail')
    op.drop_table('reminder_mail')
    op.drop_table('reminder_choice')
