"""A chart is drawn under the content policy, and each bar opens the list behind its number."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from playwright.sync_api import expect
from sqlalchemy.orm import Session

from app.models import IngestFile, JobRun
from tests.access.world import World
from tests.browser.conftest import Visit


def test_a_bar_opens_the_run_of_its_day(visit: Visit, world: World, session: Session) -> None:
    yesterday = dt.datetime.now(ZoneInfo("Asia/Shanghai")).date() - dt.timedelta(days=1)
    session.get_one(IngestFile, world.ids["ingest"]).days = {yesterday.isoformat(): 1234}
    session.add(JobRun(kind="t1", day=yesterday, status="done", requested_by="x", progress=100))
    session.commit()
    window = visit("Admin")
    window.open("/ingestfileview/list/")
    bars = window.page.locator(".chart .point")
    expect(bars).to_have_count(30)
    box = bars.last.bounding_box()
    assert box
    window.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(window.rows).to_have_count(1)
    expect(window.rows).to_contain_text(yesterday.isoformat())
