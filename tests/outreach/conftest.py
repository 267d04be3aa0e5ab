"""Fixtures for outreach: by default anybody may be contacted at any hour."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.lib import clock
from app.models import (
    Hit,
    Lead,
    Outcome,
    Outreach,
    OutreachBatch,
    OutreachGateway,
    OutreachSetting,
    OutreachTemplate,
    OutreachTemplateVersion,
    SandboxMessage,
    Staff,
)
from app.outreach import batches, preflight, sending
from app.outreach.settings import OutreachSettings
from tests.access import world as rows
from tests.access.world import World
from tests.conftest import Person

BODY = "尊敬的{surname}先生/女士，{branch}邀您了解新额度。"
ANY_TIME = {"open_from": "00:00", "open_to": "24:00", "skip_holidays": False}


class Bank:
    """The tests' world with a template for each channel, and shortcuts for actions and queries."""

    def __init__(self, app: Flask, session: Session, world: World) -> None:
        self.app, self.session, self.world, self.ids = app, session, world, world.ids
        for table in (SandboxMessage, OutreachGateway, OutreachBatch, Outcome):
            session.execute(delete(table))
        self.templates = {channel: self._template(channel) for channel in ("sms", "call")}
        self.rules()

    def _template(self, channel: str) -> OutreachTemplate:
        version = OutreachTemplateVersion(number=1, body=BODY, created_by="x")
        template = OutreachTemplate(
            channel=channel, name=f"模板 {channel}", created_by="x", versions=[version]
        )
        self.session.add(template)
        self.session.commit()
        return template

    def rules(self, **values: Any) -> None:
        """Put compliance rules in force, by default without contact hours."""
        self.session.execute(update(OutreachSetting).values(status="retired"))
        given = OutreachSettings.model_validate({**ANY_TIME, **values}).model_dump(mode="json")
        self.session.add(OutreachSetting(values=given, status="active", created_by="x"))
        self.session.commit()

    def people(self, count: int, **hit: Any) -> list[int]:
        """Add leads, each with a waiting hit. Return the ids of the hits."""
        version = self.session.get_one(rows.RuleVersion, self.ids["version"])
        found = []
        for number in range(count):
            lead = rows.lead(self.app.config["SETTINGS"], number + 10, self.world.home)
            lead.lead_no = f"L9{number:04d}"
            # Numbers of two digits would make a phone of twelve.
            lead.phone_index = hashlib.sha256(f"phone {number}".encode()).hexdigest()
            lead.phone_masked = f"138****{number:04d}"
            self.session.add(lead)
            self.session.flush()
            made = rows.hit(lead, version, "waiting")
            for name, value in hit.items():
                setattr(made, name, value)
            self.session.add(made)
            found.append(made)
        self.session.commit()
        return [each.id for each in found]

    def start(self, person: Person, hits: list[int], channel: str = "sms") -> int:
        """Tick hits and select the template. Return the id of the checked batch."""
        chosen = ",".join(map(str, hits))
        return self.posted(person, f"/hitview/contact_many/{channel}?ids={chosen}", channel)

    def posted(self, person: Person, path: str, channel: str = "sms") -> int:
        answer = person.submit(path, {"template": self.templates[channel].id, "name": "冬季活动"})
        assert answer.status_code == 302, answer.text
        return int(answer.headers["Location"].rsplit("/", 1)[1])

    def confirm(self, person: Person, batch: int) -> Any:
        return person.submit(f"/outreachbatchview/confirm/{batch}", follow_redirects=True)

    def send(self, now: dt.datetime | None = None) -> int:
        """Run the sending worker, at another time if one is given."""
        if now is not None:
            self._set_clock(now)
        with self.app.app_context():
            handled = sending.work()
        if now is not None:
            self._set_clock(None)
        return handled

    def _set_clock(self, moment: dt.datetime | None) -> None:
        with self.session.get_bind().begin() as connection:  # type: ignore[union-attr]
            clock.move(connection, moment)

    def batch(self, key: int) -> OutreachBatch:
        self.session.expire_all()
        return self.session.get_one(OutreachBatch, key)

    def outcomes(self, batch: int) -> dict[int, tuple[str, str]]:
        """Return the status and reason of each hit of a batch."""
        self.session.rollback()
        self.session.expire_all()
        found = self.session.scalars(select(Outreach).where(Outreach.batch_id == batch))
        return {row.hit_id: (row.status, row.reason) for row in found}

    def costs(self, batch: int) -> dict[int, tuple[int | None, Decimal | None]]:
        """Return the segments and cost of each hit of a batch."""
        self.session.rollback()
        found = select(Outreach.hit_id, Outreach.segments, Outreach.cost).where(Outreach.batch_id == batch)
        return {hit: (segments, cost) for hit, segments, cost in self.session.execute(found).tuples()}

    def make(self, hits: list[int], by: str, channel: str = "sms") -> int:
        """Create a confirmed batch without the screens."""
        with self.app.app_context():
            person = self.session.scalars(select(Staff).where(Staff.username == by)).one()
            version = batches.db.session.get_one(
                OutreachTemplateVersion, self.templates[channel].versions[0].id
            )
            sender = batches.db.session.get_one(Staff, person.id)
            batch = batches.of_hits(version, hits, sender)
            preflight.run(batch.id)
            batches.confirm(batch, sender)
            batches.db.session.commit()
            return int(batch.id)

    def set(self, model: type[Any], key: int, **values: Any) -> None:
        self.session.execute(update(model).where(model.id == key).values(**values))
        self.session.commit()

    def hit(self, key: int) -> Hit:
        self.session.expire_all()
        return self.session.get_one(Hit, key)

    def lead_of(self, hit: int) -> Lead:
        return self.hit(hit).lead


@pytest.fixture
def bank(app: Flask, session: Session, set_clock: object) -> Bank:
    return Bank(app, session, rows.build(session, app.config["SETTINGS"]))


@pytest.fixture
def manager(login: Callable[..., Person]) -> Person:
    return login("Manager", username="chen", language="zh")
