"""log files are withdrawn and replaced; duplicates with other content are counted"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "ingest_file", sa.Column("other_content", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("ingest_file", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "log_correction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("replacement", sa.String(255), nullable=True),
        sa.Column("digest", sa.String(64), nullable=True),
        sa.Column("by_command", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("status", sa.String(16), server_default="asked", nullable=False),
        sa.Column("progress", sa.Integer(), server_default="0", nullable=False),
        sa.Column("result", JSONB, nullable=True),
        sa.Column("error", JSONB(none_as_null=True), nullable=True),
        sa.Column("requested_by", sa.String(128), nullable=False),
        sa.Column("approved_by", sa.String(128), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(64), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "by_command OR approved_by IS NOT NULL OR status IN ('asked', 'failed')",
            name="ck_log_correction_approved",
        ),
        sa.ForeignKeyConstraint(["file_id"], ["ingest_file.id"], ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_log_correction_open",
        "log_correction",
        ["file_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('asked', 'queued', 'running')"),
    )


def downgrade() -> None:
    op.drop_table("log_correction")
    op.drop_column("ingest_file", "withdrawn_at")
    op.drop_column("ingest_file", "other_content")
