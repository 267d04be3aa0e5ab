"""pushes, their deliveries and attempts, targets, reminders"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "target",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("settings", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("secret_cipher", sa.LargeBinary(), nullable=True),
        sa.Column("secret_made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.String(length=16), server_default="active", nullable=False),
        sa.Column("stop_reason", sa.String(length=16), nullable=True),
        sa.Column("stopped_by", sa.String(length=128), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_ok_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=512), server_default="", nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('active', 'stopped')", name="ck_target_status"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code"),
    )
    op.create_table(
        "push",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("schedule_id", sa.Integer(), nullable=True),
        sa.Column("version_id", sa.Integer(), nullable=True),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("why", sa.String(length=128), server_default="", nullable=False),
        sa.Column("missed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("hits", sa.Integer(), server_default="0", nullable=False),
        sa.Column("status", sa.String(length=16), server_default="open", nullable=False),
        sa.Column("is_test", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("requested_by", sa.String(length=128), server_default="system", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("outcome IN ('send', 'delayed')", name="ck_push_outcome"),
        sa.CheckConstraint("status IN ('empty', 'open', 'done', 'failed')", name="ck_push_status"),
        sa.CheckConstraint("is_test OR version_id IS NOT NULL", name="ck_push_version"),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedule.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["version_id"], ["schedule_version.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_push_at", "push", ["at", "id"], unique=False)
    op.create_index("ix_push_open", "push", ["id"], unique=False, postgresql_where=sa.text("status = 'open'"))
    op.create_index(
        "ix_push_slot", "push", ["schedule_id", "slot"], unique=True, postgresql_where=sa.text("NOT is_test")
    )
    op.create_index("ix_push_version_id", "push", ["version_id"], unique=False)
    op.create_table(
        "reminder",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("message", sa.String(length=255), nullable=False),
        sa.Column("values", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("link", sa.String(length=255), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["ab_user.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("person_id", "source"),
    )
    op.create_index(
        "ix_reminder_unread",
        "reminder",
        ["person_id", "id"],
        unique=False,
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("push_id", sa.Integer(), nullable=False),
        sa.Column("target_id", sa.Integer(), nullable=False),
        sa.Column("part", sa.Integer(), server_default="1", nullable=False),
        sa.Column("parts", sa.Integer(), server_default="1", nullable=False),
        sa.Column("hits", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_hit", sa.BigInteger(), nullable=True),
        sa.Column("last_hit", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(length=16), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.String(length=512), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('waiting', 'sending', 'sent', 'dead', 'cancelled')", name="ck_delivery_status"
        ),
        sa.ForeignKeyConstraint(["push_id"], ["push.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["target_id"], ["target.id"], ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("idempotency_key"),
        sa.UniqueConstraint("uid"),
    )
    op.create_index(
        "ix_delivery_dead", "delivery", ["id"], unique=False, postgresql_where=sa.text("status = 'dead'")
    )
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["next_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_index(
        "ix_delivery_leased",
        "delivery",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("status = 'sending'"),
    )
    op.create_index("ix_delivery_push", "delivery", ["push_id"], unique=False)
    op.create_index("ix_delivery_target", "delivery", ["target_id", "id"], unique=False)
    op.create_table(
        "push_hit",
        sa.Column("schedule_id", sa.Integer(), nullable=False),
        sa.Column("hit_id", sa.BigInteger(), nullable=False),
        sa.Column("push_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["hit_id"], ["hit.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["push_id"], ["push.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedule.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("schedule_id", "hit_id"),
    )
    op.create_index("ix_push_hit_hit", "push_hit", ["hit_id"], unique=False)
    op.create_index("ix_push_hit_push", "push_hit", ["push_id", "hit_id"], unique=False)
    op.create_table(
        "delivery_attempt",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.String(length=512), server_default="", nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.CheckConstraint("outcome IN ('ok', 'temporary', 'permanent')", name="ck_attempt_outcome"),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_delivery_attempt", "delivery_attempt", ["delivery_id", "id"], unique=False)
    op.add_column("schedule", sa.Column("pushed_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("schedule", sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("schedule", sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("schedule", sa.Column("due_version_id", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("schedule", "due_version_id")
    op.drop_column("schedule", "next_due_at")
    op.drop_column("schedule", "looked_at")
    op.drop_column("schedule", "pushed_until")
    op.drop_index("ix_delivery_attempt", table_name="delivery_attempt")
    op.drop_table("delivery_attempt")
    op.drop_index("ix_push_hit_push", table_name="push_hit")
    op.drop_index("ix_push_hit_hit", table_name="push_hit")
    op.drop_table("push_hit")
    op.drop_index("ix_delivery_target", table_name="delivery")
    op.drop_index("ix_delivery_push", table_name="delivery")
    op.drop_index("ix_delivery_leased", table_name="delivery", postgresql_where=sa.text("status = 'sending'"))
    op.drop_index("ix_delivery_due", table_name="delivery", postgresql_where=sa.text("status = 'waiting'"))
    op.drop_index("ix_delivery_dead", table_name="delivery", postgresql_where=sa.text("status = 'dead'"))
    op.drop_table("delivery")
    op.drop_index("ix_reminder_unread", table_name="reminder", postgresql_where=sa.text("read_at IS NULL"))
    op.drop_table("reminder")
    op.drop_index("ix_push_version_id", table_name="push")
    op.drop_index("ix_push_slot", table_name="push", postgresql_where=sa.text("NOT is_test"))
    op.drop_index("ix_push_open", table_name="push", postgresql_where=sa.text("status = 'open'"))
    op.drop_index("ix_push_at", table_name="push")
    op.drop_table("push")
    op.drop_table("target")
