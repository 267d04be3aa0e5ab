"""What the demo bank sent and whom it called, told in order with the times at which it happened.

Whom a batch may contact is judged by the product itself, so that everybody held back is so for a
real reason; what went out and what became of it is written as the sandbox would have, hours and days ago.
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
from app.demo.work import Desks, Story, comparable, write
from app.extensions import db
from app.hits.steps import SYSTEM
from app.labels import OPT_OUT_REASON
from app.leads import suppression
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


@dataclass(frozen=True)
class Campaign:
    """A batch that a manager sent ``days`` ago to the hits of some rules."""

    days: int
    at: dt.time
    channel: str
    template: str
    rules: tuple[str, ...]
    #: the text that every second person got instead
    other: str = ""


CAMPAIGNS = (
    Campaign(6, dt.time(10, 15), "sms", "消费贷款额度提醒", ("R-MULTI-LENDER-7D", "R-CREDIT-CALLS-7D")),
    Campaign(5, dt.time(14, 30), "call", "贷款需求回访", ("R-URGENT-1D", "R-FACE-3D")),
    Campaign(4, dt.time(9, 40), "sms", "理财到期关怀", ("R-OTHER-BANK-14D", "R-SECURITIES-14D")),
    Campaign(
        *(2, dt.time(16, 5), "sms", "老客户利率优惠", ("R-CREDIT-CALLS-7D", "R-NIGHT-7D", "R-COMPARE-14D")),
        other="消费贷款额度提醒",
    ),
    Campaign(1, dt.time(11, 20), "call", "额度激活邀请", ("R-AWAKENED-30D", "R-FACE-3D")),
)
#: calls that marketers made one by one, and what a second person must agree to
SINGLE_CALLS, SINGLE_TEMPLATE = 40, "贷款需求回访"
APPROVAL_ABOVE = 100
SMS_CAP = 1
#: an answer in the sandbox takes seconds, in a story minutes and hours
SLOWER = (20, 300)
INTERESTED_BUYS = 0.35
_NOT_NOW = "客户暂不方便，约定再联系"
_TALK = "回访：客户有意向，已说明额度与利率，约定再联系"


@dataclass
class _Told:
    """What is to be written of one batch."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    stories: list[Story] = field(default_factory=list)
    opted_out: list[int] = field(default_factory=list)

    def sent(self, row: Outreach, key: uuid.UUID, at: dt.datetime, rules: OutreachSettings) -> None:
        """The sandbox took the contact at a moment."""
        values = templates.values_of(row.lead, at.date())
        text = templates.render(row.version.body, values, row.channel, rules.opt_out_sentence)
        segments = cost.segments(row.channel, text)
        took = {"key": key, "channel": row.channel, "body": text, "phone_masked": row.lead.phone_masked}
        self.messages.append({"outreach_id": row.id, "accepted_at": at} | took)
        paid = {"segments": segments, "cost": segments * cost.price(rules, row.channel)}
        when = {"at": at, "reserved_at": at, "sent_at": at}
        ref = f"SANDBOX-{key.hex[:12]}"
        self.rows.append({"row": row.id, "key": key, "status": "sent", "gateway_ref": ref} | paid | when)

    def answered(self, row: Outreach, final: str, answers: list[tuple[dt.datetime, str]]) -> None:
        """What became of the contact that was sent last."""
        for at, outcome in answers:
            event = {"outreach_id": row.id, "outcome": outcome, "at": at, "received_at": at}
            self.events.append(event | {"source": sandbox.NAME})
            self.rows[-1] |= {"status": final, "at": at}
        if final == "opt_out":
            self.opted_out.append(row.lead_id)


class Contacts:
    """The contacts of the last week by ``manager``, with ``admin`` as the second person, and of the desks."""

    def __init__(
        self, manager: Staff, admin: Staff, now: dt.datetime, zone: ZoneInfo, random: Random
    ) -> None:
        self._manager, self._admin, self._random = manager, admin, random
        self._now, self._zone = now, zone
        self._desks = Desks()
        self._refusal = db.session.scalars(select(CloseReason).where(CloseReason.refusal)).first()

    def tell(self) -> int:
        """Tell all of it; how many contacts went out. Commits."""
        self._rules_of_outreach()
        sent = 0
        for at, campaign in sorted(self._timeline(), key=lambda each: each[0]):
            sent += self._run(campaign, at) if campaign else self._single(at)
        return sent

    def _rules_of_outreach(self) -> None:
        """The manager made the rules stricter; the administrator agreed."""
        stricter = settings.current().model_copy(
            update={"approval_above": APPROVAL_ABOVE, "sms_cap": SMS_CAP}
        )
        asked = settings.propose(stricter, self._manager, "收紧短信频次，百人以上的批次双人复核")
        self._agree(asked, self._now - dt.timedelta(days=7))

    def _agree(self, asked: Approval, at: dt.datetime) -> None:
        approvals.approve(asked, self._admin)
        asked.requested_at, asked.decided_at = at, at + dt.timedelta(minutes=25)
        told = update(Reminder).where(Reminder.kind == "decided", Reminder.read_at.is_(None))
        seen = {"created_at": asked.decided_at, "read_at": asked.decided_at + dt.timedelta(minutes=10)}
        db.session.execute(told.values(seen), execution_options={"synchronize_session": False})
        db.session.commit()

    def _timeline(self) -> Iterator[tuple[dt.datetime, Campaign | None]]:
        midnight = dt.datetime.combine(self._now.astimezone(self._zone).date(), dt.time(), self._zone)
        for campaign in CAMPAIGNS:
            day = midnight.date() - dt.timedelta(days=campaign.days)
            yield dt.datetime.combine(day, campaign.at, self._zone), campaign
        for _number in range(SINGLE_CALLS):
            day = midnight.date() - dt.timedelta(days=self._random.randint(1, 6))
            minute = self._random.randrange(9 * 60, 19 * 60)
            yield dt.datetime.combine(day, dt.time(minute // 60, minute % 60), self._zone), None

    def _run(self, campaign: Campaign, at: dt.datetime) -> int:
        """A batch for the hits that were there at the moment; nothing when nobody may be contacted."""
        of_rules = Hit.rule_id.in_(select(Rule.id).where(Rule.code.in_(campaign.rules)))
        chosen = select(Hit.id).where(of_rules, Hit.made_on <= at.date(), comparable())
        hits = list(db.session.scalars(chosen))
        second = SecondText(newest_version(campaign.other), 50) if campaign.other else None
        batch = checked_batch(campaign.template, hits, self._manager, second) if hits else None
        if batch is None or not batch.planned["go"]:
            return 0
        asked = batches.confirm(batch, self._manager, "本周营销计划")
        if asked is not None:
            self._agree(asked, at + dt.timedelta(minutes=5))
        return self._send(batch, at, at + dt.timedelta(minutes=40))

    def _single(self, at: dt.datetime) -> int:
        """A marketer claims a new hit of their branch and calls."""
        hit = self._somebody(at)
        owner = self._desks.of(hit) if hit is not None else None
        if hit is None or owner is None:
            return 0
        batch = checked_batch(SINGLE_TEMPLATE, [hit.id], owner)
        if not batch.planned["go"]:
            return 0
        batches.confirm(batch, owner)
        story = Story(hit.id, owner, {"owner_id": owner.id, "claimed_at": at})
        story.tell("claim", at, HitStatus.WAITING, next_on=at.date())
        return self._send(batch, at, at + dt.timedelta(minutes=1), story)

    def _somebody(self, at: dt.datetime) -> Hit | None:
        free = select(Hit.id).where(
            *(Hit.status == HitStatus.WAITING, Hit.made_on <= at.date()),
            *(Hit.opted_out.is_(False), Hit.holdout.is_(False), Hit.owner_id.is_(None)),
            *(comparable(), Hit.lead_id.not_in(select(Outreach.lead_id))),
        )
        found = db.session.scalars(free.order_by(Hit.hit_date, Hit.id)).all()
        return db.session.get(Hit, self._random.choice(found)) if found else None

    def _send(
        self, batch: OutreachBatch, at: dt.datetime, sent_at: dt.datetime, begun: Story | None = None
    ) -> int:
        """Let a confirmed batch have gone out at a moment, with everything that became of it. Commits."""
        told, rules = _Told(), settings.current()
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
            self._contact(row, rules, sent_at, told, begun)
        self._write(batch, at, sent_at, told)
        return len(told.rows)

    def _contact(
        self, row: Outreach, rules: OutreachSettings, at: dt.datetime, told: _Told, begun: Story | None
    ) -> None:
        at += dt.timedelta(seconds=len(told.rows) // 8)
        drawn = [(at + self._delay(seconds), outcome) for seconds, outcome in self._answers(row)]
        answers = [each for each in drawn if each[0] < self._now]
        final = max((outcome for _at, outcome in answers), key=RANK.__getitem__, default="sent")
        told.sent(row, uuid.UUID(int=self._random.getrandbits(128), version=4), at, rules)
        told.answered(row, final, answers)
        last = answers[-1][0] if answers else at
        told.stories.append(self._story(row.hit, at, final, last, begun))

    def _answers(self, row: Outreach) -> list[list[Any]]:
        """What the sandbox plays; the second text of a batch is the better one."""
        stories = sandbox.OUTCOMES[row.channel]
        shares = [share for share, _answers in stories]
        [(_share, answers)] = self._random.choices(stories, shares)
        if len(answers) == 1 and row.version_id == row.batch.version_b_id:
            [(_share, answers)] = self._random.choices(stories, shares)
        return answers

    def _delay(self, seconds: int) -> dt.timedelta:
        return dt.timedelta(seconds=seconds * self._random.randint(*SLOWER))

    def _story(
        self, hit: Hit, at: dt.datetime, final: str, answered: dt.datetime, begun: Story | None
    ) -> Story:
        """What the contact meant for the hit."""
        owner = begun.owner if begun else self._desks.of(hit)
        person = begun.owner.username if begun and begun.owner else SYSTEM
        story = begun or Story(hit.id, hit.owner, {}, status=hit.status)
        if story.status == HitStatus.WAITING:
            story.tell("start", at, HitStatus.IN_PROGRESS, next_on=at.date(), person=person)
            story.left |= {"next_on": at.date()}
        if final == "converted":
            story.tell("convert", answered, HitStatus.CONVERTED, person=SYSTEM)
            story.left |= {"converted_at": answered, "next_on": None}
        elif final in ("refused", "opt_out") and self._refusal is not None:
            note = self._refusal.name
            story.tell("close", answered, HitStatus.FAILED, note=note, person=SYSTEM)
            story.left |= {"close_reason_id": self._refusal.id, "next_on": None}
        elif final == "interested" and owner is not None:
            self._follow_up(story, owner, answered)
        elif begun is not None:
            later = self._now.astimezone(self._zone).date() + dt.timedelta(days=self._random.randrange(5))
            story.tell("follow_up", answered, HitStatus.IN_PROGRESS, note=_NOT_NOW, next_on=later)
            story.left |= {"next_on": later}
        return story

    def _follow_up(self, story: Story, owner: Staff, answered: dt.datetime) -> None:
        """Whoever the branch has calls back the next morning; some of these customers take the offer."""
        step = {"note": "interested", "next_on": answered.date(), "person": SYSTEM}
        story.tell("follow_up", answered, HitStatus.IN_PROGRESS, **step)
        story.left |= {"next_on": answered.date()}
        morning = dt.datetime.combine(answered.date() + dt.timedelta(days=1), dt.time(9, 20), self._zone)
        morning += dt.timedelta(minutes=self._random.randrange(150))
        if morning >= self._now:
            return
        if story.owner is None:
            story.owner = owner
            story.left |= {"owner_id": owner.id, "claimed_at": morning}
        if self._random.random() < INTERESTED_BUYS:
            amount = self._random.randrange(2, 60) * 5000
            story.tell("convert", morning, HitStatus.CONVERTED)
            story.left |= {"converted_at": morning, "amount": amount, "next_on": None}
        else:
            next_on = morning.date() + dt.timedelta(days=self._random.randint(2, 6))
            story.tell("follow_up", morning, HitStatus.IN_PROGRESS, note=_TALK, next_on=next_on)
            story.left |= {"next_on": next_on}

    def _write(self, batch: OutreachBatch, at: dt.datetime, sent_at: dt.datetime, told: _Told) -> None:
        table = Outreach.__table__
        names = [name for name in (told.rows[0] if told.rows else {}) if name != "row"]
        if told.rows:
            changed = update(table).where(table.c.id == bindparam("row"))
            values: dict[str, Any] = {name: bindparam(name) for name in names} | {"attempts": 1}
            db.session.connection().execute(changed.values(values), told.rows)
            db.session.execute(insert(SandboxMessage), told.messages)
        if told.events:
            db.session.execute(insert(OutreachEvent), told.events)
        batch.status, batch.created_at, batch.confirmed_at = OutreachBatchStatus.DONE, at, sent_at
        batch.finished_at = sent_at + dt.timedelta(seconds=len(told.rows) // 8 + 2)
        cost.settle(batch)
        # Held back at the check, which was when the batch was made.
        held = update(Outreach).where(Outreach.batch_id == batch.id, Outreach.reserved_at.is_(None))
        db.session.execute(held.values(at=at), execution_options={"synchronize_session": False})
        write(told.stories)
        _leave_alone(told.opted_out, sent_at.date())


def _leave_alone(leads: Sequence[int], day: dt.date) -> None:
    for lead in db.session.scalars(select(Lead).where(Lead.id.in_(leads)).order_by(Lead.id)).all():
        target = suppression.hash_target(lead.id_hash)
        suppression.add(db.session, target, reason=OPT_OUT_REASON, who=sandbox.NAME, today=day)
    db.session.commit()


def checked_batch(
    template: str, hits: list[int], by: Staff, second: SecondText | None = None
) -> OutreachBatch:
    """A batch for hits with the template of this name, checked. Commits."""
    batch = batches.of_hits(newest_version(template), hits, by, second)
    preflight.run(batch.id)
    db.session.refresh(batch)
    return batch


def newest_version(template: str) -> OutreachTemplateVersion:
    """The version in use of the template of this name."""
    named = select(OutreachTemplate).where(OutreachTemplate.name == template)
    return db.session.scalars(named).one().versions[0]
