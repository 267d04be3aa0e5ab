"""Reveals of phone numbers: with permission, a reason, a record and a limit."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import FieldError
from app.extensions import db
from app.leads.number_limit import TooManyNumbers
from app.leads.reveal import reveal
from app.models import Lead, Reveal
from tests.access.world import World


@pytest.fixture
def look(app: Flask, world: World) -> Callable[..., str]:
    def at(name: str = "lead_home", reason: str | None = "客户要求回电", user: str = "k1") -> str:
        with app.app_context():
            return reveal(db.session.get_one(Lead, world.ids[name]), reason, user, "10.0.0.7")

    return at


def test_the_number_comes_with_a_record(look: Callable[..., str], session: Session) -> None:
    assert look() == "13800000001"
    row = session.scalars(select(Reveal)).one()
    assert (row.reason, row.revealed_by, row.address) == ("客户要求回电", "k1", "10.0.0.7")


@pytest.mark.parametrize("reason", [None, "", "   ", "abc", " a b ", "x" * 256])
def test_no_reason_no_number(reason: str | None, look: Callable[..., str], session: Session) -> None:
    with pytest.raises(FieldError) as caught:
        look(reason=reason)
    assert caught.value.field == "reason"
    assert session.scalars(select(Reveal)).all() == []


def test_numbers_in_a_reason_are_masked(look: Callable[..., str], session: Session) -> None:
    look(reason="回拨 13911112222，证件 310101199709060963")
    kept = session.scalars(select(Reveal.reason)).one()
    assert "13911112222" not in kept
    assert "310101199709060963" not in kept
    assert "139****2222" in kept


def test_the_limit_is_a_persons_own_and_of_an_hour(
    app: Flask, look: Callable[..., str], session: Session
) -> None:
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], reveals_per_hour=2)
    look()
    look("lead_away")
    with pytest.raises(TooManyNumbers):
        look()
    assert look(user="k2") == "13800000001"
    for row in session.scalars(select(Reveal).where(Reveal.revealed_by == "k1")):
        row.revealed_at = row.revealed_at.replace(year=2020)
    session.commit()
    assert look() == "13800000001"


def test_the_limit_holds_when_many_ask_at_once(
    app: Flask, look: Callable[..., str], session: Session
) -> None:
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], reveals_per_hour=3)
    seen: list[str] = []
    start = threading.Barrier(8)

    def try_it() -> None:
        start.wait()
        try:
            seen.append(look())
        except TooManyNumbers:
            seen.append("")

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [""] * 5 + ["13800000001"] * 3
    assert len(session.scalars(select(Reveal)).all()) == 3


def test_nothing_in_the_log(look: Callable[..., str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    number = look()
    assert number not in caplog.text
