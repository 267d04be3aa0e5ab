"""The lists of millions of rows are sorted by an index, in each way that they offer."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import ColumnElement, Select, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.access.scope import visible_to
from app.console.data import ConsoleInterface
from app.extensions import db
from app.models import Branch, Customer, Hit, JourneyEnrolment, Lead, Outreach, Staff
from tests.conftest import make_staff

#: columns by which large lists are sorted, and how many terms of the order an index has to give
ORDERS = {
    ("LeadView", "lead_no"): 1,
    ("LeadView", "name"): 1,
    ("LeadView", "created_at"): 2,
    ("HitView", "grade"): 4,
    ("HitView", "hit_date"): 1,
    ("HitView", "status"): 2,
    ("HitView", "score"): 2,
}
LIVE: dict[str, ColumnElement[bool]] = {"LeadView": Lead.deleted_at.is_(None), "HitView": Hit.live}


def presorted(query: Select[Any]) -> int:
    """Return how many terms of its order a query has from an index, if it sorts only what it must."""
    for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
        db.session.execute(text(f"SET LOCAL {setting} = off"))
    words = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    [plan] = db.session.execute(text(f"EXPLAIN (FORMAT JSON) {words}")).scalar_one()
    [node] = plan["Plan"]["Plans"]
    if "Sort" not in node["Node Type"]:
        return len(query._order_by_clauses)
    return len(node.get("Presorted Key", ()))


def interface(app: Flask, view: str) -> ConsoleInterface:
    views = app.appbuilder.baseviews  # type: ignore[attr-defined]
    data: ConsoleInterface = next(each for each in views if type(each).__name__ == view).datamodel
    return data


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize(("view", "column"), ORDERS)
def test_an_order_follows_an_index(app: Flask, view: str, column: str, direction: str) -> None:
    with app.app_context():
        data = interface(app, view)
        query = select(data.obj).where(LIVE[view]).order_by(*data.order(column, direction)).limit(25)
        assert presorted(query) >= ORDERS[view, column]


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize(
    "found",
    [
        (),
        (JourneyEnrolment.journey_id == 7,),
        (JourneyEnrolment.journey_id == 7, JourneyEnrolment.status == "under_way"),
        (JourneyEnrolment.version_id == 7,),
    ],
)
def test_customers_in_journeys_are_found_in_their_order(
    app: Flask, found: tuple[ColumnElement[bool], ...], direction: str
) -> None:
    with app.app_context():
        order = interface(app, "EnrolmentView").order("entered_at", direction)
        query = select(JourneyEnrolment.id).where(*found).order_by(*order).limit(25)
        assert presorted(query) == 2


@pytest.mark.parametrize("model", [Lead, Hit, Customer, JourneyEnrolment, Outreach])
def test_the_planner_is_told_the_branches_of_a_person(app: Flask, session: Session, model: Any) -> None:
    """A sub-select would hide from it how few rows they have, and it would read the whole table."""
    home = Branch(code="H", name="H", path="/1/")
    session.add(home)
    session.flush()
    make_staff(session, "marketer", "Marketer", branch=home)
    with app.app_context():
        person = db.session.scalars(select(Staff).where(Staff.username == "marketer")).one()
        query = select(model.id).where(visible_to(person, model))
        words = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
        assert "FROM branch" not in str(words)


def test_free_customers_of_a_branch_are_found_by_an_index(app: Flask) -> None:
    free = (Customer.live, Customer.state == "open", Customer.owner_id.is_(None), Customer.branch_id == 7)
    with app.app_context():
        order = interface(app, "CustomerView").order("grade", "asc")
        assert presorted(select(Customer.id).where(*free).order_by(*order).limit(25)) == 4
