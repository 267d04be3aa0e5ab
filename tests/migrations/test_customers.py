"""Owners of hits become owners of customers, by the stated rule where there were several, and back."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_migrate import downgrade, upgrade

from app.extensions import db
from tests.database import superuser_of

#: 1: work in progress wins; 2: the first claim wins; 3: nobody; 4: only closed hits; 5: held out; 6: deleted
_BEFORE = """
INSERT INTO ab_user (id, first_name, last_name, username, active, email) VALUES
    (901, '', '', 'anna', true, 'a'), (902, '', '', 'bert', true, 'b');
INSERT INTO lead (id, lead_no, name, id_hash, phone_cipher, phone_index, phone_masked, deleted_at)
    SELECT n, 'L' || n, '客', lpad(n::text, 64, '0'), '', '', '', CASE WHEN n = 6 THEN now() END
    FROM generate_series(1, 6) n;
SET session_replication_role = replica;
INSERT INTO hit (id, rule_id, version_id, lead_id, hit_date, made_on, values, score, grade, evidence,
        last_met_on, status, owner_id, claimed_at, next_on, holdout, live)
    SELECT id, 1, 1, lead, '2026-10-01'::date + id::int, '2026-10-02', '{}', id, grade, '{}',
        '2026-10-02', status, owner, claimed::timestamptz, next_on::date, holdout, lead <> 6
    FROM (VALUES
        (1, 1, 'A', 'waiting', 902, '2026-10-03', '2026-10-09', false),
        (2, 1, 'B', 'in_progress', 901, '2026-10-05', '2026-10-08', false),
        (3, 1, 'C', 'waiting', NULL, NULL, NULL, false),
        (4, 2, 'B', 'waiting', 901, '2026-10-06', '2026-10-07', false),
        (5, 2, 'A', 'waiting', 902, '2026-10-04', '2026-10-10', false),
        (6, 3, 'D', 'in_progress', NULL, NULL, NULL, false),
        (7, 4, 'A', 'converted', 901, '2026-10-04', NULL, false),
        (8, 5, 'A', 'waiting', NULL, NULL, NULL, true),
        (9, 6, 'A', 'waiting', 901, '2026-10-04', NULL, false)
    ) h (id, lead, grade, status, owner, claimed, next_on, holdout);
INSERT INTO reminder (person_id, source, kind, message, values, mark) VALUES
    (901, 'due-1', 'due', '%(n)s follow-ups are due today or overdue', '{"n": 2}', 0);
SET session_replication_role = DEFAULT;
"""


def test_who_bought_moves_behind_the_filter_and_back(empty_app: Flask) -> None:
    def states() -> list[tuple[Any, ...]]:
        query = "SELECT id, state FROM customer WHERE id IN (1, 3) ORDER BY id"
        return [tuple(row) for row in superuser_of(db.engine).execute(query)]

    bought = "SET session_replication_role = replica; UPDATE hit SET converted = true WHERE id IN (1, 6)"
    with empty_app.app_context():
        upgrade(revision="0055")
        superuser_of(db.engine).execute(_BEFORE)
        upgrade(revision="0072")
        superuser_of(db.engine).execute(bought)
        upgrade(revision="0073")
        assert states() == [(1, "open"), (3, "blocked")]
        downgrade(revision="0072")
        assert states() == [(1, "open"), (3, "open")]


def test_owners_of_hits_become_owners_of_customers_and_stay(empty_app: Flask) -> None:
    def found(query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in superuser_of(db.engine).execute(query)]

    with empty_app.app_context():
        upgrade(revision="0055")
        superuser_of(db.engine).execute(_BEFORE)
        upgrade(revision="0056")
        assert found(
            "SELECT id, owner_id, next_on::text, state, grade, hits, open_hits, live FROM customer"
        ) == [
            (1, 901, "2026-10-08", "open", "A", 3, 3, True),
            (2, 902, "2026-10-07", "open", "A", 2, 2, True),
            (3, None, None, "open", "D", 1, 1, True),
            (4, None, None, "done", "A", 1, 0, True),
            (5, None, None, "blocked", "A", 1, 1, True),
            (6, 901, None, "blocked", "A", 1, 1, False),
        ]
        owners = found("SELECT id, owner_id, next_on::text FROM hit ORDER BY id")
        assert owners == [
            *((1, 901, "2026-10-08"), (2, 901, "2026-10-08"), (3, 901, "2026-10-08")),
            *((4, 902, "2026-10-07"), (5, 902, "2026-10-07"), (6, None, None), (7, 901, None)),
            *((8, None, None), (9, 901, None)),
        ]
        moved = found("SELECT hit_id, kind, owner, person, note FROM hit_event ORDER BY hit_id")
        assert moved == [
            (hit, "assign", name, "system", "one_owner")
            for hit, name in ((1, "anna"), (3, "anna"), (4, "bert"))
        ]
        assert found("SELECT message FROM reminder") == [("%(n)s customers are due today or overdue",)]
        superuser_of(db.engine).execute("UPDATE customer SET owner_id = 901 WHERE id = 3")
        downgrade(revision="0055")
        assert found("SELECT owner_id FROM hit WHERE id = 6") == [(901,)]
        assert found("SELECT message FROM reminder") == [("%(n)s follow-ups are due today or overdue",)]
        upgrade(revision="0056")
        assert found("SELECT id, owner_id FROM customer WHERE owner_id IS NOT NULL ORDER BY id") == [
            *((1, 901), (2, 902), (3, 901), (6, 901))
        ]
