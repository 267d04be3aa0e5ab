"""second factors of log-ins"""

import sqlalchemy as sa
from alembic import op

revision = "0103"
down_revision = "0102"
branch_labels = None
depends_on = None


def _person() -> sa.ForeignKey:
    return sa.ForeignKey("ab_user.id", ondelete="CASCADE")


def upgrade() -> None:
    now = sa.text("app_now(now())")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "second_factor",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("user_id", sa.Integer(), _person(), nullable=False, index=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("secret_cipher", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger()),
        sa.Column("created_at", moment, server_default=now, nullable=False),
        sa.Column("last_used_at", moment),
    )
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("user_id", sa.Integer(), _person(), nullable=False, index=True),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", moment),
        sa.Column("created_at", moment, server_default=now, nullable=False),
    )
    op.add_column("login_session", sa.Column("verified_at", moment))


def downgrade() -> None:
    op.drop_column("login_session", "verified_at")
    op.drop_table("recovery_code")
    op.drop_table("second_factor")
