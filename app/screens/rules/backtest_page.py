"""Back-tests as a person sees them: progress, figures with their uncertainty, the curve of thresholds."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from app import labels
from app.activity import operators
from app.jobs.table import OPEN
from app.lib import clock
from app.models import Backtest, RuleVersion, RunStatus
from app.rules import backtest
from app.rules.backtest import share
from app.rules.proportion import Interval, Share, difference, ratio, wilson
from app.rules.sentence import condition_sentence
from app.rules.versions import rule_def


@dataclass(frozen=True)
class Line:
    """One line of the comparison: whose figures, and how they stand to the base. Texts are ready to show."""

    name: str
    hits: str
    leads: int
    converted: int
    rate: str
    rate_interval: str
    lift: str = ""
    lift_interval: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Curve:
    """A line through points with error bars: ``y``, ``low`` and ``high`` in percent at each ``x``.

    ``base`` is drawn as a level, ``chosen`` is the place of the point that stands out.
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
        """What the script draws."""
        names = ("title", "unit", "x", "y", "low", "high", "base", "base_name", "chosen", "along")
        return {"kind": "curve", "links": [], **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True)
class Bars:
    """Bars side by side: each of ``series`` is a name and a number for each ``x``."""

    title: str
    unit: str
    x: list[str]
    series: list[tuple[str, list[int]]]
    along: str = ""
    empty: str = ""
    all: None = None
    parts: bool = False

    @property
    def y(self) -> list[int]:
        """The numbers of the first series: without any there is nothing to draw."""
        return self.series[0][1]

    @property
    def data(self) -> dict[str, Any]:
        """What the script draws."""
        shown = {"title": self.title, "unit": self.unit, "x": self.x, "along": self.along, "links": []}
        return {"kind": "bars", "series": [{"name": name, "y": y} for name, y in self.series], **shown}


def progress_of(row: Backtest) -> dict[str, Any]:
    """What the back-test's page shows and polls."""
    return {
        "status": row.status,
        "status_text": labels.word(labels.RUN_STATUS, row.status),
        "progress": row.progress,
        "summary": _state(row),
        "details": _time_left(row),
        "done": row.status not in OPEN,
    }


def _state(row: Backtest) -> str:
    if row.status == RunStatus.FAILED:
        return str(row.error or "")
    if row.status == RunStatus.CANCELLED:
        return _("Cancelled; nothing was kept.")
    if row.status == RunStatus.DONE:
        return summary(row)
    return _("The past is gone through; you may close this page.")


def _time_left(row: Backtest) -> str:
    if row.status != RunStatus.RUNNING or not row.started_at or not row.progress:
        return ""
    spent = (clock.now() - row.started_at).total_seconds()
    minutes = math.ceil(spent * (100 - row.progress) / row.progress / 60)
    return ngettext("about %(num)s minute left", "about %(num)s minutes left", minutes)


def period(row: Backtest) -> str:
    """The days that were tried."""
    return f"{row.first_day} – {row.last_day}"


def summary(row: Backtest) -> str:
    """The figures in a line; nothing before they are there."""
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


def percent(value: float | None) -> str:
    """A share in percent."""
    return "—" if value is None else f"{value:.1%}"


def conditions_of(version: RuleVersion) -> list[tuple[int, str]]:
    """The conditions whose threshold can be varied, in words."""
    return [(place, condition_sentence(each)) for place, each in enumerate(rule_def(version).conditions)]


def lines(row: Backtest) -> list[Line]:
    """The version tried, the one in force, and everybody who was active."""
    result = row.result or {}
    base = result["base"]
    found = [_line(_("This version (%(version)s)", version=f"v{row.version.number}"), result["draft"], base)]
    if "active" in result:
        number = result["active"]["number"]
        found.append(_line(_("In force (%(version)s)", version=f"v{number}"), result["active"], base))
    everybody = _line(_("Base: every lead that was active at all"), base | {"hits": None}, None)
    return [*found, everybody]


def _line(name: str, figures: dict[str, Any], base: dict[str, Any] | None, *, chosen: bool = False) -> Line:
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
        rate_interval=_of_share(own),
        lift="" if lift is None else f"{lift:.2f}×",
        lift_interval=_times(ratio(own, share(base))) if base and lift is not None else "",
        chosen=chosen,
    )


def _of_share(own: Share) -> str:
    low, high = wilson(own)
    return f"{low:.1%} – {high:.1%}" if own.whole else ""


def _times(found: Interval | None) -> str:
    if found is None:
        return ""
    return f"{found.low:.2f} – " + (f"{found.high:.2f}×" if math.isfinite(found.high) else "∞")


def verdicts(row: Backtest) -> list[str]:
    """What the figures say about this version against the base and the version in force, in sentences."""
    result = row.result or {}
    found = [_verdict(result["draft"], result["base"], _("the base"))]
    if "active" in result:
        found.append(_verdict(result["draft"], result["active"], _("the version in force")))
    return [each for each in found if each]


def _verdict(one: dict[str, Any], other: dict[str, Any], name: str) -> str:
    gap = difference(share(one), share(other))
    if gap is None:
        return ""
    here, there = share(one).value or 0.0, share(other).value or 0.0
    values = {
        "other": name,
        "points": f"{(here - there) * 100:+.1f}",
        "low": f"{gap.low * 100:+.1f}",
        "high": f"{gap.high * 100:+.1f}",
    }
    if gap.low > 0:
        return _("Converts better than %(other)s: %(points)s points (%(low)s to %(high)s).", **values)
    if gap.high < 0:
        return _("Converts worse than %(other)s: %(points)s points (%(low)s to %(high)s).", **values)
    return _("No clear difference to %(other)s: %(points)s points (%(low)s to %(high)s).", **values)


def curve_lines(row: Backtest) -> list[Line]:
    """The figures at each threshold, the version's own marked."""
    result = row.result or {}
    return [
        _line(_threshold(row, each["threshold"]), each, result["base"], chosen=_is_own(row, each))
        for each in result["curve"]
    ]


def _threshold(row: Backtest, value: int) -> str:
    return f"{operators.REGISTRY[(row.result or {})['op']].sign} {value}"


def _is_own(row: Backtest, point: dict[str, int]) -> bool:
    return point["threshold"] == (row.result or {})["threshold"]


def charts(row: Backtest) -> list[Curve | Bars]:
    """Rate and number of leads by threshold, and hits by day."""
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
        chosen=next((place for place, each in enumerate(points) if _is_own(row, each)), -1),
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
    """What limits the figures: a draft that changed since, outcomes that are still to come, no outcomes."""
    found = []
    if backtest.digest(rule_def(row.version)) != row.digest:
        found.append(_("The version has been changed since; these figures are those of what it said before."))
    finished = row.finished_at or row.created_at
    if labels.local(finished).date() <= row.last_day + dt.timedelta(days=row.days_after):
        found.append(_("Not all outcomes were known yet: the last hits had less time to convert."))
    if not (row.result or {}).get("base", {}).get("converted"):
        found.append(_("No active lead converted in this time, so rates and the curve say nothing yet."))
    return found
