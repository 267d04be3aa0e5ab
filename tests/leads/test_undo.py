"""Undo of a batch."""

from __future__ import annotations

import pytest

from app.leads.errors import LeadsError
from app.leads.undo import undo_import

from .support import Importer, person

LIVE = "SELECT name FROM lead WHERE deleted_at IS NULL ORDER BY id"


def hit(importer: Importer, lead: str, status: str) -> None:
    """Give a lead a hit of some rule."""
    importer.execute(
        """
        WITH r AS (INSERT INTO rule (code, name) VALUES (:code, 'r') RETURNING id),
        v AS (INSERT INTO rule_version (rule_id, number, weights, grade_bands, created_by)
              SELECT id, 1, '{}', '{}', 'x' FROM r RETURNING id, rule_id)
        INSERT INTO hit (rule_id, version_id, lead_id, hit_date, "values", score, grade, status, evidence,
                         last_met_on)
        SELECT v.rule_id, v.id, lead.id, '2026-10-01', '{3}', 1, 'A', :status, '{}', '2026-10-01'
        FROM v, lead WHERE lead.name = :lead
    """,
        code=f"R-{lead}-{status}",
        lead=lead,
        status=status,
    )


def refusal(importer: Importer, batch: int) -> str:
    with pytest.raises(LeadsError) as caught:
        undo_import(importer.engine, batch, "boss")
    return caught.value.code


def test_undo_deletes_what_the_batch_created(importer: Importer) -> None:
    importer.rows(person(1))
    importer.rows(person(1), person(2), person(3), update=True)
    assert undo_import(importer.engine, 2, "boss") == {"deleted": 2, "kept": 0}
    assert importer.query(LIVE) == ["王1"]
    columns = "status, rows_created, rows_deleted, rows_kept"
    assert importer.query(f"SELECT {columns} FROM import_batch ORDER BY id") == [
        ("done", 1, 0, 0),
        ("undone", 2, 2, 0),
    ]


def test_leads_somebody_works_on_are_kept(importer: Importer) -> None:
    importer.rows(*map(person, range(1, 6)))
    hit(importer, "王1", "waiting")
    hit(importer, "王2", "in_progress")
    hit(importer, "王3", "waiting")
    hit(importer, "王3", "converted")
    importer.execute("UPDATE lead SET deleted_at = '2026-01-01' WHERE name = '王5'")
    assert undo_import(importer.engine, 1, "boss") == {"deleted": 2, "kept": 2}
    assert importer.query(LIVE) == ["王2", "王3"]


def test_imported_again_after_undo(importer: Importer) -> None:
    importer.rows(person(1), person(2))
    undo_import(importer.engine, 1, "boss")
    result = importer.rows(person(1), person(2))
    assert (result.created, result.existing) == (2, 0)
    assert importer.query("SELECT lead_no FROM lead WHERE deleted_at IS NULL ORDER BY id") == [
        "L1001",
        "L1002",
    ]


def test_an_update_leaves_deleted_leads_alone(importer: Importer) -> None:
    importer.rows(person(1))
    undo_import(importer.engine, 1, "boss")
    result = importer.rows(person(1, name="新名"), update=True)
    assert (result.created, result.updated, result.existing) == (1, 0, 0)
    assert importer.query("SELECT name FROM lead ORDER BY id") == ["王1", "新名"]


def test_what_cannot_be_undone(importer: Importer) -> None:
    assert refusal(importer, 1) == "batch_unknown"
    importer.rows(person(1))
    undo_import(importer.engine, 1, "boss")
    assert refusal(importer, 1) == "batch_undone"
    for status in ("running", "failed"):
        importer.execute("UPDATE import_batch SET status = :status", status=status)
        assert refusal(importer, 1) == "batch_not_done"
