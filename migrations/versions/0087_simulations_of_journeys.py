"""simulations of journeys, kept with the version, and the paths of a few customers"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0087"
down_revision = "0082"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("app_now(now())")


def upgrade() -> None:
    op.create_table(
        "journey_simulation",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("version_id", sa.Integer(), sa.ForeignKey("journey_version.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("answers", sa.String(8), nullable=False),
        sa.Column("calls_a_day", sa.Integer(), nullable=True),
        sa.Column("lead_numbers", sa.ARRAY(sa.String(64)), server_default="{}", nullable=False),
        sa.Column("status", sa.String(16), server_default="queued", nullable=False),
        sa.Column("progress", sa.Integer(), server_default="0", nullable=False),
        sa.Column("result", JSONB(), nullable=True),
        sa.Column("file", sa.String(255), nullable=True),
        sa.Column("error", JSONB(), nullable=True),
        sa.Column("requested_by", sa.String(128), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempted_at", MOMENT, nullable=True),
        sa.Column("lease_owner", sa.String(64), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.CheckConstraint("first_day <= last_day", name="ck_journey_simulation_period"),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name="ck_journey_simulation_progress"),
        sa.CheckConstraint("answers IN ('none', 'all', 'past')", name="ck_journey_simulation_answers"),
    )
    unfinished = sa.text("status IN ('queued', 'running')")
    op.create_index("ix_journey_simulation_open", "journey_simulation", ["id"], postgresql_where=unfinished)
    op.create_table(
        "journey_simulation_path",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("simulation_id", sa.Integer(), sa.ForeignKey("journey_simulation.id", ondelete="CASCADE"), nullable=False),
        sa.Column("lead_id", sa.BigInteger(), sa.ForeignKey("lead.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("why", sa.String(40), nullable=False),
        sa.Column("asked_for", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("steps", JSONB(), nullable=False),
    )
    op.create_index("ix_journey_simulation_path_simulation", "journey_simulation_path", ["simulation_id", "kind"])
    op.create_index("ix_journey_simulation_path_lead", "journey_simulation_path", ["lead_id"])


def downgrade() -> None:
    op.drop_table("journey_simulation_path")
    op.drop_table("journey_simulation")
