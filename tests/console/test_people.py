"""People are shown by their names, with the name for log-in on hover."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy.orm import Session

from app.models import ExportJob, HitEvent, Segment
from tests.access.world import World
from tests.conftest import Person

NAMED = '<span title="me">测试</span>'


def options(page: str, name: str) -> dict[str, str]:
    """Return the choices of a filter."""
    control = page.partition(f'id="{name}"')[2].partition("</select>")[0]
    return dict(re.findall(r'<option value="([^"]+)"[^>]*>([^<]*)<', control))


def test_lists_filters_and_pages_name_people(
    world: World, login: Callable[..., Person], session: Session
) -> None:
    admin = login("Admin", username="me")
    session.add(ExportJob(kind="leads", format="csv", status="done", requested_by="system"))
    session.add(
        HitEvent(
            hit_id=world.ids["hit_home_waiting"],
            kind="follow_up",
            from_status="waiting",
            to_status="waiting",
            person="me",
        )
    )
    session.commit()
    page = admin.get("/exportjobview/list/?_flt_1_requested_by=me").text
    assert NAMED in page
    assert options(page, "_flt_1_requested_by")["me"] == "测试"
    assert "测试" in page.partition('class="chips"')[2].partition("</ul>")[0]
    assert "the system" in admin.get("/exportjobview/list/").text
    assert NAMED in admin.get(f"/exportjobview/show/{world.ids['my_export']}").text
    assert NAMED in admin.get(f"/leadview/timeline/{world.ids['lead_home']}?kind=work").text
    assert NAMED in admin.get(f"/hitview/show/{world.ids['hit_home_waiting']}").text
    export = admin.submit("/leadview/action_post", {"action": "export", "rowid": world.ids["lead_home"]})
    assert b"\xe6\xb5\x8b\xe8\xaf\x95 (me)" in export.data
    log = admin.get("/changelogview/list/?_flt_0_person=me").text
    assert NAMED in log
    assert options(log, "_flt_0_person")["me"] == "测试"


def test_filters_offer_only_people_whom_one_may_see(world: World, login: Callable[..., Person]) -> None:
    marketer = login("Marketer", branch=world.home, username="me")
    assert options(marketer.get("/segmentview/list/").text, "_flt_1_owner") == {"me": "测试"}
    everybody = options(login("Manager").get("/segmentview/list/").text, "_flt_1_owner")
    assert {"me", "somebody"} <= set(everybody)


def test_programs_are_named_as_well(world: World, login: Callable[..., Person], session: Session) -> None:
    session.get_one(Segment, world.ids["segment"]).owner = "coldstart"
    session.commit()
    admin = login("Admin", language="zh", username="me")
    assert '<span title="coldstart">系统预置</span>' in admin.get("/segmentview/list/").text
