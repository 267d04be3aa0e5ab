"""A host with a wrong clock: dates and ages come from the database's clock."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import time_machine
from flask import Flask
from flask_babel import lazy_gettext
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.doctor import results
from app.extensions import db
from app.jobs import ticker
from app.lib import clock
from app.models import Tag
from tests.clock import ZONE
from tests.conftest import Person
from tests.database import libpq, superuser

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


AWAY = dt.datetime(2031, 5, 17, 3, 30, tzinfo=dt.UTC)
SetClock = Callable[[dt.datetime | None], None]


def test_processes_rows_and_sql_share_the_moved_clock(
    app: Flask, session: Session, set_clock: SetClock
) -> None:
    set_clock(AWAY)
    with app.app_context():
        assert AWAY <= clock.now() < AWAY + HOURS
    session.add(Tag(code="t", name="旅行", colour="blue", created_by="x"))
    session.commit()
    started = session.scalars(select(Tag.created_at)).one()
    assert AWAY <= started < AWAY + HOURS
    first, second = session.execute(text("SELECT app_now(now()), app_now(now())")).one()
    assert first == second, "one moment in a transaction"
    noted = session.execute(
        text("SELECT time > now() - interval '1 hour' FROM change_log WHERE object = 'tag'")
    )
    assert noted.scalars().all() == [True], "the change log bears the server's own time"
    assert session.scalar(text("SELECT count(*) FROM change_log WHERE object = 'app_clock'")) == 1
    set_clock(None)
    session.rollback()
    assert abs(session.scalars(select(clock.MOMENT)).one() - moment(session)) < HOURS


def test_asking_for_the_time_costs_no_call(session: Session, set_clock: SetClock) -> None:
    """A call would be paid for every row of a mass insert."""
    plan = "EXPLAIN VERBOSE SELECT app_now(now()), app_now()"
    assert "app_now" not in str(session.execute(text(plan)).all())
    set_clock(AWAY)
    session.rollback()
    shown = str(session.execute(text(plan)).all())
    assert "app_now" not in shown
    assert "interval" in shown


def test_only_the_owner_moves_it(session: Session, app: Flask) -> None:
    """Not even somebody to whom all rights on the table were granted."""
    role = f"clerk_{uuid.uuid4().hex[:8]}"
    with superuser(session.get_bind().url) as connection:  # type: ignore[union-attr]
        connection.execute(f"CREATE ROLE {role} LOGIN")
        try:
            connection.execute(f"GRANT ALL ON app_clock TO {role}")
            connection.commit()
            clerk = session.get_bind().url.set(username=role)  # type: ignore[union-attr]
            with psycopg.connect(libpq(clerk)) as own:
                for move in (
                    "UPDATE app_clock SET ahead = '1 day'",
                    "DELETE FROM app_clock",
                    "TRUNCATE app_clock",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        own.execute(move)
                    own.rollback()
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    own.execute(
                        "CREATE OR REPLACE FUNCTION app_now(of timestamptz DEFAULT clock_timestamp())"
                        " RETURNS timestamptz LANGUAGE sql RETURN of"
                    )
        finally:
            connection.rollback()
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_in_production_nobody_moves_it(
    app: Flask, session: Session, cli: Callable[..., Any], set_clock: SetClock
) -> None:
    assert cli("clock", "--set", "2031-05-17 11:30").exit_code == 0
    shown = json.loads(cli("clock", "--json").stdout)
    assert shown["now"].startswith("2031-05-17T11:3"), "local time"
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], app_env="production")
    refused = cli("clock", "--reset")
    assert (refused.exit_code, "was moved by" in refused.stderr) == (1, True)
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], app_env="development")
    assert cli("clock", "--reset").exit_code == 0
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], app_env="production")
    refused = cli("clock", "--set", "2031-05-17 11:30")
    assert (refused.exit_code, "is never moved" in refused.stderr) == (1, True)
    for lie in ("production = false", "ahead = '1 day'", "production = false, ahead = '1 day'"):
        with pytest.raises(IntegrityError):
            session.execute(text(f"UPDATE app_clock SET {lie}"))
        session.rollback()
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], app_env="development")
    assert cli("clock").exit_code == 0
    assert session.scalars(text("SELECT production FROM app_clock")).one(), "and it stays so"


def test_the_doctor_sees_another_app_now(app: Flask, session: Session) -> None:
    with app.app_context():
        assert results(app.config["SETTINGS"])["clock"].ok
        other = (
            "CREATE OR REPLACE FUNCTION app_now(of timestamptz DEFAULT clock_timestamp()) RETURNS timestamptz"
        )
        body = " LANGUAGE sql STABLE PARALLEL SAFE RETURN of"
        session.execute(text(f"{other}{body} - interval '3 hours'"))
        session.commit()
        try:
            assert not results(app.config["SETTINGS"])["clock"].ok
        finally:
            session.execute(text(other + body))
            session.commit()
