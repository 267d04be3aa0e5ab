"""Comparison of two people's edits of the same draft, part by part, with who changed what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import labels
from app.rules import sentence
from app.rules.definition import RuleDef


@dataclass(frozen=True)
class Part:
    """A part in which the two edits differ; ``changed_by`` says who changed the common original."""

    key: str
    label: str
    theirs: str
    yours: str
    changed_by: Literal["them", "you", "both"]


def compare(base: RuleDef, theirs: RuleDef, yours: RuleDef) -> list[Part]:
    """Return the parts in which the two edits differ, in the order of the form."""
    return [
        Part(key, str(label), words(theirs), words(yours), _changed(key, base, theirs, yours))
        for key, (label, words) in PARTS.items()
        if getattr(theirs, key) != getattr(yours, key)
    ]


def _changed(key: str, base: RuleDef, theirs: RuleDef, yours: RuleDef) -> Literal["them", "you", "both"]:
    before = getattr(base, key)
    if getattr(yours, key) == before:
        return "them"
    return "you" if getattr(theirs, key) == before else "both"


def _weights(rule: RuleDef) -> str:
    pairs = (
        (labels.word(labels.EVENT_TYPE, kind), weight) for kind, weight in sentence.in_order(rule.weights)
    )
    return labels.joined(f"{kind} × {weight:g}" for kind, weight in pairs)


def _days(count: float) -> str:
    return _("%(n)s days", n=f"{count:g}")


PARTS: dict[str, tuple[Any, Callable[[RuleDef], str]]] = {
    "name": (lazy_gettext("Name"), lambda rule: rule.name),
    "description": (lazy_gettext("Purpose"), lambda rule: rule.description),
    "match": (lazy_gettext("Met when"), lambda rule: labels.word(labels.MATCH, rule.match)),
    "conditions": (
        lazy_gettext("Conditions"),
        lambda rule: sentence.conditions_sentence(rule.conditions, rule.match),
    ),
    "lead_filter": (
        lazy_gettext("Only leads"),
        lambda rule: sentence.lead_filter_sentence(rule.lead_filter) or _("all leads"),
    ),
    "cooldown_days": (lazy_gettext("Cooldown"), lambda rule: _days(rule.cooldown_days)),
    "holdout_percent": (lazy_gettext("Holdout share"), lambda rule: f"{rule.holdout_percent:g} %"),
    "products": (
        lazy_gettext("Conversions count for"),
        lambda rule: sentence.products_sentence(rule.products),
    ),
    "half_life_days": (lazy_gettext("Half-life of the score"), lambda rule: _days(rule.half_life_days)),
    "weights": (lazy_gettext("Weights"), _weights),
    "grade_bands": (
        lazy_gettext("Grades"),
        lambda rule: labels.joined(f"{grade} ≥ {edge:g}" for grade, edge in rule.grade_bands.items()),
    ),
}
