"""Presentation of back-tests: progress, figures with confidence intervals, the curve over thresholds."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from app import labels
from app.activity import operators
from app.console.charts import Bars
from app.effect.labels import claims_stand_in
from app.lib.amounts import percent
from app.models import Backtest, RuleVersion
from app.rules import backtest
from app.rules.backtest import share
from app.rules.proportion import Interval, Share, difference, ratio, wilson
from app.rules.sentence import condition_sentence
from app.rules.versions import rule_def
from app.screens import run_progress


@dataclass(frozen=True)
class Line:
    """A row of the comparison: figures and their ratio to the base, as texts ready to show."""

    name: str
    hits: str
    leads: int
    converted: int
    rate: str
    rate_interval: str
    lift: str = ""
    lift_interval: str = ""
    is_own: bool = False


@dataclass(frozen=True)
class Curve:
    """A line chart with error bars: ``y``, ``low`` and ``high`` in percent at each ``x``.

    ``base`` is drawn as a horizontal line, ``chosen`` is the index of the highlighted point.
    """

    title: str
    unit: str
    x: list[str]
    y: list[float | None]
    low: list[float]
    high: list[float]
    base: float | None
    base_name: str
    chosen: int
    along: str
    empty: str = ""
    all: None = None
    parts: bool = False

    @property
    def data(self) -> dict[str, Any]:
        """Return what the script draws."""
        names = ("title", "unit", "x", "y", "low", "high", "base", "base_name", "chosen", "along")
        return {"kind": "curve", "links": [], **{name: getattr(self, name) for name in names}}


def progress_of(row: Backtest) -> dict[str, Any]:
    """Return what the page of a back-test shows and polls."""
    return run_progress.progress_of(row, _("The back-test is running; you may close this page."), summary)


def period(row: Backtest) -> str:
    """Return the period of the back-test."""
    return f"{row.first_day} – {row.last_day}"


def summary(row: Backtest) -> str:
    """Return the figures in one line, empty while there are none."""
    if not row.result:
        return ""
    figures = row.result["draft"]
    return _(
        "%(hits)s hits on %(leads)s leads, %(converted)s of them converted (%(rate)s)",
        hits=f"{figures['hits']:,}",
        leads=f"{figures['leads']:,}",
        converted=f"{figures['converted']:,}",
        rate=percent(share(figures).value),
    )


def condition_choices(version: RuleVersion) -> list[tuple[int, str]]:
    """Return the conditions whose threshold can be varied, as form choices."""
    return [(index, condition_sentence(each)) for index, each in enumerate(rule_def(version).conditions)]


def lines(row: Backtest) -> list[Line]:
    """Return the figures of the tested version, of the version in force and of all active leads."""
    result = row.result or {}
    base = result["base"]
    rows = [_line(_("This version (%(version)s)", version=f"v{row.version.number}"), result["draft"], base)]
    if "active" in result:
        number = result["active"]["number"]
        rows.append(_line(_("In force (%(version)s)", version=f"v{number}"), result["active"], base))
    all_active = _line(_("Base: all leads active in the period"), base | {"hits": None}, None)
    return [*rows, all_active]


def _line(name: str, figures: dict[str, Any], base: dict[str, Any] | None, *, is_own: bool = False) -> Line:
    own = share(figures)
    lift = (
        own.value / base_rate if base and own.value is not None and (base_rate := share(base).value) else None
    )
    return Line(
        name=name,
        hits="" if figures["hits"] is None else f"{figures['hits']:,}",
        leads=own.whole,
        converted=own.part,
        rate=percent(own.value),
        rate_interval=_share_interval(own),
        lift="" if lift is None else f"{lift:.2f}×",
        lift_interval=_ratio_interval(ratio(own, share(base))) if base and lift is not None else "",
        is_own=is_own,
    )


def _share_interval(own: Share) -> str:
    low, high = wilson(own)
    return f"{low:.1%} – {high:.1%}" if own.whole else ""


def _ratio_interval(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f"{interval.low:.2f} – " + (f"{interval.high:.2f}×" if math.isfinite(interval.high) else "∞")


def verdicts(row: Backtest) -> list[str]:
    """Return sentences that compare this version with the base and with the version in force."""
    result = row.result or {}
    sentences = [_verdict(result["draft"], result["base"], _("the base"))]
    if "active" in result:
        sentences.append(_verdict(result["draft"], result["active"], _("the version in force")))
    return [each for each in sentences if each]


def _verdict(one: dict[str, Any], other: dict[str, Any], name: str) -> str:
    gap = difference(share(one), share(other))
    if gap is None:
        return ""
    rate, other_rate = share(one).value or 0.0, share(other).value or 0.0
    values = {
        "other": name,
        "points": f"{(rate - other_rate) * 100:+.1f}",
        "low": f"{gap.low * 100:+.1f}",
        "high": f"{gap.high * 100:+.1f}",
    }
    if gap.low > 0:
        return _("Converts better than %(other)s: %(points)s points (%(low)s to %(high)s).", **values)
    if gap.high < 0:
        return _("Converts worse than %(other)s: %(points)s points (%(low)s to %(high)s).", **values)
    return _("No clear difference from %(other)s: %(points)s points (%(low)s to %(high)s).", **values)


def curve_lines(row: Backtest) -> list[Line]:
    """Return the figures at each threshold, with the version's own threshold marked."""
    result = row.result or {}
    return [
        _line(_threshold(row, each["threshold"]), each, result["base"], is_own=_is_own(row, each))
        for each in result["curve"]
    ]


def _threshold(row: Backtest, value: int) -> str:
    return f"{operators.REGISTRY[(row.result or {})['op']].sign} {value}"


def _is_own(row: Backtest, point: dict[str, int]) -> bool:
    return point["threshold"] == (row.result or {})["threshold"]


def charts(row: Backtest) -> list[Curve | Bars]:
    """Return the charts: conversion rate and number of leads by threshold, and hits by day."""
    result = row.result or {}
    points = result["curve"]
    at = [_threshold(row, each["threshold"]) for each in points]
    shares = [share(each) for each in points]
    base = share(result["base"]).value
    rate = Curve(
        title=_("Conversion rate by threshold"),
        unit="%",
        x=at,
        y=[None if each.value is None else round(each.value * 100, 2) for each in shares],
        low=[round(wilson(each).low * 100, 2) for each in shares],
        high=[round(wilson(each).high * 100, 2) for each in shares],
        base=None if base is None else round(base * 100, 2),
        base_name=_("Base"),
        chosen=next((index for index, each in enumerate(points) if _is_own(row, each)), -1),
        along=_("Threshold"),
    )
    leads = Bars(_("Leads caught by threshold"), _("leads"), at, [(_("leads"), [s.whole for s in shares])])
    return [rate, leads, _by_day(row)]


def _by_day(row: Backtest) -> Bars:
    result = row.result or {}
    days = sorted(result["by_day"])
    series = [(f"v{row.version.number}", [result["by_day"][day] for day in days])]
    if "active" in result:
        of_active = result["active_by_day"]
        series.append((f"v{result['active']['number']}", [of_active.get(day, 0) for day in days]))
    return Bars(_("Hits by day"), _("hits"), days, series)


def warnings(row: Backtest) -> list[str]:
    """Return what limits the figures: a version changed since, outcomes still to come, or no outcomes."""
    notes = [] if (row.result or {}).get("by_outcomes") else [claims_stand_in()]
    if backtest.digest(rule_def(row.version)) != row.digest:
        notes.append(_("The version was changed after this back-test; the figures are for the earlier one."))
    finished = row.finished_at or row.created_at
    if labels.local(finished).date() <= row.last_day + dt.timedelta(days=row.days_after):
        notes.append(_("Not all outcomes were known yet: the last hits had less time to convert."))
    if not (row.result or {}).get("base", {}).get("converted"):
        notes.append(_("No active lead converted in this period, so rates and curve show nothing yet."))
    return notes
