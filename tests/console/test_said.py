"""Stored messages are shown in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape

from flask import Flask
from flask_appbuilder import Model
from flask_babel import force_locale
from sqlalchemy import Table, insert, select, update
from sqlalchemy.orm import Session

from app.errors import DomainError, Said
from app.lib.said import SaidType
from app.models import Backtest, ChangeLog, JobRun, TickerStep
from tests.access.world import World
from tests.conftest import Person
from tests.console.site import furnished

#: table → a page that shows its message, and the other columns it needs
SHOWN: dict[str, tuple[str, dict[str, object]]] = {
    "audit_job": ("/auditjobview/show/{my_audit}", {}),
    "backtest": ("/backtestview/show/{backtest}", {"status": "failed"}),
    "bulk_job": ("/bulkjobview/show/{bulk}", {}),
    "delivery": ("/deliveryview/show/{dead_delivery}", {}),
    "delivery_attempt": ("/deliveryview/show/{dead_delivery}", {}),
    "export_job": ("/exportjobview/show/{my_export}", {}),
    "import_batch": ("/importbatchview/show/{given_up}", {}),
    "job_run": ("/jobrunview/show/{held}", {}),
    "journey_simulation": ("/journeysimulationview/show/{simulation}", {"status": "failed"}),
    "log_correction": ("/ingestfileview/show/{corrected_file}", {}),
    "mail": ("/remindermailview/list/", {}),
    "outreach": ("/outreachview/list/", {}),
    "outreach_batch": ("/outreachbatchview/show/{outreach_running}", {}),
    "outreach_gateway": ("/outreachgatewayview/list/", {"active": True, "failures": 3, "open_until": None}),
    "outreach_test": ("/outreachtestview/list/", {}),
    "target": ("/targetview/show/{target}", {}),
    "ticker_step": ("/jobrunview/list/", {}),
    "weekly_report": ("/weeklyreportview/show/{open_report}", {"attempts": 3}),
}


def messages() -> dict[str, tuple[Table, str]]:
    """Return the tables with a message column, and the column."""
    found = {}
    for table in Model.metadata.tables.values():
        [*columns] = [each.name for each in table.columns if isinstance(each.type, SaidType)]
        if columns:
            [found[table.name]] = [(table, column) for column in columns]
    return found


def message_of(table: str) -> Said:
    """Return a distinct message for each table, with another one nested in it."""
    inner = DomainError("the host %(host)s is not on the allow-list WEBHOOK_ALLOW", host=f"{table}.cn")
    return Said("the report could not be created: %(error)s", {"error": inner.said})


def store_everywhere(session: Session) -> None:
    """Store a message in every row of every table with a message column."""
    session.execute(
        insert(TickerStep).values(
            name="t1", failing_since="2026-10-26 01:00Z", failures=1, last_error=message_of("x")
        )
    )
    for name, (table, column) in messages().items():
        session.execute(update(table).values({column: message_of(name), **SHOWN[name][1]}))
    session.commit()


def test_every_stored_message_is_read_in_both_languages(
    app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    world, chinese = furnished(app, session, login, "zh")
    english = login("Admin", language="en", username="english")
    store_everywhere(session)
    assert set(messages()) == set(SHOWN)
    for language, person in (("zh", chinese), ("en", english)):
        unread = {}
        for name, (page, _values) in SHOWN.items():
            with app.test_request_context(), force_locale(language):
                words = message_of(name).text()
            if words not in unescape(person.get(page.format(**world.ids)).text):
                unread[name] = words
        assert unread == {}
    with app.test_request_context(), force_locale("zh"):
        assert message_of("x").text() == "报告未能生成：主机 x.cn 不在允许名单 WEBHOOK_ALLOW 中"


def test_the_change_log_tells_a_message_in_words(
    app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    world, person = furnished(app, session, login, "zh")
    row = session.get_one(Backtest, world.ids["backtest"])
    for name in ("a", "b"):
        row.status, row.error = "failed", message_of(name)
        session.commit()
    newest = select(ChangeLog.id).where(ChangeLog.object == "backtest").order_by(ChangeLog.id.desc()).limit(1)
    page = unescape(person.get(f"/changelogview/show/{session.scalar(newest)}").text)
    for name in ("a", "b"):
        assert f"报告未能生成：主机 {name}.cn 不在允许名单" in page


def test_what_a_database_can_not_hold_is_left_out(world: World, session: Session) -> None:
    run = session.scalars(select(JobRun).limit(1)).one()
    run.error = Said.as_is("a\0b\ud800" + "x" * 2000)
    session.commit()
    session.expire_all()
    assert str(run.error).startswith("ab?x")
    assert len(str(run.error)) == 1000
