"""The workspace of high-potential leads: its filters, key figures, charts and customers.

Every number is a count of hits (app/hits/counts.py) and links to the list of exactly those hits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from flask import g, url_for
from flask_babel import gettext as _
from sqlalchemy import select

from app.console import filter_row, paging, urls
from app.console.charts import Chart
from app.console.figures import Figure, Note
from app.effect import labels as effect_labels
from app.errors import DomainError
from app.extensions import db
from app.hits import counts
from app.hits.by_branch import NONE, BranchParts
from app.hits.counts import HitFilter
from app.hits.filters import ANY_STATE, branch_of
from app.lib import clock
from app.lib.row_id import row_id
from app.models import HitStatus, Rule
from app.rules import conversions
from app.screens.hits.special_filters import InBranch, LeadSource

#: maximum bars of a breakdown chart
MAX_PARTS = 8
TREND_DAYS = 7
#: dates of the lines beside the key figures
SPARK_DAYS = 14
OPEN_DATES = {"hit_date__from": None, "hit_date__to": None}
GRADES = "ABCD"
BY_DAY = ("hit_date", "status", "converted")
#: filter of the workspace → filter of the hit list
FILTERS = {
    "rule": "rule",
    "grade": "grade",
    "source": "source",
    "branch": "branch",
    "first": "hit_date__from",
    "last": "hit_date__to",
}


@dataclass(frozen=True)
class Filters:
    """The filters of the page: ``values`` as typed, and the hits that they select."""

    values: dict[str, str]
    chosen: HitFilter

    def list_url(self, n: int = 0, **changed: Any) -> str:
        """Return the URL of the list of the ``n`` hits, with some filters changed or, by None, removed."""
        own = self.of_list | changed
        every = {} if own else {"state": ANY_STATE}
        return urls.list_url("HitView", exact=n > paging.EXACT_UP_TO, **(every | own))

    @property
    def of_list(self) -> dict[str, Any]:
        """The filters as those of the lists of hits and customers."""
        return {FILTERS[name]: value for name, value in self.values.items() if value}

    def page_url(self, endpoint: str = "WorkspaceView.list", **changed: str) -> str:
        """Return the URL of this page, or of another endpoint with the same filters, with some changed."""
        arguments: dict[str, Any] = {name: value for name, value in (self.values | changed).items() if value}
        return url_for(endpoint, **arguments)


def read_filters(arguments: Mapping[str, str]) -> Filters:
    """Read the filters from query arguments. Raises DomainError for a value that makes no sense."""
    values = {name: arguments.get(name, "").strip() for name in FILTERS}
    grade, source = values["grade"], values["source"]
    if grade and grade not in GRADES:
        raise DomainError("There is no such grade: %(grade)s", grade=grade[:20])
    first, last = _date(values["first"]), _date(values["last"])
    if first and last and first > last:
        raise DomainError("The first day comes after the last one.")
    return Filters(
        values,
        HitFilter(
            user=g.user,
            rule=_rule(values["rule"]),
            grade=grade or None,
            source=("" if source == NONE else source) if source else None,
            branch=_branch(values["branch"]),
            first=first,
            last=last,
        ),
    )


def choices(filters: Filters) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return the drop-downs: filter, label and options."""
    return [
        ("rule", _("Rule hit"), filter_row.related_choices(Rule)),
        ("grade", _("Grade"), [(grade, grade) for grade in GRADES]),
        ("source", _("Source channel"), LeadSource.choices(filters.values["source"])),
        ("branch", _("Branch"), InBranch.choices(filters.values["branch"])),
    ]


def ranges(filters: Filters) -> list[tuple[str, str, bool]]:
    """Return the preset ranges of hit dates: name, URL, and whether it is the current one."""
    day = clock.today()
    known = [
        (_("All"), "", ""),
        (_("Yesterday"), str(day - dt.timedelta(days=1)), str(day - dt.timedelta(days=1))),
        (_("7 days"), str(day - dt.timedelta(days=7)), str(day - dt.timedelta(days=1))),
        (_("30 days"), str(day - dt.timedelta(days=30)), str(day - dt.timedelta(days=1))),
        (_("This month"), str(day.replace(day=1)), str(day)),
    ]
    now = (filters.values["first"], filters.values["last"])
    return [
        (word, filters.page_url(first=first, last=last), now == (first, last)) for word, first, last in known
    ]


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise DomainError("“%(value)s” is not a date.", value=text[:20]) from None


def _rule(text: str) -> int | None:
    if not text:
        return None
    key = row_id(text)
    if key is None or db.session.get(Rule, key) is None:
        raise DomainError("There is no such rule.")
    return key


def _branch(text: str) -> str | None:
    if not text:
        return None
    return counts.NO_BRANCH if text == NONE else branch_of(g.user, text).path


class Dashboard:
    """The key figures and charts of the workspace for its filters."""

    def __init__(self, filters: Filters) -> None:
        self.filters = filters
        self.today = clock.today()
        self._cells = counts.count(filters.chosen, ("rule_id", "grade", "source", "status", "converted"))
        self.by_outcomes = conversions.judged_by_outcomes()

    def _count_by(self, place: int) -> dict[Any, int]:
        counted: dict[Any, int] = {}
        for key, n in self._cells.items():
            counted[key[place]] = counted.get(key[place], 0) + n
        return counted

    @cached_property
    def _created(self) -> dict[tuple[Any, ...], int]:
        """Hits created today by grade and hit date, whatever hit dates the filters say."""
        chosen = self.filters.chosen.but(first=None, last=None, made_on=self.today)
        return counts.count(chosen, ("grade", "hit_date"))

    @cached_property
    def _recent(self) -> tuple[dt.date, dict[tuple[Any, ...], int]]:
        """The first date of this month and of the trend, and the hits since then by date and status."""
        first = min(self.today.replace(day=1), self.today - dt.timedelta(days=SPARK_DAYS))
        return first, counts.count(self.filters.chosen.but(first=first, last=None), BY_DAY)

    def _count_by_day(self, first: dt.date, last: dt.date = dt.date.max) -> dict[tuple[Any, ...], int]:
        """Count the hits of a range of dates by date and status; recent dates share one query."""
        since, counted = self._recent
        if first < since:
            counted = counts.count(self.filters.chosen.but(first=first, last=last), BY_DAY)
        return {key: n for key, n in counted.items() if first <= key[0] <= last}

    @property
    def total(self) -> int:
        """The number of hits that the filters select."""
        return sum(self._cells.values())

    def figures(self) -> list[Figure]:
        """Return the four key figures."""
        return [self._all(), self._new(), self._waiting(), self._converted()]

    def _all(self) -> Figure:
        first, last = self.filters.chosen.first or dt.date.min, self.filters.chosen.last or dt.date.max
        created = sum(n for (_grade, day), n in self._created.items() if first <= day <= last)
        before = self.total - created
        share = _("+%(share)s since yesterday", share=f"{created / before:.1%}") if before > 0 else ""
        return Figure(
            _("Total hits"),
            self.total,
            self.filters.list_url(self.total),
            "total_hits",
            notes=[Note(share)] if share else [],
            trend=self._by_hit_date(_("Hits by date")),
        )

    def _new(self) -> Figure:
        n = sum(self._created.values())
        best = sum(n for (grade, _day), n in self._created.items() if grade == "A")
        made = OPEN_DATES | _made_on(self.today)
        own = self.filters.values["grade"] in ("", "A")
        note = Note(_("grade A: %(n)s", n=f"{best:,}"), self.filters.list_url(best, **made, grade="A"), best)
        return Figure(
            _("New today"),
            n,
            self.filters.list_url(n, **made),
            "new_today",
            notes=[note] if own else [],
            trend=self._by_day_made(),
        )

    def _waiting(self) -> Figure:
        n = self._count_by(3).get(HitStatus.WAITING, 0)
        share = f"{n / self.total:.1%}" if self.total else "—"
        return Figure(
            _("Waiting"),
            n,
            self.filters.list_url(n, status=HitStatus.WAITING),
            "waiting",
            notes=[Note(_("%(share)s of all", share=share))],
            trend=self._by_hit_date(
                _("Waiting hits by date"),
                lambda status, _converted: status == HitStatus.WAITING,
                status=HitStatus.WAITING,
            ),
        )

    def _converted(self) -> Figure:
        title, first, last = _("Converted this month"), self.today.replace(day=1), None
        counted = self._count_by_day(first)
        if not counted:
            # The hits of the first day come with the T+1 of the next one.
            title, last = _("Converted last month"), first - dt.timedelta(days=1)
            first = last.replace(day=1)
            counted = self._count_by_day(first, last)
        month = sum(counted.values())
        won = sum(n for (_day, *of), n in counted.items() if self._is_won(*of))
        dates = {"hit_date__from": first.isoformat(), "hit_date__to": last and last.isoformat()}
        url = self.filters.list_url(won, **dates, **self._success)
        notes = [
            Note(_("%(n)s converted", n=f"{won:,}"), url, won),
            Note(_("of %(n)s hits", n=f"{month:,}"), self.filters.list_url(month, **dates), month),
        ]
        notes += self._claims()
        return Figure(
            title,
            won,
            url,
            "month_rate",
            text=f"{won / month:.1%}" if month else "—",
            notes=notes,
            trend=self._by_hit_date(_("Conversions by date"), self._is_won, **self._success),
        )

    def _claims(self) -> list[Note]:
        """Return how many of all selected hits were marked as converted, once outcomes decide about them."""
        marked = [(key[4], n) for key, n in self._cells.items() if key[3] == HitStatus.CONVERTED]
        if not (self.by_outcomes and marked):
            return []
        claimed = sum(n for _converted, n in marked)
        confirmed = sum(n for converted, n in marked if converted)
        text = _("%(n)s marked in all, %(m)s confirmed", n=f"{claimed:,}", m=f"{confirmed:,}")
        return [Note(text, self.filters.list_url(claimed, status=HitStatus.CONVERTED), claimed)]

    def _by_hit_date(self, title: str, counts_in: Any = None, **filters: Any) -> Chart:
        """Return the line of the hits of the last days by hit date, all or those with some status."""
        first = self.today - dt.timedelta(days=SPARK_DAYS)
        counted = dict.fromkeys(_days(first, self._newest), 0)
        for (day, *of), n in self._count_by_day(first, self._newest).items():
            counted[day] += n if counts_in is None or counts_in(*of) else 0
        return self._spark(title, counted, "hit_date", **filters)

    def _by_day_made(self) -> Chart:
        first = self.today - dt.timedelta(days=SPARK_DAYS - 1)
        chosen = self.filters.chosen.but(first=None, last=None, made_since=first)
        counted = dict.fromkeys(_days(first, self.today), 0)
        counted |= {day: n for (day,), n in counts.count(chosen, ("made_on",)).items() if day in counted}
        return self._spark(_("Hits by the day on which they were created"), counted, "made_on", **OPEN_DATES)

    def _spark(self, title: str, counted: dict[dt.date, int], column: str, **filters: Any) -> Chart:
        links = [
            self.filters.list_url(n, **filters | {f"{column}__from": str(day), f"{column}__to": str(day)})
            for day, n in counted.items()
        ]
        days = [str(day) for day in counted]
        return Chart(title, _("hits"), days, list(counted.values()), links, "", kind="spark")

    def charts(self) -> list[Chart]:
        """Return the charts beside the figures: the trend, and the hits by source."""
        return [
            replace(self._trend(), term="hit_date"),
            replace(self._by_source(), kind="ring", term="source_mix"),
        ]

    def more_charts(self) -> list[Chart]:
        """Return the charts of the fold: the hits by rule, grade and branch."""
        return [
            self._by_rule(),
            self._parts(_("By grade"), self._count_by(1), str, "grade", str, in_order=True),
            self._by_branch(),
        ]

    def _trend(self) -> Chart:
        last = min(self.filters.chosen.last or self.today, self._newest)
        days = _days(last - dt.timedelta(days=TREND_DAYS - 1), last)
        counted = self._count_by_day(days[0], last)
        numbers = [sum(n for (on, *_of), n in counted.items() if on == day) for day in days]
        dates = [{"hit_date__from": str(day), "hit_date__to": str(day)} for day in days]
        return self._chart(
            _("Hits by date, seven days"),
            [str(day) for day in days],
            numbers,
            [self.filters.list_url(n, **own) for n, own in zip(numbers, dates, strict=True)],
            parts=False,
        )

    @property
    def _newest(self) -> dt.date:
        """The newest date that can have hits: yesterday, or today when it has been evaluated."""
        evaluated = any(day >= self.today for day, *_of in self._recent[1])
        return self.today if evaluated else self.today - dt.timedelta(days=1)

    def _by_source(self) -> Chart:
        return self._parts(_("By source"), self._count_by(2), _source_name, "source", lambda key: key or NONE)

    def _by_rule(self) -> Chart:
        names = {rule.id: rule.name for rule in db.session.scalars(select(Rule))}
        return self._parts(_("By rule"), self._count_by(0), lambda key: names.get(key, str(key)), "rule", str)

    def _by_branch(self) -> Chart:
        """Return the chart of the direct sub-branches of the selected branch, each with all below it."""
        counted = {key: n for (key,), n in counts.count(self.filters.chosen, ("branch_id",)).items()}
        branches = BranchParts(g.user, self.filters.chosen.branch)
        parts: dict[str, int] = {}
        for key, n in counted.items():
            value = branches.part_of(key)
            parts[value] = parts.get(value, 0) + n
        return self._parts(_("By branch"), parts, branches.name, "branch", str)

    def _parts(
        self,
        title: str,
        counted: dict[Any, int],
        name: Any,
        argument: str,
        value: Any,
        *,
        in_order: bool = False,
    ) -> Chart:
        keys = sorted(counted) if in_order else sorted(counted, key=lambda key: (-counted[key], str(key)))
        shown = keys[:MAX_PARTS]
        if len(keys) > len(shown):
            title = _("%(title)s: the top %(n)s of %(all)s", title=title, n=len(shown), all=len(keys))
        return self._chart(
            title,
            [str(name(key)) for key in shown],
            [counted[key] for key in shown],
            [
                self.filters.list_url(counted[key], **{argument: value(key)}) if value(key) else ""
                for key in shown
            ],
        )

    def _chart(self, title: str, x: list[str], y: list[int], links: list[str], parts: bool = True) -> Chart:
        empty = _("No hit matches these filters.")
        return Chart(title, _("hits"), x, y if any(y) else [], links, empty, parts=parts)

    def _is_won(self, status: str, converted: bool) -> bool:
        return converted if self.by_outcomes else status == HitStatus.CONVERTED

    @property
    def _success(self) -> dict[str, str]:
        """The filter of the list for conversions."""
        return {"success": "converted"} if self.by_outcomes else {"status": HitStatus.CONVERTED}

    def stand_in(self) -> str:
        """Return the line about claims or a recount, empty once outcomes were delivered."""
        return effect_labels.caveat(self.by_outcomes)


def _made_on(day: dt.date) -> dict[str, str]:
    return {"made_on__from": day.isoformat(), "made_on__to": day.isoformat()}


def _days(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


def _source_name(source: str) -> str:
    return source or _("No source")
