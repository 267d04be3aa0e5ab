"""Charts are drawn under the content security policy, and each bar opens the list behind its number."""

from __future__ import annotations

import datetime as dt

from playwright.sync_api import expect
from sqlalchemy.orm import Session

from app.models import IngestFile, JobRun
from tests import clock
from tests.access.world import World
from tests.browser.conftest import Visit

#: of every bar (the one blue for action)
BLUE = "var(--blue-bright)"


def test_a_bar_opens_the_run_of_its_day(visit: Visit, world: World, session: Session) -> None:
    yesterday = clock.today() - dt.timedelta(days=1)
    session.get_one(IngestFile, world.ids["ingest"]).days = {yesterday.isoformat(): 1234}
    session.add(JobRun(kind="t1", day=yesterday, status="done", requested_by="x", progress=100))
    session.commit()
    window = visit("Admin")
    window.open("/ingestfileview/list/")
    bars = window.page.locator(f".chart path[fill='{BLUE}']")
    expect(bars).to_have_count(30)
    # The band behind the pointer lies over the bar once it is drawn; the chart takes the click of both.
    bars.last.click(force=True)
    expect(window.rows).to_have_count(1)
    expect(window.rows).to_contain_text(yesterday.isoformat())


def test_the_figures_of_an_effect_come_after_the_frame_and_open_their_hits(visit: Visit) -> None:
    window = visit("Manager")
    window.open("/effectview/list/?by=grade&first=2026-10-01&last=2026-10-31")
    window.page.get_by_role("link", name="首次触达时段").click()
    expect(window.page.locator(".effect .chart svg").first).to_be_visible()
    whole = window.page.locator("#parts .chosen a").first
    shown = whole.inner_text()
    assert int(shown) > 1
    whole.click()
    expect(window.page.locator(".count")).to_contain_text(shown)
