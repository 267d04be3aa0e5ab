"""definitions of facts, and import batches of facts"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fact_definition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("name_en", sa.String(128), server_default="", nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("unit", sa.String(16), server_default="", nullable=False),
        sa.Column("purpose", sa.String(16), server_default="marketing", nullable=False),
        sa.Column("sensitive", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("keep_days", sa.Integer(), server_default="1100", nullable=False),
        sa.Column("choices", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("updated_by", sa.String(128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('number', 'money', 'date', 'choice', 'flag', 'text')", name="ck_fact_definition_kind"
        ),
        sa.CheckConstraint(
            "purpose IN ('marketing', 'service', 'risk')", name="ck_fact_definition_purpose"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code"),
        sa.UniqueConstraint("name"),
    )
    _allow("'leads', 'suppressions', 'facts'")


def downgrade() -> None:
    op.execute("DELETE FROM import_batch WHERE kind = 'facts'")
    _allow("'leads', 'suppressions'")
    op.drop_table("fact_definition")


def _allow(kinds: str) -> None:
    op.drop_constraint("ck_import_batch_kind", "import_batch", type_="check")
    op.create_check_constraint("ck_import_batch_kind", "import_batch", f"kind IN ({kinds})")
