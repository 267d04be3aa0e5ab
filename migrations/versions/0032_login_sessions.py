"""log-ins are rows that end: when the person logs out, and when password, roles, branch or enabling change"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

TRIGGERS = {
    "ab_user": "AFTER UPDATE OF password, active, branch_id ON ab_user FOR EACH ROW"
    " WHEN ((old.password, old.active, old.branch_id) IS DISTINCT FROM (new.password, new.active, new.branch_id))",
    "ab_user_role": "AFTER INSERT OR UPDATE OR DELETE ON ab_user_role FOR EACH ROW",
    "ab_user_group": "AFTER INSERT OR UPDATE OR DELETE ON ab_user_group FOR EACH ROW",
}


def upgrade() -> None:
    op.create_table(
        'login_session',
        sa.Column('id', sa.BigInteger(), nullable=False),
        sa.Column('token_hash', sa.LargeBinary(), nullable=False),
        sa.Column('user_id', sa.Integer(), nullable=False),
        sa.Column('data', sa.Text(), nullable=False),
        sa.Column('address', sa.String(length=64), server_default='', nullable=False),
        sa.Column('browser', sa.String(length=256), server_default='', nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.Column('last_seen_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(['user_id'], ['ab_user.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('token_hash'),
    )
    op.create_index(op.f('ix_login_session_user_id'), 'login_session', ['user_id'])
    op.execute(
        """
        CREATE FUNCTION end_login_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_TABLE_NAME = 'ab_user' THEN
                DELETE FROM login_session WHERE user_id = NEW.id;
            ELSE
                DELETE FROM login_session WHERE user_id IN (OLD.user_id, NEW.user_id);
            END IF;
            RETURN NULL;
        END $$
        """
    )
    for table, when in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER end_login_sessions {when} EXECUTE FUNCTION end_login_sessions()")


def downgrade() -> None:
    for table in TRIGGERS:
        op.execute(f"DROP TRIGGER end_login_sessions ON {table}")
    op.execute("DROP FUNCTION end_login_sessions")
    op.drop_table('login_session')
