"""two templates in one batch of contacts, what each contact was sent with and cost, progress of the check"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

VERSION = "outreach_template_version.id"


def upgrade() -> None:
    op.add_column(
        "outreach_batch",
        sa.Column("version_b_id", sa.Integer(), sa.ForeignKey(VERSION, ondelete="RESTRICT"), nullable=True),
    )
    op.add_column("outreach_batch", sa.Column("share_b", sa.Integer(), nullable=True))
    op.add_column("outreach_batch", sa.Column("rows_done", sa.Integer(), server_default="0", nullable=False))
    op.add_column("outreach_batch", sa.Column("spent", sa.Numeric(precision=12, scale=4), nullable=True))
    op.create_check_constraint(
        "ck_outreach_batch_share",
        "outreach_batch",
        "(version_b_id IS NULL AND share_b IS NULL) OR (version_b_id <> version_id AND share_b BETWEEN 1 AND 99)",
    )
    op.add_column(
        "outreach",
        sa.Column("version_id", sa.Integer(), sa.ForeignKey(VERSION, ondelete="RESTRICT"), nullable=True),
    )
    op.add_column("outreach", sa.Column("segments", sa.Integer(), nullable=True))
    op.add_column("outreach", sa.Column("cost", sa.Numeric(precision=10, scale=4), nullable=True))
    op.execute("UPDATE outreach o SET version_id = b.version_id FROM outreach_batch b WHERE b.id = o.batch_id")
    op.alter_column("outreach", "version_id", nullable=False)
    op.create_index("ix_outreach_version", "outreach", ["version_id"])


def downgrade() -> None:
    op.drop_index("ix_outreach_version", "outreach")
    for column in ("cost", "segments", "version_id"):
        op.drop_column("outreach", column)
    op.drop_constraint("ck_outreach_batch_share", "outreach_batch")
    for column in ("spent", "rows_done", "share_b", "version_b_id"):
        op.drop_column("outreach_batch", column)
