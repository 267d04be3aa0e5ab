"""phones of staff, and the SMS that they send themselves as a test"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ab_user", sa.Column("phone_cipher", sa.LargeBinary(), nullable=True))
    op.add_column("ab_user", sa.Column("phone_masked", sa.String(32), server_default="", nullable=False))
    op.create_table(
        "outreach_test",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("phone_masked", sa.String(32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), server_default="sending", nullable=False),
        sa.Column("segments", sa.Integer(), nullable=True),
        sa.Column("cost", sa.Numeric(10, 4), nullable=True),
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("gateway_ref", sa.String(128), server_default="", nullable=False),
        sa.Column("note", JSONB(none_as_null=True), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_outreach_test_at", "outreach_test", ["at", "id"])
    op.alter_column("sandbox_message", "outreach_id", nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM sandbox_message WHERE outreach_id IS NULL")
    op.alter_column("sandbox_message", "outreach_id", nullable=False)
    op.drop_table("outreach_test")
    op.drop_column("ab_user", "phone_masked")
    op.drop_column("ab_user", "phone_cipher")
