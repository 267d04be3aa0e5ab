"""the product that somebody names when a hit is marked as converted"""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("hit", sa.Column("product_id", sa.Integer(), nullable=True))
    op.create_foreign_key("hit_product_id_fkey", "hit", "product", ["product_id"], ["id"], ondelete="RESTRICT")
    op.create_index(
        "ix_hit_product", "hit", ["product_id"], postgresql_where=sa.text("product_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_column("hit", "product_id")
