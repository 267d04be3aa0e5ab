"""security keys as second factors"""

import sqlalchemy as sa
from alembic import op

revision = "0105"
down_revision = "0103"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("second_factor", sa.Column("kind", sa.String(8), server_default="app", nullable=False))
    op.add_column("second_factor", sa.Column("credential_id", sa.LargeBinary()))
    op.add_column("second_factor", sa.Column("public_key", sa.LargeBinary()))
    op.add_column("second_factor", sa.Column("sign_count", sa.BigInteger()))
    op.alter_column("second_factor", "secret_cipher", nullable=True)
    op.create_unique_constraint("second_factor_credential_id_key", "second_factor", ["credential_id"])


def downgrade() -> None:
    op.execute("DELETE FROM second_factor WHERE kind = 'key'")
    op.drop_constraint("second_factor_credential_id_key", "second_factor")
    op.alter_column("second_factor", "secret_cipher", nullable=False)
    for column in ("sign_count", "public_key", "credential_id", "kind"):
        op.drop_column("second_factor", column)
