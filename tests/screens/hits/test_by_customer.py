"""Lists of customers and hits, and my work, are filtered by name, number, tag and segment of the customer."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy.orm import Session

from app.models import Lead, Segment, Tag
from tests.access.world import World
from tests.conftest import Person


def found(person: Person, view: str, **filters: object) -> set[str]:
    """Return the customers of a list, in any state, that a posted filter leaves."""
    state = {"_flt_0_state": "all"} if view == "customerview" else {}
    typed = {f"_flt_0_{name}": value for name, value in filters.items()}
    page = person.get(person.submit(f"/{view}/search", state | typed).headers["Location"])
    assert page.status_code == 200
    return set(re.findall(r"客户[A-Z-]+", page.text.split("<tbody>")[-1]))


def test_customers_and_hits_are_filtered_by_what_the_customer_is(
    world: World, session: Session, login: Callable[..., Person]
) -> None:
    tag = Tag(name="理财客户", colour="red", created_by="x")
    lead = session.get_one(Lead, world.ids["lead_sub"])
    lead.tags.append(tag)
    segment = Segment(name="分行", owner="x", shared=True, definition={"branches": [world.away.id]})
    session.add_all([tag, segment])
    session.commit()
    manager = login("Manager")
    for view in ("customerview", "hitview"):
        assert found(manager, view) == {"客户HOME", "客户AWAY", "客户HOME-SUB"}
        assert found(manager, view, name="客户HOME") == {"客户HOME", "客户HOME-SUB"}
        assert found(manager, view, name="l1002") == {"客户AWAY"}
        assert found(manager, view, tag=tag.id) == {"客户HOME-SUB"}
        assert found(manager, view, segment=segment.id) == {"客户AWAY"}
        assert found(login("Marketer", branch=world.home), view, name="1002") == set()


def test_my_work_is_filtered_in_its_full_list(world: World, login: Callable[..., Person]) -> None:
    page = login("Manager").get("/myworkview/list/?show=unclaimed").text
    form = re.search(r'<form class="card filters".*?</form>', page, re.S)
    assert form
    assert re.findall(r'name="(_flt\w+)"', form[0]) == [
        f"_flt_0_{name}" for name in ("name", "tag", "segment", "state", "work")
    ]
    assert 'name="_flt_0_work" value="unclaimed"' in form[0]
