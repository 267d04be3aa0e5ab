"""who could act under an account, and mailed links for a password; they replace the thirty days"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_taint",
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("by_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("address_chosen", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["ab_user.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["by_id"], ["ab_user.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person_id", "by_id"),
    )
    op.create_index("ix_account_taint_by_id", "account_taint", ["by_id"])
    op.create_table(
        "password_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("sent_to", sa.String(320), nullable=False),
        sa.Column("created_by", sa.String(128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["ab_user.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_index("ix_password_link_person_id", "password_link", ["person_id"])
    # Whoever is on record as having set an account up may still know how to act under it.
    op.execute(
        """
        INSERT INTO account_taint (person_id, by_id, kind, at)
        SELECT one.id, other.id, 'password', coalesce(one.access_changed_at, now())
        FROM ab_user AS one JOIN ab_user AS other ON other.username = one.access_changed_by
        WHERE other.id <> one.id
        """
    )
    op.drop_column("ab_user", "access_changed_at")
    op.drop_column("ab_user", "access_changed_by")


def downgrade() -> None:
    op.add_column("ab_user", sa.Column("access_changed_by", sa.String(128), nullable=True))
    op.add_column("ab_user", sa.Column("access_changed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        """
        UPDATE ab_user SET access_changed_by = other.username, access_changed_at = found.at
        FROM (SELECT DISTINCT ON (person_id) * FROM account_taint ORDER BY person_id, at DESC) AS found
        JOIN ab_user AS other ON other.id = found.by_id
        WHERE found.person_id = ab_user.id
        """
    )
    op.drop_table("password_link")
    op.drop_table("account_taint")
