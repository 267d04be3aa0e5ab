"""Journeys by a plain loop over people and moments, against which the arrays are tested."""

from __future__ import annotations

import datetime as dt
import heapq
from dataclasses import dataclass, field
from typing import Any

from app.journeys.definition import JourneyDef
from app.outreach.compliance import next_open
from app.outreach.settings import OutreachSettings
from app.schedules.calendar import Calendar

Row = tuple[int, str, dt.datetime, str, dt.datetime | None, str]
NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass
class Person:
    """What is recorded of a lead who may enter at some moments."""

    phone: int
    enters: list[dt.datetime]
    part: dict[str, int] = field(default_factory=dict)
    deleted: dt.datetime = NEVER
    opted_out: tuple[dt.datetime, dt.datetime] = (NEVER, NEVER)
    holdout: bool = False
    outcomes: list[dt.date] = field(default_factory=list)
    bought_before: dt.datetime = NEVER
    barred: str = ""
    #: the first day as of which a lead passes the tests of facts
    rich: dt.date = dt.date.max


@dataclass
class Bank:
    zone: dt.tzinfo
    settings: OutreachSettings
    calendar: Calendar
    people: list[Person]
    #: of phones: moment and channel
    contacts: dict[int, list[tuple[dt.datetime, str]]]
    #: who answers contacts, by lead, moment of entering and step
    answers: Any
    last: dt.date

    def local(self, moment: dt.datetime) -> dt.datetime:
        return moment.astimezone(self.zone)

    def opens(self, moment: dt.datetime) -> dt.datetime:
        found = next_open(self.settings, self.calendar, self.local(moment))
        return found.astimezone(dt.UTC)

    def midnight(self, day: dt.date) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(), self.zone).astimezone(dt.UTC)


@dataclass
class Enrolment:
    lead: int
    entered: dt.datetime
    number: int
    step: str
    due: dt.datetime
    judged: dt.datetime | None = None
    deadline: dt.datetime | None = None
    answer: dt.datetime = NEVER
    why: str = ""


class Brute:
    """One run of a journey."""

    def __init__(self, journey: JourneyDef, bank: Bank) -> None:
        self.journey, self.bank = journey, bank
        self.steps = {step.id: step for step in journey.steps}
        self.rows: list[tuple[int, Row]] = []
        self.until = bank.midnight(bank.last + dt.timedelta(days=1))
        #: contacts and answers of leads in this journey
        self.own: dict[int, list[tuple[str, dt.datetime, dt.datetime]]] = {}
        self.reached: dict[int, int] = {}

    def run(self) -> list[Row]:
        queue: list[tuple[dt.datetime, int, int, Enrolment | None]] = []
        number = 0
        for lead, person in enumerate(self.bank.people):
            for moment in person.enters:
                heapq.heappush(queue, (moment, lead, number, None))
                number += 1
        ready: dict[int, dt.datetime] = {}
        while queue:
            moment, lead, number, enrolment = heapq.heappop(queue)
            if enrolment is None:
                if moment < ready.get(lead, dt.datetime.min.replace(tzinfo=dt.UTC)):
                    continue
                ready[lead] = NEVER
                enrolment = Enrolment(lead, moment, number, self.journey.steps[0].id, moment)
            if moment >= self.until:
                self._row(enrolment, "waiting", None, "")
                continue
            after = self._look(enrolment, moment)
            if after is None:
                if self.journey.reentry != "never":
                    ready[lead] = max(
                        self._days_later(enrolment.entered, self.journey.reentry.after_days), moment
                    )
            else:
                heapq.heappush(queue, (after, lead, number, enrolment))
        return [row for _order, row in sorted(self.rows, key=lambda each: (each[1][0], each[0]))]

    def _row(self, each: Enrolment, status: str, at: dt.datetime | None, why: str) -> None:
        order = self.reached[each.number] = self.reached.get(each.number, 0) + 1
        self.rows.append((order, (each.number, each.step, each.due, status, at, why)))

    def _next(
        self, each: Enrolment, status: str, at: dt.datetime, why: str, to: str | None
    ) -> dt.datetime | None:
        self._row(each, status, at, why)
        if to is None:
            return None
        each.step, each.due, each.judged, each.deadline = to, at, None, None
        return at

    def _leaves(self, each: Enrolment, at: dt.datetime) -> str:
        person = self.bank.people[each.lead]
        if person.deleted <= at:
            return "deleted"
        if person.opted_out[0] <= at < person.opted_out[1]:
            return "opted_out"
        if person.holdout:
            return "holdout"
        entered = self.bank.local(each.entered).date()
        if self.journey.goal and any(entered <= day <= self.bank.local(at).date() for day in person.outcomes):
            return "goal"
        return ""

    def _look(self, each: Enrolment, now: dt.datetime) -> dt.datetime | None:
        """Do what is due; return when to look again, None when the journey is over."""
        step = self.steps[each.step]
        if (
            each.judged is None
            and each.deadline is None
            and now == each.due
            and (why := self._leaves(each, now))
        ):
            return self._next(each, "skipped", now, why, None)
        if step.do == "contact":
            return self._contact(each, step, now)
        if step.do == "wait":
            return self._wait(each, step, now)
        if step.do == "branch":
            for number, case in enumerate(step.cases, 1):
                if self._holds(case.when, each, now):
                    return self._next(each, "done", now, f"case {number}", case.then)
            return self._next(each, "done", now, "else", step.else_)
        if step.do == "split":
            drawn, total = self.bank.people[each.lead].part[step.id], 0
            for to, percent in step.parts.items():
                total += percent
                if drawn < round(total * (1 << 32) / 100):
                    return self._next(each, "done", now, to, to)
        return self._next(each, "done", now, "", getattr(step, "then", None))

    def _contact(self, each: Enrolment, step: Any, now: dt.datetime) -> dt.datetime | None:
        if each.judged is None:
            each.judged = self.bank.opens(each.due)
            each.deadline = each.judged + dt.timedelta(hours=step.hold_hours)
            return each.judged
        person = self.bank.people[each.lead]
        if each.judged > each.deadline:
            return self._held(each, step, now, each.why)
        if why := self._leaves(each, now):
            return self._next(each, "skipped", now, why, None)
        if person.barred or person.bought_before <= now:
            return self._held(each, step, now, person.barred or "converted")
        if why := self._capped(person, step.channel, now):
            each.why = why
            tomorrow = self.bank.local(now).date() + dt.timedelta(days=1)
            each.judged = self.bank.opens(self.bank.midnight(tomorrow))
            return min(each.judged, each.deadline)
        self.bank.contacts.setdefault(person.phone, []).append((now, step.channel))
        each.answer = now if self.bank.answers(each.lead, each.entered, step.id, step.channel) else NEVER
        self.own.setdefault(each.lead, []).append((step.channel, now, each.answer))
        return self._next(each, "done", now, "", step.then)

    def _held(self, each: Enrolment, step: Any, now: dt.datetime, why: str) -> dt.datetime | None:
        each.answer = NEVER
        return self._next(each, "held", now, why, step.held or step.then)

    def _capped(self, person: Person, channel: str, now: dt.datetime) -> str:
        rules, today = self.bank.settings, self.bank.local(now).date()
        for reason, name, counted in (
            ("cap_channel", channel, (channel,)),
            ("cap_total", "total", ("sms", "call")),
        ):
            most, days = getattr(rules, f"{name}_cap"), getattr(rules, f"{name}_days")
            first = today - dt.timedelta(days=days - 1)
            made = [
                moment
                for moment, how in self.bank.contacts.get(person.phone, [])
                if how in counted and moment <= now and self.bank.local(moment).date() >= first
            ]
            if most is not None and len(made) >= most:
                return reason
        return ""

    def _wait(self, each: Enrolment, step: Any, now: dt.datetime) -> dt.datetime | None:
        due, end = each.due, self._end(each.due, step)
        event = NEVER
        if step.until == "answered":
            event = each.answer
        elif step.until == "outcome":
            today = self.bank.local(due).date()
            days = [day for day in self.bank.people[each.lead].outcomes if day >= today]
            event = self.bank.midnight(min(days)) if days else NEVER
        at = min(max(event, due), end)
        if at > now:
            each.deadline = at
            return at
        why = "" if step.until is None else step.until if max(event, due) <= end else "timeout"
        return self._next(each, "done", at, why, step.timeout if why == "timeout" else step.then)

    def _end(self, due: dt.datetime, step: Any) -> dt.datetime:
        if step.hours is not None:
            return due + dt.timedelta(hours=step.hours)
        if step.days is not None:
            return self._days_later(due, step.days)
        local = self.bank.local(due).replace(tzinfo=None)
        hours, minutes = map(int, step.at.split(":"))
        then = local.replace(hour=hours, minute=minutes, second=0)
        return self._wall(then if then > local else then + dt.timedelta(days=1))

    def _days_later(self, moment: dt.datetime, days: int) -> dt.datetime:
        return self._wall(self.bank.local(moment).replace(tzinfo=None) + dt.timedelta(days=days))

    def _wall(self, local: dt.datetime) -> dt.datetime:
        return local.replace(tzinfo=self.bank.zone, fold=0).astimezone(dt.UTC)

    def _holds(self, part: Any, each: Enrolment, now: dt.datetime) -> bool:
        said = part.model_dump(by_alias=True)
        if "all" in said:
            return all(self._holds(one, each, now) for one in part.all)
        if "any" in said:
            return any(self._holds(one, each, now) for one in part.any)
        if "not" in said:
            return not self._holds(part.not_, each, now)
        if "fact" in said:
            return self.bank.people[each.lead].rich <= self.bank.local(now).date() - dt.timedelta(days=1)
        name = "contacted" if "contacted" in said else "answered"
        first = self.bank.local(now).date() - dt.timedelta(days=part.days - 1)
        wanted = said.get(name, "any")
        return any(
            wanted in ("any", channel) and first <= self.bank.local(moment).date()
            for channel, at, answer in self.own.get(each.lead, [])
            for moment in [at if name == "contacted" else answer]
            if moment <= now
        )
