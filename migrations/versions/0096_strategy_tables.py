"""strategy tables, and journeys as they were written with them"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0096"
down_revision = "0085"
branch_labels = None
depends_on = None


def upgrade() -> None:
    now = sa.text("app_now(now())")
    op.create_table(
        "strategy_table",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("code", sa.String(64), nullable=False, unique=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("description", sa.Text(), nullable=False, server_default=""),
        sa.Column("days", sa.Integer(), nullable=False, server_default="30"),
        sa.Column("updated_by", sa.String(128), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
    )
    table = sa.ForeignKey("strategy_table.id", ondelete="CASCADE")
    op.create_table(
        "strategy_row",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("table_id", sa.Integer(), table, nullable=False, index=True),
        sa.Column("position", sa.Integer(), nullable=False),
        *(
            sa.Column(name, ARRAY(sa.String()), nullable=False, server_default="{}")
            for name in ("segments", "grades", "products")
        ),
        sa.Column("channel", sa.String(8), nullable=False, server_default="none"),
        sa.Column("template", sa.String(64), nullable=False, server_default=""),
        sa.Column("hand_to", sa.String(8), nullable=False, server_default="nobody"),
        sa.CheckConstraint("channel IN ('sms', 'call', 'none')", name="ck_strategy_row_channel"),
        sa.CheckConstraint("hand_to IN ('owner', 'branch', 'nobody')", name="ck_strategy_row_hand_to"),
        sa.CheckConstraint("(channel = 'none') = (template = '')", name="ck_strategy_row_template"),
    )
    op.add_column("journey_version", sa.Column("written", JSONB()))


def downgrade() -> None:
    # What names a table can't be read any more.
    op.execute("""DELETE FROM journey_version WHERE spec -> 'steps' @> '[{"do": "strategy"}]'""")
    op.execute("DELETE FROM journey WHERE id NOT IN (SELECT journey_id FROM journey_version)")
    op.drop_column("journey_version", "written")
    op.drop_table("strategy_row")
    op.drop_table("strategy_table")
