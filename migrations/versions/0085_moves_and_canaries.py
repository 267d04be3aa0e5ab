"""journeys: moves of customers under way to another version, and versions tried out on a share of them"""

import sqlalchemy as sa
from alembic import op

revision = "0085"
down_revision = "0084"
branch_labels = None
depends_on = None


def _key(column: str, to: str = "journey_version") -> sa.Column[int]:
    return sa.Column(column, sa.Integer(), sa.ForeignKey(f"{to}.id", ondelete="CASCADE"), nullable=False)


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    now = {"server_default": sa.text("app_now(now())"), "nullable": False}
    op.create_table(
        "journey_move",
        sa.Column("id", sa.Integer(), primary_key=True),
        *(_key("journey_id", "journey"), _key("from_id"), _key("to_id")),
        sa.Column("map", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("created_at", moment, **now),
        sa.Column("rows_total", sa.Integer()),
        sa.Column("rows_done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("finished_at", moment),
    )
    open_move = sa.text("finished_at IS NULL")
    op.create_index("ix_journey_move_open", "journey_move", ["from_id"], unique=True, postgresql_where=open_move)
    op.create_index("ix_journey_move_journey", "journey_move", ["journey_id"])
    op.create_index("ix_journey_move_to", "journey_move", ["to_id"])
    op.create_table(
        "journey_canary",
        sa.Column("id", sa.Integer(), primary_key=True),
        *(_key("journey_id", "journey"), _key("version_id"), _key("against_id")),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("opt_out_limit", sa.Float(), nullable=False),
        sa.Column("failure_limit", sa.Float(), nullable=False),
        sa.Column("started_by", sa.String(128), nullable=False),
        sa.Column("started_at", moment, **now),
        sa.Column("ended_by", sa.String(128)),
        sa.Column("ended_at", moment),
        sa.Column("outcome", sa.String(16), server_default="", nullable=False),
        sa.Column("reason", sa.String(500), server_default="", nullable=False),
        sa.Column("figures", sa.dialects.postgresql.JSONB()),
        sa.CheckConstraint("percent BETWEEN 1 AND 99", name="ck_journey_canary_percent"),
    )
    open_canary = sa.text("ended_at IS NULL")
    op.create_index("ix_journey_canary_open", "journey_canary", ["journey_id"], unique=True, postgresql_where=open_canary)
    op.create_index("ix_journey_canary_version", "journey_canary", ["version_id"])


def downgrade() -> None:
    op.drop_table("journey_canary")
    op.drop_table("journey_move")
    op.execute("UPDATE journey_version SET status = 'retired' WHERE status = 'canary'")
