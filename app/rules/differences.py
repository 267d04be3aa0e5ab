"""Differences between two rule definitions in words."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from flask_babel import gettext as _

from app import labels
from app.approvals import Change
from app.rules.definition import ConditionDef, RuleDef
from app.rules.sentence import condition_sentence, lead_filter_sentence, products_sentence


def rule_changes(old: RuleDef | None, new: RuleDef) -> list[Change]:
    """Return the parts in which ``new`` differs from ``old``, or all parts when there is no old."""
    before, after = _parts(old) if old else {}, _parts(new)
    changes = [Change(what, before.get(what, ""), text) for what, text in after.items()]
    return [each for each in changes if each.old != each.new] + _conditions(
        old.conditions if old else [], new.conditions
    )


def _parts(definition: RuleDef) -> dict[str, str]:
    parts = {
        _("Name"): definition.name,
        _("Purpose"): definition.description,
        _("Met when"): labels.word(labels.MATCH, definition.match),
        _("Cooldown"): _("%(n)s days", n=definition.cooldown_days),
        _("Half-life of the score"): _("%(n)s days", n=f"{definition.half_life_days:g}"),
        _("Weights"): _joined(
            (labels.word(labels.EVENT_TYPE, kind), f"{weight:g}")
            for kind, weight in definition.weights.items()
        ),
        _("Grades"): _joined((grade, f"≥ {edge:g}") for grade, edge in definition.grade_bands.items()),
        _("Only leads"): lead_filter_sentence(definition.lead_filter) or _("all leads"),
        _("Holdout share"): f"{definition.holdout_percent:g} %",
        _("Conversions count for"): products_sentence(definition.products),
    }
    return parts


def _conditions(old: list[ConditionDef], new: list[ConditionDef]) -> list[Change]:
    if old == new:
        return []
    gone = [each for each in old if each not in new]
    added = [each for each in new if each not in old]
    if not gone and not added:
        return [Change(_("Conditions"), _("order changed"), _("order changed"))]
    pairs: Any = zip_longest(gone, added)
    return [
        Change(
            _("Condition"),
            condition_sentence(before) if before else "",
            condition_sentence(after) if after else "",
        )
        for before, after in pairs
    ]


def _joined(pairs: Iterable[tuple[str, str]]) -> str:
    return labels.joined(f"{what} {value}" for what, value in pairs)
