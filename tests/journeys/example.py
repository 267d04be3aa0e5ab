"""An example of a simulation that is calculated by hand.

Contact hours are 09:30 to 19:00, the 1st to the 8th of October 2025 are holidays, one SMS in four days;
whoever is hit on a date enters at 06:00 on the day after it. The draft sends an SMS, waits two days, then
calls; the version in force calls at once. Nobody answers.

====== ====== ============================ ============= ========================================
lead   hit    SMS of the draft             wait          call
====== ====== ============================ ============= ========================================
L0001  Sep 23 Sep 24 09:30 done            Sep 26 09:30  Sep 26 09:30 done
L0002  Sep 29 Sep 30 09:30 done            Oct 2 09:30   Oct 9 09:30, but bought on Oct 3: goal
L0003  Sep 29 Sep 30 09:30 capped (SMS of  none          due Oct 1 09:30, done Oct 9 09:30
              Sep 28), next hours Oct 9:
              given up at Oct 1 09:30
L0004  Oct 29 Oct 30 09:30 done            until Nov 1   never
====== ====== ============================ ============= ========================================

In force: calls on Sep 24, Sep 30, Oct 9 (L0003, due Oct 1) and Oct 30; three SMS as before.
An SMS costs 0.05, a call 0.60. L0001 has an owner, the others are of no branch.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.extensions import db
from app.jobs import simulations as job
from app.journeys import simulations
from app.journeys.simulations import Wanted
from app.models import Customer, Journey, JourneySimulation, JourneyVersion
from tests.conftest import make_staff
from tests.journeys.support import AROUND, journey, sms, wait
from tests.journeys.test_past import FIRST, LAST, Records, at

RULES = {"hours": ["09:30", "19:00"], "caps": [{"channel": "sms", "contacts": 1, "days": 4}]}
CALL = {"id": "call", "do": "contact", "channel": "call", "template": "T-CALL", "then": "end"}
GOAL = {"outcome": "any"}
SMS = sms("sms", "wait", held="call", hold_hours=24)
DRAFT = journey(SMS, wait("wait", "call", days=2), CALL, goal=GOAL)
IN_FORCE = journey(sms("sms", "call", hold_hours=24), CALL, goal=GOAL)


@pytest.fixture
def records(cli: Callable[..., Any], session: Session, tmp_path: Path, app: Flask) -> Records:
    made = Records(cli, session, tmp_path)
    made.apply(**AROUND)
    return made


@pytest.fixture
def draft(records: Records, session: Session) -> JourneyVersion:
    """The draft of the example, with its four customers."""
    records.apply(outreach=RULES, journeys=[IN_FORCE])
    days = [dt.date(2025, 9, 23), dt.date(2025, 9, 29), dt.date(2025, 9, 29), dt.date(2025, 10, 29)]
    leads = [records.lead(number) for number in range(1, 5)]
    for lead, day in zip(leads, days, strict=True):
        records.hit(lead, day)
    records.contact(leads[2], at(dt.date(2025, 9, 28), 10), "sms")
    owner = make_staff(session, "li", "Marketer")
    mine = update(Customer).where(Customer.id == leads[0].id)
    session.execute(mine.values(owner_id=owner.id, owned_since=at(FIRST)))
    session.commit()
    bought = [
        ["outcome_id", "lead_no", "product", "date", "amount"],
        ["1", "L0002", "LOAN-C", "2025-10-03", 5],
    ]
    records.load("outcomes", "import", rows=bought)
    row = session.scalars(select(Journey)).one()
    version = JourneyVersion(journey=row, number=2, spec=DRAFT, created_by="zhang")
    session.add(version)
    session.commit()
    return version


def simulate(session: Session, version: JourneyVersion, **values: Any) -> JourneySimulation:
    wanted = Wanted(**{"first": FIRST, "last": LAST, "answers": "none", **values})
    row_id = request(version, wanted)
    job.run(row_id)
    session.expire_all()
    return session.get_one(JourneySimulation, row_id)


def request(version: JourneyVersion, wanted: Wanted) -> int:
    stored = db.session.get_one(JourneyVersion, version.id, populate_existing=True)
    return simulations.request_simulation(stored, wanted, "zhang").id
