"""Numbers of journeys on their pages: each is that of the list it opens, for everybody who sees it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from app.journeys import counts
from app.models import JourneyEnrolment, JourneyStep, JourneyVersion
from tests.access.world import World
from tests.conftest import Person

WHEN = dt.datetime(2026, 10, 27, 2, tzinfo=dt.UTC)


def links(page: str) -> dict[str, tuple[int, str]]:
    """The numbers of a page that open the list of customers, by where they lead."""
    found = re.findall(r'<a [^>]*href="(/enrolmentview/list/\?[^"]*)"[^>]*>([\d,]+)</a>', page)
    return {url.replace("&amp;", "&"): (int(number.replace(",", "")), url) for url, number in found}


def rows(page: str) -> int:
    return len(set(re.findall(r"/enrolmentview/show/(\d+)", page)))


@pytest.fixture
def round_trip(world: World, session: Session) -> None:
    """A customer at home who waited three times, went through, and another who left."""
    version = session.get_one(JourneyVersion, world.ids["journey_version"])
    for lead, status, steps in (
        ("lead_home", "ended", [("wait", "done")] * 3 + [("end", "done")]),
        ("lead_away", "left", [("wait", "skipped")]),
    ):
        enrolment = JourneyEnrolment(
            journey_id=version.journey_id,
            version_id=version.id,
            lead_id=world.ids[lead],
            status=status,
            entered_at=WHEN - dt.timedelta(days=40),
            ended_at=WHEN - dt.timedelta(days=30),
        )
        session.add(enrolment)
        session.flush()
        session.add_all(
            JourneyStep(
                enrolment_id=enrolment.id,
                journey_id=enrolment.journey_id,
                number=n,
                step=step,
                status=state,
                due_at=WHEN,
                done_at=WHEN,
            )
            for n, (step, state) in enumerate(steps, 1)
        )
    spec = version.spec | {"steps": [version.spec["steps"][0] | {"until": "answered", "timeout": "wait"}]}
    version.spec = spec | {"steps": [spec["steps"][0], {"id": "end", "do": "end"}]}
    session.commit()


@pytest.mark.parametrize(
    ("role", "entered", "waiting"), [("Manager", 4, 2), ("Auditor", 4, 2), ("Marketer", 2, 1)]
)
def test_every_number_is_that_of_the_list_it_opens(
    role: str, entered: int, waiting: int, world: World, round_trip: None, login: Callable[..., Person]
) -> None:
    person = login(role, branch=world.home)
    journey, version = world.ids["journey"], world.ids["journey_version"]
    found = links(person.get("/journeyview/list/").text)
    found |= links(person.get(f"/journeyview/show/{journey}").text)
    found |= links(person.get(f"/journeyversionview/steps/{version}").text)
    assert {number for number, _url in found.values()} >= {entered, waiting}
    assert any("skipped" in url for url in found) == (role != "Marketer")
    for url, (number, _raw) in found.items():
        assert rows(person.get(url).text) == number, url
    # Who waited three times is one customer.
    done = next(number for url, (number, _raw) in found.items() if "wait" in url and "done" in url)
    assert done == 1


def test_a_customer_s_path_has_the_steps_in_their_order(
    world: World, round_trip: None, session: Session, login: Callable[..., Person]
) -> None:
    ended = session.query(JourneyEnrolment).filter_by(status="ended").one()
    page = login("Marketer", branch=world.home, language="zh").get(f"/enrolmentview/show/{ended.id}").text
    path = page[page.index("journey-path") :]
    found = re.findall(r'<th scope="row">\s*([^<]+?)\s*</th>', path)
    assert found == ["1 · 等待回应，最多 1 天"] * 3 + ["2 · 结束"]


def test_when_many_have_passed_those_who_wait_are_counted(
    world: World, round_trip: None, login: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "SECONDS_FOR_ALL", 0)
    person = login("Manager", branch=world.home)
    page = person.get(f"/journeyversionview/steps/{world.ids['journey_version']}").text
    assert "only those who wait are counted" in page
    found = links(page)
    assert [number for number, _url in found.values()] == [2]
    assert all("waiting" in url for url in found)
    assert page.count('<span class="none">—</span>') == 2 * 3
    for url, (number, _raw) in found.items():
        assert rows(person.get(url).text) == number
