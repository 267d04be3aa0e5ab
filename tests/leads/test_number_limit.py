"""Searches by a complete number: permitted to few, limited, recorded, and blind to other branches."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models import ChangeLog
from tests.access.world import World
from tests.conftest import Person
from tests.leads.support import id_number

#: the phone of a lead at home, of one elsewhere, and of nobody
HOME, AWAY, NOBODY = "13800000001", "13800000002", "13911110000"
LIMIT = "已达上限"


@pytest.fixture
def limited(app: Flask) -> None:
    """Limit searches to two numbers an hour."""
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], reveals_per_hour=2)


def search(person: Person, phone: str, view: str = "leadview") -> str:
    found = person.submit(f"/{view}/search", {"_flt_0_phone_index": phone})
    return person.get(found.headers["Location"]).text


def searches(session: Session) -> list[tuple[str, str, str]]:
    """Return the actor, table and key of each recorded search."""
    session.rollback()
    rows = session.scalars(select(ChangeLog).where(ChangeLog.kind == "number_search").order_by(ChangeLog.id))
    return [(row.actor, row.object, next(iter(row.changes))) for row in rows]


def test_a_search_is_on_record_by_index_and_counts_as_a_look(
    limited: None, world: World, session: Session, login: Callable[..., Person]
) -> None:
    marketer = login("Marketer", branch=world.home, username="li", language="zh")
    assert "客户HOME" in search(marketer, HOME)
    row = session.scalars(select(ChangeLog).where(ChangeLog.kind == "number_search")).one()
    assert (row.actor, row.object, row.changes) == ("li", "lead", {"phone_index": world.ids["phone_home"]})
    look = f"/leadview/reveal/{world.ids['lead_home']}"
    assert marketer.submit(look, {"reason": "客户要求回电"}).status_code == 200
    assert LIMIT in search(marketer, NOBODY)
    assert marketer.submit(look, {"reason": "客户要求回电"}).status_code == 429
    assert len(searches(session)) == 1, "what was refused was not answered"


def test_what_is_beyond_the_branch_is_as_what_is_not_there(
    limited: None, world: World, session: Session, login: Callable[..., Person]
) -> None:
    def answer_to(phone: str) -> str:
        marketer = login("Marketer", branch=world.home, username=f"k{phone}", language="zh")
        pages = [search(marketer, phone), search(marketer, phone), search(marketer, phone)]
        index = session.scalars(
            select(ChangeLog.changes["phone_index"].astext).where(ChangeLog.actor == f"k{phone}")
        )
        return "|".join(pages).replace(index.first() or "?", "INDEX").replace(f"k{phone}", "ME")

    away, nobody = (_plain(answer_to(phone)) for phone in (AWAY, NOBODY))
    assert away == nobody
    assert away.count("客户AWAY") == 0


def _plain(page: str) -> str:
    """Return the page without the parts that differ between requests."""
    return re.sub(r'(nonce|value|name="csrf_token"|data-user)="[^"]*"|users/show/\d+', "", page)


@pytest.mark.parametrize("view", ["leadview", "suppressionview"])
@pytest.mark.parametrize(("language", "said"), [("zh", "才能按号码查询"), ("en", "may search by one")])
def test_who_may_not_see_numbers_may_not_ask_for_them(
    view: str, language: str, said: str, world: World, session: Session, login: Callable[..., Person]
) -> None:
    auditor = login("Auditor", language=language)
    assert "_flt_0_phone_index" not in auditor.get(f"/{view}/list/").text
    assert said in search(auditor, HOME, view)
    refused = auditor.get(f"/{view}/list/?_flt_0_phone_index={world.ids['phone_home']}")
    assert refused.status_code == 403
    assert said in refused.text
    assert searches(session) == []


def test_an_address_answers_only_who_typed_the_number(
    world: World, session: Session, login: Callable[..., Person]
) -> None:
    one, two = (login("Manager", username=name) for name in ("one", "two"))
    address = one.submit("/leadview/search", {"_flt_0_phone_index": HOME}).headers["Location"]
    for path in (address, address.replace("/list/", "/export_all"), address.replace("/list/", "/bulk")):
        assert one.get(path).status_code == 200, path
        again = two.get(path)
        assert again.status_code == 400 or "/leadview/show/" not in again.text, path
    posted = two.submit("/leadview/search", {"_flt_0_phone_index": world.ids["phone_home"]})
    assert two.get(posted.headers["Location"]).status_code == 400
    exported = two.submit(address.replace("/list/", "/export_all"), {"format": "csv"})
    assert exported.status_code == 400
    session.execute(text("SELECT 1"))
    assert one.get(address).status_code == 200, "paging and sorting ask nothing new"
    assert searches(session) == [("one", "lead", "phone_index")]


def test_every_other_question_by_number_counts(
    limited: None, world: World, session: Session, login: Callable[..., Person]
) -> None:
    def added(person: Person) -> str:
        form = {"name": "新", "phone": "13911112222", "id_number": id_number(5), "status": "active"}
        return person.submit("/leadview/add", form, follow_redirects=True).text

    first = login("Admin", username="first", language="zh")
    added(first)
    asks: list[tuple[str, Callable[[Person], str]]] = [
        ("subject_request", lambda who: who.submit("/subjectrequestview/find", {"number": HOME}).text),
        (
            "subject_request",
            lambda who: who.submit("/subjectrequestview/find", {"number": id_number(5)}).text,
        ),
        ("suppression", lambda who: search(who, HOME, "suppressionview")),
        (
            "suppression",
            lambda who: who.submit("/suppressionview/add", {"phone": HOME, "reason": "投诉"}).text,
        ),
        ("lead", added),
    ]
    for number, (table, ask) in enumerate(asks):
        name = f"admin{number}"
        admin = login("Admin", username=name, language="zh")
        for _time in range(2):
            assert LIMIT not in ask(admin), table
        assert LIMIT in ask(admin), table
        assert [each[1] for each in searches(session) if each[0] == name] == [table] * 2


@pytest.mark.parametrize(
    "query",
    [
        "(filters:!((col:phone_index,opr:eq,value:{phone_home})))",
        "(filters:!((col:id_hash,opr:eq,value:x)))",
        "(filters:!((col:phone_masked,opr:sw,value:1380)))",
        "(order_column:phone_index,order_direction:asc)",
        "(order_column:id_hash,order_direction:asc)",
    ],
)
def test_the_api_answers_no_question_by_number(
    query: str, world: World, login: Callable[..., Person]
) -> None:
    answer = login("Manager").get(f"/api/v1/leads/?q={query.format(**world.ids)}")
    assert answer.status_code == 400, answer.text


def test_a_form_that_is_refused_for_its_phone_tells_nothing_of_the_person(
    session: Session, login: Callable[..., Person]
) -> None:
    admin = login("Admin", username="first", language="zh")
    form = {"name": "新", "phone": "13911112222", "id_number": id_number(5), "status": "active"}
    assert "已保存" in admin.submit("/leadview/add", form, follow_redirects=True).text
    here, nobody = (
        _plain(admin.submit("/leadview/add", form | {"phone": "0", "id_number": each}).text).replace(
            each, "ID"
        )
        for each in (id_number(5), id_number(6))
    )
    assert here == nobody
    assert searches(session) == []


@pytest.mark.parametrize(
    "query", ["_flt_0_phone_masked=138", "_flt_0_id_hash=a", "_oc_LeadView=phone_index&_od_LeadView=asc"]
)
def test_no_list_is_filtered_or_sorted_by_parts_of_a_number(
    query: str, world: World, login: Callable[..., Person]
) -> None:
    assert login("Manager").get(f"/leadview/list/?{query}").status_code == 400
