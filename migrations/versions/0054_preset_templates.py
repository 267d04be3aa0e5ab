"""presets of templates are known by their codes"""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

_CODES = {
    "消费贷款额度提醒": "T-LOAN",
    "老客户利率优惠": "T-LOAN-RATE",
    "理财到期关怀": "T-WEALTH",
    "贷款需求回访": "T-LOAN-CALL",
    "额度激活邀请": "T-LIMIT-CALL",
}
_RENAME = sa.text("UPDATE preset_applied SET kind = :kind, code = :new WHERE kind = :before AND code = :old")
_OUTREACH = """
INSERT INTO preset_applied (kind, code) SELECT 'outreach', 'outreach'
WHERE EXISTS (SELECT FROM outreach_setting)
"""


def upgrade() -> None:
    for name, code in _CODES.items():
        op.get_bind().execute(_RENAME, {"before": "template", "old": name, "kind": "templates", "new": code})
    op.execute(_OUTREACH)


def downgrade() -> None:
    op.execute("DELETE FROM preset_applied WHERE kind = 'outreach'")
    for name, code in _CODES.items():
        op.get_bind().execute(_RENAME, {"before": "templates", "old": code, "kind": "template", "new": name})
