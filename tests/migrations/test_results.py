"""Steps of hits keep what they were when results of contacts come, and when they go again."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_migrate import downgrade, upgrade

from app.extensions import db
from tests.database import superuser_of

_BEFORE = """
SET session_replication_role = replica;
INSERT INTO hit_event (id, hit_id, kind, from_status, to_status, note, person)
    VALUES (1, 1, 'follow_up', 'in_progress', 'in_progress', '谈过', 'anna');
INSERT INTO customer (id, hits, open_hits) VALUES (1, 1, 1);
SET session_replication_role = DEFAULT;
"""
_RESULT = """
INSERT INTO contact_result (name) VALUES ('未接');
UPDATE customer SET call_back_at = now();
SET session_replication_role = replica;
UPDATE hit_event SET result_id = (SELECT id FROM contact_result);
SET session_replication_role = DEFAULT;
"""


def test_results_come_to_kept_steps_and_go(empty_app: Flask) -> None:
    def found(query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in superuser_of(db.engine).execute(query)]

    with empty_app.app_context():
        upgrade(revision="0061")
        superuser_of(db.engine).execute(_BEFORE)
        upgrade(revision="0062")
        assert found("SELECT note, result_id FROM hit_event") == [("谈过", None)]
        superuser_of(db.engine).execute(_RESULT)
        downgrade(revision="0061")
        assert found("SELECT note, person FROM hit_event") == [("谈过", "anna")]
        assert found("SELECT id, open_hits FROM customer") == [(1, 1)]
        upgrade(revision="0062")
        assert found("SELECT count(*) FROM contact_result") == [(0,)]
