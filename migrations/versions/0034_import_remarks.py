"""what an import left out of rows that came in"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('import_batch', sa.Column('remarks', postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column('import_batch', 'remarks')
