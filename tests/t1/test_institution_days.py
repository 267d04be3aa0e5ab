"""The completeness calendar: counts of the activity store compared with usual days, and its page."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.activity import store
from app.extensions import db
from app.leads.cube import activity_root
from app.lib.clock import today
from app.models import Institution, InstitutionDay
from app.t1 import institution_days
from app.t1.deliveries import ingest_logs
from app.t1.institution_days import ALL, LOOK_BACK_DAYS, judge_days, pivot_by_day, sum_institutions
from tests.conftest import Person

MONDAY = dt.date(2026, 10, 26)


def days(*calls: int, last: dt.date = MONDAY) -> dict[dt.date, int]:
    """Return the calls of the days up to ``last``, without days of 0 calls."""
    first = last - dt.timedelta(days=len(calls) - 1)
    return {first + dt.timedelta(days=n): each for n, each in enumerate(calls) if each}


def states(calls: dict[dt.date, int], first: dt.date = MONDAY, last: dt.date = MONDAY) -> list[str]:
    rows = [("I", day, n) for day, n in calls.items()]
    table = sum_institutions(pivot_by_day(rows, first - dt.timedelta(days=LOOK_BACK_DAYS), last))
    return [str(cell.state) for cell in judge_days(table, first, last)[ALL]]


@pytest.mark.parametrize(
    ("calls", "state"),
    [
        (days(*[100] * 7, 60), "full"),
        (days(*[100] * 7, 49), "low"),
        (days(*[100] * 7, 0), "missing"),
        (days(100, 0), "none"),
        (days(100, 1), "full"),
        (days(*[0] * 20), "none"),
        # Somebody who is seen now and then is not expected every day.
        (days(*[0, 0, 0, 5] * 6, 0), "none"),
        # Three weeks of silence, and it is still missed.
        (days(*[100] * 16, *[0] * 9), "missing"),
    ],
)
def test_a_day_is_judged_by_the_days_before(calls: dict[dt.date, int], state: str) -> None:
    assert states(calls) == [state]


def test_weekends_are_compared_with_weekends() -> None:
    calls = {day: 100 if day.weekday() < 5 else 10 for day in days(*[1] * 30)}
    assert set(states(calls, MONDAY - dt.timedelta(days=6), MONDAY)) == {"full"}


def log(settings: object, name: str, *rows: tuple[str, dt.date, str]) -> None:
    path = settings.data_dir / name  # type: ignore[attr-defined]
    lines = [f"{number},{day} 09:00:00,data_call,{code},{'a' * 64},success" for number, day, code in rows]
    header = "request_id,event_time,event_type,institution_code,id_hash,result"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    ingest_logs(settings, [path])  # type: ignore[arg-type]


def stored(session: Session) -> list[tuple[dt.date, str, int]]:
    session.rollback()
    columns = (InstitutionDay.day, InstitutionDay.institution, InstitutionDay.calls)
    return list(session.execute(select(*columns).order_by(*columns)).tuples())


def test_the_counts_follow_the_store(app: Flask, session: Session) -> None:
    settings, day, later = app.config["SETTINGS"], MONDAY - dt.timedelta(days=40), MONDAY
    with app.app_context():
        log(settings, "a.csv", ("1", day, "I-1"), ("2", day, "I-1"), ("3", day, "I-2"), ("4", later, "I-1"))
        assert stored(session) == [(day, "I-1", 2), (day, "I-2", 1), (later, "I-1", 1)]
        log(settings, "b.csv", ("5", day, "I-1"), ("1", day, "I-1"))
        assert stored(session) == [(day, "I-1", 3), (day, "I-2", 1), (later, "I-1", 1)]
        assert institution_days.refresh(settings) == []
        store.drop_days_before(activity_root(settings), later)
        institution_days.refresh(settings)
        db.session.commit()
        assert stored(session) == [(later, "I-1", 1)]


def furnish(app: Flask, session: Session, institutions: int) -> dt.date:
    with app.app_context():
        yesterday = today() - dt.timedelta(days=1)
    session.add_all(Institution(code=f"I-{n:03}", name=f"机构{n:03}") for n in range(institutions))
    session.flush()
    rows = [
        {
            "day": yesterday - dt.timedelta(days=back),
            "institution": f"I-{n:03}",
            "calls": 1000 + n,
            "source": "x",
        }
        for n in range(institutions)
        for back in range(40)
        if not (n == 7 and back == 0)
    ]
    session.execute(insert(InstitutionDay), rows)
    session.commit()
    return yesterday


def test_the_page_marks_what_is_missing_and_opens_the_deliveries(
    app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    yesterday = furnish(app, session, 60)
    client = login("DataOperator")
    page = client.get("/completenessview/list/").text
    first = page.split("<tbody")[1].split("</tr>")[1]
    assert "机构007" in first
    missing = f"机构007, {yesterday}: 0 calls, missing; usual: 1,007"
    assert missing in first
    assert page.count('<td role="cell" class="square square-missing"') == 1
    assert page.count("<tr") == 1 + 1 + 25
    last = client.get("/completenessview/list/?page=2").text
    assert last.count("<tr") == 1 + 1 + 10
    assert client.get("/completenessview/list/?marked=1").text.count("<tr") == 1 + 1 + 1
    found = client.get("/completenessview/list/?name=i-03").text
    assert found.count("<tr") == 1 + 1 + 10
    url = re.search(r'href="(/ingestfileview/list/\?[^"]*)"', page)
    assert url
    assert client.get(url[1]).status_code == 200
    for query in ("?page=x", "?page=-1", "?page=99", "?name=%00"):
        assert client.get(f"/completenessview/list/{query}").status_code in (200, 400)


def test_the_deliveries_of_a_day(app: Flask, session: Session, login: Callable[..., Person]) -> None:
    settings = dataclasses.replace(app.config["SETTINGS"])
    with app.app_context():
        log(settings, "one.csv", ("1", MONDAY, "I-1"))
        log(settings, "two.csv", ("2", MONDAY + dt.timedelta(days=1), "I-1"))
    page = login("Auditor").get(f"/ingestfileview/list/?_flt_0_day={MONDAY}").text
    assert "one.csv" in page
    assert "two.csv" not in page
    assert login("Auditor").get("/ingestfileview/list/?_flt_0_day=soon").status_code == 400
