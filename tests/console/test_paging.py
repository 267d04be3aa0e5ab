"""Long lists: estimated counts, pages that show every row once, and the end of paging."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.console import paging
from app.extensions import db
from app.models import Institution, Lead, Segment
from app.screens.leads.views import LeadView
from tests.conftest import Person

BASE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limits to small numbers."""
    monkeypatch.setattr(paging, "EXACT_UP_TO", 50)


def add(session: Session, first: int, last: int, chance: random.Random) -> None:
    """Add leads at random moments, many of them at the same one."""
    session.add_all(
        Lead(
            lead_no=f"L{n}",
            name=f"客{n}",
            id_hash=f"{n:064x}",
            phone_cipher=b"",
            phone_index="",
            phone_masked="",
            created_at=BASE + dt.timedelta(hours=chance.randrange(40)),
        )
        for n in range(first, last)
    )
    session.commit()


@pytest.mark.parametrize("filters", ["", "&_flt_0_name=客1", "&_oc_LeadView=lead_no&_od_LeadView=asc"])
def test_pages_of_the_screen_go_through_the_list_once(
    app: Flask, session: Session, small: None, login: Callable[..., Person], filters: str
) -> None:
    """Together the pages show every row exactly once, also when filtered or sorted."""
    add(session, 0, 260, random.Random(7))
    manager = login("Manager")
    wanted = {n for n in range(260) if "name" not in filters or str(n).startswith("1")}
    seen: list[int] = []
    for page in range(-(-len(wanted) // 25)):
        text = manager.get(f"/leadview/list/?page_LeadView={page}&psize_LeadView=25{filters}").text
        seen += [n for n in range(260) if f">客{n}<" in text or f">客{n} " in text or f"客{n}\n" in text]
    assert sorted(seen) == sorted(wanted)


def test_counts_are_exact_up_to_a_limit_then_estimates_then_exact_on_demand(
    app: Flask, session: Session, small: None
) -> None:
    add(session, 0, 120, random.Random(8))
    session.connection().exec_driver_sql("ANALYZE lead")
    session.commit()
    with app.test_request_context("/"):
        query = db.session.query(Lead).filter(Lead.deleted_at.is_(None))
        few = paging.count_rows(query.filter(Lead.id <= 50))
        many = paging.count_rows(query)
    assert (few, few.exact) == (50, True)
    assert many.exact is False
    assert 60 <= many <= 240
    with app.test_request_context("/?exact=1"):
        found = paging.count_rows(db.session.query(Lead).filter(Lead.deleted_at.is_(None)))
    assert (found, found.exact) == (120, True)


def test_a_list_without_any_filter_counts_its_rows(
    app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    session.add_all(Institution(code=f"I{n}", name=f"机构{n}") for n in range(27))
    session.commit()
    page = login("Manager", language="zh").get("/institutionview/list/?psize_InstitutionView=10").text
    assert "共 27 条" in page
    assert "page_InstitutionView=2" in page


def test_the_screen_says_about_and_counts_on_demand(
    app: Flask, session: Session, small: None, login: Callable[..., Person]
) -> None:
    add(session, 0, 120, random.Random(8))
    session.connection().exec_driver_sql("ANALYZE lead")
    session.commit()
    page = login("Manager", language="zh").get("/leadview/list/").text
    assert "约 " in page
    assert "exact=1" in page
    assert "120 条" in login("Manager", language="zh").get("/leadview/list/?exact=1").text


def test_a_page_beyond_the_end_is_the_last_one(
    app: Flask, session: Session, small: None, login: Callable[..., Person]
) -> None:
    add(session, 0, 120, random.Random(8))
    page = login("Manager").get("/leadview/list/?page_LeadView=4000&psize_LeadView=50").text
    oldest = session.scalars(select(Lead.name).order_by(Lead.created_at, Lead.id).limit(1)).one()
    assert f"{oldest}<" in page


def test_pages_end_at_a_row_and_filters_lead_to_the_rest(
    session: Session, monkeypatch: pytest.MonkeyPatch, login: Callable[..., Person]
) -> None:
    assert LeadView.paging_limit == 10_000
    monkeypatch.setattr(LeadView, "paging_limit", 100)
    add(session, 0, 130, random.Random(8))
    newest_first = select(Lead).order_by(Lead.created_at.desc(), Lead.id.desc())
    leads = session.scalars(newest_first).all()
    manager = login("Manager")
    page = manager.get("/leadview/list/?page_LeadView=4000&psize_LeadView=50").text
    shown = list(dict.fromkeys(re.findall(r"客\d+(?=<)", page)))
    assert shown == [lead.name for lead in leads[50:100]]
    assert "Paging ends at row 100. Use filters, for example by time, to find the other rows." in page
    assert "page_LeadView=2" not in page
    assert f">{leads[-1].name}<" in manager.get(f"/leadview/list/?_flt_0_lead_no={leads[-1].lead_no}").text
    assert "Paging ends at row" not in manager.get("/leadview/list/?_flt_0_lead_no=L1").text


def test_a_list_without_any_criterion_is_counted_whole(
    session: Session, login: Callable[..., Person]
) -> None:
    session.add_all(Institution(code=f"I-{n}", name=f"机构{n}") for n in range(3))
    session.commit()
    assert "3 rows" in login("Admin").get("/institutionview/list/").text


def test_a_long_list_of_a_segment_is_estimated(
    app: Flask, session: Session, small: None, login: Callable[..., Person]
) -> None:
    add(session, 1, 120, random.Random(5))
    session.execute(update(Lead).values(source="官网预约"))
    definition = {"sources": ["官网预约", "抖音推广"], "statuses": ["active", "paused"]}
    segment = Segment(name="两个来源", definition=definition, shared=True, owner="somebody")
    session.add(segment)
    session.commit()
    session.connection().exec_driver_sql("ANALYZE lead")
    session.commit()
    page = login("Manager").get(f"/leadview/list/?_flt_0_segment={segment.id}")
    assert page.status_code == 200
    assert "about" in page.text
