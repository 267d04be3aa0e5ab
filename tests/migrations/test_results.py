"""Steps of hits keep what they were when results of contacts, their names and undo come, and when they go."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import select

from app.audit.install import install
from app.extensions import db
from app.models import HitEvent
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

_NAMED = "INSERT INTO contact_result (name) VALUES ('未接'), ('改期再谈');"
_TAKEN_BACK = """
SET session_replication_role = replica;
INSERT INTO hit_event (id, hit_id, kind, from_status, to_status, note, person, before)
    VALUES (2, 1, 'close', 'in_progress', 'failed', '', 'anna', '{"hit": {"status": "in_progress"}}');
INSERT INTO hit_event (id, hit_id, kind, from_status, to_status, note, person, undoes_at)
    SELECT 3, 1, 'undo', 'failed', 'in_progress', 'close', 'anna', at FROM hit_event WHERE id = 2;
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


def test_presets_get_english_names_and_a_banks_own_result_none(empty_app: Flask) -> None:
    """Nobody changed them, so the change log has nothing of it."""
    with empty_app.app_context():
        upgrade(revision="0066")
        connection = superuser_of(db.engine)
        with db.engine.begin() as own:
            install(own)
        connection.execute(_NAMED)
        log = "SELECT count(*) FROM change_log WHERE object = 'contact_result'"
        logged = connection.execute(log).fetchone()
        upgrade(revision="0067")
        names = connection.execute("SELECT name, name_en FROM contact_result ORDER BY id").fetchall()
        assert [tuple(row) for row in names] == [("未接", "No answer"), ("改期再谈", "")]
        assert connection.execute(log).fetchone() == logged
        connection.execute("UPDATE contact_result SET active = false")
        assert connection.execute(log).fetchone() != logged, "changes are recorded again"
        downgrade(revision="0066")
        upgrade(revision="0067")
        assert connection.execute("SELECT count(*) FROM contact_result").fetchone() == (2,)


def test_steps_from_before_undo_stand_and_cannot_be_taken_back(empty_app: Flask) -> None:
    steps = "SELECT id, kind, note FROM hit_event ORDER BY id"
    with empty_app.app_context():
        upgrade(revision="0068")
        connection = superuser_of(db.engine)
        connection.execute(_BEFORE)
        upgrade(revision="0069")
        connection.execute(_TAKEN_BACK)
        standing = db.session.execute(select(HitEvent.id, HitEvent.before).where(HitEvent.stands())).tuples()
        assert list(standing) == [(1, None)]
        db.session.rollback()
        kept = connection.execute(steps).fetchall()
        downgrade(revision="0068")
        assert connection.execute(steps).fetchall() == kept
        upgrade(revision="0069")
        assert connection.execute(steps).fetchall() == kept
