"""The homes of the roles: every number is that of the list it opens, and who has several roles has tabs."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.jobs import processes
from app.models import (
    Approval,
    ApprovalStatus,
    Customer,
    Delivery,
    DeliveryStatus,
    ExportJob,
    IngestFile,
    InstitutionDay,
    JobRun,
    Reveal,
    RunStatus,
    Staff,
)
from tests import clock
from tests.access.world import World, build
from tests.conftest import Person
from tests.screens.figures import check_lists


@pytest.fixture
def world(app: Flask, session: Session) -> World:
    """A bank with a row of everything, moved to today where the pages look at the last days."""
    found = build(session, app.config["SETTINGS"])
    moved: list[tuple[Any, dict[str, Any]]] = [
        (Reveal, {"revealed_at": clock.now()}),
        (ExportJob, {"created_at": clock.now()}),
        (IngestFile, {"ingested_at": clock.now()}),
        (Delivery, {"status": DeliveryStatus.DEAD}),
    ]
    for model, values in moved:
        session.execute(update(model).values(**values))
    run = session.scalars(select(JobRun)).first()
    assert run is not None
    refusal = {"name": "a.csv", "reason": {"message": "bad", "values": {}}, "kept": None}
    run.status, run.counts = RunStatus.HELD, {**run.counts, "refused": [refusal]}
    day = clock.today() - dt.timedelta(days=9)
    session.add_all(
        InstitutionDay(day=day - dt.timedelta(days=n), institution="GAP", calls=9, source="x")
        for n in range(20)
    )
    session.commit()
    return found


def decided(session: Session, asked: Staff, by: Staff, status: ApprovalStatus) -> Approval:
    """Return a request of one person on which another has decided."""
    source = session.scalars(select(Approval)).first()
    assert source is not None
    same = ("kind", "title", "reason", "changes", "payload", "state", "makers", "expires_at")
    request = Approval(**{name: getattr(source, name) for name in same}, subject_id=900 + len(by.username))
    request.requested_by, request.requested_by_id = asked.username, asked.id
    request.decided_by, request.decided_by_id = by.username, by.id
    request.status, request.requested_at, request.decided_at = status, clock.now(), clock.now()
    return request


def test_every_number_is_that_of_its_list(
    session: Session, world: World, login: Callable[..., Person]
) -> None:
    auditor, admin = login("Auditor"), login("Admin", username="anna")
    login("Manager", username="boss")
    people = {user.username: user for user in session.scalars(select(Staff))}
    states = (ApprovalStatus.APPROVED, ApprovalStatus.APPROVED, ApprovalStatus.UNCHECKED)
    session.add_all(decided(session, people["anna"], people["boss"], status) for status in states)
    session.commit()
    marketer = login("Marketer", branch=world.home, username="carl")
    carl = session.scalars(select(Staff.id).where(Staff.username == "carl")).one()
    mine = {
        "owner_id": carl,
        "owned_since": clock.now(),
        "next_on": clock.today(),
        "call_back_at": clock.now(),
    }
    session.execute(update(Customer).where(Customer.id == world.ids["lead_home"]).values(**mine))
    session.commit()
    pages = {
        "/datastateview/list/": login("DataOperator"),
        "/auditstateview/list/?days=30": auditor,
        "/systemstateview/list/": admin,
        "/myworkview/list/": marketer,
    }
    found = {path: check_lists(person, person.get(path).text) for path, person in pages.items()}
    assert {path: sum(map(bool, numbers.values())) for path, numbers in found.items()} == {
        "/datastateview/list/": 4,
        "/auditstateview/list/?days=30": 5,
        "/systemstateview/list/": 5,
        "/myworkview/list/": 4,
    }
    assert 2 in found["/auditstateview/list/?days=30"].values()
    newest = pages["/datastateview/list/"].get("/datastateview/list/").text
    files = re.findall(r'href="(/ingestfileview/show/\d+)"', newest)
    assert len(files) == len(set(files)) > 0, "a file has one link to its page"
    assert auditor.get("/auditstateview/list/?days=x").status_code == 200


def test_the_state_of_the_installation_says_what_runs_and_what_fails(
    app: Flask, world: World, login: Callable[..., Person]
) -> None:
    with app.app_context():
        processes.ticked(clock.now())
    admin = login("Admin", language="zh")
    page = admin.get("/systemstateview/checks").text
    assert "库表版本" not in page
    assert re.search(r"数据库</th><td><span class=\"tag tag-run-done\">正常", page)


def test_a_person_with_several_roles_has_tabs(session: Session, login: Callable[..., Person]) -> None:
    person = login("Auditor", username="both", language="zh")
    assert "desk-tabs" not in person.get("/auditstateview/list/").text
    both = session.scalars(select(Staff).where(Staff.username == "both")).one()
    both.roles = list(session.scalars(select(Role).where(Role.name.in_(["Auditor", "Manager"]))))
    session.commit()
    person = login("Auditor", username="three", language="zh")
    three = session.scalars(select(Staff).where(Staff.username == "three")).one()
    three.roles = both.roles
    session.commit()
    with person.session_transaction() as stored:
        stored["_user_id"] = str(three.id)
    home = person.get("/", follow_redirects=True).text
    tabs = re.search(r'<nav class="desk-tabs".*?</nav>', home, re.S)
    assert tabs
    assert re.findall(r'href="(/\w+/list/)"( aria-current="page")?', tabs[0]) == [
        ("/workspaceview/list/", ' aria-current="page"'),
        ("/auditstateview/list/", ""),
    ]
