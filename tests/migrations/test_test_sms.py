"""Test SMS come to an outbox that has messages, and go with theirs only."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_migrate import downgrade, upgrade

from app.extensions import db
from tests.database import superuser_of

_SENT = """
SET session_replication_role = replica;
INSERT INTO ab_user (id, first_name, last_name, username, active, email)
    VALUES (901, '', '', 'anna', true, 'a');
INSERT INTO sandbox_message (id, outreach_id, key, channel, phone_masked, body, accepted_at)
    VALUES (1, 7, gen_random_uuid(), 'sms', '138****0001', '您好', now());
SET session_replication_role = DEFAULT;
"""
_TEST = """
INSERT INTO outreach_test (id, created_by, phone_masked, body, gateway)
    VALUES (1, 'anna', '139****0002', '试发', 'sandbox');
INSERT INTO sandbox_message (id, outreach_id, key, channel, phone_masked, body, accepted_at)
    VALUES (2, NULL, gen_random_uuid(), 'sms', '139****0002', '试发', now());
"""


def test_test_sms_come_to_a_kept_outbox_and_go(empty_app: Flask) -> None:
    def found(query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in superuser_of(db.engine).execute(query)]

    with empty_app.app_context():
        upgrade(revision="0064")
        superuser_of(db.engine).execute(_SENT)
        upgrade(revision="0065")
        assert found("SELECT id, outreach_id FROM sandbox_message") == [(1, 7)]
        assert found("SELECT phone_masked, phone_cipher FROM ab_user WHERE id = 901") == [("", None)]
        superuser_of(db.engine).execute(_TEST)
        assert found("SELECT status, key IS NOT NULL FROM outreach_test") == [("sending", True)]
        downgrade(revision="0064")
        assert found("SELECT id, outreach_id FROM sandbox_message") == [(1, 7)]
        upgrade(revision="0065")
        assert found("SELECT count(*) FROM outreach_test") == [(0,)]
