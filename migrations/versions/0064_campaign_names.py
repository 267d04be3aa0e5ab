"""campaign name and chosen time of outreach batches"""

import sqlalchemy as sa
from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None

_NAMES = """
UPDATE outreach_batch SET name = template.name || to_char(outreach_batch.created_at, ' YYYY-MM-DD')
FROM outreach_template_version AS version JOIN outreach_template AS template ON template.id = version.template_id
WHERE version.id = outreach_batch.version_id
"""


def upgrade() -> None:
    op.add_column("outreach_batch", sa.Column("name", sa.String(80), server_default="", nullable=False))
    op.add_column("outreach_batch", sa.Column("send_at", sa.DateTime(timezone=True), nullable=True))
    # Earlier batches are called as new ones are by default; nobody changed them.
    op.execute("ALTER TABLE outreach_batch DISABLE TRIGGER USER")
    op.execute(_NAMES)
    op.execute("ALTER TABLE outreach_batch ENABLE TRIGGER USER")


def downgrade() -> None:
    op.drop_column("outreach_batch", "send_at")
    op.drop_column("outreach_batch", "name")
