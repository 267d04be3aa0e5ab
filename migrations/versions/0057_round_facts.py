"""what texts round facts to"""

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fact_definition", sa.Column("round_to", sa.Integer, server_default="1", nullable=False))


def downgrade() -> None:
    op.drop_column("fact_definition", "round_to")
