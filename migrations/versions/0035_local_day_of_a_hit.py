"""hits: the day one appeared is the local one, which only the product knows"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column('hit', 'made_on', server_default=None)


def downgrade() -> None:
    op.alter_column('hit', 'made_on', server_default=sa.text("CURRENT_DATE"))
