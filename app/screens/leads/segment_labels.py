"""Segments, tags and the matrix as text and HTML, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import g
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from sqlalchemy import func, select

from app import labels
from app.access.scope import leads_visible_to
from app.console.urls import list_url
from app.errors import DomainError
from app.extensions import db
from app.facts import catalogue
from app.models import Branch, Lead, LeadTag, Segment, Tag
from app.segments.definition import ActivityFilter, SegmentDef, segment_def
from app.segments.matrix import ACTIVITY_DAYS, Axis, Quadrant
from app.segments.sentence import (
    created_sentences,
    filter_sentence,
    hits_sentence,
    list_sentence,
    name_of,
)

MEASURE = {
    "hits": lazy_gettext("Hits in 90 days"),
    "best_score": lazy_gettext("Best score"),
    "value": lazy_gettext("Margin in twelve months, in yuan"),
    **{
        code: lazy_gettext("%(metric)s in %(n)s days", metric=word, n=ACTIVITY_DAYS)
        for code, word in labels.METRIC.items()
    },
    "days_known": lazy_gettext("Days since created"),
}
COLOUR = {
    "blue": lazy_gettext("Blue"),
    "green": lazy_gettext("Green"),
    "amber": lazy_gettext("Amber"),
    "red": lazy_gettext("Red"),
    "purple": lazy_gettext("Purple"),
    "teal": lazy_gettext("Teal"),
    "pink": lazy_gettext("Pink"),
    "grey": lazy_gettext("Grey"),
}


def tag_chips(tags: Iterable[Tag]) -> Markup:
    """Return tags as coloured chips."""
    return Markup(" ").join(tag_chip(each) for each in tags)


def tag_chip(tag: Tag) -> Markup:
    """Return a tag as a coloured chip."""
    return Markup('<span class="tag tag-colour-{}">{}</span>').format(tag.colour, tag.name)


def tag_leads(tag: Tag) -> Markup:
    """Return the number of leads with the tag, as a link to them."""
    own = select(LeadTag.lead_id).where(LeadTag.tag_id == tag.id)
    query = select(func.count()).select_from(Lead).where(leads_visible_to(g.user), Lead.id.in_(own))
    return Markup('<a href="{}">{:,}</a>').format(
        list_url("LeadView", tag=tag.id), db.session.scalar(query) or 0
    )


def segment_link(segment: Segment) -> Markup:
    """Return a link to the leads of a segment."""
    return Markup('<a href="{}">{}</a>').format(list_url("LeadView", segment=segment.id), _("View the leads"))


def quadrant_text(quadrant: Quadrant) -> str:
    """Return both conditions of a quadrant."""
    return _(" and ").join(
        _side(axis, high) for axis, high in ((quadrant.x, quadrant.x_high), (quadrant.y, quadrant.y_high))
    )


def _side(axis: Axis, high: bool) -> str:
    return f"{_measure(axis)} {'≥' if high else '<'} {axis.threshold_text}"


def _measure(axis: Axis) -> str:
    if axis.fact is None:
        return labels.word(MEASURE, axis.measure)
    fact = next((each for each in catalogue.definitions().values() if each.code == axis.fact), None)
    return name_of(fact) if fact else axis.fact


def segment_sentence(segment: Segment) -> str:
    """Return a stored segment as a sentence."""
    try:
        return sentence(segment_def(segment.definition))
    except DomainError as error:
        return error.text()


def sentence(segment: SegmentDef) -> str:
    """Return a definition as a sentence of its parts, all of which must hold."""
    parts = [*_attributes(segment)]
    if segment.hits:
        parts.append(hits_sentence(segment.hits))
    if segment.activity:
        parts.append(_activity(segment.activity))
    if segment.filter:
        parts.append(filter_sentence(segment.filter))
    return _("; ").join(parts) if parts else _("All leads")


def _attributes(segment: SegmentDef) -> Iterable[str]:
    if segment.sources:
        yield list_sentence(_("Source channel"), segment.sources)
    if segment.statuses:
        words = [labels.word(labels.LEAD_STATUS, each) for each in segment.statuses]
        yield list_sentence(_("Status"), words)
    if segment.branches:
        yield list_sentence(_("Branch"), _names(Branch, segment.branches))
    if segment.tags:
        yield list_sentence(_("Tags"), _names(Tag, segment.tags))
    if segment.opted_out is not None:
        yield list_sentence(_("Do not disturb"), [labels.yes_no(segment.opted_out)])
    yield from created_sentences(segment.created_from, segment.created_to)


def _activity(condition: ActivityFilter) -> str:
    return _(
        "%(metric)s at least %(n)s in the last %(days)s days",
        days=condition.window_days,
        metric=labels.word(labels.METRIC, condition.metric),
        n=condition.at_least,
    )


def _names(model: Any, ids: list[int]) -> list[str]:
    query = select(model.id, model.name).where(model.id.in_(ids))
    known = {row.id: row.name for row in db.session.execute(query)}
    return [known.get(each, f"#{each}") for each in ids]
