"""light or dark pages, by person"""

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ab_user", sa.Column("theme", sa.String(8), server_default="system", nullable=False))


def downgrade() -> None:
    op.drop_column("ab_user", "theme")
