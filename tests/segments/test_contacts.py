"""Tests of contacts and answers select the same leads as a brute force, as of every date."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from flask import Flask
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.extensions import db
from app.models import (
    Hit,
    HitEvent,
    Lead,
    Outreach,
    OutreachBatch,
    OutreachEvent,
    OutreachTemplate,
    OutreachTemplateVersion,
)
from app.rules import lead_filter
from app.rules.definition import LeadFilterDef
from app.segments.definition import segment_def
from app.segments.leads import leads_in
from config import Settings
from tests import clock
from tests.thorough import share, thorough

DAYS = 7
FIRST = clock.today() - dt.timedelta(days=DAYS)
CHANNELS = ("sms", "call", "any")
ANSWERS = ("answered", "refused", "interested", "opt_out", "converted")


def at(day: int, minute: int = 0) -> dt.datetime:
    """The last or, without minutes, the first moment of a local day."""
    time = dt.time(23, minute) if minute else dt.time()
    return dt.datetime.combine(FIRST + dt.timedelta(days=day), time, clock.ZONE)


class Answer(NamedTuple):
    outcome: str
    on: int
    received: int


class Contact(NamedTuple):
    """A contact of one of three leads, sent on a day or never."""

    lead: int
    channel: str
    sent: int | None
    answers: list[Answer]


class Step(NamedTuple):
    lead: int
    kind: str
    on: int
    person: str


OUTCOMES = ("failed", "failed", "failed", "delivered", "no_answer", *ANSWERS)
TESTS = [
    *(
        {kind: channel, "days": days}
        for kind in ("contacted", "answered")
        for channel in CHANNELS
        for days in (1, 4)
    ),
    *({"interactions": number, "days": 5} for number in (1, 2, 3)),
]


def random_world(seed: int) -> tuple[list[Contact], list[Step]]:
    dice = random.Random(seed)

    def day() -> int:
        return dice.randint(0, DAYS)

    contacts = [
        Contact(
            dice.randint(0, 2),
            dice.choice(["sms", "call"]),
            dice.choice([None, day(), day()]),
            [
                Answer(outcome, day(), day())
                for outcome in dict.fromkeys(dice.choices(OUTCOMES, k=dice.choice([0, 1, 1, 2])))
            ],
        )
        for _ in range(8)
    ]
    kinds, people = ("start", "follow_up", "claim"), ("li", "system")
    steps = [Step(dice.randint(0, 2), dice.choice(kinds), day(), dice.choice(people)) for _ in range(4)]
    return contacts, steps


def admits(test: Any, lead: int, contacts: list[Contact], steps: list[Step], day: int) -> bool:
    """What the test means, as of a day, of what was known on it."""

    def within(when: int | None) -> bool:
        return when is not None and day - test["days"] < when <= day

    channel = test.get("contacted") or test.get("answered") or "any"
    own = [each for each in contacts if each.lead == lead and channel in ("any", each.channel)]
    if "contacted" in test:
        heard = [{one.outcome for one in each.answers if one.received <= day} for each in own]
        sent = [within(each.sent) and known != {"failed"} for each, known in zip(own, heard, strict=True)]
        by_hand = [s for s in steps if s.lead == lead and s.kind != "claim" and s.person != "system"]
        return any(sent) or (channel == "any" and any(within(step.on) for step in by_hand))
    answered = [
        any(one.outcome in ANSWERS and within(one.on) and one.received <= day for one in each.answers)
        for each in own
    ]
    return sum(answered) >= test.get("interactions", 1)


class World:
    """Three leads with a hit each, whose contacts are told anew each time."""

    def __init__(self, session: Session) -> None:
        self.session = session
        hits = session.scalars(select(Hit).distinct(Hit.lead_id).order_by(Hit.lead_id, Hit.id))
        self.hits = [(hit.id, hit.lead_id) for hit in hits]
        template = OutreachTemplate(channel="sms", name="通知", created_by="x")
        template.versions = [OutreachTemplateVersion(number=1, body="您好", created_by="x")]
        session.add(template)
        session.flush()
        self.version = template.versions[0].id
        session.commit()

    def tell(self, contacts: list[Contact], steps: list[Step]) -> None:
        session = self.session
        session.rollback()
        for contact in contacts:
            self._add(contact)
        for step in steps:
            hit = self.hits[step.lead][0]
            values = {"from_status": "waiting", "to_status": "waiting", "person": step.person}
            session.add(HitEvent(hit_id=hit, kind=step.kind, at=at(step.on, 59), **values))
        session.flush()

    def _add(self, contact: Contact) -> None:
        hit, lead = self.hits[contact.lead]
        batch = OutreachBatch(channel="sms", version_id=self.version, selection={}, created_by="x")
        self.session.add(batch)
        self.session.flush()
        made = Outreach(
            batch_id=batch.id,
            hit_id=hit,
            lead_id=lead,
            version_id=self.version,
            channel=contact.channel,
            id_hash="0" * 64,
            phone_index="0" * 64,
            sent_at=None if contact.sent is None else at(contact.sent),
        )
        self.session.add(made)
        self.session.flush()
        for outcome, on, received in contact.answers:
            event = OutreachEvent(outreach_id=made.id, outcome=outcome, at=at(on), source="gw")
            event.received_at = at(received, 59)
            self.session.add(event)


@pytest.fixture
def world(furnished: Flask) -> Iterator[World]:
    with furnished.app_context():
        yield World(db.session())


@thorough
@pytest.mark.parametrize("seed", share(range(40), 4))
def test_as_of_any_date_those_whom_it_admits_and_nobody_else(
    world: World, settings: Settings, seed: int
) -> None:
    contacts, steps = random_world(seed)
    world.tell(contacts, steps)
    for test, number in itertools.product(TESTS, range(DAYS + 1)):
        day = FIRST + dt.timedelta(days=number)
        found = world.session.scalars(leads_in(world.session, segment_def({"filter": test}), settings, day))
        assert set(found) == {
            lead
            for place, (_hit, lead) in enumerate(world.hits)
            if admits(test, place, contacts, steps, number)
        }


def test_a_rule_sees_on_each_date_what_was_known_on_it(world: World, settings: Settings) -> None:
    world.tell([Contact(0, "sms", 2, [Answer("answered", 3, 5)])], [])
    days = [FIRST + dt.timedelta(days=n) for n in range(DAYS + 1)]
    wanted = LeadFilterDef.model_validate({"all": [{"answered": "sms", "days": 5}]})
    by_day = lead_filter.leads_by_day(wanted, settings, days)
    assert by_day is not None
    admitted = [by_day[day].num_rows for day in days]
    assert admitted == [0, 0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        # 客1 had 2 + 1 calls today and three days before, 客2 one, 客3 three of three weeks ago.
        ({"metric": "calls", "fell_by": 0.5, "against_days": 20}, "3"),
        ({"metric": "calls", "window_days": 1, "fell_by": 0.5, "against_days": 1}, "2"),
        ({"metric": "calls", "window_days": 2, "fell_by": 0.01, "against_days": 20}, "3"),
        ({"not": {"metric": "calls", "fell_by": 1, "against_days": 20}}, "1245"),
    ],
)
def test_activity_that_fell(bank: Session, settings: Settings, test: Any, expected: str) -> None:
    ids = leads_in(bank, segment_def({"filter": test}), settings)
    names = bank.scalars(select(Lead.name).where(Lead.id.in_(ids)))
    assert sorted(names) == [f"客{number}" for number in expected]


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ({"score": "SC-1", "op": ">=", "value": 60}, "can't be tested by score yet"),
        ({"all": [{"app_event": "login", "days": 3}]}, "can't be tested by app_event yet"),
        ({"metric": "calls", "fell_by": 0.125, "against_days": 30}, "whole percent"),
        ({"metric": "calls", "op": ">=", "value": 3}, "window_days"),
        ({"metric": "calls", "op": ">=", "value": 3, "window_days": 3, "fell_by": 0.5}, "fell_by"),
        ({"contacted": "email", "days": 3}, "'sms', 'call' or 'any'"),
    ],
)
def test_what_cannot_be_told_is_refused_and_named(test: Any, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        LeadFilterDef.model_validate(test)
