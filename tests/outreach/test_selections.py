"""From a segment, a quadrant or a batch's results to contact, assignment and export of the same customers."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Customer, Segment
from tests.conftest import Person
from tests.outreach.conftest import Bank


def link(page: str, part: str) -> str:
    found = re.search(rf'href="([^"]*{re.escape(part)}[^"]*)"', page)
    assert found is not None, part
    return unescape(found[1])


def test_a_segment_leads_to_all_that_is_done_with_it(bank: Bank, manager: Person, session: Session) -> None:
    bank.people(3)
    segment = Segment(
        name="在册", code="SG-1", owner="chen", definition={"statuses": ["active"]}, shared=True
    )
    session.add(segment)
    session.commit()
    page = manager.get(f"/segmentview/show/{segment.id}").text
    counted = re.search(r"其中可触达的客户 ([0-9]+) 位", page)
    assert counted is not None
    n = int(counted[1])
    assert n >= 3
    start = link(page, "/customerview/contact_many/sms?")
    assert f"符合条件的客户 {n} 位" in manager.get(start).text
    assert bank.batch(bank.posted(manager, start)).candidates <= n
    assert "/leadview/bulk?" in link(page, "/leadview/bulk?")
    assert "SG" not in link(page, "/leadview/export_all?")
    assign = link(page, "/customerview/assign_all?")
    shown = manager.get(assign).text
    assert f"分配这 {n} 位客户" in shown
    chosen = re.search(r'<option value="([0-9]+)"', shown)
    assert chosen is not None
    manager.submit(assign, {"assignee": chosen[1]}, follow_redirects=True)
    session.expire_all()
    owned = session.scalar(select(func.count()).where(Customer.owner_id == int(chosen[1])))
    assert owned
    assert "请选择负责人" in manager.submit(assign, {"assignee": "0"}).text


def test_results_of_a_batch_and_quadrants_open_their_customers(bank: Bank, manager: Person) -> None:
    hits = bank.people(3)
    batch = bank.start(manager, hits)
    bank.confirm(manager, batch)
    bank.send()
    page = manager.get(f"/outreachbatchview/show/{batch}").text
    customers = link(page, "/customerview/list/?")
    shown = manager.get(customers).text
    assert shown.count('name="rowid"') == 3
    assert f"#{batch} 冬季活动 · 已发送" in shown
    assert manager.get(customers.replace(":sent", ":nowhere")).status_code == 400
    matrix = manager.get("/matrixview/list/?x=hits&y=calls&x_at=0&y_at=0").text
    start = link(matrix, "/customerview/contact_many/call?")
    assert "_matrix=" in start
    assert "符合条件的客户" in manager.get(start).text


def test_a_batch_of_somebody_else_is_named_but_no_link(bank: Bank, login: Callable[..., Person]) -> None:
    [hit] = bank.people(1)
    login("Manager", username="chen")
    batch = bank.make([hit], "chen")
    bank.send()
    marketer = login("Marketer", branch=bank.world.home, language="zh")
    assert marketer.get(f"/outreachbatchview/show/{batch}").status_code == 404
    opened = f'href="/outreachbatchview/show/{batch}"'
    listed = f"/outreachview/list/?_flt_0_batch={batch}"
    for person, links in ((marketer, False), (login("Manager", language="zh"), True)):
        page = person.get(listed).text
        assert f'<option value="{batch}" selected>#{batch} ' in page, "the filter has the batches of its rows"
        assert (opened in page) is links
        assert (opened in person.get(f"/leadview/show/{bank.lead_of(hit).id}").text) is links
    away = login("Marketer", branch=bank.world.away, language="zh")
    assert f'<option value="{batch}"' not in away.get("/outreachview/list/").text
