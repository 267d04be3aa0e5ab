"""A version of a journey tried out on a stable share of its customers, beside the one in force 灰度.

Who gets it is a keyed hash of person, journey and version: widening keeps those who have it. When it ends
otherwise than in force, everybody on it goes on with the version in force at the same step.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import BigInteger, and_, func, literal_column, select

from app.errors import DomainError
from app.extensions import db
from app.journeys import moves
from app.journeys.draw import Draw, places, threshold
from app.journeys.versions import activate, journey_def, settle
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.models import (
    CanaryEnd,
    EnrolmentStatus,
    Journey,
    JourneyCanary,
    JourneyEnrolment,
    JourneyStep,
    JourneyVersion,
    Lead,
    Outreach,
    OutreachStatus,
    VersionStatus,
)
from app.rules.proportion import Interval, Share, difference
from app.segments.contacts import ANSWERED

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

#: contacts before a guardrail says anything
LEAST = 50
#: who ends a canary whose guardrail was crossed
SYSTEM = "system"


@dataclass(frozen=True)
class Terms:
    """How a canary starts: percent of customers, and the limits of its guardrail in percent of contacts."""

    percent: int = 10
    opt_out_limit: float = 2.0
    failure_limit: float = 20.0


def of(journey: Journey) -> JourneyCanary | None:
    """Return the canary of a journey, None when there is none."""
    return db.session.scalar(
        select(JourneyCanary).where(JourneyCanary.journey_id == journey.id, JourneyCanary.ended_at.is_(None))
    )


def of_version(version: JourneyVersion) -> JourneyCanary | None:
    """Return how a version is, or was, tried out, None when it never was."""
    return db.session.scalar(select(JourneyCanary).where(JourneyCanary.version_id == version.id))


def check(version: JourneyVersion, terms: Terms) -> None:
    """Raise DomainError for a version that can't be compared with the one in force, and for wrong terms."""
    journey = version.journey
    if journey.active_version is None:
        raise DomainError("%(journey)s has no version in force yet.", journey=str(journey))
    if of(journey) is not None:
        raise DomainError("Another version is being tried out.")
    old, new = journey_def(journey.active_version), journey_def(version)
    if (old.trigger, old.reentry, old.goal) != (new.trigger, new.reentry, new.goal):
        raise DomainError(
            "Trigger, re-entry and goal must be those of the version in force, else nothing can be compared."
        )
    _check_percent(terms.percent)
    for limit in (terms.opt_out_limit, terms.failure_limit):
        if not 0 <= limit <= 100:
            raise DomainError("A limit is 0 to 100 percent.")


def _check_percent(percent: int) -> None:
    if not 1 <= percent <= 99:
        raise DomainError("Choose a share from 1 to 99 percent.")


def start(version: JourneyVersion, terms: Terms, user: str) -> JourneyCanary:
    """Try out a draft or submitted version. Flushes. Raises DomainError as ``check`` does."""
    check(version, terms)
    settle(version)
    now, journey = clock.now(), version.journey
    version.status, version.activated_by, version.activated_at = VersionStatus.CANARY, user, now
    canary = JourneyCanary(
        journey_id=journey.id,
        version_id=version.id,
        against_id=journey.active_version_id,
        percent=terms.percent,
        opt_out_limit=terms.opt_out_limit,
        failure_limit=terms.failure_limit,
        started_by=user,
        started_at=now,
    )
    db.session.add(canary)
    db.session.flush()
    return canary


def widen(canary: JourneyCanary, percent: int) -> None:
    """Try a canary out on more customers, or on fewer: who is on it stays. Flushes. Raises DomainError."""
    _lock(canary)
    _check_percent(percent)
    canary.percent = percent
    db.session.flush()


def put_in_force(canary: JourneyCanary, user: str) -> None:
    """Put a canary in force for everybody who enters from now on. Flushes. Raises DomainError."""
    _lock(canary)
    _end(canary, user, CanaryEnd.IN_FORCE)
    activate(canary.version, user)


def publish(version: JourneyVersion, user: str) -> None:
    """Put a version in force for everybody; another one that is tried out is withdrawn. Flushes.

    Raises DomainError for a version that can't be put in force.
    """
    canary = of(version.journey)
    activate(version, user)
    if canary is not None:
        withdraw(canary, user, "", CanaryEnd.REPLACED)


def withdraw(canary: JourneyCanary, user: str, reason: str, outcome: CanaryEnd = CanaryEnd.WITHDRAWN) -> None:
    """Withdraw a canary; those on it go on with the version in force. Flushes. Raises DomainError."""
    _lock(canary)
    if outcome is CanaryEnd.WITHDRAWN and not reason.strip():
        raise DomainError("State a reason; it is kept with the version and in the change log.")
    _end(canary, user, outcome, reason.strip())
    version, in_force = canary.version, canary.version.journey.active_version
    version.status = VersionStatus.RETIRED
    db.session.flush()
    if in_force is not None:
        moves.begin(in_force, [moves.Move(version.id, moves.same_steps(version, in_force))], user)


def _lock(canary: JourneyCanary) -> None:
    db.session.refresh(canary, with_for_update=True)
    if canary.ended_at is not None:
        raise DomainError("%(version)s is not tried out any more.", version=str(canary.version))


def _end(canary: JourneyCanary, user: str, outcome: CanaryEnd, reason: str = "") -> None:
    figures = compare(canary)
    canary.figures = {"canary": figures.canary, "in_force": figures.in_force}
    canary.ended_by, canary.ended_at, canary.outcome, canary.reason = user, clock.now(), outcome, reason
    db.session.flush()


def drawn(journey: Journey, leads: Sequence[int]) -> tuple[JourneyVersion | None, Collection[int]]:
    """Return the version that is tried out, and which of some leads get it."""
    canary = of(journey)
    if canary is None or not leads:
        return None, ()
    bits = literal_column("('x' || left(lead.id_hash, 16))::bit(64)::bigint", BigInteger)
    found = db.session.execute(select(Lead.id, bits).where(Lead.id == func.any(list(leads)))).tuples().all()
    keyed = Draw.of(current_settings(), journey.code).key(f"v{canary.version.number}", "canary")
    place = places(np.array([each for _lead, each in found], np.int64).astype(np.uint64), keyed)
    chosen = place < threshold(canary.percent)
    return canary.version, {lead for (lead, _bits), is_in in zip(found, chosen, strict=True) if is_in}


# -- compared with the version in force ---------------------------------------------------------------


class Figures(NamedTuple):
    """What became of those who entered a version: shares of people, of contacts for opt-outs and failures."""

    entered: int
    contacts: int
    answered: Share
    goal: Share
    opted_out: Share
    failed: Share


NOBODY = Figures(0, 0, *[Share(0, 0)] * 4)


@dataclass(frozen=True)
class Comparison:
    """A canary beside the version in force, of those who entered since it started."""

    canary: Figures
    in_force: Figures

    def difference(self, name: str) -> Interval | None:
        """Return the interval of the difference of a share, None without people on both sides."""
        return difference(getattr(self.canary, name), getattr(self.in_force, name))


def compare(canary: JourneyCanary) -> Comparison:
    """Return what became of those who entered since a canary started, of one that ended what had become."""
    if canary.figures is not None:
        return Comparison(_figures(canary.figures["canary"]), _figures(canary.figures["in_force"]))
    people = func.count(JourneyEnrolment.id.distinct())
    contacts = func.count(Outreach.id)
    query = (
        select(
            JourneyEnrolment.version_id,
            people,
            contacts.filter(Outreach.sent_at.is_not(None)),
            people.filter(Outreach.status.in_(ANSWERED)),
            people.filter(JourneyEnrolment.status == EnrolmentStatus.GOAL),
            contacts.filter(Outreach.status == OutreachStatus.OPT_OUT),
            contacts.filter(Outreach.status == OutreachStatus.FAILED),
            contacts.filter(
                Outreach.sent_at.is_not(None) | (Outreach.status == OutreachStatus.FAILED),
            ),
        )
        .outerjoin(
            JourneyStep,
            and_(JourneyStep.enrolment_id == JourneyEnrolment.id, JourneyStep.outreach_id.is_not(None)),
        )
        .outerjoin(Outreach, Outreach.id == JourneyStep.outreach_id)
        .where(
            JourneyEnrolment.version_id.in_((canary.version_id, canary.against_id)),
            JourneyEnrolment.entered_at >= canary.started_at,
        )
        .group_by(JourneyEnrolment.version_id)
    )
    found = {
        version: Figures(
            *(entered, sent, Share(answered, entered), Share(goal, entered)),
            *(Share(opted_out, sent), Share(failed, tried)),
        )
        for version, entered, sent, answered, goal, opted_out, failed, tried in db.session.execute(query)
    }
    return Comparison(*(found.get(each, NOBODY) for each in (canary.version_id, canary.against_id)))


def _figures(stored: Sequence[Any]) -> Figures:
    entered, contacts, *shares = stored
    return Figures(entered, contacts, *(Share(*each) for each in shares))


def crossed(canary: JourneyCanary, figures: Figures) -> str:
    """Return which limit of its guardrail a canary has crossed, empty for none."""
    for name, limit in (("opted_out", canary.opt_out_limit), ("failed", canary.failure_limit)):
        share: Share = getattr(figures, name)
        if share.whole >= LEAST and share.part * 100 > limit * share.whole:
            return name
    return ""


def watch(_now: dt.datetime) -> int:
    """Withdraw the canaries whose guardrail was crossed, and commit. Return how many."""
    withdrawn = 0
    for canary in db.session.scalars(select(JourneyCanary).where(JourneyCanary.ended_at.is_(None))).all():
        if crossed(canary, compare(canary).canary):
            withdraw(canary, SYSTEM, "", CanaryEnd.GUARDRAIL)
            withdrawn += 1
    db.session.commit()
    return withdrawn
