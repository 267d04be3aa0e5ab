"""the change log's screens: jobs, saved filters"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_change_log_source", "change_log", ["source", "time", "id"])
    op.create_index("ix_change_seal_end", "change_seal", ["floor_id", "to_xid"])
    op.create_table(
        "audit_job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("query", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.String(16), server_default="queued", nullable=False),
        sa.Column("progress", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows_total", sa.BigInteger()),
        sa.Column("result", postgresql.JSONB()),
        sa.Column("file", sa.String(255)),
        sa.Column("error", sa.Text()),
        sa.Column("requested_by", sa.String(128), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("kind IN ('verify', 'export')", name="ck_audit_job_kind"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_audit_job_open", "audit_job", ["id"], postgresql_where=sa.text("status IN ('queued', 'running')")
    )
    op.create_table(
        "saved_filter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("view", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner", "view", "name", name="saved_filter_owner_name_key"),
    )


def downgrade() -> None:
    op.drop_table("saved_filter")
    op.drop_index("ix_audit_job_open", table_name="audit_job")
    op.drop_table("audit_job")
    op.drop_index("ix_change_seal_end", table_name="change_seal")
    op.drop_index("ix_change_log_source", table_name="change_log")
