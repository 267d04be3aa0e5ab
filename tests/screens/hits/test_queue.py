"""The queue of a list: its order is kept, it belongs to one person, who is gone is passed over."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.hits import queue
from app.hits.queue import KEPT
from app.models import Customer, OutreachSetting, RuleVersion, Staff, WorkQueue
from tests import clock
from tests.access.world import World, hit, lead
from tests.conftest import Person


def neighbours(page: str) -> tuple[str, list[str]]:
    """Return the position and the customers before and after."""
    [place] = re.findall(r'class="num" aria-label="Row of the list">([^<]+)<', page)
    return place, re.findall(r'href="/customerview/show/(\d+)\?queue=\d+" data-key', page)


def test_the_queue_of_the_day_leads_to_those_last_who_may_not_be_called_today(
    app: Flask, session: Session, world: World, login: Callable[..., Person]
) -> None:
    """Their grade is excluded; calls agreed for later today are counted beside those that are due."""
    anna = login("Marketer", branch=world.home, username="anna")
    other = lead(app.config["SETTINGS"], 300, world.home)
    session.add(other)
    session.flush()
    later = hit(other, session.get_one(RuleVersion, world.ids["version"]), "waiting")
    later.grade = "A"
    session.add(later)
    session.execute(update(OutreachSetting).values(values={"excluded_grades": ["B"]}))
    session.commit()
    for key in (world.ids["lead_home"], other.id):
        anna.submit(f"/customerview/action/claim/{key}")
    session.execute(update(Customer).values(next_on=clock.today()).where(Customer.owner_id.is_not(None)))
    moment = clock.now() + dt.timedelta(minutes=20)
    session.execute(update(Customer).values(call_back_at=moment).where(Customer.id == world.ids["lead_home"]))
    session.commit()
    page = anna.get("/myworkview/list/").text
    assert "1 of them may not be called today and comes last." in page
    local = moment.astimezone(app.config["SETTINGS"].zone)
    if local.date() == clock.today():
        assert f"1 more agreed today, next at {local:%H:%M}" in page
    anna.submit("/myworkview/start")
    [kept] = session.scalars(select(WorkQueue)).all()
    assert kept.customers == [other.id, world.ids["lead_home"]]


def test_the_end_of_a_queue_says_how_many_were_passed_over_and_begins_again_with_them(
    app: Flask, session: Session, world: World, login: Callable[..., Person]
) -> None:
    anna = login("Marketer", branch=world.home, username="anna")
    leads = [lead(app.config["SETTINGS"], 300 + number, world.home) for number in range(3)]
    session.add_all(leads)
    session.flush()
    version = session.get_one(RuleVersion, world.ids["version"])
    hits = [hit(each, version, "waiting") for each in leads]
    session.add_all(hits)
    session.commit()
    keys = [each.id for each in leads]
    with app.app_context():
        kept = queue.keep(
            session.scalars(select(Staff).where(Staff.username == "anna")).one(), "/x", keys, 0, 3, keys[0]
        )
        queue_id = kept.id
    page = {"page": "customer", "queue": queue_id, "then": "next", "follow_up-note": "谈过"}
    path = f"/hitview/work/{hits[2].id}/follow_up"
    after = anna.submit(path, page | {"follow_up-next_on": clock.today()}, follow_redirects=True).text
    assert "That was the last customer of the list. 2 customers were passed over." in after
    assert "Again with the 2 passed over" in after
    shown = anna.submit(f"/customerview/again/{queue_id}", follow_redirects=True).text
    assert neighbours(shown) == ("1 / 2", [str(keys[1])])
    assert "Nobody of this list" in anna.submit("/customerview/again/999999", follow_redirects=True).text


def test_a_queue_keeps_its_order_and_belongs_to_who_opened_it(
    app: Flask, session: Session, world: World, login: Callable[..., Person]
) -> None:
    leads = [lead(app.config["SETTINGS"], 300 + number, world.home) for number in range(3)]
    session.add_all(leads)
    session.flush()
    version = session.get_one(RuleVersion, world.ids["version"])
    for number, each in enumerate(leads):
        new = hit(each, version, "waiting")
        new.score, new.grade = 100.0 - number, "A"
        session.add(new)
    session.commit()
    first, middle, last = (each.id for each in leads)
    anna, bert = (login("Marketer", branch=world.home, username=name) for name in ("anna", "bert"))
    listed = "/customerview/list/?_flt_0_work=unclaimed&_flt_1_grade=A"
    link = f"/customerview/open/{middle}?_flt_0_work=unclaimed&amp;_flt_1_grade=A"
    assert link in anna.get(listed).text
    opened: Any = anna.get(link.replace("&amp;", "&"), headers={"Referer": f"http://localhost{listed}"})
    page = anna.get(opened.location).text
    assert neighbours(page) == ("2 / 3", [str(first), str(last)])
    assert f'href="{listed.replace("&", "&amp;")}"' in page
    kept = session.scalars(select(WorkQueue)).one()
    kept.address = "/myworkview/list/?show=unclaimed"
    session.commit()
    assert re.search(r'href="/myworkview/list/"[^>]*aria-current="page"', anna.get(opened.location).text)
    kept.address = listed
    session.commit()
    # Claimed, it is no longer in the list, but stays the second of three; a deleted one is passed over.
    anna.submit(f"/customerview/action/claim/{middle}")
    session.execute(text("UPDATE lead SET deleted_at = now() WHERE id = :id"), {"id": last})
    session.commit()
    assert neighbours(anna.get(opened.location).text) == ("2 / 3", [str(first)])
    assert "Row of the list" not in bert.get(opened.location).text
    assert anna.get("/customerview/open/1?_flt_0_nothing=1").status_code == 400
    for _time in range(KEPT + 1):
        anna.get(f"/customerview/open/{first}")
    assert session.scalar(select(func.count()).select_from(WorkQueue)) == KEPT
