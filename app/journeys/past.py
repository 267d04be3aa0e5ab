"""The world of a journey as it is recorded: opt-outs, hits, outcomes, contacts, facts, and rules in force.

Attributes of leads are as they are today; what has a moment counts from that moment on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
)

from app.extensions import db
from app.journeys.definition import Branch, Contact
from app.journeys.plan import CHANNELS, Plan
from app.journeys.triggers import Events, day_number, leads_where, outcomes_of
from app.journeys.world import Moments, World
from app.lib.columns import integers
from app.lib.lazy import lazy
from app.lib.wall_clock import WallClock, date_of
from app.models import (
    ControlMember,
    Customer,
    Hit,
    HitStatus,
    JourneyEnrolment,
    JourneyStep,
    Lead,
    Outcome,
    Outreach,
    OutreachStatus,
    Suppression,
)
from app.outreach import compliance, settings
from app.outreach.caps import caps_of
from app.outreach.openings import NEVER, Openings
from app.outreach.settings import OutreachSettings
from app.schedules import calendar
from app.segments import contacts
from app.segments.evaluation import Evaluation
from app.segments.filter import is_dated
from config import Settings

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

Array = Any
_FAR = dt.timedelta(days=400)


def clock_of(config: Settings, period: tuple[dt.date, dt.date]) -> WallClock:
    """Return the local time of a period, and of what its moments may lead to."""
    return WallClock(config.zone, period[0] - _FAR, period[1] + _FAR)


class Past:
    """Reads what is known of the leads of some events, each an element of the world's arrays."""

    def __init__(self, plan: Plan, config: Settings, period: tuple[dt.date, dt.date], found: Events) -> None:
        self._plan, self._config, self._period, self._found = plan, config, period, found
        self._clock = clock_of(config, period)
        self._ids = np.unique(found.leads)
        #: the number of the lead of each event
        self.leads: Array = np.searchsorted(self._ids, found.leads)
        self._truths: dict[tuple[str, int], Array] = {}

    def lead_numbers(self) -> list[str]:
        """Return the number of each lead, as people read it."""
        query = select(Lead.id, Lead.lead_no).where(self.among())
        found = dict(db.session.execute(query).tuples().all())
        return [found.get(int(each), "") for each in self._ids]

    def lead_id(self, element: int) -> int:
        """Return the id of the lead of an event."""
        return int(self._ids[self.leads[element]])

    def places_of(self, ids: Sequence[int]) -> Array:
        """Return the numbers of leads that are among those of the events."""
        return np.flatnonzero(np.isin(self._ids, np.array(ids, np.int64)))

    def world(self, apart_from: int | None, present: int | None = None, step: Any = None) -> World:
        """Return the world, apart from the contacts that a journey has made, as far as a step needs it.

        ``present`` is the moment up to which contacts count against caps, by default that of each contact.
        Without a step everything is read.
        """
        contacts_too = step is None or isinstance(step, Contact)
        outcomes_too = step is None or getattr(step, "until", None) == "outcome"
        values = settings.of_journeys()
        first, last = (day + sign * _FAR for day, sign in zip(self._period, (-1, 1), strict=True))
        openings = Openings(values, calendar.current(), self._config.zone, first, last)
        phones, hashes, bits = self._keys()
        people = _components(phones, hashes)
        world = World(
            *(self._clock, openings, caps_of(values), people[self.leads], self.leads),
            *(self._found.moments, bits[self.leads]),
            leaving=self._leaving(),
            barred={channel: self._barred(values, channel) for channel in CHANNELS if contacts_too},
            converted_at=self._converted() if contacts_too else None,
            outcomes=self._outcomes(None) if outcomes_too else None,
            truth=self._truth,
            present=present,
        )
        if self._plan.calls_per_marketer is not None and contacts_too:
            world.owners = self._owners()
        if world.caps and contacts_too:
            world.counted = self._counted(people, apart_from)
        if self._plan.remembers and (step is None or isinstance(step, Branch)):
            end = dt.datetime.combine(self._period[1] + dt.timedelta(days=1), dt.time(), self._config.zone)
            made = partial(contacts.contacts_made, known_before=end)
            world.contacted = self._told(made, apart_from)
            world.answered = self._told(contacts.responses, apart_from)
        return world

    def _owners(self) -> Array:
        """Return who owns the customers today, 0 for nobody."""
        query = select(Customer.id, Customer.owner_id).where(
            Customer.id.in_(_listed(self._ids)), Customer.owner_id.is_not(None)
        )
        return self._from(*_two(self._columns(query)), 0, least=False)[self.leads]

    def _columns(self, query: Any) -> list[Array]:
        return integers(db.session.connection(), query)

    def among(self) -> Any:
        """Return the criterion on Lead for those of the events."""
        return Lead.id.in_(_listed(self._ids))

    def _numbers(self, ids: Array) -> Array:
        return np.searchsorted(self._ids, ids)

    def _keys(self) -> tuple[Array, Array, Array]:
        """Return phone, ID hash and bits of draws of each lead, as integers."""
        drawn = literal_column("('x' || left(lead.id_hash, 16))::bit(64)::bigint", BigInteger).label("bits")
        hashed = (func.hashtextextended(key, 0) for key in (Lead.phone_index, Lead.id_hash))
        query = select(Lead.id, *hashed, drawn).where(self.among()).order_by(Lead.id)
        ids, phones, hashes, bits = self._columns(query)
        order = np.argsort(ids)
        return phones[order], hashes[order], bits[order].astype(np.uint64)

    def _from(self, ids: Array, moments: Array, otherwise: int, least: bool = True) -> Array:
        """Return a moment of each lead: the least, or greatest, of those given."""
        found = np.full(len(self._ids), otherwise, np.int64)
        (np.minimum if least else np.maximum).at(found, self._numbers(ids), moments)
        return found

    def _leaving(self) -> dict[str, tuple[Array, Array | None]]:
        deleted = select(Lead.id, _seconds(Lead.deleted_at)).where(self.among(), Lead.deleted_at.is_not(None))
        found: dict[str, tuple[Array, Array | None]] = {
            "deleted": (self._from(*_two(self._columns(deleted)), NEVER)[self.leads], None),
            "opted_out": self._opted_out(),
            "holdout": self._held_out(),
        }
        if self._plan.journey.goal is not None:
            bought = self._outcomes(self._plan.journey.goal)
            entered = self._clock.midnights(self._clock.days(self._found.moments))
            found["goal"] = (bought.next(self.leads, entered), None)
        return {name: each for name, each in found.items() if (each[0] < NEVER).any()}

    def _opted_out(self) -> tuple[Array, Array]:
        """Return since when and until when leads are on the list; several entries are taken as one."""
        expires = func.timezone(self._config.timezone, cast(Suppression.expires_on + 1, DateTime()))
        ends = func.least(Suppression.removed_at, expires)
        named = or_(Suppression.phone_index == Lead.phone_index, Suppression.id_hash == Lead.id_hash)
        until = func.coalesce(_seconds(ends), literal(NEVER))
        query = select(Lead.id, _seconds(Suppression.created_at), until).join(Suppression, named)
        ids, since, before = self._columns(query.where(self.among()))
        unlisted = ~exists().where(named)
        flagged = self._columns(select(Lead.id).where(self.among(), Lead.opted_out, unlisted))[0]
        ids = np.concatenate([ids, flagged])
        since = np.concatenate([since, np.zeros(len(flagged), np.int64)])
        before = np.concatenate([before, np.full(len(flagged), NEVER)])
        return (
            self._from(ids, since, NEVER)[self.leads],
            self._from(ids, before, 0, least=False)[self.leads],
        )

    def _held_out(self) -> tuple[Array, Array]:
        """Return since when and until when: for good by a hit's rule, for a year in the control group."""
        query = select(ControlMember.lead_id, ControlMember.year)
        ids, years = self._columns(query.join(Lead, Lead.id == ControlMember.lead_id).where(self.among()))
        since, before = (self._new_year(years + after) for after in (0, 1))
        since = self._from(ids, since, NEVER)[self.leads]
        before = self._from(ids, before, 0, least=False)[self.leads]
        held = np.isin(self._found.hits, self._columns(self._hits(Hit.holdout))[0])
        return np.where(held, 0, since), np.where(held, NEVER, before)

    def _new_year(self, years: Array) -> Array:
        days = [(dt.date(int(year), 1, 1) - dt.date(1970, 1, 1)).days for year in years]
        return self._clock.midnights(np.array(days, np.int64))

    def _hits(self, *criteria: Any) -> Select[Any]:
        return select(Hit.id).where(Hit.id.in_(_listed(self._found.hits[self._found.hits > 0])), *criteria)

    def _barred(self, values: OutreachSettings, channel: str) -> Array:
        """Return why no contact by a channel may be made, by the rules that know no moment."""
        word = self._plan.words.index
        unusable, excluded = compliance.unusable_phone(channel), compliance.excluded_lead(values)
        grade = self._columns(self._hits(compliance.excluded_grade(values)))[0]
        found = np.where(np.isin(self._found.hits, grade), word("grade"), 0).astype(np.int16)
        for reason, criterion in (("phone", unusable), ("lead_status", excluded)):
            ids = leads_where(and_(self.among(), criterion))
            # Of several, the one that stands first among the reasons of compliance.
            weaker = found == 0 if reason == "phone" else True
            found = np.where(np.isin(self._found.leads, ids) & weaker, word(reason), found)
        return found.astype(np.int16)

    def _converted(self) -> Array | None:
        """Return from when on the hit of an event counts as converted."""
        bought = case((Hit.converted.is_(True), Hit.outcome_on), else_=null())
        claimed = case((Hit.status == HitStatus.CONVERTED, _local_date(Hit.converted_at, self._config)))
        day = func.least(bought, claimed)
        ids, days = self._columns(self._hits(day.is_not(None)).add_columns(day_number(day)))
        if not len(ids):
            return None
        order = np.argsort(ids)
        ids, days = ids[order], days[order]
        place = np.minimum(np.searchsorted(ids, self._found.hits), len(ids) - 1)
        return np.where(ids[place] == self._found.hits, self._clock.midnights(days[place]), NEVER)

    def _outcomes(self, bought: Any) -> Moments:
        query = outcomes_of(bought).where(Outcome.lead_id.in_(_listed(self._ids)))
        ids, days = self._columns(query)
        return Moments(self._numbers(ids), self._clock.midnights(days))

    def _counted(self, people: Array, apart_from: int | None) -> dict[str | None, Moments]:
        """Return the contacts that caps count, as ``compliance`` does: calls by hand among them."""
        since = self._period[0] - dt.timedelta(days=366)
        begin = dt.datetime.combine(since, dt.time(), self._config.zone)
        same = or_(Outreach.phone_index == Lead.phone_index, Outreach.id_hash == Lead.id_hash)
        made = select(Lead.id, _seconds(Outreach.reserved_at), Outreach.id, _channel(Outreach.channel))
        made = made.join(Outreach, same).where(
            *(self.among(), Outreach.reserved_at >= begin, Outreach.status != OutreachStatus.FAILED),
            ~_made_by(apart_from, Outreach.id),
        )
        ids, moments, contact, channel = self._columns(made)
        hand = compliance.called_by_hand(Lead).lateral()
        at = hand.c[0]
        by_hand = select(Lead.id, _seconds(at), cast(func.extract("epoch", at) * 1_000_000, BigInteger))
        ids2, moments2, contact2 = self._columns(by_hand.join(hand, true()).where(self.among(), at >= begin))
        who = people[self._numbers(np.concatenate([ids, ids2]))]
        moments = np.concatenate([moments, moments2])
        channel = np.concatenate([channel, np.full(len(ids2), CHANNELS.index("call"))])
        # Somebody found by phone and by person, or twice on the list, was contacted once.
        contact = np.concatenate([contact, -contact2])
        _each, once = np.unique(np.stack([who, contact]), axis=1, return_index=True)
        who, moments, channel = who[once], moments[once], channel[once]
        found: dict[str | None, Moments] = {None: Moments(who, moments)}
        for number, name in enumerate(CHANNELS):
            found[name] = Moments(who[channel == number], moments[channel == number])
        return {name: each for name, each in found.items() if len(each)}

    def _told(
        self, query_of: Callable[[str | None], Any], apart_from: int | None
    ) -> dict[str | None, Moments]:
        """Return the contacts, or answers, that conditions ask for."""
        found = {}
        for channel in (*CHANNELS, None):
            told = query_of(channel).subquery()
            query = select(told.c.lead_id, _seconds(told.c.at)).join(Lead, Lead.id == told.c.lead_id)
            ids, moments = self._columns(query.where(self.among(), ~_made_by(apart_from, told.c.outreach_id)))
            found[channel] = Moments(self._numbers(ids), moments)
        return {name: each for name, each in found.items() if len(each)}

    def _truth(self, part: Any, who: Array, days: Array) -> Array:
        """Return whether a filter admits people as of days, attributes as they are today."""
        found = np.zeros(len(who), bool)
        dated = is_dated(part)
        for day in np.unique(days) if dated else [int(days.max(initial=0))]:
            which: Any = days == day if dated else slice(None)
            found[which] = self._admitted(part, int(day))[self.leads[who[which]]]
        return found

    def _admitted(self, part: Any, day: int) -> Array:
        key = (part.model_dump_json(), day)
        if key not in self._truths:
            as_of = date_of(day)
            criterion = Evaluation(self._config, as_of, as_of).criterion(part)
            self._truths[key] = np.isin(self._ids, leads_where(criterion))
        return self._truths[key]


def _made_by(journey_id: int | None, outreach_id: Any) -> Any:
    """Return the criterion that a contact was made by a journey, if one is given."""
    if journey_id is None:
        return false()
    return exists().where(
        JourneyStep.outreach_id == outreach_id,
        JourneyEnrolment.id == JourneyStep.enrolment_id,
        JourneyEnrolment.journey_id == journey_id,
    )


def _listed(ids: Array) -> Any:
    return select(func.unnest(bindparam(None, ids.tolist(), type_=ARRAY(BigInteger))))


def _two(columns: list[Array]) -> tuple[Array, Array]:
    return columns[0], columns[1]


def _seconds(column: Any) -> Any:
    return cast(func.floor(func.extract("epoch", column)), BigInteger)


def _local_date(column: Any, config: Settings) -> Any:
    return func.date(func.timezone(config.timezone, column))


def _channel(column: Any) -> Any:
    return cast(case(*((column == name, place) for place, name in enumerate(CHANNELS)), else_=-1), Integer)


def _components(*keys: Array) -> Array:
    """Return a number for each lead that those have in common who share a key, directly or through others."""
    found = np.arange(len(keys[0]))
    inverse = [np.unique(key, return_inverse=True)[1] for key in keys]
    while True:
        before = found
        for groups in inverse:
            least = np.full(int(groups.max(initial=-1)) + 1, len(found))
            np.minimum.at(least, groups, found)
            found = least[groups]
        if np.array_equal(before, found):
            return found
