"""A weekly report in words of the language at hand: what screen, mail and PDF all show, each in its way."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import labels
from app.effect.labels import CHANNEL, DIMENSION, STAGE, percent, verdict, yuan
from app.hits.by_branch import NONE, OWN
from app.models import WeeklyReport
from app.reports.content import Content, Held, Part, Steps
from app.reports.weeks import sunday_of

#: rows of a table; what is beyond comes as one row
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
NOTES = (
    lazy_gettext(
        "Hits are those of the week's dates that may be contacted; one that reached a stage counts for all"
        " before it. Stages are as they were when the report was made."
    ),
    lazy_gettext(
        "The week before had a week longer to be contacted and to convert: its later stages are ahead."
    ),
    lazy_gettext("Costs are those of the contacts of these hits, at the prices of the moment of sending."),
)


@dataclass(frozen=True)
class Card:
    """A key figure and its change against the week before, empty where there is none to tell."""

    name: str
    value: str
    change: str


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: ``length`` from 0 to 1, ``shown`` what stands beside it, ``part`` its dark share."""

    name: str
    shown: str
    length: float
    part: float = 0.0


@dataclass(frozen=True)
class Chart:
    """Bars lying on their side, or standing when they are ``over_time``."""

    title: str
    bars: list[Bar]
    over_time: bool = False
    note: str = ""


@dataclass(frozen=True)
class Table:
    """The first column names, the others are numbers; ``rows`` hold words."""

    title: str
    heads: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Document:
    """A report, ready to be shown."""

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


def content_in(report: WeeklyReport) -> Content:
    """The figures that a report holds; only for one that is made."""
    return Content.model_validate_json(json.dumps(report.content))


def document(report: WeeklyReport, language: str) -> Document:
    """The report in words. ``language`` is the one at hand."""
    found = content_in(report)
    return Document(
        language=language,
        title=_("Weekly marketing report"),
        period=period(report.week),
        scope=scope(report),
        made=f"{labels.local(report.made_at):%Y-%m-%d %H:%M}" if report.made_at else "",
        summary=_summary(found.now),
        cards=_cards(found.now, found.before),
        charts=[_funnel(found.now), _trend(found)],
        effect=_effect(found.held),
        tables=[_table(name, found.parts[name]) for name in TITLES if found.parts.get(name)],
        waiting=_waiting(found),
        notes=[str(note) for note in NOTES],
    )


def period(week: dt.date) -> str:
    """The dates of a week."""
    return _("%(first)s to %(last)s", first=week, last=sunday_of(week))


def scope(report: WeeklyReport) -> str:
    """What a report is about."""
    return _("%(branch)s and below", branch=report.branch) if report.branch else _("Whole bank")


def _summary(now: Steps) -> str:
    if not now.hit:
        return _("The week had no hit.")
    return _(
        "%(hits)s new hits, %(contacted)s contacted, %(converted)s converted (%(rate)s).",
        hits=f"{now.hit:,}",
        contacted=f"{now.contacted:,}",
        converted=f"{now.converted:,}",
        rate=percent(now.rate),
    )


def _cards(now: Steps, before: Steps) -> list[Card]:
    counted = [_counted(str(word), getattr(now, name), getattr(before, name)) for name, word in STAGE.items()]
    apart = None if now.rate is None or before.rate is None else (now.rate - before.rate) * 100
    points = "" if apart is None else _("%(n)s points", n=f"{apart:+.1f}")
    each, once = now.cost_per_conversion, before.cost_per_conversion
    dearer = "" if each is None or once is None else _change(each, once)
    return [
        *counted,
        Card(_("Conversion rate"), percent(now.rate), points),
        Card(_("Cost of contacts"), yuan(now.cost), _change(now.cost, before.cost)),
        Card(_("Cost per conversion"), yuan(each), dearer),
    ]


def _counted(name: str, now: int, before: int) -> Card:
    change = f"{now - before:+,}"
    more = _change(now, before)
    return Card(name, f"{now:,}", f"{change} ({more})" if more else change)


def _change(now: int | Decimal, before: int | Decimal) -> str:
    return f"{(now - before) / before:+.1%}" if before else ""


def _funnel(now: Steps) -> Chart:
    reached = [(str(word), getattr(now, name)) for name, word in STAGE.items()]
    shares = [_part(n, now.hit) for _name, n in reached]
    bars = [
        Bar(name, f"{n:,} · {percent(of_all)}" if place else f"{n:,}", of_all or 0.0)
        for place, ((name, n), of_all) in enumerate(zip(reached, shares, strict=True))
    ]
    return Chart(_("From hit to conversion"), bars, note=_("Shares are of all new hits."))


def _part(n: int, whole: int) -> float | None:
    return n / whole if whole else None


def _trend(found: Content) -> Chart:
    largest = max((week.hits for week in found.trend), default=0) or 1
    bars = [
        Bar(week.week[5:], f"{week.hits:,}", week.hits / largest, _part(week.converted, week.hits) or 0.0)
        for week in found.trend
    ]
    note = _("All hits by the Monday of their week, held out ones too; the dark part has converted by now.")
    return Chart(_("Hits of the last %(n)s weeks", n=len(bars)), bars, over_time=True, note=note)


def _effect(held: Held) -> list[str]:
    """What contact is worth, in one sentence, and the people it rests on."""
    found = held.comparison()
    if not found.held_out.whole:
        return [verdict(found)]
    based = _(
        "Left to marketing: %(a)s of %(b)s customers converted (%(c)s). Held out: %(d)s of %(e)s (%(f)s).",
        a=f"{found.marketed.part:,}",
        b=f"{found.marketed.whole:,}",
        c=percent(found.marketed.value),
        d=f"{found.held_out.part:,}",
        e=f"{found.held_out.whole:,}",
        f=percent(found.held_out.value),
    )
    return [verdict(found), based]


def _table(dimension: str, parts: Sequence[Part]) -> Table:
    shown = [_row(_name(dimension, part), part.steps) for part in parts[:MAX_ROWS]]
    rest = parts[MAX_ROWS:]
    if rest:
        shown.append(_row(_("%(n)s more", n=len(rest)), _sum([part.steps for part in rest])))
    heads = [DIMENSION[dimension], *STAGE.values(), lazy_gettext("Conversion rate"), lazy_gettext("Cost")]
    return Table(str(TITLES[dimension]), [str(head) for head in heads], shown)


def _row(name: str, steps: Steps) -> list[str]:
    reached = [f"{getattr(steps, stage):,}" for stage in STAGE]
    return [name, *reached, percent(steps.rate), yuan(steps.cost)]


def _sum(steps: Sequence[Steps]) -> Steps:
    names = list(Steps.model_fields)
    return Steps(**{name: sum(getattr(each, name) for each in steps) for name in names})


def _name(dimension: str, part: Part) -> str:
    if dimension == "channel":
        return str(CHANNEL[part.key])
    if part.key == NONE:
        return str(NAMELESS[dimension])
    if part.key.startswith(OWN) and dimension == "branch":
        return _("%(branch)s itself", branch=part.name)
    return part.name or part.key


def _waiting(found: Content) -> list[tuple[str, str]]:
    waiting = found.waiting
    said = [
        (_("Hits that nobody has claimed"), waiting.unclaimed),
        (_("Follow-ups overdue"), waiting.overdue),
        (_("Hits escalated to the managers"), waiting.escalated),
    ]
    if waiting.approvals is not None:
        said.append((_("Requests that wait for a second person"), waiting.approvals))
    return [(word, f"{n:,}") for word, n in said]
