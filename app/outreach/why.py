"""Explanations of why a customer was or was not contacted, and what would happen now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import contains_eager, joinedload

from app.extensions import db
from app.lib import clock
from app.models import Hit, HitStatus, Lead, Outreach, OutreachBatch, OutreachTemplateVersion, Staff
from app.outreach import compliance, settings
from app.outreach.compliance import Terms
from app.outreach.templates import CHANNELS
from app.schedules import calendar

MOST = 100


@dataclass(frozen=True)
class Verdict:
    """The result of every compliance rule if the user contacted the customer for the hit now."""

    channel: str
    hit: Hit
    rules: list[tuple[str, bool]]

    @property
    def held(self) -> list[str]:
        """The reasons that hold the contact back."""
        return [reason for reason, holds in self.rules if holds]


def history(lead: Lead) -> list[Outreach]:
    """Return up to MOST contacts of the lead that were made or held back, newest first.

    Rows of batches that were only checked and never confirmed are left out.
    """
    return _contacts(Outreach.lead_id == lead.id)


def of_hit(hit: Hit) -> list[Outreach]:
    """Return up to MOST contacts of the hit that were made or held back, newest first."""
    return _contacts(Outreach.hit_id == hit.id)


def _contacts(which: ColumnElement[bool]) -> list[Outreach]:
    query = (
        select(Outreach)
        .join(Outreach.batch)
        .where(which, OutreachBatch.confirmed_at.is_not(None))
        .options(
            contains_eager(Outreach.batch),
            joinedload(Outreach.version).joinedload(OutreachTemplateVersion.template),
        )
        .order_by(Outreach.id.desc())
        .limit(MOST)
    )
    return list(db.session.scalars(query))


def now(lead: Lead, user: Staff) -> list[Verdict]:
    """Return the verdict by channel for the lead's newest hit, nothing without a hit.

    A withdrawn one counts only when there is no other.
    """
    newest = (Hit.status == HitStatus.WITHDRAWN, Hit.hit_date.desc(), Hit.id.desc())
    hit = db.session.scalar(select(Hit).where(Hit.lead_id == lead.id).order_by(*newest).limit(1))
    return of_hit_now(hit, user) if hit is not None else []


def of_hit_now(hit: Hit, user: Staff) -> list[Verdict]:
    """Return the verdict by channel for a hit."""
    return [_verdict(channel, hit, user) for channel in CHANNELS]


def _verdict(channel: str, hit: Hit, user: Staff) -> Verdict:
    terms = Terms(channel, settings.current(), user, clock.now(), calendar.current())
    criteria = {name: rule for name, rule in compliance.criteria(terms).items() if name != "twice"}
    query = select(*criteria.values()).select_from(Hit).join(Lead, Lead.id == Hit.lead_id)
    results = db.session.execute(query.where(Hit.id == hit.id)).one()
    return Verdict(channel, hit, [(name, bool(holds)) for name, holds in zip(criteria, results, strict=True)])
