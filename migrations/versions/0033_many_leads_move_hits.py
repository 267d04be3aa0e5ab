"""moving many leads takes as long as they are many

A trigger keeps the plan of its first statement for the whole connection: after one lead was changed, the two
tables of a later statement about ten thousand were joined row by row. EXECUTE plans for the rows there are.
"""

from alembic import op


revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None

MOVE = """
    UPDATE hit h SET source = n.source, branch_id = coalesce(n.branch_id, 0), live = n.deleted_at IS NULL
    FROM new_rows n JOIN old_rows o ON o.id = n.id
    WHERE h.lead_id = n.id
      AND (n.source, n.branch_id, n.deleted_at IS NULL) IS DISTINCT FROM (o.source, o.branch_id, o.deleted_at IS NULL)
"""


def upgrade() -> None:
    _replace(f"EXECUTE $move${MOVE}$move$")


def downgrade() -> None:
    _replace(MOVE)


def _replace(body: str) -> None:
    op.execute(f"""
        CREATE OR REPLACE FUNCTION lead_moves_hits() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN {body}; RETURN NULL; END $$
    """)
