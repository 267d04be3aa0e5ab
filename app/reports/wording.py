"""The weekly report as text in the current language: what screen, mail and PDF all show."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import labels
from app.effect import money_words
from app.effect.labels import CHANNEL, DIMENSION, STAGE, claims, claims_stand_in, verdict
from app.effect.money import NOBODY
from app.effect.money import Part as MoneyFigures
from app.hits.by_branch import NONE, OWN
from app.lib.amounts import percent, yuan
from app.models import WeeklyReport
from app.reports.content import (
    Backlog,
    Content,
    HoldoutCounts,
    MoneyPart,
    Part,
    StageCounts,
    WeekCounts,
)
from app.reports.weeks import sunday_of

#: rows of a table before the rest is summed up in one row
MAX_ROWS = 10
TITLES = {
    "version": lazy_gettext("By rule version"),
    "grade": lazy_gettext("By grade"),
    "source": lazy_gettext("By source channel"),
    "branch": lazy_gettext("By branch"),
    "channel": lazy_gettext("By channel of the first contact"),
    "template": lazy_gettext("By template of the first contact"),
}
NAMELESS = {
    "source": lazy_gettext("No source"),
    "branch": lazy_gettext("No branch"),
    "template": lazy_gettext("No template"),
}
#: dimensions with a part of the hits that were not contacted
UNREACHED = ("channel", "template")
NOTES = (
    lazy_gettext(
        "Hits: hits of the week whose customers may be contacted. A hit also counts in every stage it has"
        " passed. Stages are as of the time the report was created."
    ),
    lazy_gettext(
        "Hits of the previous week had one more week to be contacted and to convert, so its later stages are"
        " higher."
    ),
    lazy_gettext(
        "Cost: the cost of all contacts with these hits, at the prices in force when they were made."
    ),
)


@dataclass(frozen=True)
class Card:
    """A key figure and its change from the previous week, empty when there is none."""

    name: str
    value: str
    change: str


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: its ``length`` from 0 to 1, the text beside it, and the share that is dark."""

    name: str
    shown: str
    length: float
    part: float = 0.0


@dataclass(frozen=True)
class Chart:
    """A chart of horizontal bars, or of vertical ones when it is ``over_time``."""

    title: str
    bars: list[Bar]
    over_time: bool = False
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table of texts: names in the first column, numbers in the others; and what to know about it."""

    title: str
    heads: list[str]
    rows: list[list[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Document:
    """A report as text, ready to be shown."""

    language: str
    title: str
    period: str
    scope: str
    made: str
    summary: str
    cards: list[Card]
    charts: list[Chart]
    effect: list[str]
    tables: list[Table]
    waiting: list[tuple[str, str]]
    notes: list[str]


def stored_content(report: WeeklyReport) -> Content:
    """Return the figures stored with a report that has been created."""
    return Content.model_validate_json(json.dumps(report.content))


def document(report: WeeklyReport, language: str) -> Document:
    """Return the report as text. ``language`` is the current one."""
    content = stored_content(report)
    return Document(
        language=language,
        title=_("Weekly marketing report"),
        period=period(report.week),
        scope=scope(report),
        made=f"{labels.local(report.made_at):%Y-%m-%d %H:%M}" if report.made_at else "",
        summary=_summary(content),
        cards=_cards(content.now, content.before),
        charts=[_funnel(content.now), _trend(content.trend)],
        effect=_effect(content.held),
        tables=[
            *(_table(name, content.parts[name]) for name in TITLES if content.parts.get(name)),
            *(
                _money(name, content.money[name], content.days)
                for name in money_words.TITLES
                if content.money.get(name)
            ),
        ],
        waiting=_backlog(content.waiting),
        notes=[*([] if content.by_outcomes else [claims_stand_in()]), *(str(note) for note in NOTES)],
    )


def period(week: dt.date) -> str:
    """Return the first and last date of a week."""
    return _("%(first)s to %(last)s", first=week, last=sunday_of(week))


def scope(report: WeeklyReport) -> str:
    """Return what a report covers: a branch with those below it, or the whole bank."""
    return _("%(branch)s and below", branch=report.branch) if report.branch else _("Whole bank")


def _summary(content: Content) -> str:
    now = content.now
    if not now.hit:
        return _("There were no hits this week.")
    sentence = _(
        "%(hits)s new hits, %(contacted)s contacted, %(converted)s converted (%(rate)s).",
        hits=f"{now.hit:,}",
        contacted=f"{now.contacted:,}",
        converted=f"{now.converted:,}",
        rate=percent(now.rate),
    )
    marked = claims(now.claimed, now.confirmed)
    if not (content.by_outcomes and marked):
        return sentence
    return _(
        "%(sentence)s Conversions: %(claims)s; %(n)s bought without being marked.",
        sentence=sentence,
        claims=marked,
        n=f"{max(now.converted - now.confirmed, 0):,}",
    )


def _cards(now: StageCounts, before: StageCounts) -> list[Card]:
    counted = [_counted(str(word), getattr(now, name), getattr(before, name)) for name, word in STAGE.items()]
    difference = None if now.rate is None or before.rate is None else (now.rate - before.rate) * 100
    points = "" if difference is None else _("%(n)s points", n=f"{difference:+.1f}")
    unit_cost, unit_cost_before = now.cost_per_conversion, before.cost_per_conversion
    if unit_cost is None or unit_cost_before is None:
        unit_change = ""
    else:
        unit_change = _change(unit_cost, unit_cost_before)
    if not before.hit:
        # Against a week without hits every difference is the number itself.
        counted = [replace(card, change="") for card in counted]
    return [
        *counted,
        Card(_("Conversion rate"), percent(now.rate), points),
        Card(_("Contact cost"), yuan(now.cost), _change(now.cost, before.cost)),
        Card(_("Cost per conversion"), yuan(unit_cost), unit_change),
    ]


def _counted(name: str, now: int, before: int) -> Card:
    change = f"{now - before:+,}"
    percentage = _change(now, before)
    return Card(name, f"{now:,}", f"{change} ({percentage})" if percentage else change)


def _change(now: int | Decimal, before: int | Decimal) -> str:
    return f"{(now - before) / before:+.1%}" if before else ""


def _funnel(now: StageCounts) -> Chart:
    reached = [(str(word), getattr(now, name)) for name, word in STAGE.items()]
    shares = [_share(n, now.hit) for _name, n in reached]
    bars = [
        Bar(name, f"{n:,} · {percent(share)}" if place else f"{n:,}", share or 0.0)
        for place, ((name, n), share) in enumerate(zip(reached, shares, strict=True))
    ]
    return Chart(_("From hit to conversion"), bars, note=_("Percentages are shares of all new hits."))


def _share(n: int, whole: int) -> float | None:
    return n / whole if whole else None


def _trend(trend: list[WeekCounts]) -> Chart:
    largest = max((week.hits for week in trend), default=0) or 1
    bars = [
        Bar(week.week[5:], f"{week.hits:,}", week.hits / largest, _share(week.converted, week.hits) or 0.0)
        for week in trend
    ]
    note = _(
        "All hits by week, including held-out customers; each bar names the Monday of its week. The dark part"
        " has converted so far."
    )
    return Chart(_("Hits in the last %(n)s weeks", n=len(bars)), bars, over_time=True, note=note)


def _effect(held: HoldoutCounts) -> list[str]:
    """Return the uplift in a sentence, and the numbers of customers behind it."""
    compared = held.comparison()
    if not compared.held_out.whole:
        return [verdict(compared)]
    numbers = _(
        "Marketing group: %(a)s of %(b)s customers converted (%(c)s). Holdout group: %(d)s of %(e)s (%(f)s).",
        a=f"{compared.marketed.part:,}",
        b=f"{compared.marketed.whole:,}",
        c=percent(compared.marketed.value),
        d=f"{compared.held_out.part:,}",
        e=f"{compared.held_out.whole:,}",
        f=percent(compared.held_out.value),
    )
    return [verdict(compared), numbers]


def _table(dimension: str, parts: Sequence[Part]) -> Table:
    rows = [_row(_name(dimension, part), part.steps) for part in parts[:MAX_ROWS]]
    rest = parts[MAX_ROWS:]
    if rest:
        rows.append(_row(_("%(n)s more", n=len(rest)), _sum([part.steps for part in rest])))
    heads = [DIMENSION[dimension], *STAGE.values(), lazy_gettext("Conversion rate"), lazy_gettext("Cost")]
    notes = [_charged()] if dimension in UNREACHED and _charged_unreached(parts) else []
    return Table(str(TITLES[dimension]), [str(head) for head in heads], rows, notes)


def _charged_unreached(parts: Sequence[Part]) -> bool:
    return any(part.key == NONE and part.steps.cost for part in parts)


def _charged() -> str:
    return _(
        "Cost of hits that were not contacted: SMS and calls that the gateway took on and then reported as"
        " failed, or has not confirmed yet. They are charged."
    )


def _row(name: str, counts: StageCounts) -> list[str]:
    reached = [f"{getattr(counts, stage):,}" for stage in STAGE]
    return [name, *reached, percent(counts.rate), yuan(counts.cost)]


def _sum(parts: Sequence[StageCounts]) -> StageCounts:
    names = list(StageCounts.model_fields)
    return StageCounts(**{name: sum(getattr(part, name) for part in parts) for name in names})


def _money(name: str, parts: Sequence[MoneyPart], days: int) -> Table:
    figures = [each.part() for each in parts]
    rows = [_money_row(name, _name(name, each), each.part()) for each in parts[:MAX_ROWS]]
    if rest := figures[MAX_ROWS:]:
        rows.append(_money_row(name, _("%(n)s more", n=len(rest)), sum(rest, NOBODY)))
    if name not in money_words.CONTACTED:
        rows.append(_money_row(name, _("Total"), sum(figures, NOBODY)))
    notes = [money_words.missing(name, figures), *money_words.definitions(name, days)]
    title = str(money_words.TITLES[name])
    return Table(title, money_words.heads(name), rows, list(filter(None, notes)))


def _money_row(name: str, shown: str, part: MoneyFigures) -> list[str]:
    cells = money_words.cells(name, part)
    return [
        shown,
        *(
            _("%(text)s (%(interval)s)", text=text, interval=interval) if interval else text
            for text, interval in cells
        ),
    ]


def _name(dimension: str, part: Part | MoneyPart) -> str:
    if dimension == "channel":
        return str(CHANNEL[part.key])
    if part.key == NONE:
        return str(NAMELESS[dimension])
    if part.key.startswith(OWN) and dimension == "branch":
        return _("%(branch)s itself", branch=part.name)
    return part.name or part.key


def _backlog(backlog: Backlog) -> list[tuple[str, str]]:
    counts = [
        (_("Unclaimed customers"), backlog.unclaimed),
        (_("Overdue customers"), backlog.overdue),
        (_("Customers escalated to managers"), backlog.escalated),
    ]
    if backlog.approvals is not None:
        counts.append((_("Requests waiting for approval"), backlog.approvals))
    return [(name, f"{n:,}") for name, n in counts]
