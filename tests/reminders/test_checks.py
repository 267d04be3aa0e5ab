"""Reminders of work, requests and failures ring once, in row scope, and only while they hold."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.access.scope import hits_visible_to, reaches
from app.errors import SEE_LOG, Said
from app.models import (
    Approval,
    Customer,
    Delivery,
    ExportJob,
    Hit,
    HitEvent,
    JobRun,
    Mail,
    OutreachBatch,
    Reminder,
    Staff,
    Target,
    WeeklyReport,
)
from tests import clock
from tests.conftest import Person, make_staff
from tests.reminders.conftest import NOW, Office

Logins = Callable[..., Person]
DAY = NOW.date()


def texts(person: Person) -> str:
    return str(person.get("/reminderview/list/").text)


def test_follow_ups_that_are_due_ring_once_a_day_and_stop_when_done(office: Office, login: Logins) -> None:
    anna = login("Marketer", branch=office.world.home, username="anna", language="zh")
    office.own("anna", "hit_home_waiting", "hit_sub_in_progress", "hit_away_waiting", next_on=DAY)
    assert office.round(NOW.replace(hour=0) - dt.timedelta(hours=2)) == 0, "nobody is told at night"
    assert office.round() == 1
    [reminder] = office.rings("anna")
    assert (reminder.kind, reminder.values) == ("due", {"n": 2}), "a lead of another branch is out of reach"
    assert "有 2 位客户今日到期或已逾期" in texts(anna)
    opened = anna.submit(f"/reminderview/action/look/{reminder.id}")
    assert opened.location == "/myworkview/list/?show=due"
    assert office.round() == 0, "once a day"
    tomorrow = NOW + dt.timedelta(days=1)
    assert office.round(tomorrow) == 1
    office.own("anna", "hit_home_waiting", "hit_sub_in_progress", next_on=DAY + dt.timedelta(days=9))
    office.round(tomorrow)
    assert office.rings("anna") == []


def test_a_date_that_the_person_has_just_set_is_no_news(office: Office, session: Session) -> None:
    make_staff(session, "anna", "Marketer", branch=office.world.home)
    office.own("anna", "hit_home_in_progress", next_on=DAY)
    hit = {"hit_id": office.ids["hit_home_in_progress"], "from_status": "in_progress"}
    step = HitEvent(**hit, to_status="in_progress", kind="follow_up", person="anna", at=NOW)
    session.add(step)
    session.commit()
    assert office.round() == 0


def test_hits_given_by_somebody_else_ring_and_open_as_their_list(office: Office, login: Logins) -> None:
    anna, chief = login("Marketer", branch=office.world.home, username="anna"), login("Manager")
    key = str(office.person("anna").id)
    rows = [str(office.ids["hit_home_waiting"])]
    now = clock.now()
    chief.submit("/hitview/action_post", {"action": "assign", "rowid": rows, "choice_assign": key})
    anna.submit(f"/hitview/action/claim/{office.ids['hit_sub_waiting']}")
    office.round(now)
    [reminder] = office.rings("anna", "assigned")
    assert reminder.values["n"] == 1, "what one takes oneself is no news"
    opened = anna.submit(f"/reminderview/action/look/{reminder.id}").location
    assert "1 customer" in anna.get(opened).text
    assert "0 customers" in chief.get(opened).text
    assert anna.get("/hitview/list/?_flt_0_given=soon").status_code == 400
    assert anna.get("/customerview/list/?_flt_0_given=soon").status_code == 400
    again = [str(office.ids["hit_sub_waiting"])]
    chief.submit("/hitview/action_post", {"action": "assign", "rowid": again, "choice_assign": key})
    office.round(now)
    assert office.rings("anna", "assigned") == [], "it was hers already"
    sub = office.ids["lead_sub"]
    office.session.execute(update(Customer).where(Customer.id == sub).values(owner_id=None))
    office.session.commit()
    chief.submit("/hitview/action_post", {"action": "assign", "rowid": again, "choice_assign": key})
    office.round(now)
    [reminder] = office.rings("anna", "assigned")
    assert reminder.values["n"] == 2, "one that grows rings again"
    for name in ("hit_home_waiting", "hit_sub_waiting"):
        anna.submit(f"/hitview/action/start/{office.ids[name]}")
    office.round(now)
    assert office.rings("anna", "assigned") == []


def test_escalated_hits_ring_for_the_managers(office: Office, login: Logins) -> None:
    login("Manager", username="chief")
    login("Marketer", branch=office.world.home, username="anna")
    office.own("anna", "hit_home_waiting", escalated_at=NOW, next_on=DAY + dt.timedelta(days=1))
    office.round()
    [reminder] = office.rings("chief", "escalated")
    assert reminder.values == {"n": 1}
    assert office.rings("anna") == []
    assert office.round() == 0
    office.own("anna", "hit_home_waiting", escalated_at=None)
    office.round()
    assert office.rings("chief", "escalated") == []


def test_a_request_rings_for_who_may_decide_until_somebody_has(office: Office, login: Logins) -> None:
    chief, _other = login("Manager", username="chief", language="zh"), login("Manager", username="other")
    for role in ("Auditor", "Marketer", "DataOperator"):
        login(role, username=role)
    asked = office.session.get_one(Approval, office.ids["approval"])
    office.session.execute(update(Approval).where(Approval.id != asked.id).values(status="withdrawn"))
    office.person("somebody").roles = office.person("chief").roles
    office.session.commit()
    now = clock.now()
    office.round(now)
    [reminder] = office.rings("chief", "approval")
    assert office.address(reminder) == f"/approvalview/show/{asked.id}"
    assert "监控指标“R-3 v1”等待您审批" in texts(chief)
    assert len(office.rings("other", "approval")) == 1
    told = [name for name in ("Auditor", "Marketer", "DataOperator") if office.rings(name, "approval")]
    assert told == [], "who may not decide"
    assert office.rings("somebody", "approval") == [], "who asked"
    chief.submit(f"/approvalview/reject/{asked.id}", {"note": "阈值太低"})
    office.round(clock.now())
    assert office.rings("chief", "approval") == office.rings("other", "approval") == []
    [answer] = office.rings("somebody", "decided")
    assert answer.message == "Your request is rejected: %(what)s “%(title)s”"


def test_failures_ring_for_who_asked_and_faults_for_who_keeps_things_running(
    office: Office, login: Logins
) -> None:
    me, operator = login("Manager", username="me"), login("DataOperator", username="operator", language="zh")
    session = office.session
    session.execute(update(ExportJob).values(status="failed", finished_at=NOW))
    session.execute(
        update(OutreachBatch).where(OutreachBatch.status == "paused").values(status="failed", finished_at=NOW)
    )
    run = session.get_one(JobRun, office.ids["run"])
    run.status, run.finished_at, run.counts = (
        "failed",
        NOW,
        {"refused": [{"name": "a.csv"}, {"name": "b.csv"}]},
    )
    target = session.get_one(Target, office.ids["stopped_target"])
    target.stop_reason, target.stopped_at = "gone", NOW
    session.execute(update(Delivery).where(Delivery.status == "dead").values(done_at=NOW))
    session.get_one(WeeklyReport, office.ids["open_report"]).error = Said(SEE_LOG, {"kind": "KeyError"})
    session.execute(update(WeeklyReport).values(created_at=NOW))
    session.execute(update(Mail).values(created_at=NOW))
    session.execute(update(JobRun).where(JobRun.id != run.id).values(created_at=NOW - dt.timedelta(days=8)))
    session.commit()
    office.round()
    said = {(each.kind, each.source.split("-")[0]) for each in office.rings("me")}
    assert ("job", "export_job") in said
    assert {("system", "dead"), ("system", "target")} <= said
    assert {("system", "report"), ("system", "reportmails")} <= said
    assert ("system", "run") not in said, "runs are not a manager's"
    told = {(each.kind, each.source.split("-")[0]) for each in office.rings("operator")}
    assert told == {("system", "run"), ("system", "refused")}
    page = texts(operator)
    assert f"{run.day} 的 T+1 任务失败" in page
    assert "拒收了 2 个日志文件" in page
    for reminder in office.rings("me", "job", "system"):
        assert me.get(office.address(reminder)).status_code == 200, office.address(reminder)
    session.execute(update(Mail).values(status="sent"))
    target.stop_reason, target.status = None, "active"
    run.status = "done"
    session.commit()
    office.round()
    still = {each.source.split("-")[0] for each in office.rings("me")}
    assert "report" in still
    assert not {"target", "reportmails"} & still
    assert [each.source.split("-")[0] for each in office.rings("operator")] == ["refused"]


@pytest.mark.parametrize("role", ["Admin", "Manager", "Marketer", "DataOperator", "Auditor"])
def test_what_many_reach_is_what_each_reaches(
    app: Flask, office: Office, session: Session, role: str
) -> None:
    for place in (None, office.world.home, office.world.away):
        person = make_staff(session, f"p{place.id if place else 0}", role, branch=place)
        many = select(Hit.id).where(Hit.live, reaches(person.id, Hit.branch_id))
        with app.app_context():
            one = select(Hit.id).where(hits_visible_to(person))
        assert set(session.scalars(many)) == set(session.scalars(one))


def test_two_rounds_at_once_ring_once(office: Office, session: Session) -> None:
    for number in range(20):
        make_staff(session, f"m{number}", "Manager")
    office.own("m0", "hit_home_waiting", escalated_at=NOW)
    rounds = [threading.Thread(target=office.round) for _ in range(4)]
    for each in rounds:
        each.start()
    for each in rounds:
        each.join()
    office.round()
    kinds = session.execute(select(Reminder.person_id, Reminder.source)).all()
    assert len(kinds) == len(set(kinds))
    managers = select(Staff.id).where(Staff.username.startswith("m"))
    assert session.query(Reminder).filter_by(kind="escalated").count() == len(session.scalars(managers).all())
