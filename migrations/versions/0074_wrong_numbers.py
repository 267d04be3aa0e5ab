"""results of contacts that say that the number is not the customer's"""

import sqlalchemy as sa
from alembic import op

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None


def upgrade() -> None:
    wrong = sa.Column("wrong_number", sa.Boolean(), server_default="false", nullable=False)
    op.add_column("contact_result", wrong)
    # The presets get what new installations give them; nobody changed them.
    op.execute("ALTER TABLE contact_result DISABLE TRIGGER USER")
    op.execute("UPDATE contact_result SET wrong_number = true WHERE name IN ('空号/停机', '非本人')")
    op.execute("ALTER TABLE contact_result ENABLE TRIGGER USER")


def downgrade() -> None:
    op.drop_column("contact_result", "wrong_number")
