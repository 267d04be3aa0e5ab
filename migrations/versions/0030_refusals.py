"""reasons for closing a hit: which of them are a refusal"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'close_reason', sa.Column('refusal', sa.Boolean(), server_default=sa.text('false'), nullable=False)
    )
    op.execute("UPDATE close_reason SET refusal = true WHERE name = '拒绝营销'")


def downgrade() -> None:
    op.drop_column('close_reason', 'refusal')
