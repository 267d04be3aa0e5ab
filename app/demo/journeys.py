"""Journeys of the demo bank, and its customers on their way through them.

What happened until yesterday is what a simulation of those days says; from then on the worker goes on.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import func, insert, select

from app.extensions import db
from app.journeys import approval, check, drafts, presets, simulations, strategy_tables, versions
from app.journeys.definition import JourneyDef
from app.journeys.report import simulate_past
from app.journeys.strategy import TableDef
from app.lib import clock
from app.lib.settings import current_settings
from app.models import (
    EnrolmentStatus,
    Hit,
    Journey,
    JourneyEnrolment,
    JourneyStep,
    JourneyStepStatus,
    JourneyVersion,
    Lead,
    Rule,
    Staff,
)

#: preset → code, whose hits let customers enter, and whether it is in force or a draft
JOURNEYS: dict[str, tuple[str, list[str], bool]] = {
    "missed": ("J-RECALL", ["R-FACE-3D", "R-URGENT-1D"], True),
    "unread": ("J-SMS-CALL", ["R-MULTI-LENDER-7D", "R-COMPARE-14D"], True),
    "maturity": ("J-RENEW", [], False),
}
#: who gets which first contact, and a journey that does as the table says
TABLE = TableDef.model_validate(
    {
        "code": "ST-FIRST",
        "name": "首次触达策略",
        "description": "新命中客户的第一次联系：高净值和高等级客户由客户经理致电，其余先发短信。",
        "rows": [
            {
                "segments": ["SG-AFFLUENT"],
                "grades": ["A", "B"],
                "products": ["DEPOSIT-T", "WEALTH"],
                "channel": "call",
                "template": "T-DEPOSIT-CALL",
                "hand_to": "owner",
            },
            {
                "grades": ["A"],
                "products": ["LOAN-C"],
                "channel": "call",
                "template": "T-LOAN-CALL",
                "hand_to": "owner",
            },
            {"grades": ["B", "C"], "products": ["LOAN-C"], "channel": "sms", "template": "T-LOAN"},
            {"products": ["DEPOSIT-T", "WEALTH"], "channel": "sms", "template": "T-WEALTH"},
            {"grades": ["A", "B"], "products": ["CARD"], "channel": "sms", "template": "T-CARD"},
            {"segments": ["SG-AFFLUENT"], "hand_to": "branch"},
        ],
    }
)
BY_TABLE = {
    "code": "J-FIRST",
    "name": "新命中首次触达",
    "trigger": {"on": "hit"},
    "reentry": {"after_days": 30},
    "goal": {"outcome": "any"},
    "steps": [
        {"id": "table1", "do": "strategy", "table": TABLE.code, "then": "wait1", "else": "end"},
        {"id": "wait1", "do": "wait", "days": 3, "until": "answered", "then": "end", "timeout": "task1"},
        {"id": "task1", "do": "task", "title": "首次触达三天未回应，电话跟进", "then": "end"},
        {"id": "end", "do": "end"},
    ],
}
#: calls that a marketer of the demo can make on a day
CALLS_A_DAY = 5


def create(user: str, first: dt.date, last: dt.date) -> int:
    """Create the journeys, and lead the customers of the days through them. Return how many entered."""
    strategy_tables.store(TABLE, user)
    _stored(JourneyDef.model_validate(BY_TABLE), user)
    known, entered = check.read_known(), 0
    for preset, (code, rules, in_force) in JOURNEYS.items():
        said = presets.stated(preset, known) | {"code": code}
        if rules:
            said["trigger"] |= {"rules": rules}
        version = _stored(JourneyDef.model_validate(said), user)
        if in_force:
            versions.activate(version, user)
            version.activated_at = dt.datetime.combine(first, dt.time(8), current_settings().zone)
            db.session.flush()
            entered += _lead_through(version, first, last)
    db.session.commit()
    return entered


def submit(user: Staff) -> None:
    """Submit a draft that writes before it calls, with a simulation of it. Commits."""
    journey = db.session.scalars(select(Journey).where(Journey.code == "J-RECALL")).one()
    draft = drafts.draft_of(journey, user.username)
    old = draft.spec
    contact = {"id": "sms0", "do": "contact", "channel": "sms", "template": "T-LOAN", "then": "wait0"}
    wait = {"id": "wait0", "do": "wait", "hours": 24, "until": "answered", "then": "end", "timeout": "call1"}
    kept = [step for step in old["steps"] if step["id"] in ("call1", "end")]
    called = [{**step, "then": "end"} if step["do"] == "contact" else step for step in kept]
    changed = JourneyDef.model_validate({**old, "steps": [contact, wait, *called]})
    drafts.save(draft.id, changed, user.username, seen=drafts.digest(draft))
    db.session.commit()
    wanted = replace(simulations.proposed(), calls_a_day=CALLS_A_DAY)
    simulations.work_on(simulations.request_simulation(draft, wanted, user.username).id)
    approval.submit(draft, user, "先发短信，减少外呼")
    db.session.commit()


def _stored(definition: JourneyDef, user: str) -> JourneyVersion:
    journey = Journey(code=definition.code, name=definition.name)
    db.session.add(journey)
    db.session.flush()
    return versions.add_version(journey, definition, user)


def _lead_through(version: JourneyVersion, first: dt.date, last: dt.date) -> int:
    """Store what a simulation says. Return how many entered."""
    begins = version.spec["steps"][0]["id"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        simulate_past(version, current_settings(), (first, last), "past", path)
        rows = pd.read_csv(path, keep_default_na=False, dtype=str)
    rows["enrolment"] = (rows["step"] == begins).cumsum()
    query = select(Lead.lead_no, Lead.id).where(Lead.lead_no.in_(set(rows["lead_no"])))
    leads = dict(db.session.execute(query).tuples().all())
    hits = _hits(version, list(leads.values()))
    for _number, path_rows in rows.groupby("enrolment"):
        _store(version, leads[path_rows["lead_no"].iloc[0]], hits, path_rows.to_dict("records"))
    return int(rows["enrolment"].max()) if len(rows) else 0


def _hits(version: JourneyVersion, leads: list[int]) -> dict[int, int]:
    """Return the first hit of each lead by a rule of the journey."""
    query = (
        select(Hit.lead_id, func.min(Hit.id))
        .join(Rule, Rule.id == Hit.rule_id)
        .where(Hit.lead_id.in_(leads), Rule.code.in_(version.spec["trigger"]["rules"]))
        .group_by(Hit.lead_id)
    )
    return dict(db.session.execute(query).tuples().all())


def _store(version: JourneyVersion, lead: int, hits: dict[int, int], rows: list[Any]) -> None:
    last = rows[-1]
    over = last["outcome"] != JourneyStepStatus.WAITING
    left = last["outcome"] == JourneyStepStatus.SKIPPED
    status = EnrolmentStatus.UNDER_WAY
    if over:
        status = EnrolmentStatus.ENDED
    if left:
        status = EnrolmentStatus.GOAL if last["why"] == "goal" else EnrolmentStatus.LEFT
    enrolment = JourneyEnrolment(
        journey_id=version.journey_id,
        version_id=version.id,
        lead_id=lead,
        hit_id=hits.get(lead),
        status=status,
        why=last["why"] if left else "",
        entered_at=_moment(rows[0]["due_at"]),
        ended_at=_moment(last["done_at"]) if over else None,
    )
    db.session.add(enrolment)
    db.session.flush()
    db.session.execute(
        insert(JourneyStep),
        [
            {
                "enrolment_id": enrolment.id,
                "journey_id": version.journey_id,
                "number": number,
                "step": row["step"],
                "status": row["outcome"],
                "why": row["why"].removesuffix(" (assumed)"),
                "due_at": _moment(row["due_at"]),
                "done_at": _moment(row["done_at"]) if row["done_at"] else None,
                "next_at": None if row["done_at"] else clock.now(),
            }
            for number, row in enumerate(rows, 1)
        ],
    )


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
