"""who saved the draft of a rule version, when and how often"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rule_version", sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
    op.add_column(
        "rule_version",
        sa.Column("editors", postgresql.ARRAY(sa.String()), server_default="{}", nullable=False),
    )
    op.add_column("rule_version", sa.Column("saved_by", sa.String(length=128), nullable=True))
    op.add_column("rule_version", sa.Column("saved_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in ("saved_at", "saved_by", "editors", "revision"):
        op.drop_column("rule_version", name)
