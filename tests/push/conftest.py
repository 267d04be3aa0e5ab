"""Fixtures for pushes: leads with hits, targets, a receiver, and a clock that tests set."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.channels import targets
from app.extensions import db
from app.models import Branch, Hit, Rule, RuleVersion, Schedule
from app.push import deliver
from app.push.tick import tick
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from config import Settings
from tests.access.world import hit as hit_of
from tests.access.world import lead as lead_of
from tests.push.receiver import Receiver, serve

ZONE = ZoneInfo("Asia/Shanghai")
RULE = {
    "code": "R-1",
    "name": "活跃",
    "conditions": [{"metric": "calls", "op": ">=", "value": 3, "window_days": 7}],
}


def local(text: str) -> dt.datetime:
    """Parse ``2026-10-26 09:00`` as a local moment."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZONE)


class Bank:
    """A bank with schedules, targets and hits, and a clock of its own."""

    def __init__(self, app: Flask, session: Session, settings: Settings) -> None:
        self.app, self.session, self.settings = app, session, settings
        self.now = local("2026-10-26 08:00")
        self._leads = 0

    def schedule(self, *channels: tuple[str, str], code: str = "S-1", **spec: Any) -> Schedule:
        """Apply a schedule of the rule R-1 with the channels, hourly by default."""
        content = {
            "rules": [RULE],
            "schedules": [
                {
                    "code": code,
                    "name": "每小时",
                    "rules": ["R-1"],
                    "preset": "hourly",
                    "channels": [{"kind": kind, "target": target} for kind, target in channels],
                    **spec,
                }
            ],
        }
        with self.app.app_context():
            apply_config(parse_config(content, "test"), "tester")
        return self.session.scalars(select(Schedule).where(Schedule.code == code)).one()

    def target(self, kind: str, code: str, **given: Any) -> str:
        """Create a working target. Return its secret, if it has one."""
        with self.app.app_context():
            target = targets.create(kind, code, code.upper(), given, "tester")
            secret = ""
            if targets.channel(kind).signs:
                secret = targets.new_secret(target, self.settings)
                targets.resume(target)
            db.session.commit()
        return secret

    def hits(self, count: int, *, branch: Branch | None = None, **columns: Any) -> list[Hit]:
        """Create leads, each with a hit of R-1."""
        version = self.session.scalars(select(RuleVersion).join(Rule, RuleVersion.rule)).first()
        assert version is not None
        made = []
        for _ in range(count):
            self._leads += 1
            lead = lead_of(self.settings, self._leads % 10, branch or _nowhere())
            lead.lead_no, lead.id_hash = f"L{self._leads}", f"{self._leads:064x}"
            lead.branch = branch
            self.session.add(lead)
            self.session.flush()
            made.append(hit_of(lead, version, "waiting"))
            for key, value in columns.items():
                setattr(made[-1], key, value)
        self.session.add_all(made)
        self.session.commit()
        return made

    def tick(self, at: str = "") -> list[int]:
        """Set the clock and tick."""
        if at:
            self.now = local(at)
        with self.app.app_context():
            return tick(self.now)

    def send(self) -> int:
        """Send what is due now. Return the number of attempts."""
        with self.app.app_context():
            return deliver.work(lambda: self.now, wait=False)

    def all(self, model: type[Any]) -> list[Any]:
        """Return the current rows of a table in order."""
        self.session.expire_all()
        return list(self.session.scalars(select(model).order_by(model.id)))

    def one(self, model: type[Any]) -> Any:
        [row] = self.all(model)
        return row


def _nowhere() -> Branch:
    return Branch(code="NONE", name="无")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver that accepts everything."""
    made = Receiver()
    server = serve(made)
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def bank(app: Flask, session: Session, settings: Settings, receiver: Receiver) -> Iterator[Bank]:
    """Return a bank whose allow-list has the receiver."""
    before = app.config["SETTINGS"]
    place = receiver.url.removesuffix("/hooks")
    app.config["SETTINGS"] = dataclasses.replace(settings, webhook_allow=(place,))
    yield Bank(app, session, app.config["SETTINGS"])
    app.config["SETTINGS"] = before


@pytest.fixture
def crm(bank: Bank, receiver: Receiver) -> Receiver:
    """Create the receiver as the target ``crm``."""
    receiver.secret = bank.target("webhook", "crm", url=receiver.url)
    return receiver
