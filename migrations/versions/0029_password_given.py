"""whose password somebody else chose"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ab_user", sa.Column("password_given", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    op.drop_column("ab_user", "password_given")
