"""Rules as sentences in the current language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from flask import g, has_app_context
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import select

from app import labels
from app.activity import metrics, operators
from app.activity.event_types import EVENT_TYPES, EventType
from app.extensions import db
from app.models import Branch, Product
from app.rules.catalogue import institution_names
from app.rules.definition import ConditionDef, LeadFilterDef, RuleDef
from app.segments.sentence import filter_sentence


def rule_sentence(definition: RuleDef) -> str:
    """Describe a whole definition: conditions, cooldown, leads, holdout, score and grades."""
    parts = [meaning(definition), scoring(definition)]
    return _("; ").join(parts)


def scoring(definition: RuleDef) -> str:
    """Describe how leads are scored and graded."""
    weights = [
        f"{labels.word(labels.EVENT_TYPE, kind)} × {_number(weight)}"
        for kind, weight in in_order(definition.weights)
    ]
    bands = [f"{grade} ≥ {_number(definition.grade_bands[grade])}" for grade in ("A", "B", "C")]
    return _(
        "score: %(weights)s, halving every %(days)s days; grades: %(bands)s",
        weights=labels.joined(weights),
        days=_number(definition.half_life_days),
        bands=labels.joined(bands),
    )


def in_order(weights: Mapping[EventType, float]) -> list[tuple[str, float]]:
    """Return the weights in the order of the event types."""
    return sorted(weights.items(), key=lambda pair: EVENT_TYPES.index(pair[0]))


def meaning(definition: RuleDef) -> str:
    """Describe a definition without score and grades, short enough for a list."""
    parts = [
        conditions_sentence(definition.conditions, definition.match),
        _("cooldown %(n)s days", n=definition.cooldown_days),
    ]
    if definition.lead_filter:
        parts.append(_("only these leads: %(what)s", what=lead_filter_sentence(definition.lead_filter)))
    if definition.holdout_percent:
        parts.append(_("%(n)s%% held out for comparison", n=_number(definition.holdout_percent)))
    if definition.products:
        parts.append(_("conversions: %(names)s", names=products_sentence(definition.products)))
    return _("; ").join(parts)


def conditions_sentence(conditions: Iterable[ConditionDef], match: str) -> str:
    """Describe the conditions, joined by and/or."""
    return (_(", and ") if match == "all" else _(", or ")).join(map(condition_sentence, conditions))


def condition_sentence(condition: ConditionDef) -> str:
    """Describe a condition: its window, hours, filters, and the value it demands."""
    parts = [
        ngettext("in %(num)s day", "in %(num)s days", condition.window_days),
        *_hours(condition),
        *_filters(condition),
    ]
    where = parts[0]
    for part in parts[1:]:
        where = _("%(before)s, %(after)s", before=where, after=part)
    return _("%(demand)s %(where)s", demand=_demand(condition), where=where)


def lead_filter_sentence(lead_filter: LeadFilterDef) -> str:
    """Describe the leads that a rule considers."""
    branches = _branch_names() if lead_filter.branches else {}
    statuses = [labels.word(labels.LEAD_STATUS, code) for code in lead_filter.statuses]
    parts = [
        (lead_filter.sources, _("source %(names)s", names=labels.joined(lead_filter.sources))),
        (
            lead_filter.branches,
            _(
                "branch %(names)s and below",
                names=labels.joined(branches.get(code, code) for code in lead_filter.branches),
            ),
        ),
        (lead_filter.statuses, _("status %(names)s", names=labels.joined(statuses))),
        (lead_filter.tags, _("tag %(names)s", names=labels.joined(lead_filter.tags))),
        (lead_filter.segments, _("segment %(names)s", names=labels.joined(lead_filter.segments))),
    ]
    texts = [text for values, text in parts if values]
    if lead_filter.filter:
        texts.append(filter_sentence(lead_filter.filter))
    return labels.joined(texts)


def products_sentence(codes: Iterable[str]) -> str:
    """Return the names of the products whose outcomes count as conversions."""
    query = select(Product.code, Product.name)
    known = _cached("product_names", lambda: dict(db.session.execute(query).tuples().all()))
    return labels.joined(known.get(code, code) for code in codes) or _("any product")


def institutions_in_words(codes: Iterable[str]) -> str:
    """Return the names of institutions, or their codes where the catalogue has none."""
    known = _cached("institution_names", institution_names)
    return labels.joined(known.get(code, code) for code in codes)


def named_first(codes: Iterable[str]) -> list[str]:
    """Return codes of institutions, those without a name last: as long as nobody has described them."""
    known = _cached("institution_names", institution_names)
    return sorted(codes, key=lambda code: known.get(code, code) == code)


def which_events(condition: ConditionDef) -> str:
    """Describe the hours, types and result of the events that count, empty for all."""
    return labels.joined([*_hours(condition), *_kinds(condition)])


def _demand(condition: ConditionDef) -> str:
    sign = operators.REGISTRY[condition.op].sign
    phrase = metrics.REGISTRY[condition.metric].phrase
    return _(phrase, op=sign, value=f"{condition.value:,}")


def _hours(condition: ConditionDef) -> list[str]:
    start, end = condition.hours
    if (start, end) == (0, 24):
        return []
    if start < end:
        return [_("from %(start)s:00 to %(end)s:00", start=start, end=end)]
    return [_("from %(start)s:00 to %(end)s:00 the next day", start=start, end=end)]


def _filters(condition: ConditionDef) -> list[str]:
    parts = []
    if condition.institutions:
        parts.append(_("at %(names)s", names=institutions_in_words(condition.institutions)))
    if condition.categories:
        words = [labels.word(labels.CATEGORY, code) for code in condition.categories]
        parts.append(_("at institutions of category %(names)s", names=labels.joined(words)))
    if condition.regions:
        parts.append(_("at institutions in %(names)s", names=labels.joined(condition.regions)))
    return parts + _kinds(condition)


def _kinds(condition: ConditionDef) -> list[str]:
    parts = []
    if condition.event_types:
        words = [labels.word(labels.EVENT_TYPE, code) for code in condition.event_types]
        parts.append(_("only %(names)s", names=labels.joined(words)))
    if condition.result == "success":
        parts.append(_("successes only"))
    return parts


def _number(value: float) -> str:
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def _branch_names() -> dict[str, str]:
    return _cached(
        "branch_names", lambda: dict(db.session.execute(select(Branch.code, Branch.name)).tuples().all())
    )


def _cached(name: str, read: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Return the names, read once per app context, as a list shows many rules."""
    if not has_app_context():
        return read()
    if name not in g:
        setattr(g, name, read())
    names: dict[str, str] = getattr(g, name)
    return names
