"""The demo bank's contacts of the last week: SMS and calls with their outcomes, in order of time.

The product itself checks each batch, so that everybody held back has a real reason. Contacts and outcomes are
stored as the sandbox would have recorded them, hours and days ago.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import joinedload

from app import approvals
from app.demo.work import Marketers, Timeline, comparable, write
from app.extensions import db
from app.hits.owner import SYSTEM
from app.labels import OPT_OUT_REASON
from app.leads import suppression
from app.lib import clock
from app.models import (
    Approval,
    CloseReason,
    Hit,
    HitStatus,
    Lead,
    Outreach,
    OutreachBatch,
    OutreachBatchStatus,
    OutreachEvent,
    OutreachSetting,
    OutreachStatus,
    OutreachTemplate,
    OutreachTemplateVersion,
    Reminder,
    Rule,
    SandboxMessage,
    Staff,
)
from app.outreach import batches, cost, preflight, sandbox, settings, templates
from app.outreach.results import RANK
from app.outreach.settings import OutreachSettings
from app.outreach.variants import SecondText
from app.schedules import calendar
from app.schedules.calendar import DayKind


@dataclass(frozen=True)
class Campaign:
    """A batch that a manager sent ``days`` ago to the hits of some rules."""

    days: int
    at: dt.time
    channel: str
    template: str
    rules: tuple[str, ...]
    #: the second template, sent to half of the people
    other: str = ""


CAMPAIGNS = (
    Campaign(6, dt.time(10, 15), "sms", "消费贷款额度提醒", ("R-MULTI-LENDER-7D", "R-CREDIT-CALLS-7D")),
    Campaign(5, dt.time(14, 30), "call", "贷款需求回访", ("R-URGENT-1D", "R-FACE-3D")),
    Campaign(4, dt.time(9, 40), "sms", "理财到期关怀", ("R-OTHER-BANK-14D", "R-SECURITIES-14D")),
    Campaign(3, dt.time(10, 30), "call", "到期资金回访", ("R-MATURING-14D", "R-OUTFLOW-14D")),
    Campaign(3, dt.time(14, 10), "call", "贷款需求回访", ("R-CREDIT-CALLS-7D",)),
    Campaign(
        *(2, dt.time(16, 5), "sms", "老客户利率优惠", ("R-CREDIT-CALLS-7D", "R-NIGHT-7D", "R-COMPARE-14D")),
        other="消费贷款额度提醒",
    ),
    Campaign(1, dt.time(11, 20), "call", "额度激活邀请", ("R-AWAKENED-30D", "R-FACE-3D")),
)
#: the days of contacts before today
DAYS = 7
#: individual calls by marketers, and the size above which a batch needs approval
SINGLE_CALLS, SINGLE_TEMPLATE = 20, "贷款需求回访"
APPROVAL_ABOVE = 100
SMS_CAP = 1
#: yuan for a call, the time of those who make it included
CALL_COST = 15.0
#: range of factors that stretch the sandbox's delays from seconds to minutes and hours
SLOWER = (20, 300)
INTERESTED_BUYS = 0.35
_NOT_NOW = "客户暂不方便，约定再联系"
_TALK = "回访：客户有意向，已说明额度与利率，约定再联系"


@dataclass
class _Record:
    """The rows to store for one batch."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    timelines: list[Timeline] = field(default_factory=list)
    opted_out: list[int] = field(default_factory=list)

    def add_contact(self, row: Outreach, key: uuid.UUID, at: dt.datetime, rules: OutreachSettings) -> None:
        """Add a contact that the sandbox accepted at a moment."""
        values = templates.values_of(row.lead, at.date())
        text = templates.render(row.version.body, values, row.channel, rules.opt_out_sentence)
        segments = cost.segments(row.channel, text)
        message = {"key": key, "channel": row.channel, "body": text, "phone_masked": row.lead.phone_masked}
        self.messages.append({"outreach_id": row.id, "accepted_at": at} | message)
        charge = {"segments": segments, "cost": segments * cost.price(rules, row.channel)}
        when = {"at": at, "sent_at": at}
        ref = f"SANDBOX-{key.hex[:12]}"
        self.rows.append({"row": row.id, "key": key, "status": "sent", "gateway_ref": ref} | charge | when)

    def add_outcomes(self, row: Outreach, final: str, outcomes: list[tuple[dt.datetime, str]]) -> None:
        """Add the outcomes of the contact added last."""
        for at, outcome in outcomes:
            event = {"outreach_id": row.id, "outcome": outcome, "at": at, "received_at": at}
            self.events.append(event | {"source": sandbox.NAME})
            self.rows[-1] |= {"status": final, "at": at}
        if final == "opt_out":
            self.opted_out.append(row.lead_id)


class Contacts:
    """The last week's contacts by ``manager``, approved by ``admin``, and by the branches' marketers."""

    def __init__(
        self, manager: Staff, admin: Staff, now: dt.datetime, zone: ZoneInfo, random: Random
    ) -> None:
        self._manager, self._admin, self._random = manager, admin, random
        self._now, self._zone = now, zone
        self._marketers = Marketers()
        self._refusal = db.session.scalars(select(CloseReason).where(CloseReason.refusal)).first()

    def create(self) -> int:
        """Create all contacts and commit. Return the number sent."""
        self._tighten_settings()
        sent = 0
        for at, campaign in sorted(self._schedule(), key=lambda each: each[0]):
            sent += self._run(campaign, at) if campaign else self._single(at)
        return sent

    def _tighten_settings(self) -> None:
        """Make the compliance rules stricter, proposed by the manager and approved by the admin."""
        days, today = calendar.current(), self._now.astimezone(self._zone).date()
        week = (today - dt.timedelta(days=n) for n in range(DAYS + 1))
        stricter = settings.current().model_copy(
            update={
                "approval_above": APPROVAL_ABOVE,
                "sms_cap": SMS_CAP,
                "cost_call": CALL_COST,
                # The demo has contacts on each of these days.
                "skip_holidays": all(days.kind(day) is not DayKind.HOLIDAY for day in week),
            }
        )
        request = settings.propose(
            stricter, self._manager, "收紧短信频次，百人以上的批次双人复核，外呼成本计入人工"
        )
        self._approve(request, self._now - dt.timedelta(days=7))
        row = db.session.get_one(OutreachSetting, request.subject_id)
        row.created_at, row.activated_at = request.requested_at, request.decided_at
        db.session.commit()

    def _approve(self, request: Approval, at: dt.datetime) -> None:
        approvals.approve(request, self._admin)
        request.requested_at, request.decided_at = at, at + dt.timedelta(minutes=25)
        reminders = update(Reminder).where(Reminder.kind == "decided", Reminder.read_at.is_(None))
        read = {"created_at": request.decided_at, "read_at": request.decided_at + dt.timedelta(minutes=10)}
        db.session.execute(reminders.values(read), execution_options={"synchronize_session": False})
        db.session.commit()

    def _schedule(self) -> Iterator[tuple[dt.datetime, Campaign | None]]:
        midnight = dt.datetime.combine(self._now.astimezone(self._zone).date(), dt.time(), self._zone)
        for campaign in CAMPAIGNS:
            day = midnight.date() - dt.timedelta(days=campaign.days)
            yield dt.datetime.combine(day, campaign.at, self._zone), campaign
        for _number in range(SINGLE_CALLS):
            day = midnight.date() - dt.timedelta(days=self._random.randint(1, 6))
            minute = self._random.randrange(9 * 60, 19 * 60)
            yield dt.datetime.combine(day, dt.time(minute // 60, minute % 60), self._zone), None

    def _run(self, campaign: Campaign, at: dt.datetime) -> int:
        """Send a campaign to the hits that existed at the moment. Return the number of contacts."""
        of_rules = Hit.rule_id.in_(select(Rule.id).where(Rule.code.in_(campaign.rules)))
        query = select(Hit.id).where(of_rules, Hit.made_on <= at.date(), comparable())
        hits = list(db.session.scalars(query))
        second = SecondText(newest_version(campaign.other), 50) if campaign.other else None
        batch = checked_batch(campaign.template, hits, self._manager, second) if hits else None
        if batch is None or not batch.planned["go"]:
            return 0
        request = batches.confirm(batch, self._manager, "本周营销计划")
        if request is not None:
            self._approve(request, at + dt.timedelta(minutes=5))
        return self._send(batch, at, at + dt.timedelta(minutes=40))

    def _single(self, at: dt.datetime) -> int:
        """Let a marketer claim a new hit of their branch and call. Return the number of contacts."""
        hit = self._free_hit(at)
        owner = self._marketers.of(hit) if hit is not None else None
        if hit is None or owner is None:
            return 0
        batch = checked_batch(SINGLE_TEMPLATE, [hit.id], owner)
        if not batch.planned["go"]:
            return 0
        batches.confirm(batch, owner)
        timeline = Timeline(hit.id, owner, {"owner_id": owner.id, "claimed_at": at})
        timeline.add("claim", at, HitStatus.WAITING, next_on=at.date())
        return self._send(batch, at, at + dt.timedelta(minutes=1), timeline)

    def _free_hit(self, at: dt.datetime) -> Hit | None:
        free = select(Hit.id).where(
            *(Hit.status == HitStatus.WAITING, Hit.made_on <= at.date()),
            *(Hit.opted_out.is_(False), Hit.holdout.is_(False), Hit.owner_id.is_(None)),
            *(comparable(), Hit.lead_id.not_in(select(Outreach.lead_id))),
        )
        hits = db.session.scalars(free.order_by(Hit.hit_date, Hit.id)).all()
        return db.session.get(Hit, self._random.choice(hits)) if hits else None

    def _send(
        self, batch: OutreachBatch, at: dt.datetime, sent_at: dt.datetime, started: Timeline | None = None
    ) -> int:
        """Record a confirmed batch as sent at a moment, with its outcomes, and commit."""
        record, rules = _Record(), settings.current()
        queued = (
            select(Outreach)
            .where(Outreach.batch_id == batch.id, Outreach.status == OutreachStatus.QUEUED)
            .options(
                joinedload(Outreach.version),
                joinedload(Outreach.lead).joinedload(Lead.branch),
                joinedload(Outreach.hit).joinedload(Hit.owner),
            )
            .order_by(Outreach.id)
        )
        for row in db.session.scalars(queued):
            self._contact(row, rules, sent_at, record, started)
        self._write(batch, at, sent_at, record)
        return len(record.rows)

    def _contact(
        self,
        row: Outreach,
        rules: OutreachSettings,
        at: dt.datetime,
        record: _Record,
        started: Timeline | None,
    ) -> None:
        at += dt.timedelta(seconds=len(record.rows) // 8)
        drawn = [(at + self._delay(seconds), outcome) for seconds, outcome in self._outcomes(row)]
        outcomes = [each for each in drawn if each[0] < self._now]
        final = max((outcome for _at, outcome in outcomes), key=RANK.__getitem__, default="sent")
        record.add_contact(row, uuid.UUID(int=self._random.getrandbits(128), version=4), at, rules)
        record.add_outcomes(row, final, outcomes)
        last = outcomes[-1][0] if outcomes else at
        hit = db.session.get_one(Hit, row.hit_id)
        record.timelines.append(self._timeline_of(hit, at, final, last, started))

    def _outcomes(self, row: Outreach) -> list[list[Any]]:
        """Draw the sandbox's outcomes of a contact. A batch's second text gets better ones."""
        choices = sandbox.OUTCOMES[row.channel]
        shares = [share for share, _outcomes in choices]
        [(_share, outcomes)] = self._random.choices(choices, shares)
        if len(outcomes) == 1 and row.version_id == row.batch.version_b_id:
            [(_share, outcomes)] = self._random.choices(choices, shares)
        return outcomes

    def _delay(self, seconds: int) -> dt.timedelta:
        return dt.timedelta(seconds=seconds * self._random.randint(*SLOWER))

    def _timeline_of(
        self, hit: Hit, at: dt.datetime, final: str, answered: dt.datetime, started: Timeline | None
    ) -> Timeline:
        """Return the hit's steps that follow from the contact."""
        owner = started.owner if started else self._marketers.of(hit)
        person = started.owner.username if started and started.owner else SYSTEM
        timeline = started or Timeline(hit.id, hit.owner, {}, status=hit.status)
        if timeline.status == HitStatus.WAITING:
            timeline.add("start", at, HitStatus.IN_PROGRESS, next_on=at.date(), person=person)
            timeline.left |= {"next_on": at.date()}
        if final == "converted":
            timeline.add("convert", answered, HitStatus.CONVERTED, person=SYSTEM)
            timeline.left |= {"converted_at": answered, "next_on": None}
        elif final in ("refused", "opt_out") and self._refusal is not None:
            note = self._refusal.name
            timeline.add("close", answered, HitStatus.FAILED, note=note, person=SYSTEM)
            timeline.left |= {"close_reason_id": self._refusal.id, "next_on": None}
        elif final == "interested" and owner is not None:
            self._follow_up(timeline, owner, answered)
        elif started is not None:
            later = self._now.astimezone(self._zone).date() + dt.timedelta(days=self._random.randrange(5))
            timeline.add("follow_up", answered, HitStatus.IN_PROGRESS, note=_NOT_NOW, next_on=later)
            timeline.left |= {"next_on": later}
        return timeline

    def _follow_up(self, timeline: Timeline, owner: Staff, answered: dt.datetime) -> None:
        """Let the branch's marketer call back the next morning; some of these customers convert."""
        step = {"note": "interested", "next_on": answered.date(), "person": SYSTEM}
        timeline.add("follow_up", answered, HitStatus.IN_PROGRESS, **step)
        timeline.left |= {"next_on": answered.date()}
        morning = dt.datetime.combine(answered.date() + dt.timedelta(days=1), dt.time(9, 20), self._zone)
        morning += dt.timedelta(minutes=self._random.randrange(150))
        if morning >= self._now:
            return
        if timeline.owner is None:
            timeline.owner = owner
            timeline.left |= {"owner_id": owner.id, "claimed_at": morning}
        if self._random.random() < INTERESTED_BUYS:
            amount = self._random.randrange(2, 20) * 5000
            timeline.add("convert", morning, HitStatus.CONVERTED)
            timeline.left |= {"converted_at": morning, "amount": amount, "next_on": None}
        else:
            next_on = morning.date() + dt.timedelta(days=self._random.randint(2, 6))
            timeline.add("follow_up", morning, HitStatus.IN_PROGRESS, note=_TALK, next_on=next_on)
            timeline.left |= {"next_on": next_on}

    def _write(self, batch: OutreachBatch, at: dt.datetime, sent_at: dt.datetime, record: _Record) -> None:
        table = Outreach.__table__
        names = [name for name in (record.rows[0] if record.rows else {}) if name != "row"]
        if record.rows:
            changed = update(table).where(table.c.id == bindparam("row"))
            values: dict[str, Any] = {name: bindparam(name) for name in names} | {"attempts": 1}
            connection = db.session.connection()
            # At that moment the database has to allow it, as it does for every contact.
            clock.move(db.session, sent_at)
            going = update(table).where(table.c.id.in_([each["row"] for each in record.rows]))
            connection.execute(going.values(status=OutreachStatus.SENDING))
            clock.move(db.session, None)
            connection.execute(changed.values(values), record.rows)
            db.session.execute(insert(SandboxMessage), record.messages)
        if record.events:
            db.session.execute(insert(OutreachEvent), record.events)
        batch.status, batch.created_at, batch.confirmed_at = OutreachBatchStatus.DONE, at, sent_at
        batch.name = ""  # so that its own name isn't taken
        batch.name = batches.proposed_name(batch.version, at.date())
        batch.finished_at = sent_at + dt.timedelta(seconds=len(record.rows) // 8 + 2)
        cost.settle(batch)
        # Rows were held back by the check, when the batch was created.
        held = update(Outreach).where(Outreach.batch_id == batch.id, Outreach.reserved_at.is_(None))
        db.session.execute(held.values(at=at), execution_options={"synchronize_session": False})
        write(record.timelines)
        _opt_out(record.opted_out, sent_at.date())


def _opt_out(leads: Sequence[int], day: dt.date) -> None:
    for lead in db.session.scalars(select(Lead).where(Lead.id.in_(leads)).order_by(Lead.id)).all():
        target = suppression.hash_target(lead.id_hash)
        suppression.add(db.session, target, reason=OPT_OUT_REASON, user=sandbox.NAME, today=day)
    db.session.commit()


def checked_batch(
    template: str, hits: list[int], user: Staff, second: SecondText | None = None
) -> OutreachBatch:
    """Create and check a batch for hits with the named template, and commit."""
    batch = batches.of_hits(newest_version(template), hits, user, second)
    preflight.run(batch.id)
    db.session.refresh(batch)
    return batch


def newest_version(template: str) -> OutreachTemplateVersion:
    """Return the newest version of the named template."""
    named = select(OutreachTemplate).where(OutreachTemplate.name == template)
    return db.session.scalars(named).one().versions[0]
