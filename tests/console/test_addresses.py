"""Addresses of lists with filters, and of pointers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.console.addresses import address_of
from app.console.urls import list_url
from app.lib.pointers import to_page, to_row, to_rows
from app.models import Hit
from app.selection import Selection
from tests.access.world import World
from tests.conftest import Person


def test_a_list_s_address_names_its_filters(app: Flask) -> None:
    with app.test_request_context():
        found = list_url("HitView", status="waiting", hit_date__to="2026-11-02", grade=None, exact=True)
        assert found == "/hitview/list/?exact=1&_flt_1_status=waiting&_flt_1_hit_date=2026-11-02"
        assert list_url("LeadView", lead_no__starts="L1", tag=3) == (
            "/leadview/list/?_flt_0_lead_no=L1&_flt_0_tag=3"
        )
        assert list_url("LeadView") == "/leadview/list/"


@pytest.mark.parametrize(
    "filters",
    [
        {"colour": "red"},
        {"id_hash": "a"},
        {"status__from": "a"},
        {"hit_date": "2026-11-02"},
        {"work__starts": "m"},
    ],
)
def test_a_filter_that_there_is_not_fails_at_once(app: Flask, filters: dict[str, Any]) -> None:
    with app.test_request_context(), pytest.raises(LookupError):
        list_url("HitView", **filters)


def test_what_a_row_points_to_has_an_address_outside_requests_too(app: Flask) -> None:
    addresses = {
        "": None,
        "/exportjobview/show/3": to_row("export_job", 3),
        "/hitview/list/?_flt_0_work=escalated": to_rows("hit", work="escalated"),
        "/jobrunview/list/": to_rows("job_run"),
        "/myworkview/list/?show=due": to_page("my_work", show="due"),
    }
    with app.app_context():
        assert {address_of(pointer): pointer for pointer in addresses.values()} == addresses
        gone = {"table": "hit", "filters": [["colour", "is", "red"], ["grade", "is", "A"]]}
        assert address_of(gone) == "/hitview/list/?_flt_1_grade=A", "a filter of another version"
        assert address_of({"table": "planet", "id": 1}) == ""
        assert address_of({"page": "moon", "arguments": {}}) == ""


def test_a_selection_is_what_the_list_shows(app: Flask, world: World, login: Callable[..., Person]) -> None:
    """A stored selection finds the same rows as the list, in each user's scope."""
    filters = [["status", "is", "waiting"], ["hit_date", "from", "2026-01-01"], ["source", "is", "官网预约"]]
    people = {
        "anna": login("Marketer", username="anna", branch=world.home),
        "boss": login("Manager", username="boss"),
    }
    for name, person in people.items():
        with app.app_context():
            user = app.appbuilder.sm.find_user(name)  # type: ignore[attr-defined]
            ids = {hit.id for hit in Selection.of_json(Hit, filters, user).query()}
        with app.test_request_context():
            address = list_url("HitView", status="waiting", hit_date__from="2026-01-01", source="官网预约")
        page = person.get(address).text
        assert ids
        assert {key for key in world.ids.values() if f'href="/hitview/show/{key}"' in page} >= ids
        assert f"{len(ids)} row" in page
