"""The campaign name of a batch and the moment at which it starts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.extensions import db
from app.leads import suppression
from app.models import Approval, Outreach, OutreachBatch
from app.outreach import sending
from tests import clock
from tests.conftest import Person
from tests.outreach.conftest import Bank

HOURS = {"open_from": "09:00", "open_to": "20:00"}
NAME = "冬季活动"


def at(days: int, time: str) -> list[str]:
    """Return the posted start at a time some days from today."""
    return ["at", str(clock.today() + dt.timedelta(days=days)), time]


def moment(start: list[str]) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{start[1]}T{start[2]}").replace(tzinfo=clock.ZONE)


def many(bank: Bank, hits: list[int]) -> str:
    return f"/hitview/contact_many/sms?ids={','.join(map(str, hits))}"


def test_a_batch_waits_for_its_time_and_is_checked_again_then(
    bank: Bank, manager: Person, session: Session
) -> None:
    bank.rules(**HOURS)
    hits = bank.people(3)
    path, form = many(bank, hits), {"template": bank.templates["sms"].id, "name": NAME}
    assert f'value="模板 sms {clock.today()}"' in manager.get(path).text, "a name is proposed"
    nameless = manager.submit(path, form | {"name": " "})
    assert nameless.status_code == 200
    assert 'id="name-error"' in nameless.text
    late = manager.submit(path, form | {"start": at(1, "22:00")}).text
    assert f"仅可在 09:00 至 20:00 触达客户。下一个允许的时刻是 {at(2, '')[1]} 09:00。" in late
    assert f'data-take-day="{at(2, "")[1]}" data-take-time="09:00"' in late
    assert f'value="{NAME}"' in late, "what was typed is kept"
    assert "已过" in manager.submit(path, form | {"start": at(-1, "10:00")}).text
    assert "最多可提前 90 天" in manager.submit(path, form | {"start": at(120, "10:00")}).text
    assert "请填写开始的日期和时间" in manager.submit(path, form | {"start": ["at", "", ""]}).text

    start = at(1, "10:00")
    answer = manager.submit(path, form | {"start": start})
    batch = int(answer.headers["Location"].rsplit("/", 1)[1])
    confirm = manager.get(f"/outreachbatchview/confirm/{batch}").text
    assert f'<details class="start-settled"><summary>{start[1]} 10:00' in confirm, "asked once"
    assert f'value="{start[1]}"' in confirm
    assert '<b class="num">3</b> 位客户将收到短信' in confirm
    assert f"已定时：将于 {start[1]} 10:00 开始" in bank.confirm(manager, batch).text
    scheduled = f"已定时（{start[1][5:]} 10:00）"
    assert scheduled in manager.get("/outreachbatchview/list/?_flt_0_status=time").text
    assert scheduled in manager.get(f"/outreachbatchview/show/{batch}").text
    assert "冬季活动" not in manager.get("/outreachbatchview/list/?_flt_0_status=running").text
    assert NAME in manager.get("/outreachbatchview/list/").text
    assert bank.send() == 0
    assert bank.send(moment(start) - dt.timedelta(minutes=1)) == 0
    with bank.app.app_context():
        target = suppression.hash_target(bank.lead_of(hits[0]).id_hash)
        suppression.add(db.session, target, reason="投诉", user="x", today=clock.today())
        db.session.commit()
        assert sending.due(moment(start)), "the ticker asks a worker"
    watched = f"/outreachbatchview/progress/{batch}"
    assert manager.get(watched).json["progress"] == 0
    bank.send(moment(start))
    assert bank.outcomes(batch)[hits[0]] == ("held", "opted_out")
    assert bank.outcomes(batch)[hits[1]] == ("sent", "")
    assert manager.get(watched).json["summary"] == "已触达 2 / 2；另拦截 1，未知 0"


def closed_now() -> tuple[dict[str, str], str]:
    """Return contact hours that don't include this moment, and when they begin as a state says it."""
    now = clock.now().astimezone(clock.ZONE)
    if now.hour < 12:
        return {"open_from": "22:00", "open_to": "23:00"}, "22:00"
    return {"open_from": "01:00", "open_to": "02:00"}, f"{now + dt.timedelta(days=1):%m-%d} 01:00"


def test_outside_contact_hours_everything_says_that_a_batch_waits(bank: Bank, manager: Person) -> None:
    hits = bank.people(2)
    assert "当前不在触达时段" not in manager.get(many(bank, hits)).text
    rules, opens = closed_now()
    bank.rules(**rules)
    path = many(bank, hits)
    assert re.search(rf"当前不在触达时段，将于 <time>[-0-9 ]*{opens}</time> 开始", manager.get(path).text)
    batch = bank.start(manager, hits)
    confirmed = bank.confirm(manager, batch).text
    assert re.search(rf"等待触达时段：将于 [-0-9 ]*{opens} 开始", confirmed), "the message says when it goes"
    assert f"等待触达时段（{opens}）" in confirmed
    assert (
        f"等待触达时段（{opens}）" in manager.get(f"/outreachbatchview/progress/{batch}").json["status_text"]
    )
    assert "发送中" not in confirmed[confirmed.index("<main") :]
    assert NAME in manager.get("/outreachbatchview/list/?_flt_0_status=hours").text
    assert NAME not in manager.get("/outreachbatchview/list/?_flt_0_status=running").text
    assert manager.get("/outreachbatchview/list/?_flt_0_status=sleeping").status_code == 400


def test_the_start_of_a_batch_is_when_its_first_contact_was_made(bank: Bank, manager: Person) -> None:
    hits = bank.people(2)
    over, stopped, planned = (bank.start(manager, hits[:n]) for n in (2, 1, 1))
    for each in (over, stopped, planned):
        bank.confirm(manager, each)
    manager.submit(f"/outreachbatchview/action/cancel/{stopped}")
    bank.send()
    noon = dt.datetime.combine(clock.today() - dt.timedelta(days=9), dt.time(12), clock.ZONE)
    bank.session.execute(update(Outreach).where(Outreach.batch_id == over).values(sent_at=noon))
    bank.session.commit()
    bank.set(OutreachBatch, planned, status="running", confirmed_at=noon)
    bank.session.execute(update(Outreach).where(Outreach.batch_id == planned).values(sent_at=None))
    bank.session.commit()
    rules, _opens = closed_now()
    bank.rules(**rules)

    def start(batch: int) -> str:
        page = manager.get(f"/outreachbatchview/show/{batch}").text
        found = re.search(r"<dt>开始时间.*?</dt>\s*<dd[^>]*>(.*?)</dd>", page, re.DOTALL)
        assert found
        return found[1].strip()

    assert start(over) == f"{noon:%Y-%m-%d} 12:00"
    assert start(stopped) == "未开始"
    opens = rules["open_from"]
    planned_day = noon.date() + dt.timedelta(days=opens == "01:00")
    assert start(planned) == f"{planned_day} {opens}", "planned when it was confirmed, not now"


def test_customers_and_hits_have_their_words(bank: Bank, manager: Person) -> None:
    hits = bank.people(2)
    one = many(bank, hits)
    assert "已勾选 2 位客户（2 条命中）" in manager.get(one).text
    page = manager.get(f"/outreachbatchview/show/{bank.start(manager, hits)}").text
    assert "已勾选 2 位客户（2 条命中）" in page
    assert "将触达 2 位客户，拦截 0 条命中" in manager.get("/outreachbatchview/list/").text


def test_the_list_shows_results_and_names_differ(bank: Bank, manager: Person) -> None:
    hits = bank.people(4)
    proposed = f"模板 sms {clock.today()}"
    batch = bank.make(hits[:3], "chen")
    assert bank.batch(batch).name == proposed
    assert f'value="{proposed}（2）"' in manager.get(many(bank, hits[3:] + hits[:1])).text
    second = bank.make(hits[3:], "chen")
    assert bank.batch(second).name == f"{proposed}（2）"
    listed = manager.get("/outreachbatchview/list/").text
    assert "待发送 3" in listed
    assert "将触达" not in listed, "confirmed batches show what came of them"
    bank.send()
    ids = list(bank.outcomes(batch))
    for hit, status in zip(ids, ("answered", "failed", "delivered"), strict=True):
        bank.session.execute(update(Outreach).where(Outreach.hit_id == hit).values(status=status))
    bank.session.commit()
    counts = "已发送 2 · 有回应 1 · 失败 1"
    batch_list = manager.get("/outreachbatchview/list/").text
    assert f'<span class="clip" title="{counts}">' in batch_list, "narrow where it must be, whole on hover"
    contacted = re.findall(
        r'class="compact dated" title="([^"]*)"', manager.get("/customerview/list/?_flt_0_state=all").text
    )
    assert contacted, "customers with a last contact"
    assert all(each.endswith(" · 短信") for each in contacted), "what is cut off is not the result"


def test_a_scheduled_batch_can_be_cancelled(bank: Bank, manager: Person) -> None:
    hits = bank.people(2)
    batch = bank.start(manager, hits)
    start = at(3, "10:00")
    manager.submit(f"/outreachbatchview/confirm/{batch}", {"start": start})
    assert bank.batch(batch).send_at == moment(start), "the time is chosen with the confirmation, too"
    manager.submit(f"/outreachbatchview/action/cancel/{batch}")
    assert bank.batch(batch).status == "cancelled"
    bank.send(moment(start))
    assert set(bank.outcomes(batch).values()) == {("dropped", "cancelled")}


def test_a_time_that_rules_forbid_by_now_is_refused_at_confirmation(bank: Bank, manager: Person) -> None:
    batch = bank.start(manager, bank.people(2))
    bank.set(OutreachBatch, batch, send_at=moment(at(1, "22:00")))
    bank.rules(**HOURS)
    refused = manager.submit(f"/outreachbatchview/confirm/{batch}", {"start": at(1, "22:00")})
    assert f"改用 {at(2, '')[1]} 09:00" in refused.text
    assert '<details class="start-settled" open>' in refused.text
    assert bank.batch(batch).status == "checked"


def test_who_approves_reads_name_and_start(
    bank: Bank, manager: Person, login: Callable[..., Person], session: Session
) -> None:
    bank.rules(approval_above=1)
    batch, start = bank.start(manager, bank.people(2)), at(2, "10:00")
    manager.submit(f"/outreachbatchview/confirm/{batch}", {"start": start, "reason": "季度活动"})
    asked = session.scalars(select(Approval).order_by(Approval.id.desc()).limit(1)).one()
    assert asked.title == NAME, "a title is the same in every language"
    assert ["活动名称", "", NAME] in asked.changes["zh"]
    assert ["将触达", "", "2 条命中"] in asked.changes["zh"]
    assert ["开始时间", "", f"{start[1]} 10:00"] in asked.changes["zh"]
    checker = login("Manager", username="checker")
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert bank.batch(batch).waits_for == "time"
    bank.send(moment(start))
    assert set(bank.outcomes(batch).values()) == {("sent", "")}


def test_calls_are_not_described_as_sms(bank: Bank, manager: Person) -> None:
    hits = bank.people(2)
    batch = bank.start(manager, hits, "call")
    for path in (
        f"/hitview/contact_many/call?ids={hits[0]},{hits[1]}",
        f"/outreachbatchview/show/{batch}",
        f"/outreachbatchview/confirm/{batch}",
    ):
        page = manager.get(path).text
        shown = page[page.index("<main") : page.index("</main>")]
        for name in ("条命中", "模板 call", "外呼模板"):
            shown = shown.replace(name, "")
        assert "外呼" in shown
        assert not [word for word in ("短信", "发送", "条", "模板") if word in shown], path
    assert "通读约" in page
