"""exports with phone numbers in clear, after a second person's approval"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("export_job", sa.Column("clear", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("export_job", sa.Column("approved_by", sa.String(length=128), nullable=True))
    op.create_check_constraint(
        "ck_export_job_clear",
        "export_job",
        "NOT clear OR approved_by IS NOT NULL OR status IN ('asked', 'failed')",
    )


def downgrade() -> None:
    op.drop_constraint("ck_export_job_clear", "export_job", type_="check")
    op.drop_column("export_job", "approved_by")
    op.drop_column("export_job", "clear")
