"""The weekly report: figures of the effect page, once per user and week, in their scope and language."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pypdfium2
import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.effect import money
from app.effect.funnel import EffectFilters, Figures, count_funnel
from app.extensions import db
from app.hits.by_branch import NONE
from app.hits.counts import HitFilter
from app.jobs import mails as sending
from app.jobs.leases import MAX_ATTEMPTS
from app.lib.amounts import yuan
from app.mails.queue import MAILS, PAUSES
from app.models import Branch, ChangeLog, Hit, Lead, Mail, ReportSetting, Staff, WeeklyReport
from app.reports import plan, weeks, wording
from app.reports.content import TREND_WEEKS, Part, StageCounts, make_content
from app.reports.worker import make_reports
from config import Settings
from tests import clock
from tests.conftest import Person
from tests.effect.bank import ZONE, Bank
from tests.postbox import Postbox, serving

LONG_AGO = dt.timedelta(days=60)
#: settings as their form posts them
MONDAYS = {"active": "y", "weekday": "1", "at": "08:30"}


@pytest.fixture
def postbox(app: Flask) -> Iterator[Postbox]:
    with serving(app) as made:
        yield made


@pytest.fixture
def bank(app: Flask, session: Session) -> Bank:
    return Bank(session, app.config["SETTINGS"], seed=7)


@pytest.fixture
def manager(login: Callable[..., Person]) -> Person:
    return login("Manager", language="zh", username="boss")


def now() -> dt.datetime:
    return clock.now()


def due_week() -> dt.date:
    """Return the week whose report was due on the last Monday at 08:30."""
    moment = weeks.last_due(now().astimezone(ZONE), 1, dt.time(8, 30))
    return weeks.last_complete(moment.date())


def person(session: Session, username: str) -> Staff:
    return session.scalars(select(Staff).where(Staff.username == username)).one()


def switch_on(session: Session, manager: Person, *names: str) -> None:
    """Set the receivers of the report on Mondays through the form, and backdate that."""
    ids = [str(person(session, name).id) for name in names]
    assert manager.submit("/weeklyreportview/timing", {**MONDAYS, "receivers": ids}).status_code == 302
    session.execute(update(ReportSetting).values(since=now() - LONG_AGO))
    session.commit()


def ticked(app: Flask, at: dt.datetime | None = None) -> None:
    with app.app_context():
        plan.tick(at or now())


def worked(app: Flask, at: dt.datetime | None = None) -> int:
    """Create the requested reports and send the mails that are due. Return how many were sent."""
    with app.app_context():
        make_reports(at)
        return sending.send(at)


def figures(app: Flask, username: str, week: dt.date) -> Figures:
    """Return the figures of the effect page for a week and a user."""
    with app.app_context():
        who = db.session.scalars(select(Staff).where(Staff.username == username)).one()
        return count_funnel(EffectFilters(HitFilter(user=who, first=week, last=weeks.sunday_of(week)))).total


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    return "\n".join(page.get_textpage().get_text_bounded() for page in document)


def mails(session: Session) -> list[Mail]:
    session.expire_all()
    return list(session.scalars(select(Mail).where(Mail.kind == "report").order_by(Mail.id)))


def test_each_gets_their_own_figures_once_by_mail_with_a_pdf(
    app: Flask, session: Session, bank: Bank, postbox: Postbox, login: Callable[..., Person], manager: Person
) -> None:
    login("Marketer", branch=bank.branches["HOME"], username="anna")
    session.execute(update(Branch).where(Branch.code == "HOME").values(name="HOME\n*支行* #x <b>"))
    session.commit()
    switch_on(session, manager, "boss", "anna")
    ticks = [threading.Thread(target=ticked, args=[app]) for _ in range(2)]
    [each.start() for each in ticks]
    [each.join() for each in ticks]
    works = [threading.Thread(target=worked, args=[app]) for _ in range(2)]
    [each.start() for each in works]
    [each.join() for each in works]
    ticked(app)
    assert worked(app) == 0
    by_person = {mail["to"]: mail for mail in postbox.mails}
    assert sorted(by_person) == ["anna@example.com", "boss@example.com"]
    assert len(postbox.mails) == 2
    week = due_week()
    bank_wide, own = figures(app, "boss", week), figures(app, "anna", week)
    assert 0 < own.hit < bank_wide.hit
    for name, counted in (("boss", bank_wide), ("anna", own)):
        mail = by_person[f"{name}@example.com"]
        page, text = (mail.get_body((kind,)).get_content() for kind in ("html", "plain"))
        shown = re.findall(r"<b>([^<]+)</b>", page)
        reached = [f"{counted.hit:,}", f"{counted.pushed:,}", f"{counted.contacted:,}"]
        assert shown[:5] == [*reached, f"{counted.answered:,}", f"{counted.converted:,}"]
        assert shown[6] == f"¥{counted.cost:,.2f}"
        [attached] = mail.iter_attachments()
        assert attached.get_content_type() == "application/pdf"
        printed = text_of(attached.get_content())
        assert ("转化漏斗" in printed) == (name == "boss")
        assert f"¥{counted.cost:,.2f}" in printed
        assert "https://lm.bank.example/weeklyreportview/show/" in text
        for lead in session.scalars(select(Lead)):
            assert not any(
                each in part for part in (page, text, printed) for each in (lead.name, lead.lead_no)
            )
    assert by_person["boss@example.com"]["subject"].startswith("营销周报")
    assert "HOME *支行* #x <b> and below" in by_person["anna@example.com"]["subject"]
    assert "*支行* #x <b>" in text_of(next(by_person["anna@example.com"].iter_attachments()).get_content())


def test_an_outage_is_caught_up_once_and_a_change_of_times_sends_nothing_late(
    app: Flask, session: Session, postbox: Postbox, manager: Person
) -> None:
    ids = [str(person(session, "boss").id)]
    manager.submit("/weeklyreportview/timing", {**MONDAYS, "receivers": ids})
    ticked(app)
    assert mails(session) == []  # due before sending was switched on
    switch_on(session, manager, "boss")
    session.execute(update(ReportSetting).values(planned_week=due_week() - 5 * weeks.WEEK))
    session.commit()
    for _ in range(2):
        ticked(app)
    [mail] = mails(session)
    assert mail.week == due_week()
    manager.submit("/weeklyreportview/timing", {**MONDAYS, "active": "", "receivers": ids})
    ticked(app, now() + weeks.WEEK)
    assert len(mails(session)) == 1
    manager.submit("/weeklyreportview/timing", {**MONDAYS, "receivers": ids})
    ticked(app, now() + weeks.WEEK)
    assert [each.week for each in mails(session)] == [due_week(), due_week() + weeks.WEEK]


def test_failures_are_tried_again_shown_and_a_lost_worker_is_replaced(
    app: Flask, session: Session, postbox: Postbox, manager: Person
) -> None:
    switch_on(session, manager, "boss")
    ticked(app)
    begun = now()
    postbox.refuse = "451 later"
    assert worked(app, begun) == 0
    [mail] = mails(session)
    assert (mail.status, mail.attempts) == ("waiting", 1)
    assert worked(app, begun) == 0
    assert mails(session)[0].attempts == 1
    postbox.refuse = "550 never"
    worked(app, begun + PAUSES[0])
    [mail] = mails(session)
    assert (mail.status, str(mail.answer)) == ("failed", "the mail server refused: 550")
    listed = manager.get("/reportmailview/list/?_flt_1_status=failed").get_data(as_text=True)
    assert "邮件服务器拒绝：550" in listed
    assert '营销周报 <b class="badge">1</b>' in listed
    postbox.refuse = ""
    manager.submit(f"/reportmailview/action/retry/{mail.id}")
    # A worker claimed it and died: nobody else does until its lease expires.
    held = {"status": "sending", "lease_owner": "lost"}
    lease = dt.timedelta(seconds=MAILS.seconds)
    session.execute(update(Mail).values(held | {"lease_until": now() + lease}))
    session.commit()
    assert worked(app, now()) == 0
    session.execute(update(Mail).values(lease_until=now() - lease))
    session.commit()
    assert worked(app, now()) == 1
    [got] = postbox.mails
    assert got["message-id"] == f"<{mail.key}@bank.example>"
    assert mails(session)[0].status == "sent"


@pytest.mark.parametrize("hours", [3, -3])
def test_a_lease_goes_by_the_databases_clock(
    app: Flask, session: Session, postbox: Postbox, manager: Person, hours: int
) -> None:
    switch_on(session, manager, "boss")
    ticked(app)
    begun = now()

    def lease_until(moment: dt.datetime) -> None:
        session.execute(update(Mail).values(status="sending", lease_owner="x", lease_until=moment))
        session.commit()

    with time_machine.travel(begun + dt.timedelta(hours=hours)):
        lease_until(begun + dt.timedelta(seconds=MAILS.seconds))
        assert worked(app) == 0, "alive"
        lease_until(begun)
        assert worked(app) == 1, "its worker is gone"
    [mail] = mails(session)
    assert begun <= mail.done_at <= now()


def test_who_may_not_see_it_any_more_gets_nothing(
    app: Flask, session: Session, bank: Bank, postbox: Postbox, login: Callable[..., Person], manager: Person
) -> None:
    login("Marketer", branch=bank.branches["HOME"], username="anna")
    login("Marketer", branch=bank.branches["SUB"], username="berta")
    login("Marketer", branch=bank.branches["AWAY"], username="gone")
    login("Marketer", username="nowhere")
    switch_on(session, manager, "boss", "anna", "berta", "gone")
    refused = {**MONDAYS, "receivers": [str(person(session, "nowhere").id)]}
    assert manager.submit("/weeklyreportview/timing", refused).status_code == 200
    session.execute(update(Staff).where(Staff.username == "gone").values(active=False))
    session.commit()
    ticked(app)
    begun = now()
    postbox.refuse = "451 later"
    for name in ("anna", "berta"):  # one before the report is created, one between two attempts
        elsewhere = {"branch_id": bank.branches["AWAY"].id}
        session.execute(update(Staff).where(Staff.username == name).values(elsewhere))
        session.commit()
        worked(app, begun)
    postbox.refuse = ""
    worked(app, begun + PAUSES[0])
    assert [mail["to"] for mail in postbox.mails] == ["boss@example.com"]
    failed = [mail.person.username for mail in mails(session) if mail.status == "failed"]
    assert sorted(failed) == ["anna", "berta"]


def test_a_report_is_made_read_and_downloaded_in_row_scope(
    app: Flask, session: Session, bank: Bank, login: Callable[..., Person], manager: Person
) -> None:
    week = due_week()
    assert manager.submit("/weeklyreportview/make", {"week": str(week + 3 * weeks.WEEK)}).status_code == 200
    answer = manager.submit("/weeklyreportview/make", {"week": str(week)})
    report = answer.location.rsplit("/", 1)[1]
    assert manager.get(f"/weeklyreportview/progress/{report}").json["done"] is False
    assert manager.get(f"/weeklyreportview/pdf/{report}").status_code == 404
    worked(app)
    counted = figures(app, "boss", week)
    page = manager.get(f"/weeklyreportview/show/{report}").get_data(as_text=True)
    assert f"<b>{counted.hit:,}</b>" in page
    printed = text_of(manager.get(f"/weeklyreportview/pdf/{report}").data)
    assert "营销周报" in printed
    assert f"{counted.hit:,}" in manager.get(f"/weeklyreportview/html/{report}").get_data(as_text=True)
    anna = login("Marketer", branch=bank.branches["HOME"], username="anna")
    for path in ("show", "pdf", "html", "progress"):
        assert anna.get(f"/weeklyreportview/{path}/{report}").status_code == 404
    with app.app_context():
        plan.request_report(week, db.session.scalars(select(Staff).where(Staff.username == "anna")).one())
    worked(app)
    own = session.scalars(select(WeeklyReport.id).where(WeeklyReport.branch_id.is_not(None))).one()
    assert f"<b>{figures(app, 'anna', week).hit:,}</b>" in anna.get(f"/weeklyreportview/show/{own}").get_data(
        as_text=True
    )
    told = anna.submit(f"/weeklyreportview/action/send_to_me/{own}", follow_redirects=True)
    assert "SMTP_URL is not set" in told.get_data(as_text=True)
    assert mails(session) == []


def test_a_report_that_fails_says_so_and_is_given_up(
    app: Flask, session: Session, manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = manager.submit("/weeklyreportview/make", {"week": str(due_week())}).location.rsplit("/", 1)[1]

    def broken(*_args: Any) -> None:
        raise OSError("disk")

    monkeypatch.setattr("app.reports.worker.make_content", broken)
    worked(app)
    [row] = session.scalars(select(WeeklyReport))
    assert (row.attempts, str(row.error)) == (MAX_ATTEMPTS, "OSError: see the worker's log")
    assert manager.get(f"/weeklyreportview/progress/{report}").json["status"] == "failed"
    monkeypatch.undo()
    manager.submit("/weeklyreportview/make", {"week": str(due_week())})
    worked(app)
    assert manager.get(f"/weeklyreportview/pdf/{report}").status_code == 200


def test_money_is_that_of_the_effect_page_and_says_what_is_missing(
    app: Flask, session: Session, bank: Bank, manager: Person
) -> None:
    bank.deliver()
    week = due_week()
    with app.app_context():
        boss = db.session.scalars(select(Staff).where(Staff.username == "boss")).one()
        filters = EffectFilters(HitFilter(user=boss, first=week, last=weeks.sunday_of(week)))
        expected = sum((money.of_effects([each]) for each in money.by_rule(filters).values()), money.NOBODY)
    assert expected.brought is not None

    def printed() -> str:
        made = manager.submit("/weeklyreportview/make", {"week": str(week)}).location.rsplit("/", 1)[1]
        session.execute(update(WeeklyReport).values(made_at=None, attempts=0))
        session.commit()
        worked(app)
        page = str(manager.get(f"/weeklyreportview/show/{made}").text)
        pdf = text_of(manager.get(f"/weeklyreportview/pdf/{made}").data)
        assert all(title in text for title in ("按指标看收益", "按模板看收益") for text in (page, pdf))
        return page

    page = printed()
    for shown in (expected.amount, expected.margin, expected.brought.caused.value):
        assert re.search(rf"<td[^>]*>(<span>)?{re.escape(yuan(shown))}", page)
    assert "此处的客户都已触达" in page
    assert "没有任何指标设对照组" not in page
    session.execute(update(Hit).values(holdout=False))
    assert "没有任何指标设对照组" in printed()


@pytest.mark.parametrize("empty", [True, False])
def test_the_trend_has_every_week_also_those_without_a_hit(
    app: Flask, session: Session, settings: Settings, manager: Person, empty: bool
) -> None:
    if not empty:
        Bank(session, settings, seed=7)
    week = due_week()
    expected = []
    for back in range(TREND_WEEKS - 1, -1, -1):
        monday = week - back * weeks.WEEK
        of_week = Hit.live, Hit.hit_date.between(monday, weeks.sunday_of(monday))
        statuses = list(session.scalars(select(Hit.status).where(*of_week)))
        expected.append((monday.isoformat(), len(statuses), statuses.count("converted")))
    assert any(hits for _week, hits, _converted in expected) != empty
    with app.app_context():
        boss = db.session.scalars(select(Staff).where(Staff.username == "boss")).one()
        trend = make_content(week, boss).trend
    assert [(each.week, each.hits, each.converted) for each in trend] == expected


def steps(hits: int, cost: int = 0) -> StageCounts:
    counted = dict.fromkeys(("hit", "pushed", "contacted", "answered", "converted"), hits)
    return StageCounts(**counted, cost=Decimal(cost))


def test_a_week_after_an_empty_one_has_no_differences(app: Flask) -> None:
    with app.test_request_context():
        assert {card.change for card in wording._cards(steps(1580), steps(0))} == {""}
        assert wording._cards(steps(1580), steps(1000))[0].change == "+580 (+58.0%)"


@pytest.mark.parametrize(
    ("length", "part", "widths"),
    [(0, 0, [100.0]), (100, 1, [100.0]), (40, 1, [40.0, 60.0]), (40, 0.25, [10.0, 30.0, 60.0])],
)
def test_a_bar_has_no_cell_without_a_width(
    app: Flask, length: float, part: float, widths: list[float]
) -> None:
    """In a table of fixed layout a cell of width 0 would share what is left."""
    bar = app.jinja_env.get_template("reports/bars.html").module.bar_of(length, part)  # type: ignore[attr-defined]
    assert [float(each) for each in re.findall(r'width="([\d.]+)%"', bar)] == widths


def test_costs_without_a_contact_are_explained(app: Flask) -> None:
    with app.test_request_context():
        free, paid = (Part(key=NONE, steps=steps(613, cost)) for cost in (0, 2))
        assert wording._table("channel", [paid]).notes == [wording._charged()]
        assert not wording._table("channel", [free]).notes
        assert not wording._table("branch", [paid]).notes


def test_changes_of_when_and_to_whom_are_in_the_change_log(
    app: Flask, session: Session, manager: Person
) -> None:
    switch_on(session, manager, "boss")
    found = session.scalars(select(ChangeLog).where(ChangeLog.actor == "boss")).all()
    assert {entry.object for entry in found} >= {"report_setting", "report_receiver"}
