"""Undo of an import batch."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from app.leads import suppression
from app.leads.errors import LeadsError
from app.leads.phone import PhoneVault
from app.leads.rotate import rotate
from app.leads.undo import undo_import
from app.retention import personal_data
from tests import clock
from tests.leads.support import Importer, person

LIVE = "SELECT name FROM lead WHERE deleted_at IS NULL ORDER BY id"


def hit(importer: Importer, lead: str, status: str) -> None:
    """Give a lead a hit of some rule."""
    importer.execute(
        """
        WITH r AS (INSERT INTO rule (code, name) VALUES (:code, 'r') RETURNING id),
        v AS (INSERT INTO rule_version (rule_id, number, name, weights, grade_bands, created_by)
              SELECT id, 1, 'r', '{}', '{}', 'x' FROM r RETURNING id, rule_id)
        INSERT INTO hit (rule_id, version_id, lead_id, hit_date, "values", score, grade, status, evidence,
                         last_met_on, made_on)
        SELECT v.rule_id, v.id, lead.id, '2026-10-01', '{3}', 1, 'A', :status, '{}', '2026-10-01',
            '2026-10-02'
        FROM v, lead WHERE lead.name = :lead
    """,
        code=f"R-{lead}-{status}",
        lead=lead,
        status=status,
    )


def refusal(importer: Importer, batch: int) -> str:
    with pytest.raises(LeadsError) as caught:
        undo_import(importer.engine, batch, "boss", importer.settings)
    return caught.value.code


def test_undo_deletes_what_the_batch_created(importer: Importer) -> None:
    importer.rows(person(1))
    importer.rows(person(1), person(2), person(3), update=True)
    assert undo_import(importer.engine, 2, "boss", importer.settings) == (2, 0, 0, 0)
    assert importer.query(LIVE) == ["王1"]
    columns = "status, rows_created, rows_deleted, rows_kept"
    assert importer.query(f"SELECT {columns} FROM import_batch ORDER BY id") == [
        ("done", 1, 0, 0),
        ("undone", 2, 2, 0),
    ]


def test_leads_somebody_works_on_are_kept(importer: Importer) -> None:
    importer.rows(*map(person, range(1, 7)))
    hit(importer, "王1", "waiting")
    hit(importer, "王6", "waiting")
    importer.execute(
        """
        INSERT INTO hit_event (hit_id, kind, from_status, to_status, person)
        SELECT hit.id, 'claim', 'waiting', 'waiting', 'somebody'
        FROM hit JOIN lead ON lead.id = hit.lead_id WHERE lead.name = '王6'
    """
    )
    hit(importer, "王2", "in_progress")
    hit(importer, "王3", "waiting")
    hit(importer, "王3", "converted")
    importer.execute("UPDATE lead SET deleted_at = '2026-01-01' WHERE name = '王5'")
    assert undo_import(importer.engine, 1, "boss", importer.settings) == (2, 3, 0, 0)
    assert importer.query(LIVE) == ["王2", "王3", "王6"]


def test_imported_again_after_undo(importer: Importer) -> None:
    importer.rows(person(1), person(2))
    undo_import(importer.engine, 1, "boss", importer.settings)
    result = importer.rows(person(1), person(2))
    assert (result.created, result.existing) == (2, 0)
    assert importer.query("SELECT lead_no FROM lead WHERE deleted_at IS NULL ORDER BY id") == [
        "L1001",
        "L1002",
    ]


def test_an_update_leaves_deleted_leads_alone(importer: Importer) -> None:
    importer.rows(person(1))
    undo_import(importer.engine, 1, "boss", importer.settings)
    result = importer.rows(person(1, name="新名"), update=True)
    assert (result.created, result.updated, result.existing) == (1, 0, 0)
    assert importer.query("SELECT name FROM lead ORDER BY id") == ["王1", "新名"]


def test_what_cannot_be_undone(importer: Importer) -> None:
    assert refusal(importer, 1) == "batch_unknown"
    importer.rows(person(1))
    undo_import(importer.engine, 1, "boss", importer.settings)
    assert refusal(importer, 1) == "batch_undone"
    for status in ("running", "failed"):
        importer.execute("UPDATE import_batch SET status = :status", status=status)
        assert refusal(importer, 1) == "batch_not_done"


def changed(importer: Importer) -> list[str]:
    """Change a list by a second batch. Return its people."""
    importer.rows(*map(person, range(1, 6)))
    files = [
        person(n, name=f"新{n}", phone=f"139{n:08d}", source="官网预约", branch="HZ-NEW") for n in range(1, 5)
    ]
    before = importer.query(PEOPLE)
    result = importer.rows(*files, person(5), person(6), update=True)
    assert (result.created, result.updated, result.existing) == (1, 4, 1)
    return before


PEOPLE = """
    SELECT lead.name, phone_index, phone_masked, phone_cipher, source, branch.code
    FROM lead JOIN branch ON branch.id = branch_id WHERE deleted_at IS NULL ORDER BY lead.id
"""


def test_undo_gives_changed_leads_their_old_values_back(importer: Importer) -> None:
    before = changed(importer)
    importer.execute(
        "INSERT INTO suppression (phone_index, shown, reason, created_by)"
        " SELECT phone_index, '', 'x', 'x' FROM lead WHERE name = '新1'"
    )
    with importer.engine.begin() as connection:
        suppression.refresh(connection, dt.date(2026, 10, 1))
    assert undo_import(importer.engine, 2, "boss", importer.settings) == (1, 0, 4, 0)
    assert importer.query(PEOPLE) == before
    assert importer.query("SELECT count(*) FROM lead_before") == [0]
    assert importer.query("SELECT name FROM lead WHERE opted_out") == []
    assert importer.query("SELECT rows_restored, rows_left FROM import_batch WHERE id = 2") == [(4, 0)]


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE lead SET name = '人改' WHERE name = '新1'",
        "UPDATE lead SET status = 'lost' WHERE name = '新1'",
        "UPDATE lead SET deleted_at = now() WHERE name = '新1'",
        "DELETE FROM lead_before WHERE lead_id = (SELECT id FROM lead WHERE name = '新1')",
    ],
)
def test_a_lead_somebody_edited_since_stays_as_it_is(importer: Importer, edit: str) -> None:
    changed(importer)
    importer.execute(edit)
    edited = importer.query("SELECT l::text FROM lead l ORDER BY id LIMIT 1")
    assert undo_import(importer.engine, 2, "boss", importer.settings) == (1, 0, 3, 1)
    assert importer.query("SELECT l::text FROM lead l ORDER BY id LIMIT 1") == edited


def test_a_later_import_s_values_stay(importer: Importer) -> None:
    changed(importer)
    importer.rows(person(1, name="更新"), update=True)
    assert undo_import(importer.engine, 2, "boss", importer.settings).left == 1
    assert importer.query("SELECT name FROM lead WHERE id = 1") == ["更新"]
    assert undo_import(importer.engine, 3, "boss", importer.settings).restored == 1
    assert importer.query("SELECT name FROM lead WHERE id = 1") == ["新1"]


def test_old_values_are_rotated_and_retention_ends_them(importer: Importer) -> None:
    before = changed(importer)
    new = dataclasses.replace(importer.settings, pii_cipher="sm4-gcm")
    assert rotate(importer.engine, new)["rotated"] == 6 + 4
    assert undo_import(importer.engine, 2, "boss", new).restored == 4
    vault = PhoneVault.of(new)
    shown = [vault.decrypt(bytes(row[3])) for row in importer.query(PEOPLE)]
    assert shown == [vault.decrypt(bytes(row[3])) for row in before]
    changed_again = importer.rows(person(1, name="又"), update=True)
    assert changed_again.updated == 1
    now = clock.now()
    for days, left in ((29, 1), (31, 0)):
        personal_data(importer.engine, importer.settings, now + dt.timedelta(days=days))
        assert importer.query("SELECT count(*) FROM lead_before") == [left]
