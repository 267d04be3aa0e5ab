"""The effect page: its filters, and its figures as cards, charts and tables that link to their hits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from flask import g, render_template, url_for
from flask_babel import gettext as _
from sqlalchemy import select

from app.console.charts import Chart, Intervals
from app.effect import comparison, funnel, labels, reach
from app.effect.comparison import Comparison
from app.effect.funnel import DIMENSIONS, Figures, Funnel
from app.effect.reach import Stage
from app.errors import DomainError
from app.extensions import db
from app.hits import counts
from app.hits.by_branch import OWN
from app.lib import clock
from app.lib.amounts import percent, yuan
from app.models import HitStatus, OutreachTemplateVersion, RuleVersion, VersionStatus
from app.rules import conversions
from app.rules.proportion import Interval, Share, wilson
from app.screens.hits import workspace

#: days in the default range
DAYS = 30
#: maximum rows of the rate chart; the table has all
MAX_LINES = 12
#: filter that only this page has → filter of the hit list
MORE = {
    "version": "rule_version",
    "channel": "first_channel",
    "template": "first_template",
    "hour": "first_hour",
}
#: filter or dimension of the page → filter of the hit list
FILTERS = workspace.FILTERS | MORE


#: stage of the funnel → its term in the glossary
TERM: dict[str, str] = {
    Stage.HIT: "hit",
    Stage.PUSHED: "pushed",
    Stage.CONTACTED: "reached",
    Stage.ANSWERED: "answered",
    Stage.CONVERTED: "conversion",
}


@dataclass(frozen=True)
class Filters:
    """The filters of the page: ``values`` as typed, and the hits that they select."""

    values: dict[str, str]
    common: workspace.Filters
    figures: funnel.EffectFilters
    by: str

    def page_url(self, endpoint: str = "EffectView.list", **changed: str) -> str:
        """Return the URL of this page, or of another endpoint with the same filters, with some changed."""
        arguments: dict[str, Any] = {**self.values, "by": self.by, **changed}
        return url_for(endpoint, **{name: value for name, value in arguments.items() if value})

    def part_url(self, name: str, key: str) -> str:
        """Return the URL of this page filtered by one part, or nothing where there is no such filter."""
        return "" if key.startswith(OWN) else self.page_url(**{name: key})

    def list_url(self, n: int, stage: Stage, **part: str) -> str:
        """Return the URL of the list of the ``n`` hits that reached a stage, of all or of one group."""
        filters = {**self.values, **part}
        own = {FILTERS[name]: value for name, value in filters.items() if value}
        return self.common.list_url(n, reach=stage.value, **own)


@dataclass(frozen=True)
class LinkedNumber:
    """A number that links to its hits; ``note`` is the same figure as a share."""

    n: int
    url: str
    note: str = ""


@dataclass(frozen=True)
class BreakdownRow:
    """A row of the breakdown: a group of hits with its stages, rate and costs."""

    name: str
    url: str
    numbers: list[LinkedNumber]
    rate: str
    cost: str
    per_contacted: str
    per_conversion: str
    claimed: int
    confirmed: int


@dataclass(frozen=True)
class RateCell:
    """The conversion rate of a group of customers with its confidence interval, formatted."""

    converted: int
    people: int
    shown: str
    interval: str


@dataclass(frozen=True)
class ComparisonRow:
    """A row of the holdout comparison, formatted."""

    name: str
    marketed: RateCell
    held_out: RateCell
    difference: str
    interval: str


def read_filters(arguments: Mapping[str, str]) -> Filters:
    """Read the filters from query arguments, by default the last 30 days.

    Raises DomainError for a value that makes no sense.
    """
    values = {name: arguments.get(name, "").strip() for name in FILTERS}
    yesterday = clock.today() - dt.timedelta(days=1)
    if not values["last"]:
        values["last"] = str(max(yesterday.isoformat(), values["first"]))
    common = workspace.read_filters(values)
    last = common.chosen.last or yesterday
    if not values["first"]:
        values["first"] = str(last - dt.timedelta(days=DAYS - 1))
        common = workspace.read_filters(values)
    by = arguments.get("by", "") or DIMENSIONS[0]
    if by not in DIMENSIONS:
        raise DomainError("The figures can't be broken down by “%(name)s”.", name=by[:20])
    return Filters(values, common, _figures_of(common, values), by)


def _figures_of(common: workspace.Filters, values: dict[str, str]) -> funnel.EffectFilters:
    figures = funnel.EffectFilters(
        common.chosen,
        version=reach.parse_id(values["version"]) if values["version"] else None,
        channel=values["channel"],
        template=values["template"],
        hour=values["hour"],
    )
    # Called for its DomainError about invalid filters.
    reach.first_contact(figures.channel, figures.template, figures.hour)
    return figures


def funnel_chart(common: workspace.Filters) -> Chart:
    """Return the funnel of the hits that the workspace selects."""
    values = dict.fromkeys(FILTERS, "") | common.values
    filters = Filters(values, common, funnel.EffectFilters(common.chosen), DIMENSIONS[0])
    return Dashboard(filters, funnel.count_funnel(filters.figures)).chart()


def choices(filters: Filters) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return the drop-downs: filter, label and options."""
    versions = select(RuleVersion).where(
        RuleVersion.status.not_in((VersionStatus.DRAFT, VersionStatus.SUBMITTED))
    )
    if filters.common.chosen.rule:
        versions = versions.where(RuleVersion.rule_id == filters.common.chosen.rule)
    templates = db.session.scalars(select(OutreachTemplateVersion))
    return [
        *workspace.choices(filters.common),
        (
            "version",
            _("Rule version"),
            _named((row.id, labels.version_title(row)) for row in db.session.scalars(versions)),
        ),
        ("channel", _("First contact channel"), [(key, str(word)) for key, word in labels.CHANNEL.items()]),
        ("template", _("First contact template"), _named((row.id, str(row)) for row in templates)),
        ("hour", _("First contact time"), labels.hour_band_choices()),
    ]


def _named(pairs: Iterator[tuple[int, str]] | Any) -> list[tuple[str, str]]:
    return sorted(((str(key), name) for key, name in pairs), key=lambda pair: pair[1])


def ranges(filters: Filters) -> list[tuple[str, str, bool]]:
    """Return the preset ranges of hit dates: name, URL, and whether it is the current one."""
    day = clock.today()
    yesterday = day - dt.timedelta(days=1)
    known = [(_("%(n)s days", n=n), day - dt.timedelta(days=n), yesterday) for n in (7, DAYS, 90)]
    known.append((_("This month"), day.replace(day=1), day))
    now = (filters.values["first"], filters.values["last"])
    return [
        (word, filters.page_url(first=str(first), last=str(last)), now == (str(first), str(last)))
        for word, first, last in known
    ]


def lines(filters: Filters) -> Iterator[bytes]:
    """Yield lines of JSON while the figures are counted: ``done`` from 0 to 1, then ``html`` or ``error``."""
    # The view's session has ended; attach the user to this one, because row scope reads it again.
    db.session.add(g.user)
    try:
        result = Funnel()
        for done, part in funnel.count_in_slices(filters.figures):
            result = part
            yield orjson.dumps({"done": done}) + b"\n"
        yield orjson.dumps({"html": _render(filters, result)}) + b"\n"
    except DomainError as error:
        db.session.rollback()
        yield orjson.dumps({"error": error.text()}) + b"\n"


def _render(filters: Filters, result: Funnel) -> str:
    compared = comparison.compare(filters.figures)
    dashboard = Dashboard(filters, result)
    return render_template(
        "hits/effect_figures.html",
        filters=filters,
        dashboard=dashboard,
        groups=[comparison_row(each) for each in compared if each.difference is not None],
        without_holdout=sum(each.difference is None for each in compared[1:]),
        verdict=labels.verdict(compared[0]),
        stand_in=labels.caveat(dashboard.by_outcomes),
        differences=differences(compared),
        stages=[(word, TERM[stage]) for stage, word in labels.STAGE.items()],
        dimensions=labels.DIMENSION,
    )


class Dashboard:
    """The funnel and its breakdown, formatted for the page and the file."""

    def __init__(self, filters: Filters, result: Funnel) -> None:
        self.filters, self.total = filters, result.total
        self._names = labels.PartNames(filters.figures)
        self._groups = result.by[filters.by]
        self.by_outcomes = conversions.judged_by_outcomes()
        self._keys = self._in_order()

    def _in_order(self) -> list[str]:
        """Sort the groups by number of hits, or in their own order where they have one."""
        named = self._names.in_order(self.filters.by, self._groups)
        if self.filters.by in ("grade", "channel", "hour"):
            return named
        return sorted(named, key=lambda key: -self._groups[key].hit)

    def cards(self) -> list[tuple[str, str, str, str, str]]:
        """Return the key figures: name, number, note, URL of the list and code of the term."""
        total = self.total
        share = percent(total.contacted / total.hit if total.hit else None)
        contacts = _("%(sms)s SMS, %(calls)s calls", sms=f"{total.sms:,}", calls=f"{total.calls:,}")
        won, per = self._url(total, Stage.CONVERTED), yuan(total.cost_per_conversion)
        won_share = _("%(share)s of all", share=percent(total.rate))
        confirmed = labels.claims(total.claimed, total.confirmed) if self.by_outcomes else ""
        reached = [
            (Stage.HIT, ""),
            (Stage.CONTACTED, _("%(share)s of all", share=share)),
            (Stage.CONVERTED, " · ".join(filter(None, (won_share, confirmed)))),
        ]
        return [
            *(
                (
                    str(labels.STAGE[stage]),
                    f"{total.reached(stage):,}",
                    note,
                    self._url(total, stage),
                    TERM[stage],
                )
                for stage, note in reached
            ),
            (_("Cost"), yuan(total.cost), contacts, "", "cost"),
            (_("Cost per conversion"), per, "", won if total.converted else "", "cost_per_conversion"),
        ]

    def stages(self) -> list[LinkedNumber]:
        """Return the funnel's stages; the note is the share of the previous stage."""
        numbers, before = [], 0
        for stage in Stage:
            n = self.total.reached(stage)
            # Who buys need not have been contacted, so that outcomes are no share of the responses.
            apart = stage is Stage.CONVERTED and self.by_outcomes
            note = "" if stage is Stage.HIT or apart else percent(n / before if before else None)
            numbers.append(LinkedNumber(n, self._url(self.total, stage), note))
            before = n
        return numbers

    def chart(self) -> Chart:
        """Return the funnel chart."""
        numbers = self.stages()
        return Chart(
            _("From hit to conversion"),
            _("hits"),
            [str(word) for word in labels.STAGE.values()],
            [each.n for each in numbers] if self.total.hit else [],
            [each.url for each in numbers],
            _("No hit matches these filters."),
            parts=True,
            term="funnel",
        )

    def beside_workspace(self) -> tuple[str, str]:
        """Return why the workspace shows other figures for these dates, and the list of its conversions.

        The text is empty where it shows the same ones, and the address where the text names no number.
        """
        chosen = self.filters.figures
        if chosen != funnel.EffectFilters(chosen.hits):
            return _("Held-out customers, whom the workspace includes, are left out here."), ""
        cells = counts.count(chosen.hits, ("status", "converted"))
        hits = sum(cells.values())
        if hits == self.total.hit:
            return "", ""
        place, won = (1, True) if self.by_outcomes else (0, HitStatus.CONVERTED)
        conversions_there = sum(n for key, n in cells.items() if key[place] == won)
        text = _(
            "The workspace has %(hits)s hits and %(won)s conversions on these dates, because it includes"
            " held-out customers; here they only serve for comparison.",
            hits=f"{hits:,}",
            won=f"{conversions_there:,}",
        )
        success = {"success": "converted"} if self.by_outcomes else {"status": HitStatus.CONVERTED}
        return text, self.filters.common.list_url(conversions_there, **success)

    def rates(self) -> Intervals:
        """Return the conversion rates of the groups with the most hits, with confidence intervals."""
        shown = [key for key in self._keys if self._groups[key].hit][:MAX_LINES]
        shares = [Share(self._groups[key].converted, self._groups[key].hit) for key in shown]
        return Intervals(
            _("Conversion rate by %(part)s", part=str(labels.DIMENSION[self.filters.by]).lower()),
            [self._names.name(self.filters.by, key) for key in shown],
            [(each.value or 0.0, wilson(each)) for each in shares],
            [self._url(self._groups[key], Stage.CONVERTED, key) for key in shown],
        )

    def breakdown(self) -> list[BreakdownRow]:
        """Return the rows of the breakdown: each group, then the total."""
        rows = [
            self._breakdown_row(
                self._names.name(self.filters.by, key),
                self.filters.part_url(self.filters.by, key),
                self._groups[key],
                key,
            )
            for key in self._keys
        ]
        return [*rows, self._breakdown_row(_("Total"), "", self.total)]

    def _breakdown_row(self, name: str, url: str, figures: Figures, key: str = "") -> BreakdownRow:
        numbers = [LinkedNumber(figures.reached(stage), self._url(figures, stage, key)) for stage in Stage]
        costs = (figures.cost, figures.cost_per_contacted, figures.cost_per_conversion)
        cost, per_contacted, per_conversion = (yuan(each) for each in costs)
        return BreakdownRow(
            name,
            url,
            numbers,
            percent(figures.rate),
            cost,
            per_contacted,
            per_conversion,
            figures.claimed,
            figures.confirmed,
        )

    def _url(self, figures: Figures, stage: Stage, key: str = "") -> str:
        part = {self.filters.by: key} if key else {}
        return self.filters.list_url(figures.reached(stage), stage, **part)

    def costs(self) -> list[tuple[str, str, str, str]]:
        """Return the costs by channel: name, contacts, cost and unit cost."""
        total = self.total
        rows = [("sms", total.sms, total.cost_sms), ("call", total.calls, total.cost_call)]
        return [
            (str(labels.CHANNEL[name]), f"{n:,}", yuan(cost), yuan(cost / n if n else None))
            for name, n, cost in rows
        ]


def comparison_row(compared: Comparison) -> ComparisonRow:
    """Format a row of the holdout comparison."""
    name = _("Total, weighted") if compared.version is None else labels.version_name(str(compared.version))
    low, high = compared.interval or Interval(-1.0, 1.0)
    difference = f"{(compared.difference or 0.0) * 100:+.1f}"
    return ComparisonRow(
        name,
        _rate(compared.marketed),
        _rate(compared.held_out),
        difference,
        f"{low * 100:+.1f} – {high * 100:+.1f}",
    )


def _rate(share: Share) -> RateCell:
    low, high = wilson(share)
    return RateCell(share.part, share.whole, percent(share.value), f"{percent(low)} – {percent(high)}")


def differences(compared: list[Comparison]) -> Intervals:
    """Return the chart of extra conversions per 100 customers by version."""
    shown = [each for each in compared if each.difference is not None and each.interval is not None]
    return Intervals(
        _("Extra conversions per 100 customers, compared with no marketing"),
        [_("Total") if each.version is None else labels.version_name(str(each.version)) for each in shown],
        [(each.difference or 0.0, each.interval or Interval(0, 0)) for each in shown],
        [],
        unit="",
    )


def table(filters: Filters) -> Iterator[list[str]]:
    """Yield the breakdown as rows of a CSV file."""
    dashboard = Dashboard(filters, funnel.count_funnel(filters.figures))
    if not dashboard.by_outcomes:
        yield [labels.claims_stand_in()]
    yield [str(labels.DIMENSION[filters.by]), *(str(each) for each in labels.STAGE.values()), *_columns()]
    for row in dashboard.breakdown():
        costs = (row.cost, row.per_contacted, row.per_conversion)
        claims = (f"{row.claimed}", f"{row.confirmed}")
        yield [row.name, *(str(each.n) for each in row.numbers), row.rate, *costs, *claims]


def _columns() -> list[str]:
    return [
        _("Conversion rate"),
        _("Cost"),
        _("Cost per hit reached out to"),
        _("Cost per conversion"),
        *_claims(),
    ]


def _claims() -> list[str]:
    return [_("Marked as converted"), _("Of these confirmed")]
