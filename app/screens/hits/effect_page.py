"""The effect page: what is asked for, and its figures as cards, charts and tables that open their hits."""

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
from app.effect.labels import percent, yuan
from app.effect.reach import Stage
from app.errors import DomainError
from app.extensions import db
from app.hits.by_branch import OWN
from app.lib import clock
from app.models import OutreachTemplateVersion, RuleVersion, VersionStatus
from app.rules.proportion import Interval, Share, wilson
from app.screens.hits import workspace

#: the days that the page shows at first
DAYS = 30
#: lines of a chart, at most; the table has all
MAX_LINES = 12
#: filter of the page that the workspace has not → the list's filter for the same
MORE = {
    "version": "rule_version",
    "channel": "first_channel",
    "template": "first_template",
    "hour": "first_hour",
}
#: filter of the page, or dimension → the list's filter for the same
FILTERS = workspace.FILTERS | MORE


@dataclass(frozen=True)
class Asked:
    """What the address asks for: ``values`` as they are typed, and the hits that they choose."""

    values: dict[str, str]
    common: workspace.Asked
    figures: funnel.Asked
    by: str

    def page_url(self, endpoint: str = "EffectView.list", **changed: str) -> str:
        """This page (or another address that takes the same) with some filters changed."""
        arguments: dict[str, Any] = {**self.values, "by": self.by, **changed}
        return url_for(endpoint, **{name: value for name, value in arguments.items() if value})

    def list_url(self, n: int, stage: Stage, **part: str) -> str:
        """The list of the ``n`` hits that reached a stage, in all or of a part (dimension = key)."""
        asked_for = {**self.values, **part}
        own = {FILTERS[name]: value for name, value in asked_for.items() if value}
        return self.common.list_url(n, reach=stage.value, **own)


@dataclass(frozen=True)
class Number:
    """A number that opens ``url``; ``note`` says it in another way."""

    n: int
    url: str
    note: str = ""


@dataclass(frozen=True)
class Part:
    """A line of the table: a part of the hits, its stages, rates and costs. ``url`` looks into the part."""

    name: str
    url: str
    numbers: list[Number]
    rate: str
    cost: str
    per_contacted: str
    per_conversion: str


@dataclass(frozen=True)
class Rate:
    """Converted customers among the people of a group, in words too."""

    converted: int
    people: int
    shown: str
    interval: str


@dataclass(frozen=True)
class Group:
    """A line of the comparison, in words."""

    name: str
    marketed: Rate
    held_out: Rate
    difference: str
    interval: str


def asked(arguments: Mapping[str, str]) -> Asked:
    """What an address asks for; without dates the last thirty days. Raises DomainError."""
    given = {name: arguments.get(name, "").strip() for name in FILTERS}
    yesterday = clock.today() - dt.timedelta(days=1)
    if not given["last"]:
        given["last"] = str(max(yesterday.isoformat(), given["first"]))
    common = workspace.asked(given)
    last = common.chosen.last or yesterday
    if not given["first"]:
        given["first"] = str(last - dt.timedelta(days=DAYS - 1))
        common = workspace.asked(given)
    by = arguments.get("by", "") or DIMENSIONS[0]
    if by not in DIMENSIONS:
        raise DomainError("The figures can't be parted by “%(name)s”.", name=by[:20])
    return Asked(given, common, _figures_of(common, given), by)


def _figures_of(common: workspace.Asked, given: dict[str, str]) -> funnel.Asked:
    found = funnel.Asked(
        common.chosen,
        version=reach.checked_id(given["version"]) if given["version"] else None,
        channel=given["channel"],
        template=given["template"],
        hour=given["hour"],
    )
    reach.first_contact(found.channel, found.template, found.hour)  # refuses what means nothing
    return found


def choices(asked_for: Asked) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """The drop-downs: filter, label, what can be chosen."""
    versions = select(RuleVersion).where(
        RuleVersion.status.not_in((VersionStatus.DRAFT, VersionStatus.SUBMITTED))
    )
    if asked_for.common.chosen.rule:
        versions = versions.where(RuleVersion.rule_id == asked_for.common.chosen.rule)
    templates = db.session.scalars(select(OutreachTemplateVersion))
    return [
        *workspace.choices(asked_for.common),
        (
            "version",
            _("Rule version"),
            _named((row.id, labels.said(row)) for row in db.session.scalars(versions)),
        ),
        ("channel", _("First contact channel"), [(key, str(word)) for key, word in labels.CHANNEL.items()]),
        ("template", _("First contact template"), _named((row.id, str(row)) for row in templates)),
        ("hour", _("First contact time"), labels.bands()),
    ]


def _named(pairs: Iterator[tuple[int, str]] | Any) -> list[tuple[str, str]]:
    return sorted(((str(key), name) for key, name in pairs), key=lambda pair: pair[1])


def ranges(asked_for: Asked) -> list[tuple[str, str, bool]]:
    """Ranges of hit dates by name: word, address, whether it is the present one."""
    day = clock.today()
    yesterday = day - dt.timedelta(days=1)
    known = [(_("%(n)s days", n=n), day - dt.timedelta(days=n), yesterday) for n in (7, DAYS, 90)]
    known.append((_("This month"), day.replace(day=1), day))
    now = (asked_for.values["first"], asked_for.values["last"])
    return [
        (word, asked_for.page_url(first=str(first), last=str(last)), now == (str(first), str(last)))
        for word, first, last in known
    ]


def lines(asked_for: Asked) -> Iterator[bytes]:
    """Lines of JSON while the figures are counted: ``done`` from 0 to 1, then ``html``, or ``error``."""
    # The request's session ended with the view; whose row scope holds is read again with this one.
    db.session.add(g.user)
    try:
        found = Funnel()
        for done, part in funnel.counting(asked_for.figures):
            found = part
            yield orjson.dumps({"done": done}) + b"\n"
        yield orjson.dumps({"html": _drawn(asked_for, found)}) + b"\n"
    except DomainError as error:
        db.session.rollback()
        yield orjson.dumps({"error": error.text()}) + b"\n"


def _drawn(asked_for: Asked, found: Funnel) -> str:
    compared = comparison.compare(asked_for.figures)
    board = Board(asked_for, found)
    return render_template(
        "hits/effect_figures.html",
        asked=asked_for,
        board=board,
        groups=[group(each) for each in compared if each.difference is not None],
        without=sum(each.difference is None for each in compared[1:]),
        verdict=labels.verdict(compared[0]),
        differences=differences(compared),
        stages=list(labels.STAGE.values()),
        dimensions=labels.DIMENSION,
    )


class Board:
    """The funnel and its parts as they are drawn."""

    def __init__(self, asked_for: Asked, found: Funnel) -> None:
        self.asked, self.total = asked_for, found.total
        self._names = labels.Names(asked_for.figures)
        self._parts = found.by[asked_for.by]
        self._keys = self._in_order()

    def _in_order(self) -> list[str]:
        """Versions, sources and templates by their hits, what has an order of its own in that."""
        named = self._names.in_order(self.asked.by, self._parts)
        if self.asked.by in ("grade", "channel", "hour"):
            return named
        return sorted(named, key=lambda key: -self._parts[key].hit)

    def cards(self) -> list[tuple[str, str, str, str]]:
        """The key figures: word, number, note, list."""
        found = self.total
        share = percent(found.contacted / found.hit if found.hit else None)
        contacts = _("%(sms)s SMS, %(calls)s calls", sms=f"{found.sms:,}", calls=f"{found.calls:,}")
        won, per = self._url(found, Stage.CONVERTED), yuan(found.cost_per_conversion)
        reached = [
            (Stage.HIT, ""),
            (Stage.CONTACTED, _("%(share)s of all", share=share)),
            (Stage.CONVERTED, _("%(share)s of all", share=percent(found.rate))),
        ]
        return [
            *(
                (str(labels.STAGE[stage]), f"{found.reached(stage):,}", note, self._url(found, stage))
                for stage, note in reached
            ),
            (_("Cost"), yuan(found.cost), contacts, ""),
            (_("Cost per conversion"), per, "", won if found.converted else ""),
        ]

    def stages(self) -> list[Number]:
        """The stages; the note is the share of the stage before."""
        found, before = [], 0
        for stage in Stage:
            n = self.total.reached(stage)
            note = "" if stage is Stage.HIT else percent(n / before if before else None)
            found.append(Number(n, self._url(self.total, stage), note))
            before = n
        return found

    def chart(self) -> Chart:
        """The funnel."""
        numbers = self.stages()
        return Chart(
            _("From hit to conversion"),
            _("hits"),
            [str(word) for word in labels.STAGE.values()],
            [each.n for each in numbers] if self.total.hit else [],
            [each.url for each in numbers],
            _("No hit matches these filters."),
            parts=True,
        )

    def rates(self) -> Intervals:
        """The conversion rates of the parts with most hits, with their uncertainty."""
        shown = [key for key in self._keys if self._parts[key].hit][:MAX_LINES]
        shares = [Share(self._parts[key].converted, self._parts[key].hit) for key in shown]
        return Intervals(
            _("Conversion rate by %(part)s", part=str(labels.DIMENSION[self.asked.by]).lower()),
            [self._names.of(self.asked.by, key) for key in shown],
            [(each.value or 0.0, wilson(each)) for each in shares],
            [self._url(self._parts[key], Stage.CONVERTED, key) for key in shown],
        )

    def parts(self) -> list[Part]:
        """The table: each part, then all."""
        rows = [
            self._part(self._names.of(self.asked.by, key), self._into(key), self._parts[key], key)
            for key in self._keys
        ]
        return [*rows, self._part(_("Total"), "", self.total)]

    def _part(self, name: str, url: str, figures: Figures, key: str = "") -> Part:
        numbers = [Number(figures.reached(stage), self._url(figures, stage, key)) for stage in Stage]
        costs = (figures.cost, figures.cost_per_contacted, figures.cost_per_conversion)
        return Part(name, url, numbers, percent(figures.rate), *(yuan(each) for each in costs))

    def _into(self, key: str) -> str:
        """The page of a part alone, where it can be asked for."""
        return "" if key.startswith(OWN) else self.asked.page_url(**{self.asked.by: key})

    def _url(self, figures: Figures, stage: Stage, key: str = "") -> str:
        part = {self.asked.by: key} if key else {}
        return self.asked.list_url(figures.reached(stage), stage, **part)

    def costs(self) -> list[tuple[str, str, str, str]]:
        """What each channel cost: name, contacts, cost, cost of one."""
        found = self.total
        rows = [("sms", found.sms, found.cost_sms), ("call", found.calls, found.cost_call)]
        return [
            (str(labels.CHANNEL[name]), f"{n:,}", yuan(cost), yuan(cost / n if n else None))
            for name, n, cost in rows
        ]


def group(of: Comparison) -> Group:
    """A line of the comparison."""
    name = _("Total, weighted") if of.version is None else labels.version(str(of.version))
    low, high = of.interval or Interval(-1.0, 1.0)
    apart = f"{(of.difference or 0.0) * 100:+.1f}"
    return Group(name, _rate(of.marketed), _rate(of.held_out), apart, f"{low * 100:+.1f} – {high * 100:+.1f}")


def _rate(share: Share) -> Rate:
    low, high = wilson(share)
    return Rate(share.part, share.whole, percent(share.value), f"{percent(low)} – {percent(high)}")


def differences(compared: list[Comparison]) -> Intervals:
    """How many more of a hundred customers convert, by version."""
    shown = [each for each in compared if each.difference is not None and each.interval is not None]
    return Intervals(
        _("Extra conversions per 100 customers, compared with no marketing"),
        [_("Total") if each.version is None else labels.version(str(each.version)) for each in shown],
        [(each.difference or 0.0, each.interval or Interval(0, 0)) for each in shown],
        [],
        unit="",
    )


def table(asked_for: Asked) -> Iterator[list[str]]:
    """The table of parts as rows of a file."""
    board = Board(asked_for, funnel.funnel(asked_for.figures))
    yield [str(labels.DIMENSION[asked_for.by]), *(str(each) for each in labels.STAGE.values()), *_columns()]
    for part in board.parts():
        costs = (part.cost, part.per_contacted, part.per_conversion)
        yield [part.name, *(str(each.n) for each in part.numbers), part.rate, *costs]


def _columns() -> list[str]:
    return [_("Conversion rate"), _("Cost"), _("Cost per hit reached out to"), _("Cost per conversion")]
