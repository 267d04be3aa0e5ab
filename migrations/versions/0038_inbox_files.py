"""what was seen in the inbox of call logs, and since when it is unchanged"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'inbox_file',
        sa.Column('path', sa.LargeBinary(), primary_key=True),
        sa.Column('size_bytes', sa.BigInteger(), nullable=False),
        sa.Column('mtime_ns', sa.BigInteger(), nullable=False),
        sa.Column('inode', sa.Text(), nullable=False),
        sa.Column('since', sa.DateTime(timezone=True), nullable=False),
        sa.Column('renamed', sa.Boolean(), nullable=False),
        sa.Column('taken_at', sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    op.drop_table('inbox_file')
