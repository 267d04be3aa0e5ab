"""who last gave a log-in its password, roles or branch"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ab_user", sa.Column("access_changed_by", sa.String(length=128), nullable=True))
    op.add_column("ab_user", sa.Column("access_changed_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("ab_user", "access_changed_at")
    op.drop_column("ab_user", "access_changed_by")
