"""Layouts and saved views of lists: kept for the person, shared with a role, in the reader's scope."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask_appbuilder.security.sqla.models import Role
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import SavedView
from tests.access.world import World
from tests.conftest import Person
from tests.thorough import examples, thorough

Login = Callable[..., Person]
LEADS = "/leadview/list/"


@pytest.fixture
def manager(world: World, login: Login) -> Person:
    return login("Manager")


@pytest.fixture
def marketer(world: World, login: Login) -> Person:
    return login("Marketer", branch=world.home)


@pytest.fixture
def role(session: Session) -> Callable[[str], int]:
    return lambda name: session.scalars(select(Role.id).where(Role.name == name)).one()


def heads(html: str) -> list[str]:
    """Return the column heads of a list."""
    head = html.partition("<thead")[2].partition("</thead>")[0]
    cells = [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<th[^>]*>.*?</th>", head, re.S)]
    return [cell for cell in cells if cell]


def save(who: Person, path: str, query: str = "", **fields: Any) -> Any:
    """Save what a list shows as a view."""
    return who.submit(path.replace("/list/", "/save_view"), {"query": query, **fields})


def key_of(answer: Any) -> int:
    """Return the id of the view that an answer opens."""
    return int(re.findall(r"saved=(\d+)", answer.headers["Location"])[0])


def test_columns_and_density_are_kept_for_the_person(world: World, login: Login) -> None:
    here, there = login("Manager", username="anna"), login("Manager", username="bea")
    chosen = {"column": ["source", "updated_at", "password"], "density": "wrapped", "next": LEADS + "?x=1"}
    assert here.submit("/leadview/layout", chosen).headers["Location"] == LEADS + "?x=1"
    page = here.get(LEADS).text
    assert heads(page) == ["Lead no.", "Source channel", "Changed", "Actions"]
    assert "rows-wrapped" in page
    assert "rows-lines" not in page
    assert "Phone" in heads(there.get(LEADS).text)
    here.submit("/leadview/layout", {"reset": "1"})
    assert heads(here.get(LEADS).text) == heads(there.get(LEADS).text)


def test_a_view_keeps_filters_order_columns_and_density(manager: Person, session: Session) -> None:
    manager.submit("/leadview/layout", {"column": ["name"], "density": "compact"})
    query = "_flt_0_name=客户&_oc_LeadView=name&_od_LeadView=desc&page_LeadView=3"
    saved = save(manager, LEADS, query, name=" 客户 ")
    manager.submit("/leadview/layout", {"reset": "1"})
    assert "Phone" in heads(manager.get(LEADS).text)
    opened = manager.get(f"/savedviewview/open/{key_of(saved)}")
    assert opened.headers["Location"] == saved.headers["Location"]
    page = manager.get(opened.headers["Location"]).text
    assert heads(page) == ["Lead no.", "Customer name", "Actions"]
    assert "rows-compact" in page
    assert 'aria-sort="descending"' in page
    assert "View: 客户" in page
    searched = manager.submit("/leadview/search", {"_flt_0_name": "x", "saved": key_of(saved)})
    assert f"saved={key_of(saved)}" in searched.headers["Location"]
    save(manager, LEADS, f"_flt_0_name=x&saved={key_of(saved)}", update=key_of(saved))
    row = session.get_one(SavedView, key_of(saved))
    assert (row.name, row.filters, row.sort, row.columns) == (
        "客户",
        [["name", "starts", "x"]],
        None,
        ["lead_no", "name"],
    )


@pytest.mark.parametrize(
    ("query", "fields", "why"),
    [
        ("_flt_0_name=x", {"name": "taken"}, "You have a view “taken” of this list already"),
        ("_flt_0_name=x", {"name": "  "}, "Give the view a name"),
        ("_flt_0_nothing=1", {"name": "x"}, "no such filter"),
        ("_flt_0_created_at=x", {"name": "x"}, "can&#39;t be searched for"),
        ("_flt_0_name=13800000001", {"name": "x"}, "can&#39;t keep a phone or ID number"),
        ("", {"name": "x", "role": "999"}, "no such role"),
    ],
)
def test_a_view_that_makes_no_sense_is_refused(
    query: str, fields: dict[str, str], why: str, manager: Person, session: Session
) -> None:
    save(manager, LEADS, name="taken")
    before = len(session.scalars(select(SavedView)).all())
    answer = save(manager, LEADS, query, **fields)
    assert why in manager.get(answer.headers["Location"].partition("?")[0]).text
    assert len(session.scalars(select(SavedView)).all()) == before


def test_only_owner_and_admin_change_a_shared_view(
    manager: Person, marketer: Person, login: Login, session: Session, role: Callable[[str], int]
) -> None:
    private = key_of(save(manager, LEADS, name="private"))
    key = key_of(save(manager, LEADS, "_flt_0_source=x", name="shared", role=role("Marketer")))
    page = marketer.get(LEADS).text
    assert "private" not in page
    assert f"/savedviewview/open/{key}" in page
    assert marketer.get(f"/savedviewview/open/{private}").status_code == 404
    for other in (marketer, login("Auditor")):
        assert other.submit(f"/savedviewview/delete/{key}").status_code in (404, 409)
        assert other.submit(f"/savedviewview/edit/{key}", {"name": "stolen"}).status_code in (404, 409)
        save(other, LEADS, "_flt_0_source=y", update=key)
    session.expire_all()
    row = session.get_one(SavedView, key)
    assert (row.name, row.filters) == ("shared", [["source", "starts", "x"]])
    admin = login("Admin")
    admin.submit(f"/savedviewview/edit/{key}", {"name": "renamed", "role": ""})
    session.expire_all()
    assert (row.name, row.role_id) == ("renamed", None)
    assert admin.submit(f"/savedviewview/delete/{key}").status_code == 302
    assert session.scalars(select(SavedView.id).where(SavedView.id == key)).all() == []


def test_a_view_shows_no_column_and_no_list_that_its_reader_may_not_see(
    manager: Person, marketer: Person, login: Login, role: Callable[[str], int]
) -> None:
    manager.submit("/leadview/layout", {"column": ["name", "batch"]})
    key = key_of(save(manager, LEADS, name="batches", role=role("Marketer")))
    opened = marketer.get(f"/savedviewview/open/{key}", follow_redirects=True).text
    assert heads(opened) == ["Lead no.", "Customer name", "Actions"]
    assert "Import batch" not in opened
    batches = "/importbatchview/list/"
    hidden = key_of(save(manager, batches, name="files", role=role("Marketer")))
    assert marketer.get(f"/savedviewview/open/{hidden}").status_code == 404


#: filters of each list, most of which name what a marketer of the other branch may not see
FILTERS = {
    "lead": (
        "0_branch={away}",
        "0_segment={foreign_segment}",
        "0_name=客户A",
        "0_lead_no=L1002",
        "0_tag={tag}",
    ),
    "hit": (
        *(
            "0_branch={away}",
            "0_branch=own-{away}",
            "0_segment={foreign_segment}",
            "0_name=客户A",
            "0_owner=1",
        ),
        *("0_rule={rule}", "0_work=unclaimed", "0_work=mine", "1_status=waiting", "0_source=away"),
    ),
    "customer": (
        *("0_branch={away}", "0_segment={foreign_segment}", "0_name=客户A", "0_state=all", "0_owner=1"),
        *("0_rule={rule}", "0_work=unclaimed", "0_state=blocked", "1_grade=B", "0_source=away"),
    ),
}


@st.composite
def views(draw: Any) -> tuple[str, list[str]]:
    """Return a list and some of its filters, each column once."""
    table = draw(st.sampled_from(sorted(FILTERS)))
    chosen = draw(st.lists(st.sampled_from(FILTERS[table]), max_size=3, unique_by=lambda each: each[:6]))
    return table, chosen


@thorough
def test_a_shared_view_shows_no_row_that_its_reader_may_not_see(
    world: World, login: Login, marketer: Person, session: Session, role: Callable[[str], int]
) -> None:
    admin, shared_with = login("Admin"), role("Marketer")
    own = {
        "lead": {world.ids["lead_home"], world.ids["lead_sub"]},
        "customer": {world.ids["lead_home"], world.ids["lead_sub"]},
        "hit": {
            world.ids[f"hit_{where}_{status}"]
            for where in ("home", "sub")
            for status in ("waiting", "in_progress", "failed")
        },
    }
    numbers = itertools.count()

    @examples(20, 200)
    @given(view=views())
    def check(view: tuple[str, list[str]]) -> None:
        table, chosen = view
        query = "&".join(f"_flt_{each.format(**world.ids)}" for each in chosen)
        name = f"view {next(numbers)}"
        saved = save(admin, f"/{table}view/list/", query, name=name, role=shared_with)
        page = marketer.get(f"/savedviewview/open/{key_of(saved)}", follow_redirects=True)
        assert page.status_code == 200
        shown = {int(key) for key in re.findall(rf"/{table}view/(?:show|open)/(\d+)", page.text)}
        assert shown <= own[table]
        for secret in (
            "客户AWAY",
            "AWAY 支行",
            "别人的",
            "138****0002",
            f'/leadview/show/{world.ids["lead_away"]}"',
        ):
            assert secret not in page.text
        if "L1002" not in query:
            assert "L1002" not in page.text
        counted = re.findall(r'<p class="count">\s*([\d,]+)', page.text)
        assert int(counted[0]) == len(re.findall(r'<tr role="row">', page.text.partition("<tbody")[2]))

    check()
