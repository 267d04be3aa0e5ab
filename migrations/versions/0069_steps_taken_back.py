"""What steps on hits changed, and which of them were taken back"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("hit_event", sa.Column("before", JSONB(none_as_null=True), nullable=True))
    op.add_column("hit_event", sa.Column("undoes_at", sa.DateTime(timezone=True), nullable=True))
    taken_back = sa.text("undoes_at IS NOT NULL")
    op.create_index("ix_hit_event_undo", "hit_event", ["hit_id", "undoes_at"], postgresql_where=taken_back)


def downgrade() -> None:
    op.drop_index("ix_hit_event_undo", table_name="hit_event")
    op.drop_column("hit_event", "undoes_at")
    op.drop_column("hit_event", "before")
