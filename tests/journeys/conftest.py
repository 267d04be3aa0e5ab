"""Fixtures: a bank in which journeys are executed, and the example of a simulation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.outreach import sandbox
from tests.journeys.bank import Bank
from tests.journeys.example import draft, records
from tests.journeys.support import AROUND
from tests.journeys.test_past import FIRST, at

__all__ = ["bank", "draft", "records"]


@pytest.fixture
def bank(
    app: Flask,
    cli: Callable[..., Any],
    session: Session,
    tmp_path: Path,
    set_clock: Callable[[dt.datetime | None], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Bank:
    """Return a bank before its first day, in which the sandbox's customers never answer."""
    monkeypatch.setattr(sandbox, "OUTCOMES", {each: [(100, [[3, "delivered"]])] for each in ("sms", "call")})
    set_clock(at(FIRST))
    made = Bank(app, cli, session, tmp_path, set_clock)
    made.apply(**AROUND)
    return made
