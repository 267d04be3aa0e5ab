"""import wizard"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('import_batch', sa.Column('preview', postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column('import_batch', sa.Column('columns', postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column('import_batch', sa.Column('checked', postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column('import_batch', sa.Column('refusal', postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column('import_batch', sa.Column('rows_done', sa.Integer(), server_default='0', nullable=False))
    op.add_column('import_batch', sa.Column('rows_total', sa.Integer(), nullable=True))
    op.add_column('import_batch', sa.Column('cancel_requested', sa.Boolean(), server_default='false', nullable=False))
    op.add_column('import_batch', sa.Column('queued_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('import_batch', sa.Column('started_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    # Uploads that nobody started have no place in the older schema.
    op.execute("UPDATE import_batch SET status = 'failed', upload = NULL"
               " WHERE status IN ('prepared', 'checking', 'checked', 'cancelled')")
    for name in ('started_at', 'queued_at', 'cancel_requested', 'rows_total', 'rows_done', 'refusal', 'checked', 'columns', 'preview'):
        op.drop_column('import_batch', name)
