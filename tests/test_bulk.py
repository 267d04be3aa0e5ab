"""Bulk changes by filter: counted first, all or nothing, with the scope and rights of the requester."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import insert, inspect, select, text, update
from sqlalchemy.orm import Session

from app import bulk
from app.console import paging
from app.jobs import ticker
from app.jobs.leases import MAX_ATTEMPTS
from app.models import BulkJob, Lead, LeadTag
from tests import clock
from tests.access.world import World
from tests.conftest import Person


@pytest.fixture
def manager(world: World, login: Callable[..., Person]) -> Person:
    return login("Manager", username="chen")


@pytest.fixture
def in_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker carry out every change."""
    monkeypatch.setattr(bulk, "AT_ONCE", 0)


def ask(client: Person, kind: str, query: str = "", **data: Any) -> Any:
    return client.submit(f"/leadview/bulk?{query}", {"kind": kind, **data})


def tagged(session: Session, tag: int) -> set[str]:
    session.rollback()
    query = select(Lead.lead_no).join(LeadTag, LeadTag.lead_id == Lead.id).where(LeadTag.tag_id == tag)
    return set(session.scalars(query))


def live(session: Session) -> set[str]:
    session.rollback()
    return set(session.scalars(select(Lead.lead_no).where(Lead.deleted_at.is_(None))))


def newest(session: Session) -> BulkJob:
    session.rollback()
    return session.scalars(
        select(BulkJob).order_by(BulkJob.id.desc()).limit(1).execution_options(populate_existing=True)
    ).one()


def test_a_few_leads_are_changed_at_once(manager: Person, session: Session, world: World) -> None:
    tag, query = world.ids["free_tag"], f"_flt_0_branch={world.ids['home']}"
    page = manager.get(f"/leadview/list/?{query}").text
    assert f'href="/leadview/bulk?{query}"' in page
    page = manager.get(f"/leadview/bulk?{query}").text
    assert '<dd class="num">1</dd>' in page
    answer = ask(manager, "tag", query, tag=str(tag))
    assert answer.headers["Location"] == f"/leadview/list/?{query}"
    assert "to 1 of 1 leads" in manager.get(answer.headers["Location"]).text
    assert tagged(session, tag) == {"L1001"}
    ask(manager, "tag", tag=str(tag))
    assert tagged(session, tag) == live(session)
    assert (newest(session).rows, newest(session).changed) == (3, 2)
    ask(manager, "untag", "_flt_0_lead_no=L1002", tag=str(tag))
    assert tagged(session, tag) == {"L1001", "L1003"}
    assert ask(manager, "delete", f"_flt_0_tag={tag}").status_code == 302
    assert live(session) == {"L1002"}


@pytest.mark.parametrize(
    ("kind", "tag", "query", "said"),
    [
        ("", "", "_flt_0_lead_no=L1", "Choose what to do."),
        ("explode", "", "_flt_0_lead_no=L1", "Choose what to do."),
        ("tag", "", "_flt_0_lead_no=L1", "Choose a tag."),
        ("untag", "999", "_flt_0_lead_no=L1", "Choose a tag."),
        ("delete", "", "", "Filter the list first"),
        ("delete", "", "_flt_0_lead_no=&page_LeadView=1", "Filter the list first"),
    ],
)
def test_what_can_not_be_asked_is_refused(
    manager: Person, session: Session, kind: str, tag: str, query: str, said: str
) -> None:
    before = live(session)
    answer = ask(manager, kind, query, tag=tag)
    assert answer.status_code == 200
    assert said in answer.text
    assert live(session) == before
    assert "chen" not in session.scalars(select(BulkJob.requested_by)).all()


def test_a_filter_that_the_list_refuses_changes_nothing(manager: Person, session: Session) -> None:
    before = live(session)
    for query in ("_flt_0_phone_index=13800000001", "_flt_0_created_at=x", "_flt_7_name=x"):
        assert ask(manager, "delete", query).status_code == 400
    assert live(session) == before


@pytest.mark.usefixtures("in_background")
def test_many_leads_are_the_worker_s(
    app: Flask, manager: Person, session: Session, world: World, redis: Redis
) -> None:
    tag = world.ids["free_tag"]
    page = ask(manager, "tag", "_flt_1_status=active", tag=str(tag)).headers["Location"]
    assert 'class="card progress" hx-get=' in manager.get(page).text
    assert tagged(session, tag) == set()
    home = session.get_one(Lead, world.ids["lead_home"])
    own = {"id", "lead_no", "id_hash", "created_at"}
    late = {name: getattr(home, name) for name in inspect(Lead).column_attrs.keys() if name not in own}  # noqa: SIM118
    late |= {"lead_no": "L9", "id_hash": "9" * 64, "created_at": dt.datetime(2100, 1, 1, tzinfo=dt.UTC)}
    session.execute(insert(Lead).values(late))
    session.commit()
    redis.flushdb()
    with app.app_context():
        ticker.tick(clock.now())
    jobs_ = Queue("default", connection=redis, serializer=JSONSerializer).jobs
    queued = [each for each in jobs_ if each.func_name == "app.jobs.bulk.run"][-1]
    with app.app_context():
        bulk.work_on(queued.args[0])
    job = newest(session)
    assert (job.status, job.rows, job.changed, job.progress) == ("done", 3, 3, 100)
    assert tagged(session, tag) == {"L1001", "L1002", "L1003"}
    assert "to 3 of 3 leads" in manager.get(page).text
    with app.app_context():
        bulk.work_on(job.id)
    assert newest(session).finished_at == job.finished_at


@pytest.mark.usefixtures("in_background")
def test_rights_and_filters_are_those_of_who_asked_then(
    app: Flask, manager: Person, session: Session, world: World
) -> None:
    ask(manager, "delete", "_flt_1_status=active")
    session.execute(
        text("DELETE FROM ab_user_role WHERE user_id = (SELECT id FROM ab_user WHERE username = 'chen')")
    )
    session.commit()
    before = live(session)
    with app.app_context():
        bulk.work_on(newest(session).id)
    assert newest(session).status == "failed"
    assert "may not change leads any more" in str(newest(session).error)
    assert live(session) == before


@pytest.mark.usefixtures("in_background")
@pytest.mark.parametrize("when", ["waiting", "working"])
def test_cancelled_nothing_stays(
    app: Flask, manager: Person, session: Session, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    before = live(session)
    ask(manager, "delete", "_flt_1_status=active")
    job = newest(session)
    if when == "waiting":
        manager.submit(f"/bulkjobview/action/cancel/{job.id}")
    else:
        report = bulk._report

        def report_and_cancel(job_id: int, percent: int) -> None:
            asked = threading.Thread(target=manager.submit, args=[f"/bulkjobview/action/cancel/{job.id}"])
            asked.start()
            asked.join()
            report(job_id, percent)

        monkeypatch.setattr(bulk, "_report", report_and_cancel)
    with app.app_context():
        bulk.work_on(job.id)
    assert newest(session).status == "cancelled"
    assert live(session) == before
    assert "nothing was changed" in manager.get(f"/bulkjobview/show/{job.id}").text


@pytest.mark.usefixtures("in_background")
@pytest.mark.parametrize("fault", ["broken", "killed"])
def test_what_breaks_changes_nothing_and_says_so(
    app: Flask, manager: Person, session: Session, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    before = live(session)
    ask(manager, "delete", "_flt_1_status=active")
    if fault == "killed":
        session.execute(update(BulkJob).values(attempts=MAX_ATTEMPTS))
        session.commit()
    else:
        monkeypatch.setattr(bulk, "_in_chunks", lambda *_: 1 / 0)
    with app.app_context():
        bulk.work_on(newest(session).id)
    job = newest(session)
    assert job.status == "failed"
    said = "interrupted 3 times" if fault == "killed" else "interrupted (ZeroDivisionError)"
    assert said in manager.get(f"/bulkjobview/show/{job.id}").text
    assert live(session) == before


def test_a_marketer_sees_neither_button_nor_page(
    world: World, login: Callable[..., Person], session: Session
) -> None:
    marketer = login("Marketer", branch=world.home)
    assert "/leadview/bulk" not in marketer.get("/leadview/list/").text
    assert ask(marketer, "delete", "_flt_1_status=active").status_code == 403


def test_a_number_that_takes_too_long_is_an_estimate(app: Flask, world: World) -> None:
    with app.app_context():
        from app.extensions import db

        leads = db.session.query(Lead)
        assert paging.count_within(leads).exact
        slow = leads.filter(text("pg_sleep(0.2) IS NOT NULL"))
        found = paging.count_within(slow, 0.05)
        assert not found.exact
        assert db.session.scalar(text("SHOW statement_timeout")) == "0"
