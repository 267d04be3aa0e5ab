"""hits that no longer hold after a correction are withdrawn: they count nowhere, but stay with all that was done

Adding columns and replacing functions takes locks for moments only; no row is written.
"""

import sqlalchemy as sa
from alembic import op

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None

#: function → (parts of its text before, and now)
CHANGES = {
    "hit_follows_lead()": [("l.deleted_at IS NULL\n", "l.deleted_at IS NULL AND NEW.withdrawn_at IS NULL\n")],
    "lead_moves_hits()": [
        ("live = n.deleted_at IS NULL\n", "live = n.deleted_at IS NULL AND h.withdrawn_at IS NULL\n")
    ],
    # Withdrawn hits come last and are not counted. A customer with no others is done, and still on the list.
    "customers_summed(bigint[])": [
        ("THEN 1 ELSE 0 END", "THEN 1 WHEN h.status = 'withdrawn' THEN -1 ELSE 0 END"),
        (
            "THEN 'converted' ELSE 'failed' END",
            "THEN 'converted' WHEN bool_or(h.status = 'failed') THEN 'failed' ELSE 'withdrawn' END",
        ),
        ("count(*) AS hits", "count(*) FILTER (WHERE h.status <> 'withdrawn') AS hits"),
        ("SELECT opted_out FROM lead", "SELECT opted_out, deleted_at FROM lead"),
        ("bool_or(h.live) AS live", "bool_and(l.deleted_at IS NULL) AS live"),
    ],
    # The hits of such a customer do not change with the list.
    "lead_sums_customers()": [
        (
            "WHERE n.opted_out <> o.opted_out ORDER BY 1",
            "WHERE n.opted_out <> o.opted_out\n"
            "                    OR (n.deleted_at IS NULL) <> (o.deleted_at IS NULL)\n"
            "                        AND EXISTS (SELECT FROM customer c WHERE c.id = n.id AND c.hits = 0)\n"
            "                ORDER BY 1",
        )
    ],
}
FOLLOWS = (
    "CREATE OR REPLACE TRIGGER hit_moves_to_lead BEFORE UPDATE OF {} ON hit"
    " FOR EACH ROW EXECUTE FUNCTION hit_follows_lead()"
)


def upgrade() -> None:
    # A new column without values needs no look at the rows there are, for the foreign key either.
    op.execute("""
        ALTER TABLE hit ADD COLUMN withdrawn_at timestamptz, ADD COLUMN former_status varchar(16),
            ADD COLUMN correction_id integer REFERENCES log_correction (id) ON DELETE RESTRICT
    """)
    op.add_column("log_correction", sa.Column("hits", sa.Integer(), server_default="0", nullable=False))
    op.add_column("log_correction", sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True))
    for name, parts in CHANGES.items():
        _replace(name, parts)
    op.execute(FOLLOWS.format("lead_id, withdrawn_at"))


def _replace(name: str, parts: list[tuple[str, str]]) -> None:
    """Replace parts of a function's text, each of which it has."""
    text = op.get_bind().scalar(sa.text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))"), {"name": name})
    for before, now in parts:
        assert before in text, (name, before)
        text = text.replace(before, now)
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    op.execute("UPDATE hit SET status = former_status, withdrawn_at = NULL WHERE status = 'withdrawn'")
    op.execute(FOLLOWS.format("lead_id"))
    for name, parts in CHANGES.items():
        _replace(name, [(now, before) for before, now in parts])
    op.drop_column("log_correction", "judged_at")
    op.drop_column("log_correction", "hits")
    op.execute("ALTER TABLE hit DROP COLUMN correction_id, DROP COLUMN former_status, DROP COLUMN withdrawn_at")
