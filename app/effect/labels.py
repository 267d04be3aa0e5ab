"""What people read about figures: names of stages and parts, and the comparison in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import select

from app import labels
from app.effect.comparison import Comparison
from app.effect.funnel import Asked
from app.effect.reach import BANDS, HAND, Stage
from app.extensions import db
from app.hits.by_branch import NONE, BranchParts
from app.lib.row_id import row_id
from app.models import OutreachTemplateVersion, RuleVersion

STAGE: dict[str, Any] = {
    Stage.HIT: lazy_gettext("Hits"),
    Stage.PUSHED: lazy_gettext("Pushed"),
    Stage.CONTACTED: lazy_gettext("Reached out to"),
    Stage.ANSWERED: lazy_gettext("Responded"),
    Stage.CONVERTED: lazy_gettext("Converted"),
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
    HAND: lazy_gettext("By a marketer"),
    NONE: lazy_gettext("Not contacted"),
}


class Names:
    """What the parts of a funnel are called; tables are read once, when first needed."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._known: dict[str, Callable[[str], str]] = {}

    def of(self, dimension: str, key: str) -> str:
        """The name of a part."""
        if dimension not in self._known:
            self._known[dimension] = getattr(self, f"_{dimension}")()
        return self._known[dimension](key)

    def in_order(self, dimension: str, keys: Iterable[str]) -> list[str]:
        """Parts as a table lists them: by name, ``none`` last; times and channels in their own order."""
        own = {"hour": [str(first) for first, _last in BANDS], "channel": list(CHANNEL)}.get(dimension, [])
        return sorted(
            keys,
            key=lambda key: (key == NONE, own.index(key) if key in own else 0, self.of(dimension, key)),
        )

    def _version(self) -> Callable[[str], str]:
        rows = {str(row.id): said(row) for row in db.session.scalars(select(RuleVersion))}
        return lambda key: rows.get(key, f"#{key}")

    def _template(self) -> Callable[[str], str]:
        rows = {str(row.id): str(row) for row in db.session.scalars(select(OutreachTemplateVersion))}
        return lambda key: _("No template") if key == NONE else rows.get(key, f"#{key}")

    def _branch(self) -> Callable[[str], str]:
        return BranchParts(self._asked.chosen.person, self._asked.chosen.branch).name

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
        return band


def version(key: str) -> str:
    """A rule version by its id."""
    row = _row(RuleVersion, key)
    return said(row) if row else f"#{key}"


def template(key: str) -> str:
    """A template version by its id, or none."""
    row = _row(OutreachTemplateVersion, key)
    return _("No template") if key == NONE else str(row or f"#{key}")


def band(key: str) -> str:
    """A band of hours by its first one."""
    first, last = next((each for each in BANDS if str(each[0]) == key), (0, 0))
    return f"{first:02d}:00–{last:02d}:00" if last else _("Not contacted")


def bands() -> list[tuple[str, str]]:
    """The bands of hours as choices."""
    return [(key, band(key)) for key in (*(str(first) for first, _last in BANDS), NONE)]


def percent(share: float | None) -> str:
    """A share, with one decimal."""
    return "—" if share is None else f"{share:.1%}"


def yuan(amount: Decimal | None) -> str:
    """An amount of money."""
    return "—" if amount is None else f"¥{amount:,.2f}"


def verdict(found: Comparison) -> str:
    """What the comparison means, in a sentence."""
    if found.difference is None or found.interval is None:
        return _("There is no holdout group to compare with.")
    if not found.enough:
        return _("Too few customers so far to see a difference.")
    low, high = (f"{abs(end) * 100:.1f}" for end in found.interval)
    if not found.proven:
        return _(
            "No clear difference so far: between %(low)s fewer and %(high)s more conversions per 100"
            " customers (95-percent interval).",
            low=low,
            high=high,
        )
    n = f"{abs(found.difference) * 100:.1f}"
    if found.difference > 0:
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


def said(version: RuleVersion) -> str:
    """A rule version in words."""
    return f"{version.rule.code} {version.name} v{version.number}"


def _row(model: Any, key: str) -> Any:
    known = row_id(key)
    return db.session.get(model, known) if known else None
