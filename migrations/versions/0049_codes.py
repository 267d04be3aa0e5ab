"""codes of tags and templates, and the products a template is about"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

TABLES = {"tag": "TAG", "outreach_template": "TPL"}


def upgrade() -> None:
    for table, prefix in TABLES.items():
        op.add_column(table, sa.Column("code", sa.String(64), nullable=True))
        op.execute(f"UPDATE {table} SET code = '{prefix}-' || id")  # noqa: S608 - constants
        op.alter_column(table, "code", nullable=False)
        op.create_unique_constraint(f"{table}_code_key", table, ["code"])
    op.add_column(
        "outreach_template", sa.Column("products", ARRAY(sa.String()), server_default="{}", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("outreach_template", "products")
    for table in TABLES:
        op.drop_column(table, "code")
