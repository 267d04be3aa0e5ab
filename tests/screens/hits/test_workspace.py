"""The workspace: every number links to the list of exactly the hits that it counts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.hits import counts
from app.models import Branch, Hit, Lead, Outcome, Product
from tests import clock
from tests.access.world import active_rule, branch, hit, lead
from tests.conftest import Person
from tests.screens.figures import numbers, rows
from tests.thorough import share, thorough

TODAY = clock.today()
DELETE_ONE = """
    UPDATE lead SET deleted_at = now() WHERE id = (SELECT lead_id FROM hit WHERE status = 'waiting' LIMIT 1)
"""


@pytest.fixture
def bank(app: Flask, session: Session) -> dict[str, Branch]:
    """A tree of five branches, leads of every source and of none, and hits of every status and grade."""
    top = branch(session, "TOP")
    home = branch(session, "HOME", top)
    found = {
        "TOP": top,
        "HOME": home,
        "SUB": branch(session, "SUB", home),
        "DEEP": branch(session, "DEEP", home),
        "AWAY": branch(session, "AWAY", top),
    }
    versions = [active_rule(session, f"R-{n}")[1] for n in (1, 2, 3)]
    homes = [*found.values(), None]
    for n in range(24):
        made = lead(app.config["SETTINGS"], n, top)
        made.branch = homes[n % len(homes)]
        made.source = ("", "官网预约", "抖音推广", "线下活动")[n % 4]
        session.add(made)
        session.flush()
        for m, version in enumerate(versions):
            each = hit(made, version, "waiting")
            each.status = ("waiting", "in_progress", "converted", "failed")[(n + m) % 4]
            each.hit_date = TODAY - dt.timedelta(days=(n * 3 + m) % 12)
            each.grade = "ABCD"[(n + 2 * m) % 4]
            each.made_on = each.hit_date + dt.timedelta(days=1 if n % 3 else 0)
            session.add(each)
    session.commit()
    return found


def deliver(session: Session) -> None:
    """Store what every third lead bought today, so that outcomes and not marks count."""
    product = Product(code="P", name="P", line="loan", updated_by="x")
    session.add(product)
    session.flush()
    for key in session.scalars(select(Lead.id).where(Lead.id % 3 == 0)).all():
        told = {"outcome_id": f"O{key}", "lead_id": key, "product_id": product.id, "amount": 1}
        session.add(Outcome(on_date=TODAY, **told))
    session.commit()


QUERIES = (
    "",
    "?grade=A",
    "?source=官网预约",
    "?source=none&rule=2",
    f"?first={TODAY - dt.timedelta(days=5)}&last={TODAY - dt.timedelta(days=2)}",
    "?branch={home}",
)


@thorough
@pytest.mark.parametrize(("role", "folded"), [("Manager", True), ("Marketer", False)])
def test_every_number_is_the_count_of_the_list_it_opens(
    app: Flask,
    session: Session,
    bank: dict[str, Branch],
    login: Callable[..., Person],
    role: str,
    folded: bool,
) -> None:
    if folded:
        deliver(session)
        with app.app_context():
            counts.fold()
    person = login(role, branch=bank["HOME"])
    stands_in = "No outcomes have been delivered" in person.get("/workspaceview/list/").text
    assert stands_in is not folded
    checked: dict[str, int] = {}
    for query in QUERIES:
        asked = query.format(home=bank["HOME"].id)
        page = "".join(person.get(f"/workspaceview/{part}{asked}").text for part in ("list/", "charts"))
        found = numbers(page)
        assert len(found) > 15, query
        for url, n in found:
            assert checked.setdefault(url, n) == n, url
    for url, n in share(checked.items(), 30):
        assert rows(person.get(url).text) == n, url
    assert sum(checked.values()) > 100


def test_a_change_shows_at_once(
    app: Flask, session: Session, bank: dict[str, Branch], login: Callable[..., Person]
) -> None:
    person = login("Manager")

    def waiting() -> int:
        page = person.get("/workspaceview/list/").text
        return next(n for url, n in numbers(page) if "_flt_1_status=waiting" in url)

    before = waiting()
    key = session.scalar(text("SELECT id FROM hit WHERE status = 'waiting' LIMIT 1"))
    person.submit(f"/hitview/action/start/{key}")
    assert waiting() == before - 1
    session.execute(text(DELETE_ONE))
    session.commit()
    assert waiting() < before - 1


def test_before_the_first_hits_of_a_month_the_rate_is_that_of_the_month_before(
    session: Session, bank: dict[str, Branch], login: Callable[..., Person]
) -> None:
    first = TODAY.replace(day=1)
    person = login("Manager")
    session.execute(update(Hit).values(hit_date=first))
    session.commit()
    assert "Converted this month" in person.get("/workspaceview/list/").text
    session.execute(update(Hit).values(hit_date=first - dt.timedelta(days=1)))
    session.commit()
    page = person.get("/workspaceview/list/").text
    assert "Converted last month" in page
    rate = page[page.index("Converted last month") :]
    won, n = next(pair for pair in numbers(rate) if "converted" in pair[0])
    assert str(first - dt.timedelta(days=1)) in won
    assert rows(person.get(won).text) == n > 0


def test_nothing_is_counted_of_another_branch(
    app: Flask, bank: dict[str, Branch], login: Callable[..., Person]
) -> None:
    person = login("Marketer", branch=bank["AWAY"])
    total = numbers(person.get("/workspaceview/list/").text)[0][1]
    assert total == 12
    assert person.get(f"/workspaceview/list/?branch={bank['HOME'].id}").status_code == 400
    assert "HOME" not in re.sub(
        r"<header.*?</header>", "", person.get("/workspaceview/list/").text, flags=re.S
    )


@pytest.mark.parametrize(
    "query",
    ["grade=E", "rule=99", "rule=x", "first=2026-13-01", "first=2026-10-02&last=2026-10-01", "branch=x"],
)
def test_invalid_filters_are_refused(app: Flask, login: Callable[..., Person], query: str) -> None:
    assert login("Manager").get(f"/workspaceview/list/?{query}").status_code == 400


def test_the_day_begins_in_the_workspace(
    app: Flask, bank: dict[str, Branch], login: Callable[..., Person]
) -> None:
    for role, home in (("Manager", "/workspaceview/list/"), ("Marketer", "/myworkview/list/")):
        assert login(role, branch=bank["HOME"]).get("/").headers["Location"] == home
