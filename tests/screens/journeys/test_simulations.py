"""The screens of simulations: starting and cancelling, and what page, paths and approval say."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask_appbuilder.security.sqla.models import PermissionView, Role
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.jobs import simulations as job
from app.models import Approval, Branch, JourneySimulation, JourneyVersion, Lead
from tests.conftest import Person, make_staff
from tests.journeys.example import simulate
from tests.journeys.test_past import FIRST, LAST

VIEW = "JourneySimulationView"
FORM = {
    "first": FIRST.isoformat(),
    "last": LAST.isoformat(),
    "answers": "none",
    "calls_a_day": "",
    "leads": "L0002, L0003",
}


def words(page: str) -> str:
    """Return the text of a page, each run of space as one."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture
def manager(login: Callable[..., Person]) -> Person:
    return login("Manager", username="manager")


@pytest.fixture
def kept(app: Flask, draft: JourneyVersion, session: Session) -> JourneySimulation:
    with app.app_context():
        return simulate(session, draft, calls_a_day=1, leads=("L0003",))


def test_a_simulation_is_started_followed_and_read(
    app: Flask, draft: JourneyVersion, manager: Person, session: Session
) -> None:
    assert "Simulate" in manager.get(f"/journeyversionview/show/{draft.id}").text
    answer = manager.submit(f"/journeyversionview/simulate/{draft.id}", FORM)
    row = session.scalars(select(JourneySimulation)).one()
    assert answer.location.endswith(f"/journeysimulationview/show/{row.id}")
    assert row.lead_numbers == ["L0002", "L0003"]
    page = manager.get(answer.location).text
    assert "you may close this page" in page
    assert f"/journeysimulationview/progress/{row.id}" in page
    with app.app_context():
        job.run(row.id)
    assert manager.get(f"/journeysimulationview/progress/{row.id}").json["done"] is True
    assert "4 enter, 1 reach the goal; SMS: 3, calls: 2; cost ¥1.35" in manager.get(answer.location).text


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"first": LAST.isoformat(), "last": FIRST.isoformat()}, "ends before it begins"),
        ({"last": "2199-01-01"}, "in the future"),
        ({"leads": "L9999"}, "no customer with the number L9999"),
        ({"calls_a_day": "0"}, "between 1 and 1000"),
    ],
)
def test_what_cannot_be_simulated_is_said_beside_the_field(
    draft: JourneyVersion, manager: Person, session: Session, given: dict[str, str], why: str
) -> None:
    answer = manager.submit(f"/journeyversionview/simulate/{draft.id}", FORM | given)
    assert answer.status_code == 200
    assert why in words(answer.text)
    assert session.scalars(select(JourneySimulation)).all() == []


def test_a_running_simulation_is_cancelled(
    app: Flask, draft: JourneyVersion, manager: Person, session: Session
) -> None:
    manager.submit(f"/journeyversionview/simulate/{draft.id}", FORM)
    row = session.scalars(select(JourneySimulation)).one()
    manager.submit(f"/journeysimulationview/action/cancel/{row.id}")
    session.refresh(row)
    assert row.status == "cancelled"
    with app.app_context():
        job.run(row.id)
    session.refresh(row)
    assert (row.status, row.result) == ("cancelled", None)


def test_the_page_says_what_was_calculated_by_hand(kept: JourneySimulation, manager: Person) -> None:
    page = words(manager.get(f"/journeysimulationview/show/{kept.id}").text)
    for text in (
        "Compared with v1 in force: 1 more reach the goal, 2 fewer calls, it costs ¥1.20 less.",
        "Entered 4 4 —",
        "Under way at the end 1 0 +1",
        "Number of calls 2 4 −2",
        "Cost ¥1.35 ¥2.55 −¥1.20",
        "Contacts outside hours 0 0 —",
        "2 calls on 2 days: usually 1 a day, at most 1, on 2025-09-26.",
        "Nobody answers. Each comes at the moment of its contact.",
    ):
        assert text in page, text
    steps = page[page.index("Step by step") : page.index("Contacts by day and channel")]
    assert re.findall(r"(\d+) (\d+)% (\d+) (\d+) (\d+) (\d+)", steps) == [
        # came to it, share, done, held, left, waiting
        ("4", "100", "3", "1", "0", "0"),
        ("3", "75", "2", "0", "0", "1"),
        ("3", "75", "2", "0", "1", "0"),
        ("2", "50", "2", "0", "0", "0"),
    ]
    assert "Frequency cap of the channel reached 1" in page[page.index("Held back and why") :]


def test_a_customer_is_found_by_number_with_the_path_by_day(kept: JourneySimulation, manager: Person) -> None:
    address = f"/journeysimulationview/paths/{kept.id}"
    few = words(manager.get(address).text)
    assert [few.count(f"L000{number}") for number in range(1, 5)] == [1, 1, 1, 1]
    assert few.index("L0003") < few.index("L0001")
    found = words(manager.get(f"{address}?customer=l0003").text)
    assert "L0001" not in found
    path = found[found.index("2025-10-01") :]
    for text in (
        "2025-10-01 09:30 1 · SMS “短信” Held back Frequency cap of the channel reached due 09-30 06:00",
        "2025-10-09 09:30 3 · Outbound call “电话” Done at the first allowed moment due 10-01 09:30",
    ):
        assert text in path, path
    waiting = words(manager.get(f"{address}?kind=waiting").text)
    assert "L0004" in waiting
    assert "not done by the end of the period" in waiting
    assert "L0001" not in waiting
    assert "is not kept" in words(manager.get(f"{address}?customer=L0099").text)


def test_paths_are_shown_within_the_scope_of_the_reader(
    kept: JourneySimulation, session: Session, login: Callable[..., Person]
) -> None:
    own, other = (Branch(code=code, name=code, path="") for code in ("OWN", "OTHER"))
    session.add_all([own, other])
    session.flush()
    for branch in (own, other):
        branch.path = f"/{branch.id}/"
    session.execute(update(Lead).values(branch_id=other.id))
    session.execute(update(Lead).where(Lead.lead_no == "L0001").values(branch_id=own.id))
    session.commit()
    marketer = login("Marketer", branch=own)
    assert marketer.get(f"/journeysimulationview/show/{kept.id}").status_code in (302, 403)
    assert marketer.get(f"/journeysimulationview/steps/{kept.id}").status_code in (302, 403)
    rights = [each for each in session.scalars(select(PermissionView)) if each.view_menu.name == VIEW]
    session.add(Role(name="Analyst", permissions=rights))
    session.commit()
    analyst = login("Analyst", branch=own)
    shown = analyst.get(f"/journeysimulationview/paths/{kept.id}").text
    assert ("L0001" in shown, "L0002" in shown) == (True, False)
    assert analyst.get(f"/journeysimulationview/steps/{kept.id}").status_code == 403


def test_the_steps_are_downloaded(
    kept: JourneySimulation, manager: Person, login: Callable[..., Person]
) -> None:
    answer = manager.get(f"/journeysimulationview/steps/{kept.id}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "filename=J-v2-2025-09-24-2025-10-31.csv" in answer.headers["Content-Disposition"]
    assert answer.text.count("\n") == 14
    auditor = login("Auditor")
    assert "Download the steps" not in auditor.get(f"/journeysimulationview/show/{kept.id}").text
    assert auditor.get(f"/journeysimulationview/steps/{kept.id}").status_code in (302, 403)


def test_whoever_approves_sees_what_it_would_have_done(
    app: Flask, draft: JourneyVersion, manager: Person, session: Session
) -> None:
    page = words(manager.get(f"/journeyversionview/submit/{draft.id}").text)
    assert "This version was never simulated" in page
    other = _submitted(draft, session, manager)
    assert "This version was never simulated" in words(other.text)
    with app.app_context():
        simulate(session, draft)
    request = session.scalars(select(Approval)).one()
    page = words(manager.get(f"/approvalview/show/{request.id}").text)
    assert "4 enter, 1 reach the goal; SMS: 3, calls: 2; cost ¥1.35" in page
    assert "Compared with v1 in force: 1 more reach the goal" in page
    assert "never simulated" not in page
    session.execute(update(JourneySimulation).values(digest="0" * 64))
    session.commit()
    page = words(manager.get(f"/approvalview/show/{request.id}").text)
    assert "these figures are of another version of it" in page


def _submitted(draft: JourneyVersion, session: Session, manager: Person) -> Any:
    make_staff(session, "second", "Manager")
    manager.submit(f"/journeyversionview/submit/{draft.id}", {"reason": "试点"})
    request = session.scalars(select(Approval)).one()
    return manager.get(f"/approvalview/show/{request.id}")


def test_a_changed_draft_says_that_the_figures_are_of_another_version(
    kept: JourneySimulation, draft: JourneyVersion, manager: Person, session: Session
) -> None:
    address = f"/journeysimulationview/show/{kept.id}"
    assert "these figures are of another version" not in manager.get(address).text
    session.refresh(draft)
    draft.spec = {**draft.spec, "name": "另一个"}
    session.commit()
    assert "these figures are of another version" in manager.get(address).text
