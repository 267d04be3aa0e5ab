"""saved filters become saved views of any list; the columns and density that a person chose; hidden hits"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None

NONE = sa.text("'[]'::jsonb")


def upgrade() -> None:
    op.rename_table("saved_filter", "saved_view")
    for name in ("owner_name_key", "pkey"):
        op.execute(f"ALTER TABLE saved_view RENAME CONSTRAINT saved_filter_{name} TO saved_view_{name}")
    op.execute("ALTER SEQUENCE saved_filter_id_seq RENAME TO saved_view_id_seq")
    op.create_index("ix_saved_view_view", "saved_view", ["view"])
    op.add_column("saved_view", sa.Column("sort", JSONB))
    op.add_column("saved_view", sa.Column("columns", JSONB, server_default=NONE, nullable=False))
    op.add_column("saved_view", sa.Column("density", sa.String(16), server_default="standard", nullable=False))
    op.add_column(
        "saved_view", sa.Column("role_id", sa.Integer, sa.ForeignKey("ab_role.id", ondelete="SET NULL"))
    )
    op.create_table(
        "list_layout",
        sa.Column(
            "person_id", sa.Integer, sa.ForeignKey("ab_user.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("view", sa.String(64), primary_key=True),
        sa.Column("columns", JSONB, server_default=NONE, nullable=False),
        sa.Column("density", sa.String(16), server_default="standard", nullable=False),
    )
    op.create_index(
        "ix_hit_blocked", "hit", ["branch_id"], postgresql_where=sa.text("live AND (opted_out OR holdout)")
    )
    _keep_permissions("SavedFilterView", "SavedViewView")


def downgrade() -> None:
    _keep_permissions("SavedViewView", "SavedFilterView")
    op.drop_index("ix_hit_blocked", "hit")
    op.drop_table("list_layout")
    # Views of other lists meant nothing before.
    op.execute("DELETE FROM saved_view WHERE view <> 'ChangeLogView' OR filters = '[]'")
    op.drop_index("ix_saved_view_view", "saved_view")
    for column in ("role_id", "density", "columns", "sort"):
        op.drop_column("saved_view", column)
    op.execute("ALTER SEQUENCE saved_view_id_seq RENAME TO saved_filter_id_seq")
    for name in ("owner_name_key", "pkey"):
        op.execute(f"ALTER TABLE saved_view RENAME CONSTRAINT saved_view_{name} TO saved_filter_{name}")
    op.rename_table("saved_view", "saved_filter")


def _keep_permissions(old: str, new: str) -> None:
    """A renamed screen keeps its permissions, also of roles that the bank made itself."""
    op.get_bind().execute(
        sa.text("UPDATE ab_view_menu SET name = :new WHERE name = :old"), {"old": old, "new": new}
    )
