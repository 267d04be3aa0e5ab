"""No second evidence of hits: the date on which a hit was last met says what is shown"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("hit", "latest")


def downgrade() -> None:
    op.add_column("hit", sa.Column("latest", JSONB(), nullable=True))
