"""A host with a wrong clock: dates and ages come from the database's clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
import time_machine
from flask import Flask
from flask_babel import lazy_gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.extensions import db
from app.jobs import ticker
from tests.clock import ZONE
from tests.conftest import Person

HOURS = dt.timedelta(hours=1)


def moment(session: Session) -> dt.datetime:
    """Return the time by the database's clock."""
    return session.scalars(select(func.clock_timestamp())).one()


@pytest.mark.parametrize("hours", [24, -24])
def test_the_date_on_screen_is_the_databases(
    login: Callable[..., Person], session: Session, hours: int
) -> None:
    person = login("Marketer")
    before = moment(session)
    with time_machine.travel(before + hours * HOURS):
        page = person.get("/", follow_redirects=True).text
    days = {each.astimezone(ZONE).date() for each in (before, moment(session))}
    assert any(f'<span class="today">{day}' in page for day in days)


@pytest.mark.parametrize("hours", [3, -3])
def test_the_ticker_goes_by_the_databases_clock(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    class OneTick:
        """Stops the ticker after its first tick."""

        over = False

        def is_set(self) -> bool:
            return self.over

        def wait(self, seconds: float) -> None:
            self.over = True

    given: list[dt.datetime] = []
    monkeypatch.setattr(ticker, "STEPS", (ticker.Step("look", lazy_gettext("Look"), given.append),))
    before = moment(session)
    with time_machine.travel(before + hours * HOURS), app.app_context():
        ticker.run_forever(OneTick(), 0)  # type: ignore[arg-type]
        assert not db.session().in_transaction()
    assert before <= given[0] <= moment(session)
