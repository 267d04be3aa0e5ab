"""the database refuses contacts at forbidden moments; a statement of each day"""

import sqlalchemy as sa
from alembic import op

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None

NOW = sa.text("app_now(now())")
#: installed after each migration (app/outreach/guard.py)
FUNCTIONS = ("guard", "rules_change", "rules_start", "refusals", "allowed", "rules", "closed")
PARTIAL = {"reserved": "reserved_at", "reported": "reported_at", "override": "override_id"}


def upgrade() -> None:
    op.create_table(
        "calendar_day",
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.CheckConstraint("kind IN ('holiday', 'workday', 'plain')", name="ck_calendar_day_kind"),
        sa.PrimaryKeyConstraint("date"),
    )
    counts = ("contacts", "outside_hours", "over_cap", "opted_out", "overrides", "reported")
    op.create_table(
        "contact_statement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in counts),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("day"),
    )
    op.add_column("outreach", sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outreach", sa.Column("override_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(None, "outreach", "hit_event", ["override_id"], ["id"], ondelete="SET NULL")
    for name, column in PARTIAL.items():
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_outreach_{name}", "outreach", [column], postgresql_where=where)
    # In force from the moment at which no contact is judged without it, not from the beginning of a transaction.
    since = sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("app_now()"), nullable=False)
    op.add_column("suppression", since)
    op.execute("UPDATE suppression SET since = created_at")


def downgrade() -> None:
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION IF EXISTS contact_{name} CASCADE")
    op.drop_column("suppression", "since")
    for name in PARTIAL:
        op.drop_index(f"ix_outreach_{name}", "outreach")
    op.drop_constraint("outreach_override_id_fkey", "outreach", type_="foreignkey")
    op.drop_column("outreach", "override_id")
    op.drop_column("outreach", "reported_at")
    op.drop_table("contact_statement")
    op.drop_table("calendar_day")
