"""what a rule version says is all in the version; schedules have versions too; approvals"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rules()
    _schedules()
    op.create_table(
        "approval",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("makers", postgresql.ARRAY(sa.String()), server_default="{}", nullable=False),
        sa.Column("status", sa.String(length=16), server_default="waiting", nullable=False),
        sa.Column("requested_by", sa.String(length=128), nullable=False),
        sa.Column("requested_by_id", sa.Integer(), sa.ForeignKey("ab_user.id", ondelete="SET NULL"), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=128), nullable=True),
        sa.Column("decided_by_id", sa.Integer(), sa.ForeignKey("ab_user.id", ondelete="SET NULL"), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(length=500), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_approval_waiting",
        "approval",
        ["kind", "subject_id"],
        unique=True,
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_index("ix_approval_requested_at", "approval", ["requested_at"])


def _rules() -> None:
    op.add_column("rule_version", sa.Column("name", sa.String(length=128), nullable=True))
    op.add_column("rule_version", sa.Column("description", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "rule_version",
        sa.Column("lead_filter", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
    )
    op.add_column("rule_version", sa.Column("holdout_percent", sa.Float(), server_default="0", nullable=False))
    op.execute(
        "UPDATE rule_version v SET name = r.name, description = r.description FROM rule r WHERE r.id = v.rule_id"
    )
    op.alter_column("rule_version", "name", nullable=False)
    op.create_check_constraint("ck_rule_version_holdout", "rule_version", "holdout_percent BETWEEN 0 AND 50")
    op.add_column("hit", sa.Column("holdout", sa.Boolean(), server_default="false", nullable=False))


def _schedules() -> None:
    op.create_table(
        "schedule_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("schedule_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), server_default="draft", nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("activated_by", sa.String(length=128), nullable=True),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedule.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("schedule_id", "number"),
    )
    op.create_index("ix_schedule_version_schedule_id", "schedule_version", ["schedule_id"])
    op.add_column("schedule", sa.Column("status", sa.String(length=16), server_default="draft", nullable=False))
    op.add_column("schedule", sa.Column("active_version_id", sa.Integer(), nullable=True))
    op.add_column(
        "schedule", sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    op.execute("""
        INSERT INTO schedule_version (schedule_id, number, status, spec, created_by, created_at, activated_by, activated_at)
        SELECT id, 1, 'active', spec, updated_by, updated_at, updated_by, updated_at FROM schedule
    """)
    op.execute("""
        UPDATE schedule s SET status = 'active', created_at = s.updated_at, active_version_id = v.id
        FROM schedule_version v WHERE v.schedule_id = s.id
    """)
    op.create_foreign_key(
        "fk_schedule_active_version", "schedule", "schedule_version", ["active_version_id"], ["id"]
    )
    op.drop_column("schedule", "spec")
    op.drop_column("schedule", "updated_by")
    op.drop_column("schedule", "updated_at")


def downgrade() -> None:
    op.drop_table("approval")
    op.add_column("schedule", sa.Column("spec", postgresql.JSONB(), nullable=True))
    op.add_column("schedule", sa.Column("updated_by", sa.String(length=128), nullable=True))
    op.add_column(
        "schedule", sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    op.execute("""
        UPDATE schedule s SET spec = v.spec, updated_by = v.created_by, updated_at = v.created_at
        FROM schedule_version v WHERE v.id = s.active_version_id
    """)
    op.drop_constraint("fk_schedule_active_version", "schedule", type_="foreignkey")
    # The schema before has no place for a schedule that never was in force.
    op.execute("DELETE FROM schedule WHERE spec IS NULL")
    op.alter_column("schedule", "spec", nullable=False)
    op.alter_column("schedule", "updated_by", nullable=False)
    op.drop_column("schedule", "created_at")
    op.drop_column("schedule", "active_version_id")
    op.drop_column("schedule", "status")
    op.drop_table("schedule_version")
    op.drop_column("hit", "holdout")
    op.drop_constraint("ck_rule_version_holdout", "rule_version", type_="check")
    op.drop_column("rule_version", "holdout_percent")
    op.drop_column("rule_version", "lead_filter")
    op.drop_column("rule_version", "description")
    op.drop_column("rule_version", "name")
    op.execute("UPDATE rule_version SET status = 'draft' WHERE status = 'submitted'")
