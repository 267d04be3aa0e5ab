"""Filters of leads as sentences in the current language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import select

from app import labels
from app.activity import operators
from app.extensions import db
from app.facts import catalogue
from app.facts.conditions import FactTest
from app.facts.definition import FactDef
from app.models import Product
from app.segments.filter import (
    ANY,
    AllOf,
    AnsweredTest,
    AnyOf,
    AttributeTest,
    ContactedTest,
    CreatedTest,
    HitFilter,
    HitTest,
    InteractionsTest,
    MetricTest,
    NotOf,
    OptedOutTest,
    OutcomeTest,
)

_SIGNS = {op: entry.sign for op, entry in operators.REGISTRY.items()} | {"!=": "≠"}


def filter_sentence(part: Any, facts: Mapping[str, FactDef] | None = None) -> str:
    """Describe a filter. Groups within it stand in brackets. ``facts`` by code are read unless given."""
    known = facts or {fact.code: fact for fact in catalogue.definitions().values()}
    return _sentence(part, known)


def _sentence(part: Any, facts: Mapping[str, FactDef]) -> str:
    match part:
        case AllOf(all=parts):
            return _(" and ").join(_grouped(each, facts) for each in parts)
        case AnyOf(any=parts):
            return _(" or ").join(_grouped(each, facts) for each in parts)
        case NotOf(not_=inner):
            return _("not %(what)s", what=_grouped(inner, facts))
        case FactTest():
            return fact_sentence(part, facts.get(part.fact))
        case AttributeTest():
            return _attribute(part)
        case MetricTest():
            return _metric(part)
        case HitTest(hits=hits):
            return hits_sentence(hits)
        case OutcomeTest():
            return _outcome(part)
        case ContactedTest() | AnsweredTest() | InteractionsTest():
            return _contacts(part)
        case OptedOutTest(opted_out=opted_out):
            return list_sentence(_("Do not disturb"), [str(labels.yes_no(opted_out))])
        case CreatedTest(created=period):
            return _(" and ").join(created_sentences(period.from_, period.to)) or _("All leads")
    raise ValueError(f"not a filter: {part!r}")


def _grouped(part: Any, facts: Mapping[str, FactDef]) -> str:
    text = _sentence(part, facts)
    return f"({text})" if isinstance(part, AllOf | AnyOf) else text


def name_of(fact: FactDef) -> str:
    """Return the name of a fact in the reader's language, if it has one."""
    return fact.name_en if fact.name_en and str(get_locale()) == "en" else fact.name


def fact_sentence(test: FactTest, fact: FactDef | None) -> str:
    """Describe a test of a fact."""
    name = name_of(fact) if fact else test.fact
    if test.fell_by is not None:
        return _fell(name, test)
    if isinstance(test.value, list):
        return _(
            "%(fact)s is one of %(values)s",
            fact=name,
            values=labels.joined(_value(fact, each) for each in test.value),
        )
    if test.op == "within_days":
        days = int(test.value or 0)
        if days < 0:
            return _("%(fact)s was within the last %(n)s days", fact=name, n=-days)
        return _("%(fact)s is within the next %(n)s days", fact=name, n=days)
    return f"{name} {_SIGNS[str(test.op)]} {_value(fact, test.value)}"


def _fell(name: str, test: FactTest | MetricTest) -> str:
    return _(
        "%(fact)s fell by %(share)s or more against %(n)s days before",
        fact=name,
        share=f"{(test.fell_by or 0) * 100:g}%",
        n=test.against_days,
    )


def _metric(test: MetricTest) -> str:
    name = labels.word(labels.METRIC, test.metric)
    if test.fell_by is not None:
        days = test.condition.window_days
        return _fell(_("%(metric)s in the last %(days)s days", metric=name, days=days), test)
    return _(
        "%(metric)s %(op)s %(value)s in the last %(days)s days",
        metric=name,
        op=_SIGNS[str(test.op)],
        value=f"{test.value:,}",
        days=test.window_days,
    )


def _contacts(test: ContactedTest | AnsweredTest | InteractionsTest) -> str:
    if isinstance(test, InteractionsTest):
        return _(
            "answered at least %(n)s contacts in the last %(days)s days", n=test.interactions, days=test.days
        )
    if isinstance(test, ContactedTest):
        words = {
            "any": _("was contacted in the last %(n)s days", n=test.days),
            "sms": _("was sent an SMS in the last %(n)s days", n=test.days),
            "call": _("was called in the last %(n)s days", n=test.days),
        }
        return words[test.contacted]
    words = {
        "any": _("answered a contact in the last %(n)s days", n=test.days),
        "sms": _("responded to an SMS in the last %(n)s days", n=test.days),
        "call": _("answered a call in the last %(n)s days", n=test.days),
    }
    return words[test.answered]


def _value(fact: FactDef | None, value: Any) -> str:
    if isinstance(value, bool):
        return str(labels.yes_no(value))
    unit = f" {fact.unit}" if fact and fact.unit else ""
    return f"{value:,.10g}{unit}" if isinstance(value, int | float) else f"{value}{unit}"


def _attribute(test: AttributeTest) -> str:
    words = {
        "source": _("Source channel"),
        "branch": _("Branch"),
        "status": _("Status"),
        "tag": _("Tags"),
    }
    values = test.in_
    if test.attribute == "status":
        values = [labels.word(labels.LEAD_STATUS, each) for each in values]
    return list_sentence(words[test.attribute], values)


def _outcome(test: OutcomeTest) -> str:
    if test.outcome == ANY:
        return _("bought something in the last %(n)s days", n=test.days)
    name = db.session.scalar(select(Product.name).where(Product.code == test.outcome)) or test.outcome
    return _("bought %(product)s in the last %(n)s days", product=name, n=test.days)


def created_sentences(first: dt.date | None, last: dt.date | None) -> list[str]:
    """Describe the bounds of a period of creation."""
    parts = []
    if first:
        parts.append(_("created on or after %(day)s", day=first.isoformat()))
    if last:
        parts.append(_("created on or before %(day)s", day=last.isoformat()))
    return parts


def hits_sentence(filters: HitFilter) -> str:
    """Describe which hit a lead has."""
    parts = []
    if filters.grades:
        parts.append(list_sentence(_("Grade"), filters.grades))
    if filters.statuses:
        words = [labels.word(labels.HIT_STATUS, each) for each in filters.statuses]
        parts.append(list_sentence(_("Status"), words))
    if filters.days:
        parts.append(_("in the last %(n)s days", n=filters.days))
    if filters.rules:
        parts.append(list_sentence(_("Rule"), filters.rules))
    return _("has a hit (%(which)s)", which=_(", ").join(parts)) if parts else _("has a hit")


def list_sentence(column: str, values: Any) -> str:
    """Describe that a column has one of some values."""
    return _("%(column)s: %(value)s", column=column, value=labels.joined(values))
