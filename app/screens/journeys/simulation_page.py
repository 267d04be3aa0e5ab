"""Presentation of simulations: progress, the figures beside those of the version in force, and in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from sqlalchemy import select

from app import labels
from app.console.access import may
from app.console.charts import Bars
from app.console.figures import Figure, Note
from app.extensions import db
from app.journeys import figures, simulations
from app.journeys.callers import days_over
from app.journeys.definition import JourneyDef
from app.journeys.plan import CHANNELS
from app.journeys.sentence import Names, doing, read_names, way_words
from app.lib.amounts import yuan
from app.models import Branch, JourneySimulation, JourneyVersion, Staff
from app.screens import run_progress
from app.screens.journeys.labels import KIND, WHY, kind_of

ANSWERS: dict[str, Any] = {
    "none": lazy_gettext("Nobody answers"),
    "all": lazy_gettext("Everybody answers"),
    "past": lazy_gettext("As many answer as did before"),
}
Result = dict[str, Any]


# -- progress ------------------------------------------------------------------------------------------


def progress_of(row: JourneySimulation) -> dict[str, Any]:
    """Return what the page of a simulation shows and polls."""
    return run_progress.progress_of(row, _("The simulation is running; you may close this page."), summary)


def period(row: JourneySimulation) -> str:
    """Return the days of the simulation."""
    return f"{row.first_day} – {row.last_day}"


def assumed(row: JourneySimulation) -> str:
    """Return which answers are assumed, with the shares of the past."""
    said = labels.word(ANSWERS, row.answers)
    if row.answers != "past" or not row.result:
        return said
    shares = row.result["shares"]
    parts = [f"{channel_name(each)} {shares[each]:.1f}%" for each in CHANNELS]
    return f"{said} ({labels.enumerated(parts)})"


def channel_name(channel: str) -> str:
    """Return the display name of a channel."""
    return labels.word(labels.OUTREACH_CHANNEL, channel)


def summary(row: JourneySimulation) -> str:
    """Return the figures in one line, empty while there are none."""
    if not row.result:
        return ""
    numbers = row.result["numbers"]
    return _(
        "%(entered)s enter, %(goal)s reach the goal; SMS: %(sms)s, calls: %(calls)s; cost %(cost)s",
        entered=_whole(numbers["entered"]),
        goal=_whole(numbers["goal"]),
        sms=_whole(numbers["contacts"].get("sms", 0)),
        calls=_whole(numbers["contacts"].get("call", 0)),
        cost=yuan(figures.yuan(row.result)),
    )


def warnings(row: JourneySimulation) -> list[str]:
    """Return what limits the figures: a version changed since, nobody entered, contacts outside hours."""
    notes = []
    if simulations.is_of_former(row):
        notes.append(
            _("The version was changed since: these figures are of another version of it. Simulate again.")
        )
    numbers = (row.result or {}).get("numbers", {})
    if not numbers.get("entered"):
        notes.append(_("Nobody could have entered on these days. Choose days with hits, facts or outcomes."))
    if numbers.get("outside_hours"):
        notes.append(_("%(n)s contacts are outside contact hours.", n=_whole(numbers["outside_hours"])))
    return notes


# -- measures and their comparison ---------------------------------------------------------------------


class Measure(NamedTuple):
    """A figure of a simulation, and how a difference of it is told; ``n`` in the texts is the difference."""

    name: Any
    value: Callable[[Result], Any]
    more: Any = ""
    fewer: Any = ""
    money: bool = False

    def shown(self, value: Any) -> str:
        """Return a value as text."""
        return yuan(value) if self.money else _whole(value)

    def difference(self, own: Any, other: Any) -> str:
        """Return a difference with its sign, — for none."""
        gap = own - other
        if not gap:
            return "—"
        return f"{'+' if gap > 0 else '−'}{self.shown(abs(gap))}"


def _whole(value: Any) -> str:
    return f"{value:,.1f}" if isinstance(value, float) and value % 1 else f"{int(value):,}"


def through(result: Result) -> int:
    """Return how many went through to the end."""
    numbers = result["numbers"]
    return int(numbers["entered"] - numbers["still_in"] - numbers["goal"] - numbers["left"])


def held(result: Result) -> int:
    """Return how many contacts were held back."""
    return sum(sum(whys.values()) for whys in result["held"].values())


MEASURES = (
    Measure(
        lazy_gettext("Entered"),
        lambda result: result["numbers"]["entered"],
        lazy_gettext("%(n)s more enter"),
        lazy_gettext("%(n)s fewer enter"),
    ),
    Measure(
        lazy_gettext("Reached the goal"),
        lambda result: result["numbers"]["goal"],
        lazy_gettext("%(n)s more reach the goal"),
        lazy_gettext("%(n)s fewer reach the goal"),
    ),
    Measure(lazy_gettext("Left early"), lambda result: result["numbers"]["left"]),
    Measure(lazy_gettext("Went through"), through),
    Measure(lazy_gettext("Under way at the end"), lambda result: result["numbers"]["still_in"]),
    Measure(
        lazy_gettext("Number of SMS"),
        lambda result: result["numbers"]["contacts"].get("sms", 0),
        lazy_gettext("%(n)s more SMS"),
        lazy_gettext("%(n)s fewer SMS"),
    ),
    Measure(
        lazy_gettext("Number of calls"),
        lambda result: result["numbers"]["contacts"].get("call", 0),
        lazy_gettext("%(n)s more calls"),
        lazy_gettext("%(n)s fewer calls"),
    ),
    Measure(lazy_gettext("Contacts held back"), held),
    Measure(
        lazy_gettext("Cost"),
        figures.yuan,
        lazy_gettext("it costs %(n)s more"),
        lazy_gettext("it costs %(n)s less"),
        money=True,
    ),
    Measure(lazy_gettext("Most calls on a day"), lambda result: result["load"]["highest"]),
    Measure(lazy_gettext("Contacts outside hours"), lambda result: result["numbers"]["outside_hours"]),
)


class Compared(NamedTuple):
    """A row of the comparison, as texts."""

    name: str
    own: str
    other: str
    difference: str


def comparison(result: Result) -> list[Compared]:
    """Return the figures beside those of the version in force, empty when it is that version itself."""
    other = result.get("active")
    if other is None:
        return []
    rows = [(each, each.value(result), each.value(other)) for each in MEASURES]
    return [
        Compared(str(each.name), each.shown(own), each.shown(of_other), each.difference(own, of_other))
        for each, own, of_other in rows
    ]


def verdict(result: Result) -> str:
    """Return in one sentence how the version differs from the one in force."""
    other = result.get("active")
    if other is None:
        return ""
    values = {"version": f"v{other['number']}"}
    gaps = [(each, each.value(result) - each.value(other)) for each in MEASURES if each.more]
    parts = [
        str(each.more if gap > 0 else each.fewer) % {"n": each.shown(abs(gap))} for each, gap in gaps if gap
    ]
    if not parts:
        return _("Enters, contacts and costs the same as %(version)s in force.", **values)
    return _("Compared with %(version)s in force: %(what)s.", what=labels.enumerated(parts), **values)


def key_figures(result: Result) -> list[Figure]:
    """Return the figures at the top of the page."""
    numbers = result["numbers"]
    entered = numbers["entered"]

    def of_all(n: int) -> list[Note]:
        return [Note(_("%(percent)s of those who entered", percent=f"{n / entered:.1%}"))] if entered else []

    contacts = numbers["contacts"]
    of_channel = [Note(f"{channel_name(each)} {n:,}") for each, n in contacts.items()]
    if postponed := sum(numbers.get("postponed", {}).values()):
        of_channel.append(Note(_("on a later day because of the pacing: %(n)s", n=f"{postponed:,}")))
    return [
        Figure(_("Entered"), entered, "", "journey_entered"),
        Figure(_("Reached the goal"), numbers["goal"], "", "journey_goal", notes=of_all(numbers["goal"])),
        Figure(_("Left early"), numbers["left"], "", "journey_left", notes=of_all(numbers["left"])),
        Figure(_("Went through"), through(result), "", "journey_through", notes=of_all(through(result))),
        Figure(
            _("Under way at the end"),
            numbers["still_in"],
            "",
            "journey_still_in",
            notes=of_all(numbers["still_in"]),
        ),
        Figure(_("Number of contacts"), sum(contacts.values()), "", "journey_contacts", notes=of_channel),
        Figure(_("Cost"), 0, "", "journey_cost", text=yuan(figures.yuan(result))),
        Figure(_("Contacts outside hours"), numbers["outside_hours"], "", "journey_outside", urgent=True),
    ]


# -- step by step --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stop:
    """A step of the journey with what became of those who came to it; ``share`` is of all who entered."""

    number: int
    kind: str
    kind_word: str
    text: str
    arrived: int
    share: float
    done: int
    held: int
    left: int
    waiting: int
    ways: list[tuple[str, int]]


class Steps:
    """The steps of a kept simulation, in words."""

    def __init__(self, result: Result) -> None:
        self._result, self._names = result, read_names()
        self._steps = JourneyDef.model_validate(result["spec"]).steps
        self._numbers = {step.id: number for number, step in enumerate(self._steps, 1)}

    @property
    def names(self) -> Names:
        """The names of what the journey names."""
        return self._names

    def text(self, step_id: str) -> str:
        """Return the number of a step and what it does."""
        number = self._numbers[step_id]
        return f"{number} · {doing(self._steps[number - 1], self._names)}"

    def is_contact(self, step_id: str) -> bool:
        """Return whether a step is a contact."""
        return bool(self._steps[self._numbers[step_id] - 1].do == "contact")

    def rows(self) -> list[Stop]:
        """Return all steps in their order."""
        return [self._row(number, step) for number, step in enumerate(self._steps, 1)]

    def _row(self, number: int, step: Any) -> Stop:
        counts = self._result["numbers"]["steps"][step.id]
        kind = kind_of(step.model_dump())
        return Stop(
            number,
            kind,
            labels.word(KIND, kind),
            doing(step, self._names),
            counts["entered"],
            100 * counts["entered"] / (self._result["numbers"]["entered"] or 1),
            counts["done"],
            counts["held"],
            counts["skipped"],
            self._result["waiting"].get(step.id, 0),
            [(self.way(step.id, why), n) for why, n in self._result["ways"].get(step.id, {}).items()],
        )

    def way(self, step_id: str, why: str) -> str:
        """Return in words which way was taken at a step, or why it ended as it did."""
        step = self._steps[self._numbers[step_id] - 1]
        case, _space, number = why.partition(" ")
        if step.do == "branch" and case in ("case", "else"):
            return way_words(step, self._names)[int(number) - 1 if case == "case" else len(step.cases)]
        if step.do == "split" and why in step.parts:
            return _("%(percent)s%% to %(step)s", percent=step.parts[why], step=self.text(why))
        return self.reason(why)

    @staticmethod
    def reason(why: str) -> str:
        """Return in words why somebody left, a contact was held, or a wait ended."""
        return _("answered (assumed)") if why == "answered" else labels.word(WHY, why)

    def reasons(self, kind: str) -> list[tuple[str, str, int]]:
        """Return step, reason and number of the contacts ``held``, or of those who left (``skipped``)."""
        found = [
            (self.text(step_id), self.way(step_id, why), n)
            for step_id, whys in self._in_order(kind)
            for why, n in sorted(whys.items(), key=lambda each: -each[1])
            if kind == "held" or why != "goal"
        ]
        return found

    def costs(self) -> list[tuple[str, int, int, str, str]]:
        """Return step, contacts, segments each, price and cost of the contacts."""
        return [
            (
                self.text(step_id),
                each["contacts"],
                each["segments"],
                yuan(Decimal(each["price"])),
                yuan(Decimal(each["yuan"])),
            )
            for step_id, each in self._in_order("costs")
        ]

    def _in_order(self, part: str) -> list[tuple[str, Any]]:
        """Return what is kept by step, in the order of the steps: the database has an order of its own."""
        return sorted(self._result[part].items(), key=lambda each: self._numbers[each[0]])


def total_cost(result: Result) -> str:
    """Return what all contacts cost."""
    return yuan(figures.yuan(result))


# -- days and people -----------------------------------------------------------------------------------


def by_day(row: JourneySimulation) -> Bars:
    """Return the chart of contacts by day and channel, days without any included."""
    result = row.result or {}
    numbers = result["numbers"]
    days = [
        (row.first_day + dt.timedelta(days=number)).isoformat()
        for number in range((row.last_day - row.first_day).days + 1)
    ]
    found = numbers["by_day"] and days
    series = [
        (channel_name(channel), [numbers["by_day"].get(day, {}).get(channel, 0) for day in found])
        for channel in CHANNELS
        if channel in numbers["contacts"]
    ]
    return Bars(
        _("Contacts by day and channel"),
        _("contacts"),
        list(found or []),
        series or [("", [])],
        empty=_("No contacts on these days."),
        stacked=True,
    )


@dataclass(frozen=True)
class Desk:
    """A line of the load on those who call: an owner, or the marketers of a branch."""

    name: str
    calls: int
    usual: str
    highest: str
    on: str
    over: int | None


def load_sentence(row: JourneySimulation) -> str:
    """Return in words how many calls a day there are for everybody together."""
    load = (row.result or {})["load"]
    if not load["calls"]:
        return _("No calls.")
    return _(
        "%(calls)s calls on %(days)s days: usually %(usual)s a day, at most %(highest)s, on %(day)s.",
        calls=_whole(load["calls"]),
        days=load["days"],
        usual=_whole(load["usual"]),
        highest=_whole(load["highest"]),
        day=load["on"],
    )


def desks(row: JourneySimulation) -> list[Desk]:
    """Return the load of each owner, and of the marketers of each branch, those with most on a day first."""
    rows = (row.result or {})["load"]["desks"]
    people = _named(Staff, {each["user"] for each in rows}, lambda each: each.get_full_name())
    branches = _named(Branch, {each["branch"] for each in rows}, lambda each: str(each.name))
    return [
        Desk(
            _desk_name(each, people, branches),
            each["calls"],
            _whole(each["usual"]),
            _whole(each["highest"]),
            each["on"][5:],
            None if row.calls_a_day is None else days_over(each, row.calls_a_day * max(each["people"], 1)),
        )
        for each in rows
    ]


def _named(model: Any, ids: set[int], name: Callable[[Any], str]) -> dict[int, str]:
    return {each.id: name(each) for each in db.session.scalars(select(model).where(model.id.in_(ids)))}


def _desk_name(desk: dict[str, Any], people: dict[int, str], branches: dict[int, str]) -> str:
    if desk["user"]:
        return people.get(desk["user"], _("Somebody who left"))
    branch = branches.get(desk["branch"], _("No branch"))
    if not desk["people"]:
        return _("%(branch)s (no assignee, no marketer)", branch=branch)
    return ngettext(
        "%(branch)s (no assignee; %(num)s marketer)",
        "%(branch)s (no assignee; %(num)s marketers)",
        desk["people"],
        branch=branch,
    )


# -- the sentence at an approval -----------------------------------------------------------------------


def at_approval(version: JourneyVersion) -> dict[str, Any]:
    """Return what whoever approves a version is shown: its newest simulation, or that there is none."""
    row = simulations.newest(version.id)
    if row is None:
        offer = may("can_simulate", "JourneyVersionView")
        return {
            "row": None,
            "url": url_for("JourneyVersionView.simulate", pk=version.id) if offer else "",
        }
    return {
        "row": row,
        "period": period(row),
        "assumed": assumed(row),
        "summary": summary(row),
        "verdict": verdict(row.result or {}),
        "load": load_sentence(row),
        "warnings": warnings(row),
        "url": url_for("JourneySimulationView.show", pk=row.id)
        if may("can_show", "JourneySimulationView")
        else "",
    }
