"""Indexes for the orders of large lists: leads by name, hits by score and grade, free customers of a branch"""

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None

BEST_FIRST = ["grade", sa.text("hit_date DESC"), sa.text("score DESC"), "id"]


def upgrade() -> None:
    live = sa.text("live")
    op.create_index("ix_lead_live_name", "lead", ["name"], postgresql_where=sa.text("deleted_at IS NULL"))
    op.create_index("ix_hit_score", "hit", ["score", "id"], postgresql_where=live)
    op.create_index("ix_hit_grade", "hit", BEST_FIRST, postgresql_where=live)
    free = sa.text("live AND state = 'open' AND owner_id IS NULL")
    op.create_index("ix_customer_unclaimed", "customer", ["branch_id", *BEST_FIRST], postgresql_where=free)


def downgrade() -> None:
    op.drop_index("ix_customer_unclaimed", "customer")
    op.drop_index("ix_hit_grade", "hit")
    op.drop_index("ix_hit_score", "hit")
    op.drop_index("ix_lead_live_name", "lead")
