"""Exports with phone numbers in clear: not there by default, and never without a second person."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.exports.jobs import make_export
from app.models import Approval, ExportJob
from tests.access.world import World
from tests.conftest import Person

Logins = Callable[..., Person]
ASK = {"format": "csv", "reason": "监管报送"}


@pytest.fixture
def allowed(app: Flask) -> Iterator[None]:
    before = app.config["SETTINGS"]
    app.config["SETTINGS"] = dataclasses.replace(before, unmasked_exports=True)
    yield
    app.config["SETTINGS"] = before


def request_export(session: Session, person: Person, query: str = "") -> tuple[ExportJob, Approval]:
    answer = person.submit(f"/leadview/export_clear{query}", ASK)
    assert answer.status_code == 302, answer.text
    session.rollback()
    job = session.scalars(select(ExportJob).order_by(ExportJob.id.desc()).limit(1)).one()
    return job, session.scalars(select(Approval).where(Approval.subject_id == job.id)).one()


def make(app: Flask, session: Session, job: ExportJob) -> ExportJob:
    with app.app_context():
        make_export(job.id)
    session.rollback()
    session.refresh(job)
    return job


def test_it_does_not_exist_unless_the_setting_allows_it(world: World, login: Logins) -> None:
    manager = login("Manager", username="maker")
    assert "export_clear" not in manager.get("/leadview/export_all").text
    assert manager.submit("/leadview/export_clear", ASK).status_code == 404


@pytest.mark.usefixtures("allowed")
def test_a_second_person_sees_what_leaves_and_lets_it(
    app: Flask, world: World, login: Logins, session: Session
) -> None:
    maker = login("Manager", username="maker", language="zh")
    checker = login("Manager", username="checker", language="zh")
    assert "/leadview/export_clear" in maker.get("/leadview/export_all").text
    job, approval = request_export(session, maker, "?_flt_0_lead_no=L1001")
    assert make(app, session, job).status == "asked", "no worker makes what nobody approved"
    page = checker.get(f"/approvalview/show/{approval.id}").text
    for said in ("监管报送", "L1001", "明文"):
        assert said in page
    checker.submit(f"/approvalview/approve/{approval.id}", {"note": ""})
    assert make(app, session, job).status == "done"
    content = maker.get(f"/exportjobview/fetch/{job.id}").data.decode("utf-8-sig")
    assert "13800000001" in content
    assert "maker" in content.splitlines()[0]
    assert "checker" in content.splitlines()[0]
    assert checker.get(f"/exportjobview/fetch/{job.id}").status_code in (403, 404)


@pytest.mark.usefixtures("allowed")
def test_nobody_approves_their_own_and_a_rejected_one_is_never_made(
    app: Flask, world: World, login: Logins, session: Session
) -> None:
    maker, checker = login("Admin", username="maker"), login("Manager", username="checker")
    job, approval = request_export(session, maker)
    maker.submit(f"/approvalview/approve/{approval.id}", {"note": ""})
    assert make(app, session, job).status == "asked"
    checker.submit(f"/approvalview/reject/{approval.id}", {"note": "没有必要"})
    job = make(app, session, job)
    assert (job.status, job.file) == ("failed", None)


def test_an_approved_one_is_not_made_once_the_setting_forbids_it(
    app: Flask, world: World, login: Logins, session: Session, allowed: None
) -> None:
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker")
    job, approval = request_export(session, maker)
    checker.submit(f"/approvalview/approve/{approval.id}", {"note": ""})
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], unmasked_exports=False)
    assert make(app, session, job).status == "failed"
