"""results of contacts, calls agreed with customers, and the result of which a step tells"""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contact_result",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), server_default="next", nullable=False),
        sa.Column("next_days", sa.Integer(), server_default="3", nullable=False),
        sa.Column("close_reason_id", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.CheckConstraint("kind IN ('next', 'call_back', 'close')", name="ck_contact_result_kind"),
        sa.CheckConstraint("next_days BETWEEN 0 AND 366", name="ck_contact_result_next_days"),
        sa.CheckConstraint("(kind = 'close') = (close_reason_id IS NOT NULL)", name="ck_contact_result_reason"),
        sa.ForeignKeyConstraint(["close_reason_id"], ["close_reason.id"], ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.add_column("hit_event", sa.Column("result_id", sa.Integer(), nullable=True))
    op.create_foreign_key(
        "hit_event_result_id_fkey", "hit_event", "contact_result", ["result_id"], ["id"], ondelete="RESTRICT"
    )
    op.add_column("customer", sa.Column("call_back_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_customer_call_back",
        "customer",
        ["call_back_at"],
        postgresql_where=sa.text("call_back_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_column("customer", "call_back_at")
    op.drop_column("hit_event", "result_id")
    op.drop_table("contact_result")
