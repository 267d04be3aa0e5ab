"""Display names of the funnel's stages and parts, and the verdict of the comparison in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import select

from app import labels
from app.effect.comparison import Comparison
from app.effect.funnel import EffectFilters
from app.effect.reach import HOUR_BANDS, MANUAL, Stage
from app.extensions import db
from app.hits.by_branch import NONE, BranchParts
from app.lib.row_id import row_id
from app.models import OutreachBatch, OutreachTemplateVersion, Rule, RuleVersion
from app.rules import conversions

STAGE: dict[str, Any] = {
    Stage.HIT: lazy_gettext("Hits"),
    Stage.PUSHED: lazy_gettext("Pushed"),
    Stage.CONTACTED: lazy_gettext("Reached out to"),
    Stage.ANSWERED: lazy_gettext("Responded"),
    Stage.CONVERTED: lazy_gettext("Conversions"),
}
DIMENSION: dict[str, Any] = {
    "version": lazy_gettext("Rule version"),
    "grade": lazy_gettext("Grade"),
    "source": lazy_gettext("Source channel"),
    "branch": lazy_gettext("Branch"),
    "channel": lazy_gettext("First contact channel"),
    "template": lazy_gettext("First contact template"),
    "hour": lazy_gettext("First contact time"),
}
CHANNEL: dict[str, Any] = {
    **labels.OUTREACH_CHANNEL,
    MANUAL: lazy_gettext("By a marketer"),
    NONE: lazy_gettext("Not contacted"),
}


class PartNames:
    """Display names of a funnel's parts; each table is read once, when it is first needed."""

    def __init__(self, filters: EffectFilters) -> None:
        self._filters = filters
        self._by_dimension: dict[str, Callable[[str], str]] = {}

    def name(self, dimension: str, key: str) -> str:
        """Return the name of a part."""
        if dimension not in self._by_dimension:
            self._by_dimension[dimension] = getattr(self, f"_{dimension}")()
        return self._by_dimension[dimension](key)

    def in_order(self, dimension: str, keys: Iterable[str]) -> list[str]:
        """Return the parts by name, ``none`` last; hours and channels in their own order."""
        orders = {"hour": [str(first) for first, _last in HOUR_BANDS], "channel": list(CHANNEL)}
        own = orders.get(dimension, [])
        return sorted(
            keys,
            key=lambda key: (key == NONE, own.index(key) if key in own else 0, self.name(dimension, key)),
        )

    def _version(self) -> Callable[[str], str]:
        rows = {str(row.id): version_title(row) for row in db.session.scalars(select(RuleVersion))}
        return lambda key: rows.get(key, f"#{key}")

    def _rule(self) -> Callable[[str], str]:
        rows = dict(db.session.execute(select(Rule.id, Rule.name)).tuples().all())
        return lambda key: rows.get(int(key), f"#{key}")

    def _batch(self) -> Callable[[str], str]:
        return lambda key: str(_row(OutreachBatch, key) or f"#{key}")

    def _template(self) -> Callable[[str], str]:
        rows = {str(row.id): str(row) for row in db.session.scalars(select(OutreachTemplateVersion))}
        return lambda key: _("No template") if key == NONE else rows.get(key, f"#{key}")

    def _branch(self) -> Callable[[str], str]:
        return BranchParts(self._filters.hits.user, self._filters.hits.branch).name

    @staticmethod
    def _grade() -> Callable[[str], str]:
        return str

    @staticmethod
    def _source() -> Callable[[str], str]:
        return lambda key: _("No source") if key == NONE else key

    @staticmethod
    def _channel() -> Callable[[str], str]:
        return lambda key: str(CHANNEL[key])

    @staticmethod
    def _hour() -> Callable[[str], str]:
        return hour_band_name


def version_name(key: str) -> str:
    """Return the title of the rule version with an id."""
    row = _row(RuleVersion, key)
    return version_title(row) if row else f"#{key}"


def template_name(key: str) -> str:
    """Return the name of the template version with an id, or of hits without a template."""
    row = _row(OutreachTemplateVersion, key)
    return _("No template") if key == NONE else str(row or f"#{key}")


def hour_band_name(key: str) -> str:
    """Return the name of a band of hours, given its first hour."""
    first, last = next((each for each in HOUR_BANDS if str(each[0]) == key), (0, 0))
    return f"{first:02d}:00–{last:02d}:00" if last else _("Not contacted")


def hour_band_choices() -> list[tuple[str, str]]:
    """Return the bands of hours as form choices."""
    keys = (*(str(first) for first, _last in HOUR_BANDS), NONE)
    return [(key, hour_band_name(key)) for key in keys]


def claims_stand_in() -> str:
    """Return the line that pages and reports show while no outcome has been delivered."""
    return _("No outcomes have been delivered yet: conversions are what marketers marked, not confirmed.")


def caveat(by_outcomes: bool) -> str:
    """Return the line that pages show while claims stand in, or conversions are being counted again."""
    if not by_outcomes:
        return claims_stand_in()
    if conversions.recounting():
        return _("The conversion days have changed: conversions are being counted again.")
    return ""


def claims(marked: int, confirmed: int) -> str:
    """Return what was marked as converted, and how much of it outcomes confirm; nothing when nothing was."""
    if not marked:
        return ""
    return _("marked %(n)s, %(m)s of them confirmed by outcomes", n=f"{marked:,}", m=f"{confirmed:,}")


def verdict(compared: Comparison) -> str:
    """Return the meaning of a comparison in a sentence."""
    if compared.difference is None or compared.interval is None:
        return _("There is no holdout group to compare with.")
    if not compared.has_enough_data:
        return _("Too few customers so far to see a difference.")
    low, high = (f"{abs(end) * 100:.1f}" for end in compared.interval)
    if not compared.is_significant:
        return _(
            "No clear difference so far: between %(low)s fewer and %(high)s more conversions per 100"
            " customers (95-percent interval).",
            low=low,
            high=high,
        )
    n = f"{abs(compared.difference) * 100:.1f}"
    if compared.difference > 0:
        return _(
            "Out of every 100 customers, %(n)s more convert than without marketing (95-percent interval"
            " %(low)s to %(high)s).",
            n=n,
            low=low,
            high=high,
        )
    return _(
        "Out of every 100 customers, %(n)s fewer convert than without marketing (95-percent interval"
        " %(low)s to %(high)s).",
        n=n,
        low=high,
        high=low,
    )


def version_title(version: RuleVersion) -> str:
    """Return the name and number of a rule version."""
    return f"{version.name} v{version.number}"


def _row(model: Any, key: str) -> Any:
    parsed = row_id(key)
    return db.session.get(model, parsed) if parsed else None
