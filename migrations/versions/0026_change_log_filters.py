"""filters of the change log: an index for each two of them, what there is to find"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_change_log_about": ["object", "time", "id"],
    "ix_change_log_object_kind": ["object", "kind", "time", "id"],
    "ix_change_log_actor_object": ["actor", "object", "time", "id"],
    "ix_change_log_actor_kind": ["actor", "kind", "time", "id"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "change_log", columns)
    op.create_table(
        "change_facet",
        sa.Column("actor", sa.String(128), primary_key=True),
        sa.Column("object", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("source", sa.String(16), primary_key=True),
        sa.Column("first", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute(
        "INSERT INTO change_facet SELECT actor, object, kind, source, min(time), max(time) FROM change_log"
        " GROUP BY actor, object, kind, source"
    )


def downgrade() -> None:
    op.drop_table("change_facet")
    for name in INDEXES:
        op.drop_index(name, table_name="change_log")
