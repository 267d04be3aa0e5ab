"""journeys: their versions, the customers who go through them, and each of their steps"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "journey",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("code", sa.String(64), nullable=False, unique=True),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("status", sa.String(16), server_default="draft", nullable=False),
        sa.Column("active_version_id", sa.Integer(), nullable=True),
        sa.Column("entered_until", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, server_default=sa.text("app_now(now())"), nullable=False),
    )
    op.create_table(
        "journey_version",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(16), server_default="draft", nullable=False),
        sa.Column("spec", JSONB(), nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("edited_by", sa.ARRAY(sa.String(128)), server_default="{}", nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("app_now(now())"), nullable=False),
        sa.Column("updated_at", MOMENT, server_default=sa.text("app_now(now())"), nullable=False),
        sa.Column("activated_by", sa.String(128), nullable=True),
        sa.Column("activated_at", MOMENT, nullable=True),
        sa.UniqueConstraint("journey_id", "number"),
    )
    op.create_foreign_key("fk_journey_active_version", "journey", "journey_version", ["active_version_id"], ["id"])
    op.create_table(
        "journey_enrolment",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id", ondelete="CASCADE"), nullable=False),
        sa.Column("version_id", sa.Integer(), sa.ForeignKey("journey_version.id", ondelete="RESTRICT"), nullable=False),
        sa.Column("lead_id", sa.BigInteger(), sa.ForeignKey("lead.id", ondelete="CASCADE"), nullable=False),
        sa.Column("hit_id", sa.BigInteger(), sa.ForeignKey("hit.id", ondelete="SET NULL"), nullable=True),
        sa.Column("status", sa.String(16), server_default="under_way", nullable=False),
        sa.Column("why", sa.String(16), server_default="", nullable=False),
        sa.Column("entered_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
    )
    under_way = sa.text("status = 'under_way'")
    of_lead = ["journey_id", "lead_id"]
    op.create_index("ix_journey_enrolment_under_way", "journey_enrolment", of_lead, unique=True, postgresql_where=under_way)
    op.create_index("ix_journey_enrolment_entered", "journey_enrolment", [*of_lead, "entered_at"], unique=True)
    op.create_index("ix_journey_enrolment_lead", "journey_enrolment", ["lead_id"])
    op.create_index("ix_journey_enrolment_version", "journey_enrolment", ["version_id", "status"])
    _partial("journey_enrolment", "hit", "hit_id", "hit_id IS NOT NULL")
    op.create_table(
        "journey_step",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("enrolment_id", sa.BigInteger(), sa.ForeignKey("journey_enrolment.id", ondelete="CASCADE"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), server_default="waiting", nullable=False),
        sa.Column("why", sa.String(40), server_default="", nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.Column("outreach_id", sa.BigInteger(), sa.ForeignKey("outreach.id", ondelete="SET NULL"), nullable=True),
        sa.Column("lease_owner", sa.String(64), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.UniqueConstraint("enrolment_id", "number"),
    )
    _partial("journey_step", "due", "next_at", "status = 'waiting'")
    _partial("journey_step", "leased", "lease_until", "status = 'working'")
    _partial("journey_step", "outreach", "outreach_id", "outreach_id IS NOT NULL")


def _partial(table: str, name: str, column: str, where: str) -> None:
    op.create_index(f"ix_{table}_{name}", table, [column], postgresql_where=sa.text(where))


def downgrade() -> None:
    op.drop_table("journey_step")
    op.drop_table("journey_enrolment")
    op.drop_constraint("fk_journey_active_version", "journey")
    op.drop_table("journey_version")
    op.drop_table("journey")
