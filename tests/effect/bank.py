"""A small random bank whose hits are pushed, contacted and worked on in every way."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.models import (
    Branch,
    Delivery,
    Hit,
    HitEvent,
    Lead,
    Outcome,
    Outreach,
    OutreachBatch,
    OutreachTemplate,
    OutreachTemplateVersion,
    Product,
    Push,
    PushHit,
    RuleVersion,
    Schedule,
    ScheduleVersion,
    Target,
)
from config import Settings
from tests import clock
from tests.access.world import active_rule, branch, hit, lead, version_of
from tests.database import unguarded

ZONE = ZoneInfo("Asia/Shanghai")
TODAY = clock.today()
#: hits lie in this many days before today
DAYS = 12
OUTCOMES = (
    *("queued", "held", "dropped", "sending", "unknown", "sent", "failed", "delivered"),
    *("no_answer", "answered", "interested", "refused", "opt_out", "converted"),
)


class Bank:
    """Branches HOME > SUB and AWAY below TOP, two rules, one in two versions; leads, hits, contacts."""

    def __init__(self, session: Session, settings: Settings, seed: int, leads: int = 25) -> None:
        self.session, self.settings, self.random = session, settings, Random(seed)
        self.sending: list[Outreach] = []
        top = branch(session, "TOP")
        home = branch(session, "HOME", top)
        self.branches: dict[str, Branch] = {
            "TOP": top,
            "HOME": home,
            "SUB": branch(session, "SUB", home),
            "AWAY": branch(session, "AWAY", top),
        }
        self.versions = self._rules()
        self.templates = self._templates()
        self._schedule()
        for number in range(leads):
            self._lead(number)
        session.commit()
        # They go to sending at any hour.
        engine: Any = session.get_bind()
        sending = "UPDATE outreach SET status = 'sending' WHERE id = ANY (%(ids)s)"
        unguarded(engine, sending, ids=[each.id for each in self.sending])
        session.expire_all()

    def _rules(self) -> list[RuleVersion]:
        (rule, first), (_other, second) = (active_rule(self.session, f"R-{n}") for n in (1, 2))
        newer = version_of(rule, 2, "draft")
        self.session.add(newer)
        self.session.flush()
        return [first, newer, second]

    def _templates(self) -> list[OutreachTemplateVersion]:
        found = []
        for channel in ("sms", "call"):
            made = [OutreachTemplateVersion(number=n, body="您好", created_by="x") for n in (1, 2)]
            self.session.add(
                OutreachTemplate(channel=channel, name=f"模板 {channel}", created_by="x", versions=made)
            )
            found += made
        self.session.flush()
        return found

    def _schedule(self) -> None:
        """Three pushes of two deliveries each: all accepted, half of them, none."""
        schedule, target = (
            Schedule(code="S-1", name="一"),
            Target(code="crm", kind="webhook", name="crm", created_by="x"),
        )
        version = ScheduleVersion(number=1, spec={}, created_by="x", schedule=schedule)
        self.session.add_all([schedule, version, target])
        self.session.flush()
        self.pushes, at = [], dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
        for n, states in enumerate((("sent", "sent"), ("sent", "dead"), ("waiting", "cancelled"))):
            moment = at + dt.timedelta(days=n)
            push = Push(schedule=schedule, version=version, slot=moment, at=moment, outcome="send")
            self.session.add(push)
            self.session.flush()
            for part, (state, edge) in enumerate(zip(states, ((1, 30), (31, 10**9)), strict=True)):
                made = Delivery(
                    uid=f"m{n}{part}", idempotency_key=f"{n}/{part}", push_id=push.id, target_id=target.id
                )
                made.first_hit, made.last_hit, made.status = *edge, state
                self.session.add(made)
            self.pushes.append(push)
        self.session.flush()

    def _lead(self, number: int) -> None:
        random = self.random
        made = lead(self.settings, number, self.branches["TOP"])
        made.lead_no = f"L10{number:03d}"
        made.branch = random.choice([*self.branches.values(), None])
        made.source = random.choice(("", "官网预约", "抖音推广"))
        if random.random() < 0.1:
            made.deleted_at = clock.now()
        self.session.add(made)
        self.session.flush()
        batch = OutreachBatch(channel="sms", version_id=self.templates[0].id, selection={}, created_by="x")
        self.session.add(batch)
        for version in random.sample(self.versions, random.randint(0, 3)):
            for day in random.sample(range(DAYS), random.randint(1, 2)):
                each = hit(made, version, "waiting")
                each.hit_date = TODAY - dt.timedelta(days=day)
                each.grade = random.choice("ABCD")
                each.holdout = random.random() < 0.3
                self._status(each, day)
                if all(
                    n.hit_date != each.hit_date or n.rule_id != each.rule_id for n in self._hits_of(made.id)
                ):
                    self.session.add(each)
                    self.session.flush()
                    self._add_history(each)

    def _hits_of(self, lead_id: int) -> list[Hit]:
        return self.session.query(Hit).filter_by(lead_id=lead_id).all()

    def _status(self, of: Hit, days_ago: int) -> None:
        of.status = self.random.choice(("waiting", "waiting", "in_progress", "converted", "failed"))
        if of.status == "converted":
            of.converted_at = clock.now() - dt.timedelta(days=self.random.randint(0, days_ago))

    def _add_history(self, of: Hit) -> None:
        """Push a hit or not, and add contacts and steps."""
        random, moment = self.random, clock.now().astimezone(ZONE).replace(minute=30)
        if random.random() < 0.5:
            push = random.choice(self.pushes)
            self.session.add(PushHit(schedule_id=push.schedule_id, hit_id=of.id, push_id=push.id))
        for _ in range(random.choice((0, 0, 1, 1, 2))):
            at = moment - dt.timedelta(days=1, hours=random.randint(0, 23))
            self._contact(of, at, random.choice(OUTCOMES))
        for kind in random.sample(("claim", "start", "follow_up", "close"), random.choice((0, 0, 1, 2))):
            at = moment - dt.timedelta(days=1, hours=random.randint(0, 23))
            person = random.choice(("system", "anna"))
            event = HitEvent(
                hit_id=of.id, kind=kind, from_status="waiting", to_status="waiting", person=person
            )
            event.at = at
            self.session.add(event)

    def deliver(self) -> None:
        """Deliver outcomes of two products; the second rule counts the first product only.

        One customer who was sent something in the middle of the days buys today for certain.
        """
        products = [Product(code=code, name=code, line="loan", updated_by="x") for code in ("P-1", "P-2")]
        self.session.add_all(products)
        self.versions[2].products = ["P-1"]
        self.session.flush()
        for number, made in enumerate(self.session.query(Lead)):
            for part in range(self.random.randint(0, 2)):
                self.session.add(
                    Outcome(
                        outcome_id=f"O{number}-{part}",
                        lead_id=made.id,
                        product_id=self.random.choice(products).id,
                        on_date=TODAY - dt.timedelta(days=self.random.randint(0, DAYS)),
                        amount=self.random.randint(1, 9) * 1000,
                    )
                )
        self._sell_after_a_contact(products[0])
        self.session.commit()

    def _sell_after_a_contact(self, product: Product) -> None:
        sent = self.session.query(Outreach).join(Hit).join(Lead).filter(Outreach.sent_at.is_not(None))
        middle = Hit.hit_date.between(TODAY - dt.timedelta(days=9), TODAY - dt.timedelta(days=2))
        buyer = sent.filter(middle, Lead.deleted_at.is_(None)).order_by(Outreach.id).first()
        assert buyer is not None
        sale = {"lead_id": buyer.lead_id, "product_id": product.id, "on_date": TODAY, "amount": 7000}
        self.session.add(Outcome(outcome_id="O-CERTAIN", **sale))

    def _contact(self, of: Hit, at: dt.datetime, status: str) -> None:
        template = self.random.choice(self.templates)
        gone = status not in ("queued", "held", "dropped", "sending", "unknown")
        handed_over = gone or status == "unknown"
        batch = OutreachBatch(channel="sms", version_id=template.id, selection={}, created_by="x")
        self.session.add(batch)
        self.session.flush()
        goes = status == "sending"
        made = Outreach(
            batch_id=batch.id,
            hit_id=of.id,
            lead_id=of.lead_id,
            version_id=template.id,
            channel=template.template.channel,
            key=uuid.UUID(int=self.random.getrandbits(128)),
            id_hash="0" * 64,
            phone_index="0" * 64,
            status="queued" if goes else status,
            at=at,
            reserved_at=at if handed_over else None,
            sent_at=at if gone else None,
            cost=Decimal(self.random.choice(("0.05", "0.1", "0.6"))) if handed_over else None,
        )
        self.session.add(made)
        self.sending += [made] if goes else []
