"""facts in exports"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    empty = sa.text("'[]'::jsonb")
    op.add_column("export_job", sa.Column("facts", JSONB, server_default=empty, nullable=False))


def downgrade() -> None:
    op.drop_column("export_job", "facts")
