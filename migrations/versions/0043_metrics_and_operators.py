"""which metrics and operators there are, the program says alone"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint('ck_condition_metric', 'rule_condition')
    op.drop_constraint('ck_condition_op', 'rule_condition')
    _widths(metric=64, op=16)


def downgrade() -> None:
    _widths(metric=16, op=2)
    op.create_check_constraint(
        'ck_condition_metric', 'rule_condition', "metric IN ('calls', 'institutions', 'active_days')"
    )
    op.create_check_constraint('ck_condition_op', 'rule_condition', "op IN ('>=', '>', '==', '<=', '<')")


def _widths(**lengths: int) -> None:
    for column, length in lengths.items():
        op.alter_column('rule_condition', column, type_=sa.String(length))
