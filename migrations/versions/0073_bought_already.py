"""an open hit that an outcome converted can't be worked: its customer is behind the filter, as one held out is"""

import sqlalchemy as sa
from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None

#: function → (parts of its text before, and now)
CHANGES = {
    "customers_summed(bigint[])": [
        ("(h.opted_out OR h.holdout OR l.opted_out)", "(h.opted_out OR h.holdout OR h.converted IS TRUE OR l.opted_out)")
    ],
    "hit_sums_customers()": [("n.holdout,", "n.holdout, n.converted,"), ("o.holdout,", "o.holdout, o.converted,")],
}
#: the customers whose sum changes
SUM = """
    SELECT customers_summed(ARRAY(
        SELECT DISTINCT lead_id FROM hit WHERE converted AND status IN ('waiting', 'in_progress') ORDER BY 1))
"""


def upgrade() -> None:
    for name, parts in CHANGES.items():
        _replace(name, parts)
    op.execute(SUM)


def _replace(name: str, parts: list[tuple[str, str]]) -> None:
    """Replace parts of a function's text, each of which it has."""
    text = op.get_bind().scalar(sa.text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))"), {"name": name})
    for before, now in parts:
        assert before in text, (name, before)
        text = text.replace(before, now)
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    for name, parts in CHANGES.items():
        _replace(name, [(now, before) for before, now in parts])
    op.execute(SUM)
