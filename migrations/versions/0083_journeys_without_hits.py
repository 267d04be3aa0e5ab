"""contacts of journeys that no hit started"""

from alembic import op

revision = "0083"
down_revision = "0087"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("outreach", "hit_id", nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM outreach WHERE hit_id IS NULL")
    op.alter_column("outreach", "hit_id", nullable=False)
