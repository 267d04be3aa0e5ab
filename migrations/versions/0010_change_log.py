"""change log and its chain"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Functions and partitions live apart, and are put in place after each upgrade by app.audit.install.
    op.execute("CREATE SCHEMA IF NOT EXISTS audit")
    op.create_table(
        "change_log",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column(
            "time", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("object", sa.String(64), nullable=False),
        sa.Column("object_id", sa.String(128)),
        sa.Column("title", sa.String(128)),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("db_user", sa.String(64), nullable=False),
        sa.Column("rows", sa.BigInteger(), server_default="1"),
        sa.Column("digest", sa.String(64)),
        sa.Column("changes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.PrimaryKeyConstraint("id", "time"),
        postgresql_partition_by="RANGE (time)",
    )
    op.create_index("ix_change_log_xid", "change_log", ["xid", "id"])
    op.create_index("ix_change_log_time", "change_log", ["time", "id"])
    op.create_index("ix_change_log_actor", "change_log", ["actor", "time", "id"])
    op.create_index("ix_change_log_object", "change_log", ["object", "object_id", "time", "id"])
    op.create_index("ix_change_log_kind", "change_log", ["kind", "time", "id"])
    op.execute("CREATE SEQUENCE change_log_id_seq OWNED BY change_log.id")
    op.execute("CREATE TABLE audit.change_log_rest PARTITION OF change_log DEFAULT")
    op.create_table(
        "change_seal",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("floor_id", sa.BigInteger(), nullable=False),
        sa.Column("from_xid", sa.BigInteger(), nullable=False),
        sa.Column("to_xid", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("entries", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column(
            "sealed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("seq"),
    )


def downgrade() -> None:
    # The triggers of every table go with the functions.
    op.execute("DROP SCHEMA audit CASCADE")
    op.drop_table("change_seal")
    op.drop_table("change_log")
