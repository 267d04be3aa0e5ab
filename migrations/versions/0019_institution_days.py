"""events per institution and day"""

import sqlalchemy as sa
from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('institution_day',
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('institution', sa.Text(), nullable=False),
        sa.Column('calls', sa.BigInteger(), nullable=False),
        sa.Column('source', sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint('day', 'institution')
    )


def downgrade() -> None:
    op.drop_table('institution_day')
