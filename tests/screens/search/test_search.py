"""The search finds what the user may open, and nothing else; a full number is a look at it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import ChangeLog
from app.screens.search import views
from tests.access.world import World
from tests.conftest import Person

#: the phone of a lead at home, and of one elsewhere
HOME, AWAY = "13800000001", "13800000002"


def find(person: Person, text: str) -> str:
    return str(person.submit("/searchview/find", {"text": text}).text)


@pytest.mark.parametrize("text", ["客户", "L1001", "1001", "L1002", "客户AWAY"])
def test_customers_are_found_in_scope(world: World, login: Callable[..., Person], text: str) -> None:
    manager, marketer = login("Manager"), login("Marketer", branch=world.home)
    everything, own = find(manager, text), find(marketer, text)
    assert "客户" in everything.replace('data-for="客户', "")
    assert "AWAY" not in own.replace(f'data-for="{text}"', "")
    assert ("客户HOME" in own) == (text in ("客户", "L1001", "1001"))


def test_other_things_are_found_by_part_of_their_name(world: World, login: Callable[..., Person]) -> None:
    manager, marketer = login("Manager"), login("Marketer", branch=world.home)
    batch, outreach = world.ids["batch"], world.ids["outreach_checked"]
    for text, place in {
        "r-1": f"/ruleview/show/{world.ids['rule']}",
        ".csv": f"/importbatchview/show/{batch}",
        f"#{outreach}": f"/outreachbatchview/show/{outreach}",
        "IMPORT": "/importbatchview/list/",
        "push freq": "/scheduleview/list/",
    }.items():
        assert f'href="{place}"' in find(manager, text)
    assert "importbatchview" not in find(marketer, "import") + find(marketer, ".csv")
    assert "Nothing found" in find(marketer, "100%_")


@pytest.mark.parametrize("path", ["/leadview/list/", "/hitview/list/", "/customerview/list/"])
def test_a_number_typed_as_a_name_leads_to_the_look_up(
    path: str, world: World, session: Session, login: Callable[..., Person]
) -> None:
    marketer = login("Marketer", branch=world.home)
    empty = marketer.get(f"{path}?_flt_0_name={HOME}").text
    assert "You typed a phone number as a name" in empty
    assert f'name="text" value="{HOME}"' in empty
    assert _searches(session) == [], "nothing was looked up yet"
    for page in (
        marketer.get(f"{path}?_flt_0_name=nobody"),
        login("Auditor").get(f"{path}?_flt_0_name={HOME}"),
    ):
        assert "No row matches" in page.text
        assert "You typed a phone number" not in page.text


def test_a_full_number_is_a_look_at_it(
    app: Flask, world: World, session: Session, login: Callable[..., Person]
) -> None:
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], reveals_per_hour=2)
    marketer = login("Marketer", branch=world.home, username="li")
    assert "Look up the customer" in find(marketer, HOME)
    assert "Look up the customer" not in find(login("Auditor"), HOME)
    assert _searches(session) == [], "nothing was looked up yet"

    def look_up(phone: str) -> str:
        return str(marketer.submit("/searchview/phone", {"text": phone}).headers["Location"])

    assert look_up(HOME) == f"/customerview/show/{world.ids['lead_home']}"
    assert "leadview/list" in look_up(AWAY)
    assert "Try again later" in marketer.get(look_up(HOME), follow_redirects=True).text
    assert _searches(session) == [world.ids["phone_home"], world.ids["phone_away"]]


def test_an_auditor_sees_who_searched_for_a_customer_by_number(
    world: World, session: Session, login: Callable[..., Person]
) -> None:
    marketer, auditor = login("Marketer", branch=world.home, username="li"), login("Auditor")
    marketer.submit("/searchview/phone", {"text": HOME})
    [entry] = session.scalars(select(ChangeLog.id).where(ChangeLog.kind == "number_search"))
    lead = f"/leadview/show/{world.ids['lead_home']}"
    assert f'href="{lead}"' in auditor.get(f"/changelogview/show/{entry}").text
    for page in (lead, f"/leadview/timeline/{world.ids['lead_home']}"):
        assert "earch by phone number" in auditor.get(page).text, page
    assert "earch by phone number" not in auditor.get(f"/leadview/show/{world.ids['lead_away']}").text


def test_too_many_searches_are_refused(
    world: World, login: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "RATE", "1 per hour")
    marketer, other = login("Marketer", branch=world.home), login("Marketer", branch=world.home)
    answers = [
        person.submit("/searchview/find", {"text": "客"}).status_code
        for person in (marketer, marketer, other)
    ]
    assert answers == [200, 429, 200]


def _searches(session: Session) -> list[str]:
    session.rollback()
    rows = session.scalars(select(ChangeLog).where(ChangeLog.kind == "number_search").order_by(ChangeLog.id))
    return [row.changes["phone_index"] for row in rows]
