"""Batches that are there get a campaign name, and people who have worked here no first-day list."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_migrate import downgrade, upgrade

from app.extensions import db
from tests.database import superuser_of

_BEFORE = """
INSERT INTO outreach_template (id, code, channel, name, created_by) VALUES (1, 'T', 'sms', '消费贷提醒', 'x');
INSERT INTO outreach_template_version (id, template_id, number, body, created_by)
    VALUES (1, 1, 1, '您好', 'x');
INSERT INTO outreach_batch (id, channel, version_id, selection, created_by, created_at)
    VALUES (1, 'sms', 1, '{}', 'x', '2026-11-05 12:00:00+08');
"""


_PEOPLE = """
INSERT INTO ab_user (id, first_name, last_name, username, email, login_count)
    VALUES (1, '敏', '何', 'old', 'o@x.cn', 3), (2, '峰', '周', 'new', 'n@x.cn', NULL);
"""


def test_batches_get_names_and_new_people_first_steps(empty_app: Flask) -> None:
    def found(query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in superuser_of(db.engine).execute(query)]

    with empty_app.app_context():
        upgrade(revision="0063")
        superuser_of(db.engine).execute(_BEFORE)
        logged = found("SELECT count(*) FROM change_log")
        upgrade(revision="0064")
        assert found("SELECT name, send_at FROM outreach_batch") == [("消费贷提醒 2026-11-05", None)]
        assert found("SELECT count(*) FROM change_log") == logged, "nobody changed them"
        superuser_of(db.engine).execute(_PEOPLE)
        upgrade(revision="0066")
        assert found("SELECT username, steps_hidden FROM ab_user ORDER BY id") == [
            ("old", True),
            ("new", False),
        ]
        downgrade(revision="0063")
        assert found("SELECT id, status FROM outreach_batch") == [(1, "checking")]
