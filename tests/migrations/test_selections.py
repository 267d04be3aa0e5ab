"""Filters and addresses that were stored as texts become data, and texts again on the way back."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from app.cli.database import upgrade_database
from app.extensions import db
from app.models import ChangeLog, Hit, Lead
from app.selection import Selection

QUERY = "_flt_1_status=active&_flt_0_name=%E7%8E%8B&_flt_0_created_at=2026-11-01&_flt_1_created_at=2026-11-05"
FILTERS = [
    ["status", "is", "active"],
    ["name", "starts", "王"],
    ["created_at", "from", "2026-11-01"],
    ["created_at", "to", "2026-11-05"],
]
HITS = "_flt_0_branch=own-3&_flt_1_grade=A&_flt_1_score=0.5&_flt_0_hit_date=2026-11-01&_flt_0_work=mine"
HIT_FILTERS = [
    ["branch", "is", "own-3"],
    ["grade", "is", "A"],
    ["score", "from", "0.5"],
    ["hit_date", "from", "2026-11-01"],
    ["work", "is", "mine"],
]
LOG = "_flt_0_row=lead%3A4711&_flt_1_kind=insert&_flt_1_time=2026-11-01"
LOG_FILTERS = [["row", "is", "lead:4711"], ["kind", "is", "insert"], ["time", "to", "2026-11-01"]]
#: address in a reminder → what it points to
LINKS: dict[str, Any] = {
    "": None,
    "/hitview/list/?_flt_0_push=4": {"table": "hit", "filters": [["push", "is", "4"]]},
    "/hitview/list/?_flt_0_given=2026-11-02": {"table": "hit", "filters": [["given", "is", "2026-11-02"]]},
    "/hitview/list/?_flt_0_work=escalated": {"table": "hit", "filters": [["work", "is", "escalated"]]},
    "/deliveryview/list/?_flt_1_status=dead&_flt_0_target=3": {
        "table": "delivery",
        "filters": [["status", "is", "dead"], ["target", "is", "3"]],
    },
    "/reportmailview/list/?_flt_1_status=failed&_flt_0_week=2026-11-02&_flt_0_is_test=0": {
        "table": "report_mail",
        "filters": [["status", "is", "failed"], ["week", "from", "2026-11-02"], ["is_test", "is", "0"]],
    },
    "/jobrunview/list/": {"table": "job_run", "filters": []},
    "/myworkview/list/?show=due": {"page": "my_work", "arguments": {"show": "due"}},
    "/approvalview/show/7": {"table": "approval", "id": 7},
    "/exportjobview/show/12": {"table": "export_job", "id": 12},
}
#: an id for each kind of stored filters
ROWS = """
    INSERT INTO ab_user (id, first_name, last_name, username, active, email)
        VALUES (1, '', '', 'me', true, 'm');
    INSERT INTO export_job (id, kind, format, query, requested_by, status, clear) VALUES
        (1, 'leads', 'csv', :leads, 'me', 'asked', true), (2, 'hits', 'xlsx', :hits, 'me', 'done', false),
        (3, 'leads', 'csv', '', 'me', 'done', false);
    INSERT INTO bulk_job (id, kind, query, requested_by) VALUES (1, 'delete', :leads, 'me');
    INSERT INTO audit_job (id, kind, query, requested_by) VALUES (1, 'export', :log, 'me');
    INSERT INTO saved_filter (id, view, name, query, owner) VALUES (1, 'ChangeLogView', 'x', :log, 'me');
    INSERT INTO outreach_template (id, name, channel, created_by) VALUES (1, 't', 'sms', 'me');
    INSERT INTO outreach_template_version (id, template_id, number, body, created_by)
        VALUES (1, 1, 1, 'x', 'me');
    INSERT INTO outreach_batch (id, channel, version_id, selection, created_by) VALUES
        (1, 'sms', 1, jsonb_build_object('query', CAST(:hits AS text)), 'me'),
        (2, 'sms', 1, '{"ids": [5]}', 'me');
    INSERT INTO approval (id, kind, subject_id, title, reason, changes, state, requested_by, expires_at)
        VALUES (1, 'unmasked_export', 1, '', '', '{}', :state, 'me', now());
    INSERT INTO list_mark (list, position, lead_id, created_at, made_at, last_id)
        VALUES ('leads', 0, 1, now(), now(), 1);
    INSERT INTO ticker_step (name, failures) VALUES ('list_marks', 2), ('t1', 1)
"""


def digest(said: str) -> str:
    return hashlib.sha256(said.encode()).hexdigest()


def fill() -> None:
    values = {"leads": QUERY, "hits": HITS, "log": LOG, "state": digest(f"leads csv {QUERY} me")}
    with db.engine.begin() as connection:
        for statement in ROWS.split(";"):
            own = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), own)
        for number, link in enumerate(LINKS):
            source = "exportjobview-12" if "exportjob" in link else f"source-{number}"
            connection.execute(
                text(
                    "INSERT INTO reminder (person_id, source, kind, message, link)"
                    " VALUES (1, :source, 'job', 'm', :link)"
                ),
                {"source": source, "link": link},
            )


def read(query: str) -> list[Any]:
    with db.engine.connect() as connection:
        return [row[0] if len(row) == 1 else tuple(row) for row in connection.execute(text(query))]


def stored() -> dict[str, Any]:
    """Everything that the two migrations touch, as it stands at the older schema."""
    return {
        "jobs": [
            read(f"SELECT id, query FROM {name}_job ORDER BY id") for name in ("export", "bulk", "audit")
        ],
        "saved": read("SELECT query FROM saved_filter"),
        "batches": read("SELECT selection FROM outreach_batch ORDER BY id"),
        "reminders": read("SELECT id, source, link FROM reminder ORDER BY id"),
        "state": read("SELECT state FROM approval"),
    }


def test_stored_filters_and_addresses_become_data_and_texts_again(empty_app: Flask) -> None:
    upgrade_database(empty_app)
    with empty_app.app_context():
        downgrade(revision="0040")
        fill()
        before = stored()
        upgrade()
        assert read("SELECT filters FROM export_job ORDER BY id") == [FILTERS, HIT_FILTERS, []]
        assert read("SELECT filters FROM bulk_job") == [FILTERS]
        assert read("SELECT filters FROM audit_job") == [LOG_FILTERS]
        assert read("SELECT filters FROM saved_view") == [LOG_FILTERS]
        assert read("SELECT selection FROM outreach_batch ORDER BY id") == [
            {"filters": HIT_FILTERS},
            {"ids": [5]},
        ]
        assert read("SELECT state FROM approval") == [digest(f"leads csv {json.dumps(FILTERS)} me")]
        assert read("SELECT opens FROM reminder ORDER BY id") == list(LINKS.values())
        assert read("SELECT source FROM reminder WHERE opens->>'table' = 'export_job'") == ["export_job-12"]
        assert read("SELECT name FROM ticker_step") == ["t1"]
        downgrade(revision="0040")
        assert stored() == before
        upgrade()


def test_every_filter_that_was_stored_is_one_that_there_is(app: Flask) -> None:
    found = [(Lead, FILTERS), (Hit, HIT_FILTERS[1:4]), (ChangeLog, LOG_FILTERS)]
    with app.app_context():
        for model, filters in found:
            assert len(Selection.of_json(model, filters, None).criteria()) == len(filters)
