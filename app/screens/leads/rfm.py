"""The screen of RFM groups: a table of fifths in which every number opens the list of its customers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from flask import abort, g, render_template, request
from flask_appbuilder import BaseView, expose, has_access
from flask_appbuilder.security.decorators import permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app.access.scope import leads_visible_to
from app.console.urls import list_url
from app.effect.labels import claims_stand_in
from app.lib import clock
from app.lib.amounts import yuan
from app.rules import conversions
from app.segments import rfm
from app.segments.rfm import FIFTHS, MEASURES, Bought
from app.segments.value import year_to

NAMES = {
    "last": lazy_gettext("Recency"),
    "times": lazy_gettext("Frequency"),
    "amount": lazy_gettext("Amount of money"),
}


@dataclass(frozen=True)
class Number:
    """A number of customers with the list that it opens, and the margin of one of them."""

    people: int
    url: str
    value: str


@dataclass(frozen=True)
class Fifth:
    """A fifth of a measure: its name, the values in it, and numbers of customers."""

    name: str
    values: str
    numbers: list[Number]


class RfmView(BaseView):  # type: ignore[misc]
    """RFM 分组: customers by recency, frequency and amount of what they bought."""

    list_title = lazy_gettext("RFM groups")
    default_view = "list"
    base_permissions = ["can_list"]

    @expose("/list/", methods=["GET"])
    @has_access
    def list(self) -> Any:
        """Show the page for a date and one fifth of the amounts or all, which asks for its tables."""
        day, money = _asked()
        return self.render_template(
            "leads/rfm.html",
            title=str(self.list_title),
            day=day,
            period=year_to(day),
            money=money,
            fifths=FIFTHS,
        )

    @expose("/groups", methods=["GET"])
    @has_access
    @permission_name("list")
    def groups(self) -> Any:
        """Return the tables of the page."""
        day, money = _asked()
        table = Groups(day)
        return render_template(
            "leads/rfm_groups.html",
            title=str(self.list_title),
            columns=table.fifths("times"),
            rows=table.grid(money),
            amounts=table.fifths("amount"),
            empty="" if conversions.judged_by_outcomes() else claims_stand_in(),
        )


def _asked() -> tuple[dt.date, int]:
    """Return the date and the fifth of amounts, 0 for all. Answer 400 for anything else."""
    try:
        day = dt.date.fromisoformat(request.args.get("day") or str(clock.today()))
        money = int(request.args.get("money") or 0)
    except ValueError:
        abort(400)
    if money not in (0, *FIFTHS) or not 2000 <= day.year <= 2100:
        abort(400)
    return day, money


class Groups:
    """The groups of the customers whom the user sees, as of a date."""

    def __init__(self, day: dt.date) -> None:
        self._day = day
        self._table = rfm.groups(day, leads_visible_to(g.user))
        ends = {name: self._table.groupby(f"fifth_{name}") for name in MEASURES}
        self._ends = {
            name: {fifth: (part[f"low_{name}"].min(), part[f"high_{name}"].max()) for fifth, part in of}
            for name, of in ends.items()
        }

    def grid(self, money: int) -> list[Fifth]:
        """Return the fifths of recency, the most recent first, by frequency; the last number is the total."""
        fixed = {"amount": money} if money else {}
        rows = [
            self._row("last", last, [{**fixed, "times": times} for times in self._known("times")] + [fixed])
            for last in reversed(self._known("last"))
        ]
        columns = [{**fixed, "times": times} for times in self._known("times")] + [fixed]
        total = [self._number(of) for of in columns]
        return [*rows, Fifth(_("Total"), "", total)] if rows else []

    def fifths(self, name: str) -> list[Fifth]:
        """Return the fifths of one measure with the number of their customers."""
        return [self._row(name, fifth, [{}]) for fifth in self._known(name)]

    def _known(self, name: str) -> list[int]:
        return sorted(self._ends[name])

    def _row(self, name: str, fifth: int, columns: list[dict[str, int]]) -> Fifth:
        numbers = [self._number({name: fifth, **of}) for of in columns]
        word = f"{name_letter(name)}{fifth}"
        return Fifth(word, values_text(name, *self._ends[name][fifth]), numbers)

    def _number(self, of: dict[str, int]) -> Number:
        """Return the number of customers in a fifth of each of some measures."""
        part = self._table
        for name, fifth in of.items():
            part = part[part[f"fifth_{name}"] == fifth]
        people = int(part["people"].sum())
        group = Bought(self._day, tuple((name, *self._ends[name][fifth]) for name, fifth in of.items()))
        value = yuan(part["value"].sum() / people) if people else ""
        return Number(people, list_url("LeadView", bought=group) if people else "", value)


def name_letter(name: str) -> str:
    """Return the letter of a measure."""
    return {"last": "R", "times": "F", "amount": "M"}[name]


def values_text(name: str, low: Any, high: Any) -> str:
    """Return the range of a measure's values in words."""
    one, other = (yuan(end) if name == "amount" else str(end) for end in (low, high))
    return one if one == other else f"{one} – {other}"


def group_text(group: Bought) -> str:
    """Return a group of the list filter in words."""
    parts = [f"{NAMES[name]} {values_text(name, low, high)}" for name, low, high in group.bounds]
    first, last = year_to(group.day)
    return " · ".join([_("bought %(first)s – %(last)s", first=first, last=last), *parts])
