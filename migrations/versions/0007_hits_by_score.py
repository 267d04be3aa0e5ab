"""hits of a day by score"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_hit_date", table_name="hit")
    op.create_index("ix_hit_date", "hit", ["hit_date", "score", "id"])


def downgrade() -> None:
    op.drop_index("ix_hit_date", table_name="hit")
    op.create_index("ix_hit_date", "hit", ["hit_date", "id"])
