"""Journeys in words of the current language: who enters, what each step does, and where it leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from sqlalchemy import select

from app import labels
from app.extensions import db
from app.facts import catalogue
from app.facts.definition import FactDef
from app.journeys.definition import (
    Bought,
    Branch,
    Contact,
    DateTrigger,
    End,
    FactTrigger,
    Hand,
    HitTrigger,
    JourneyDef,
    OutcomeTrigger,
    Pacing,
    Reentry,
    SegmentTrigger,
    Split,
    Strategy,
    TagStep,
    Task,
    Wait,
    Webhook,
)
from app.journeys.strategy import NOTHING, RowDef, TableDef
from app.models import OutreachTemplate, Product, Rule, Segment, StrategyTable, Tag, Target
from app.segments.sentence import fact_sentence, filter_sentence, name_of

#: to whom a row of a strategy table hands customers over
HAND_TO: dict[str, Any] = {
    "owner": lazy_gettext("the customer's owner"),
    "branch": lazy_gettext("the people of the branch"),
    "nobody": lazy_gettext("nobody"),
}
#: so many steps are told in the sentence of a whole journey
MAX_TOLD = 30
DEFAULT_HOLD_HOURS = 24


@dataclass(frozen=True)
class Names:
    """The names of what journeys name, by code. What no longer exists is called by its code."""

    rules: Mapping[str, str] = field(default_factory=dict)
    segments: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    products: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, FactDef] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str, codes: Iterable[str]) -> str:
        """Return the names of codes of a kind as an enumeration."""
        known = getattr(self, kind)
        return labels.enumerated(known.get(code, code) for code in codes)


def read_names() -> Names:
    """Return the names that there are in the database."""
    tables: dict[str, Any] = {
        "rules": Rule,
        "segments": Segment,
        "templates": OutreachTemplate,
        "products": Product,
        "targets": Target,
        "tags": Tag,
        "tables": StrategyTable,
    }
    found: dict[str, Any] = {
        kind: dict(db.session.execute(select(model.code, model.name)).tuples().all())
        for kind, model in tables.items()
    }
    return Names(**found, facts={fact.code: fact for fact in catalogue.definitions().values()})


# -- who enters ---------------------------------------------------------------------------------------


def trigger_sentence(trigger: Any, names: Names) -> str:
    """Describe who enters a journey."""
    match trigger:
        case HitTrigger(rules=rules, grades=grades):
            what = (
                _("a hit of %(rules)s", rules=names.of("rules", rules)) if rules else _("a hit of any rule")
            )
            if not grades:
                return what
            return _("%(hit)s, grade %(grades)s", hit=what, grades=labels.enumerated(grades))
        case SegmentTrigger(segment=code):
            return _("coming into the segment %(name)s", name=names.of("segments", [code]))
        case FactTrigger(fact=code):
            test = fact_sentence(trigger, names.facts.get(code))
            return _("%(test)s, which did not hold the day before", test=test)
        case DateTrigger(fact=code, days=days):
            return _date(name_of(names.facts[code]) if code in names.facts else code, days)
        case OutcomeTrigger():
            return bought_sentence(trigger, names)
    return str(trigger)


def _date(name: str, days: int) -> str:
    if days == 0:
        return _("the day of %(fact)s", fact=name)
    if days > 0:
        return ngettext("%(num)s day after %(fact)s", "%(num)s days after %(fact)s", days, fact=name)
    return ngettext("%(num)s day before %(fact)s", "%(num)s days before %(fact)s", -days, fact=name)


def bought_sentence(bought: Bought, names: Names) -> str:
    """Describe an outcome."""
    if not bought.products:
        return _("buying any product")
    return _("buying %(products)s", products=names.of("products", bought.products))


def pacing_sentence(pacing: Pacing) -> str:
    """Describe how many contacts there are a day at most."""
    parts = []
    if pacing.sms is not None:
        parts.append(_("at most %(n)s SMS a day", n=pacing.sms))
    if pacing.call is not None:
        parts.append(_("at most %(n)s calls a day", n=pacing.call))
    if pacing.calls_per_marketer is not None:
        parts.append(_("at most %(n)s calls a day for each marketer", n=pacing.calls_per_marketer))
    return _(", ").join(parts)


def head_sentences(journey: JourneyDef, names: Names) -> list[str]:
    """Describe who enters, how often, what ends the journey early, and its pacing."""
    trigger, reentry, goal = journey.trigger, journey.reentry, journey.goal
    again = (
        _("again after %(n)s days at the earliest", n=reentry.after_days)
        if isinstance(reentry, Reentry)
        else _("each customer once")
    )
    parts = [_("Starts with %(trigger)s", trigger=trigger_sentence(trigger, names)), again]
    if goal is not None:
        parts.append(_("ends on reaching the goal: %(goal)s", goal=bought_sentence(goal, names)))
    if journey.pacing is not None:
        parts.append(pacing_sentence(journey.pacing))
    return parts


# -- what happens -------------------------------------------------------------------------------------


def doing(step: Any, names: Names) -> str:
    """Describe what a step does, without where it leads."""
    match step:
        case Contact(channel=channel, template=code):
            said = _(
                "%(channel)s “%(template)s”",
                channel=labels.word(labels.OUTREACH_CHANNEL, channel),
                template=names.of("templates", [code]),
            )
            if step.hold_hours == DEFAULT_HOLD_HOURS:
                return said
            return _("%(contact)s (waits up to %(n)s hours for a full cap)", contact=said, n=step.hold_hours)
        case Wait():
            return _waiting(step)
        case Branch():
            return _("Branch by conditions")
        case Strategy(table=code):
            return _strategy(step, names.of("tables", [code]))
        case Split():
            return _("Split at random")
        case Task(title=title, due_days=days):
            return _("Task for the owner: “%(title)s”, due in %(n)s days", title=title, n=days)
        case TagStep():
            return _tagging(step, names)
        case Hand(to=to):
            return _("Hand to the owner") if to == "owner" else _("Hand to the people of the branch")
        case Webhook(target=code):
            return _("Message to the system %(target)s", target=names.of("targets", [code]))
        case End():
            return _("End")
    return str(step)


def _strategy(step: Strategy, name: str) -> str:
    said = _("As the strategy table “%(table)s” says", table=name)
    if step.hold_hours == DEFAULT_HOLD_HOURS:
        return said
    return _("%(contact)s (waits up to %(n)s hours for a full cap)", contact=said, n=step.hold_hours)


def row_sentence(row: RowDef, names: Names) -> str:
    """Describe a row of a strategy table: whom it answers, and what becomes of them."""
    who = []
    if row.segments:
        who.append(_("segment %(segments)s", segments=names.of("segments", row.segments)))
    if row.grades:
        who.append(_("grade %(grades)s", grades=labels.enumerated(row.grades)))
    if row.products:
        who.append(_("product %(products)s", products=names.of("products", row.products)))
    done = []
    if row.template:
        channel = labels.word(labels.OUTREACH_CHANNEL, row.channel)
        template = names.of("templates", [row.template])
        done.append(_("%(channel)s “%(template)s”", channel=channel, template=template))
    if row.hand_to != NOTHING:
        done.append(_("handed to %(whom)s", whom=labels.word(HAND_TO, row.hand_to)))
    return _(
        "%(who)s → %(done)s",
        who=labels.enumerated(who) or _("everybody"),
        done=labels.enumerated(done) or _("no contact"),
    )


def table_sentence(table: TableDef, names: Names) -> str:
    """Describe the rows of a strategy table."""
    return " ".join(f"({n}) {row_sentence(row, names)}" for n, row in enumerate(table.rows, 1))


def _waiting(step: Wait) -> str:
    if step.at is not None:
        span = _("until %(time)s", time=step.at)
    elif step.days is not None:
        span = ngettext("%(num)s day", "%(num)s days", step.days)
    else:
        span = _("%(n)s hours", n=f"{step.hours:g}")
    if step.until == "answered":
        return _("Wait for an answer, %(span)s at most", span=span)
    if step.until == "outcome":
        return _("Wait for an outcome, %(span)s at most", span=span)
    return _("Wait %(span)s", span=span)


def _tagging(step: TagStep, names: Names) -> str:
    parts = []
    if step.add:
        parts.append(_("add the tags %(tags)s", tags=names.of("tags", step.add)))
    if step.remove:
        parts.append(_("remove the tags %(tags)s", tags=names.of("tags", step.remove)))
    text = _("; ").join(parts)
    return text[:1].upper() + text[1:]


def way_words(step: Any, names: Names) -> list[str]:
    """Return when each of the ways on is taken, in the order of ``step.ways``; empty for the usual one."""
    match step:
        case Contact():
            return ["", _("if it can't be made")][: len(step.ways)]
        case Wait(until="answered"):
            return [_("answered"), _("no answer by then")]
        case Wait(until="outcome"):
            return [_("bought"), _("nothing bought by then")]
        case Branch(cases=cases):
            return [*(filter_sentence(case.when, names.facts) for case in cases), _("otherwise")]
        case Strategy():
            words = [_("a row answers"), _("no row answers"), _("if it can't be made")]
            return words[: len(step.ways)]
        case Split(parts=parts):
            return [f"{percent}%" for percent in parts.values()]
    return [""] * len(step.ways)


def step_sentence(step: Any, names: Names, places: Mapping[str, str], following: str | None = None) -> str:
    """Describe a step and where it leads.

    ``places`` are what the steps are called; that it leads to the ``following`` one is not said.
    """
    parts = [doing(step, names)]
    for (_way, to), when in zip(step.ways, way_words(step, names), strict=True):
        if when:
            parts.append(_("%(when)s: %(step)s", when=when, step=places.get(to, to)))
        elif to != following:
            parts.append(_("then %(step)s", step=places.get(to, to)))
    return _("; ").join(parts)


def steps_sentences(steps: Sequence[Any], names: Names) -> list[str]:
    """Describe all steps in their order."""
    places = {step.id: _("step %(n)s", n=number) for number, step in enumerate(steps, 1)}
    following = [*(step.id for step in steps[1:]), None]
    return [step_sentence(step, names, places, then) for step, then in zip(steps, following, strict=True)]


def journey_sentence(journey: JourneyDef, names: Names | None = None) -> str:
    """Describe a whole journey."""
    known = names or read_names()
    head = _("; ").join(head_sentences(journey, known))
    told = steps_sentences(journey.steps, known)
    lines = [f"({number}) {text}" for number, text in enumerate(told[:MAX_TOLD], 1)]
    if len(told) > MAX_TOLD:
        lines.append(_("and %(n)s more steps", n=len(told) - MAX_TOLD))
    return _("%(head)s. Steps: %(steps)s.", head=head, steps=" ".join(lines))
