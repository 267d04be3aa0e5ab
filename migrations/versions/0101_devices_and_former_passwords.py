"""browsers that people logged in at, and passwords that they had before"""

import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "0094"
branch_labels = None
depends_on = None


def _person() -> sa.ForeignKey:
    return sa.ForeignKey("ab_user.id", ondelete="CASCADE")


def upgrade() -> None:
    now = sa.text("app_now(now())")

    def of_a_user(table: str, *columns: sa.Column) -> None:
        op.create_table(
            table,
            sa.Column("id", sa.BigInteger(), primary_key=True),
            sa.Column("user_id", sa.Integer(), _person(), nullable=False, index=True),
            *columns,
            sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        )

    of_a_user(
        "login_device",
        sa.Column("address", sa.String(64), server_default="", nullable=False),
        sa.Column("browser", sa.String(256), server_default="", nullable=False),
        sa.Column("is_first", sa.Boolean(), server_default="false", nullable=False),
    )
    of_a_user("former_password", sa.Column("password", sa.String(256), nullable=False))


def downgrade() -> None:
    op.drop_table("former_password")
    op.drop_table("login_device")
