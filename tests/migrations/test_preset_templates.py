"""Presets of templates that an installation has had under their names."""

from __future__ import annotations

from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from app.coldstart import apply_presets
from app.extensions import db
from tests.database import superuser_of

_BEFORE = """
SET session_replication_role = replica;
INSERT INTO preset_applied (kind, code) VALUES ('template', '消费贷款额度提醒'), ('template', '额度激活邀请');
INSERT INTO outreach_template (code, channel, name, created_by)
    VALUES ('TPL-1', 'sms', '消费贷款额度提醒', 'x');
"""
_APPLIED = text("SELECT kind, code FROM preset_applied WHERE code <> 'outreach' ORDER BY code")


def test_templates_applied_under_their_names_are_not_applied_again(empty_app: Flask) -> None:
    with empty_app.app_context():
        upgrade(revision="0053")
        superuser_of(db.engine).execute(_BEFORE)
        upgrade()
        applied = [tuple(row) for row in db.session.execute(_APPLIED)]
        assert applied == [("templates", "T-LIMIT-CALL"), ("templates", "T-LOAN")]
        apply_presets()
        codes = db.session.scalars(text("SELECT code FROM outreach_template")).all()
        assert "TPL-1" in codes
        assert "T-CARD" in codes
        assert not {"T-LOAN", "T-LIMIT-CALL"} & set(codes)
        db.session.execute(text("DELETE FROM preset_applied WHERE code NOT IN ('T-LOAN', 'T-LIMIT-CALL')"))
        db.session.commit()
        downgrade(revision="0053")
        assert set(db.session.execute(_APPLIED).tuples()) == {
            ("template", "消费贷款额度提醒"),
            ("template", "额度激活邀请"),
        }
