"""English names of results of contacts"""

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None

_NAMES = {
    "接通有意向": "Interested",
    "接通考虑中": "Considering",
    "接通无意向": "Not interested",
    "约定回电": "Call back agreed",
    "未接": "No answer",
    "空号/停机": "Number not in service",
    "非本人": "Not the customer",
    "拒绝并免打扰": "Refused, do not disturb",
}


def upgrade() -> None:
    op.add_column("contact_result", sa.Column("name_en", sa.String(64), server_default="", nullable=False))
    # The presets get the names that new installations give them; nobody changed them.
    op.execute("ALTER TABLE contact_result DISABLE TRIGGER USER")
    table = sa.table("contact_result", sa.column("name", sa.String), sa.column("name_en", sa.String))
    for name, english in _NAMES.items():
        op.execute(table.update().where(table.c.name == name).values(name_en=english))
    op.execute("ALTER TABLE contact_result ENABLE TRIGGER USER")


def downgrade() -> None:
    op.drop_column("contact_result", "name_en")
