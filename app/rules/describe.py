"""Rules and hits in words of the current language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup

from app import labels
from app.activity import metrics, operators
from app.models import Hit, Rule, RuleVersion
from app.rules import evidence, sentence
from app.rules.definition import ConditionDef
from app.rules.recompute import Difference
from app.rules.versions import rule_def


def version_sentence(version: RuleVersion) -> str:
    """Describe the conditions and cooldown of a version."""
    return sentence.meaning(rule_def(version)) if version.conditions else _("No condition yet")


def version_scoring(version: RuleVersion) -> str:
    """Describe how a version scores and grades leads."""
    return sentence.scoring(rule_def(version)) if version.conditions else ""


def rule_sentence(rule: Rule) -> str:
    """Describe the version in force."""
    return version_sentence(rule.active_version) if rule.active_version else _("Not in force yet")


def reason(hit: Hit) -> str:
    """Return why the lead was caught, from the hit's own evidence."""
    return reason_of(evidence.of(hit))


def reason_of(found: dict[str, Any]) -> str:
    """Return why a lead is caught, from evidence in full."""
    conditions = found.get("conditions", [])
    met = [c for c in conditions if c.get("met")] or conditions
    return _("; ").join(_met_sentence(condition, found) for condition in met)


def _met_sentence(condition: dict[str, Any], whole: dict[str, Any]) -> str:
    # A single condition's events are those of the whole hit, as are those of hits stored before each
    # condition kept its own.
    codes = condition.get("seen", whole).get("institutions", [])
    metric = metrics.REGISTRY[condition["metric"]]
    found = _(
        metric.reason if codes else metric.reason_without_institutions,
        days=condition["window_days"],
        n=condition["actual"],
        limit=_limit(condition),
        places=_places(codes),
    )
    asked = {key: value for key, value in condition.items() if key in ConditionDef.model_fields}
    only = sentence.which_events(ConditionDef.model_validate(asked))
    return _("%(reason)s (%(events)s)", reason=found, events=only) if only else found


def _places(codes: list[str]) -> str:
    if len(codes) < 2:
        return sentence.institutions_in_words(codes)
    return _(
        "%(first)s and others, %(count)s in all",
        first=sentence.institutions_in_words(sentence.named_first(codes)[:1]),
        count=len(codes),
    )


def _limit(condition: dict[str, Any]) -> str:
    """Return the threshold, with the operator unless it is "at least"."""
    sign = operators.REGISTRY[condition["op"]].sign
    return str(condition["value"]) if sign == "≥" else f"{sign} {condition['value']}"


def institutions(hit: Hit) -> str:
    """Return the names of the institutions of the matching events."""
    return sentence.institutions_in_words(evidence.of(hit).get("institutions", []))


def arithmetic(hit: Hit) -> Markup:
    """Return the score as a sum over event types and ages with count, weight and decay."""
    found = evidence.of(hit)
    half_life = found.get("half_life_days", 1)
    weights = found.get("weights", {})
    terms = [
        f"{labels.word(labels.EVENT_TYPE, t['event_type'])} {t['n']} × {weights.get(t['event_type'], 0):g}"
        f" × 0.5^({t['age_days']}/{half_life:g})"
        for t in found.get("terms", [])
    ]
    total = _("score %(score)s, grade %(grade)s", score=f"{hit.score:.2f}", grade=hit.grade)
    return Markup("<br>+ ").join(terms) + Markup("<br>= ") + Markup.escape(total)


def seen_at(hit: Hit) -> str:
    """Return the local times of the first and last matching event."""
    found = evidence.of(hit)
    first, last = found.get("first_at"), found.get("last_at")
    if not first or not last:
        return ""
    shown = [dt.datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M") for text in (first, last)]
    return " – ".join(shown)


#: Display names of the parts of a hit's evidence.
PART = {
    "values": lazy_gettext("Values of the conditions"),
    "calls": lazy_gettext("Calls"),
    "institutions": lazy_gettext("Institutions"),
    "first_at": lazy_gettext("First event"),
    "last_at": lazy_gettext("Last event"),
    "score": lazy_gettext("Score"),
    "grade": lazy_gettext("Grade"),
    "lead_filter": lazy_gettext("Fits the lead filter"),
    "holdout": lazy_gettext("Held out"),
}


def differences(changes: Iterable[Difference]) -> str:
    """Describe the differences found by a recomputation: part, old value, new value."""
    return _("; ").join(
        _(
            "%(part)s %(was)s → %(now)s",
            part=labels.word(PART, each.part),
            was=_said(each.was),
            now=_said(each.now),
        )
        for each in changes
    )


def _said(value: str) -> str:
    return labels.yes_no(value == "True") if value in ("True", "False") else value
