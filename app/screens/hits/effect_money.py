"""The money of the effect page: what both arms of each rule bought, what marketing caused, and its return."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext as _
from sqlalchemy import and_, select

from app.effect import report
from app.effect.funnel import EffectFilters
from app.effect.report import Arm, RuleEffect
from app.extensions import db
from app.lib.amounts import percent, yuan
from app.lib.settings import current_settings
from app.models import Rule


@dataclass(frozen=True)
class MoneyRow:
    """A rule with figures of the treated and the held-out people, formatted."""

    name: str
    treated: str
    holdout: str
    amount: tuple[str, str]
    margin: tuple[str, str]
    caused: str
    cost: str
    roi: str
    interval: str


def rows(filters: EffectFilters) -> list[MoneyRow]:
    """Return a row for each rule that caught people for the first time on the dates, by the rule's name."""
    hits = filters.hits
    if hits.first is None or hits.last is None:
        return []
    found = report.by_rule(current_settings(), hits.first, hits.last, among=and_(*filters.criterion()))
    names = dict(db.session.execute(select(Rule.id, Rule.name)).tuples().all())
    return sorted((_row(names[rule], effect) for rule, effect in found.items()), key=lambda row: row.name)


def _row(name: str, effect: RuleEffect) -> MoneyRow:
    interval = effect.roi_interval
    return MoneyRow(
        name,
        _people(effect.treated),
        _people(effect.holdout),
        (_each(effect.treated, effect.treated.amount), _each(effect.holdout, effect.holdout.amount)),
        (_each(effect.treated, effect.treated.margin), _each(effect.holdout, effect.holdout.margin)),
        yuan(effect.caused),
        yuan(effect.cost),
        _("needs a holdout group") if not effect.is_compared else percent(effect.roi),
        "" if interval is None else f"{percent(interval.low)} – {percent(interval.high)}",
    )


def _people(arm: Arm) -> str:
    return f"{arm.converted:,} / {arm.people:,}"


def _each(arm: Arm, total: float) -> str:
    return yuan(total / arm.people) if arm.people else "—"
