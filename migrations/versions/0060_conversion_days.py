"""conversion days are a setting: a trigger keeps what was computed with 30 days

``outreach_setting.recounted_at`` is null while the conversions of hits still follow the days before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None

CONVERTED = "(outcome_on IS NOT NULL) AND (outcome_on <= (hit_date + 30))"


def upgrade() -> None:
    op.add_column("outreach_setting", sa.Column("recounted_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE outreach_setting SET recounted_at = now()")
    op.execute("ALTER TABLE hit ALTER COLUMN converted DROP EXPRESSION")
    op.execute("""
        CREATE FUNCTION conversion_days() RETURNS int LANGUAGE sql STABLE AS $$
            SELECT coalesce(
                (SELECT (values->>'conversion_days')::int FROM outreach_setting WHERE status = 'active'), 30)
        $$
    """)
    op.execute("""
        CREATE FUNCTION hit_is_converted() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.converted := NEW.outcome_on IS NOT NULL AND NEW.outcome_on <= NEW.hit_date + conversion_days();
            RETURN NEW;
        END $$
    """)
    # After hit_follows_lead, which finds the outcome of a new hit: triggers fire by name.
    op.execute(
        "CREATE TRIGGER hit_is_converted BEFORE INSERT OR UPDATE OF outcome_on, hit_date ON hit"
        " FOR EACH ROW EXECUTE FUNCTION hit_is_converted()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER hit_is_converted ON hit")
    op.execute("DROP FUNCTION hit_is_converted")
    op.execute("DROP FUNCTION conversion_days")
    # Counts of hits follow this, but not a column that is made anew.
    op.execute(f"UPDATE hit SET converted = ({CONVERTED}) WHERE converted IS DISTINCT FROM ({CONVERTED})")
    op.drop_index("ix_hit_outcome", table_name="hit")
    op.drop_column("hit", "converted")
    op.add_column("hit", sa.Column("converted", sa.Boolean(), sa.Computed(CONVERTED, persisted=True), nullable=True))
    op.create_index(
        "ix_hit_outcome", "hit", ["hit_date", "id"], postgresql_where=sa.text("live AND converted")
    )
    op.drop_column("outreach_setting", "recounted_at")
    op.execute("UPDATE outreach_setting SET values = values - 'conversion_days'")
