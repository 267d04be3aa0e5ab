"""Large exports: masked, and never without a second person."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Approval, ExportJob, Lead
from tests.access.world import World, lead
from tests.exports.test_clear import ASK, Logins, make


@pytest.fixture(autouse=True)
def few(app: Flask) -> Iterator[None]:
    """Two rows may be exported alone."""
    before = app.config["SETTINGS"]
    app.config["SETTINGS"] = dataclasses.replace(before, export_rows_alone=2)
    yield
    app.config["SETTINGS"] = before


def add(app: Flask, world: World, session: Session, number: int) -> None:
    added = lead(app.config["SETTINGS"], number, world.home)
    added.source = "测试渠道"
    session.add(added)
    session.commit()


def newest(session: Session) -> ExportJob:
    session.rollback()
    return session.scalars(select(ExportJob).order_by(ExportJob.id.desc()).limit(1)).one()


def test_a_large_export_waits_for_a_second_person_and_names_them(
    app: Flask, world: World, login: Logins, session: Session
) -> None:
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker")
    assert session.query(Lead).filter(Lead.deleted_at.is_(None)).count() > 2
    assert "more than 2 rows need a second person" in maker.get("/leadview/export_all").text
    assert "field is required" in maker.submit("/leadview/export_all", {"format": "csv"}).text
    assert maker.submit("/leadview/export_all", ASK).status_code == 302
    job = newest(session)
    assert make(app, session, job).status == "asked", "no worker makes what nobody approved"
    approval = session.scalars(select(Approval).where(Approval.subject_id == job.id)).one()
    page = checker.get(f"/approvalview/show/{approval.id}").text
    assert "监管报送" in page
    assert "masked" in page
    assert "in clear" not in page
    maker.submit(f"/approvalview/approve/{approval.id}", {"note": ""})
    assert make(app, session, job).status == "asked"
    checker.submit(f"/approvalview/approve/{approval.id}", {"note": ""})
    assert make(app, session, job).status == "done"
    content = maker.get(f"/exportjobview/fetch/{job.id}").data.decode("utf-8-sig")
    assert "13800000001" not in content
    assert "checker" in content.splitlines()[0]


def test_a_small_one_needs_nobody_and_one_that_grew_is_refused(
    app: Flask, world: World, login: Logins, session: Session
) -> None:
    maker = login("Manager", username="maker")
    own = "/leadview/export_all?_flt_0_source=测试渠道"
    for number in (71, 72):
        add(app, world, session, number)
    assert maker.submit(own, {"format": "csv"}).status_code == 302
    assert make(app, session, newest(session)).status == "done"
    assert maker.submit(own, {"format": "csv"}).status_code == 302
    add(app, world, session, 73)
    job = make(app, session, newest(session))
    assert (job.status, job.file) == ("failed", None)
    assert job.error is not None
    assert "grown beyond 2 rows" in job.error.english()
