"""Fixtures: a bank in which journeys are executed, and the example of a simulation."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
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


@pytest.fixture
def check(cli: Callable[..., Any], tmp_path: Path) -> Callable[[Any], tuple[int, dict[str, Any]]]:
    """Return a function that checks a file of journeys. It returns the exit code and what is said."""

    def run(content: Any) -> tuple[int, dict[str, Any]]:
        file = tmp_path / "journeys.yaml"
        file.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
        result = cli("journeys", "check", file, "--json")
        return result.exit_code, json.loads(result.stdout)

    return run
