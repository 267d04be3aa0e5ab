"""Mails and contacts that were under way when the tables of leases and mails became one."""

from __future__ import annotations

from flask import Flask
from flask_migrate import downgrade, upgrade

from app.extensions import db
from tests.database import superuser_of

#: rows of the two queues of mails as they were, and a contact under way; foreign keys are not checked
_BEFORE = """
SET session_replication_role = replica;
INSERT INTO ab_user (id, first_name, last_name, username, active, email) VALUES (1, '', '', 'a', true, 'a');
INSERT INTO weekly_report (id, week, requested_by) VALUES (1, '2026-10-19', 'a');
INSERT INTO reminder_mail (id, person_id, status, reminders, attempts, next_at, answer, done_at) VALUES
    (7, 1, 'sent', 2, 1, '2026-10-26 01:00Z', '', '2026-10-26 01:01Z'),
    (9, 1, 'sending', 3, 2, '2026-10-26 02:00Z', 'busy', NULL);
INSERT INTO report_mail (id, report_id, person_id, week, is_test, key, status, attempts, next_at, last_error,
                         sent_at) VALUES
    (7, 1, 1, '2026-10-19', false, '7c9e6679-7425-40de-944b-e07fc1f90ae7', 'waiting', 1, '2026-10-26 03:00Z',
     '451', NULL),
    (8, 1, 1, '2026-10-19', true, '0c9e6679-7425-40de-944b-e07fc1f90ae7', 'sent', 1, NULL, '',
     '2026-10-26 01:01Z');
INSERT INTO reminder (id, person_id, source, kind, message, mail_id) VALUES (1, 1, 'x', 'hits', 'x', 9);
INSERT INTO outreach (id, batch_id, hit_id, lead_id, version_id, channel, id_hash, phone_index, status,
                      next_at, reserved_at) VALUES
    (1, 1, 1, 1, 1, 'sms', '', '', 'sending', '2026-10-26 01:05Z', '2026-10-26 01:00Z');
"""
_MAILS = """
SELECT id, kind, key, reminders, week::text, status, attempts, answer, done_at IS NULL FROM mail ORDER BY id
"""
_KEYS = ("7c9e6679-7425-40de-944b-e07fc1f90ae7", "0c9e6679-7425-40de-944b-e07fc1f90ae7")


def test_what_was_under_way_before_leases_and_mails_became_one_goes_on_after_it(empty_app: Flask) -> None:
    """No mail is lost or gets another Message-ID, and a contact keeps its lease; so it is on the way back."""

    def found(query: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in superuser_of(db.engine).execute(query)]

    with empty_app.app_context():
        upgrade(revision="0043")
        superuser_of(db.engine).execute(_BEFORE)
        upgrade(revision="0045")
        assert found(_MAILS) == [
            (7, "reminders", "reminders-7", 2, None, "sent", 1, "", False),
            (9, "reminders", "reminders-9", 3, None, "sending", 2, "busy", True),
            (
                10,
                "report",
                "7c9e6679-7425-40de-944b-e07fc1f90ae7",
                0,
                "2026-10-19",
                "waiting",
                1,
                "451",
                True,
            ),
            (11, "report", _KEYS[1], 0, "2026-10-19", "sent", 1, "", False),
        ]
        assert found("SELECT mail_id FROM reminder") == [(9,)]
        assert found("SELECT lease_until = next_at FROM mail WHERE id = 9") == [(True,)]
        times = "to_char(lease_until, 'HH24:MI'), to_char(next_at, 'HH24:MI')"
        assert found(f"SELECT {times} FROM outreach") == [("01:05", "01:00")]
        downgrade(revision="0043")
        assert found("SELECT id, status, attempts FROM reminder_mail ORDER BY id") == [
            (7, "sent", 1),
            (9, "sending", 2),
        ]
        assert found("SELECT key::text, status, last_error FROM report_mail ORDER BY id") == [
            (_KEYS[0], "waiting", "451"),
            (_KEYS[1], "sent", ""),
        ]
        assert found("SELECT mail_id FROM reminder") == [(9,)]
        assert found("SELECT to_char(next_at, 'HH24:MI') FROM outreach") == [("01:05",)]
