"""codes of segments"""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("segment", sa.Column("code", sa.String(64), nullable=True))
    op.execute("UPDATE segment SET code = 'SEG-' || id")
    op.alter_column("segment", "code", nullable=False)
    op.create_unique_constraint("segment_code_key", "segment", ["code"])


def downgrade() -> None:
    op.drop_column("segment", "code")
