"""The sample of customers of a simulation with their whole paths, day by day, for whoever may see them."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import labels
from app.access.scope import leads_visible_to
from app.console.access import may
from app.extensions import db
from app.models import JourneySimulation, JourneySimulationPath, Lead
from app.screens.journeys.labels import STEP
from app.screens.journeys.simulation_page import Steps

#: how the path of a customer ended
ENDS: dict[str, Any] = {
    "goal": lazy_gettext("Reached the goal"),
    "left": lazy_gettext("Left early"),
    "held": lazy_gettext("Went through, contact held back"),
    "ended": lazy_gettext("Went through"),
    "waiting": lazy_gettext("Under way at the end"),
}
#: the tags of the ends
TAGS = {
    "goal": "enrolment-goal",
    "left": "enrolment-left",
    "held": "stop-held",
    "ended": "enrolment-ended",
    "waiting": "enrolment-under_way",
}
#: paths of each kind of end that are shown before one of them is chosen
OF_A_KIND = 2


@dataclass(frozen=True)
class Line:
    """A step of a customer: when it was due and done, by the clock of its day, what became of it and why."""

    due: str
    done: str
    text: str
    status: str
    status_text: str
    why: str


@dataclass(frozen=True)
class Walked:
    """A customer with the days of the path; ``url`` opens the lead."""

    lead: Lead
    url: str
    tag: str
    end: str
    why: str
    asked_for: bool
    days: list[tuple[str, list[Line]]]


def card(row: JourneySimulation, user: Any, kind: str, customer: str) -> dict[str, Any]:
    """Return the paths of a kind of end, or of a customer by number; a few of each kind without either."""
    paths = _paths(row, user)
    counts = Counter(path.kind for path in paths)
    wanted = customer.strip().upper()
    if wanted:
        shown = [path for path in paths if wanted in path.lead.lead_no.upper()]
    elif kind:
        shown = [path for path in paths if path.kind == kind]
    else:
        shown = _few(paths)
    steps = Steps(row.result or {})
    return {
        "row": row,
        "walked": [_walked(path, steps) for path in shown],
        "kinds": [(each, word, counts[each]) for each, word in ENDS.items() if counts[each]],
        "kind": "" if wanted else kind,
        "customer": customer.strip(),
        "total": len(paths),
        "sample": (row.result or {})["sample"],
    }


def _paths(row: JourneySimulation, user: Any) -> list[JourneySimulationPath]:
    query = (
        select(JourneySimulationPath)
        .join(Lead, Lead.id == JourneySimulationPath.lead_id)
        .where(JourneySimulationPath.simulation_id == row.id, leads_visible_to(user))
        .options(joinedload(JourneySimulationPath.lead))
        .order_by(JourneySimulationPath.id)
    )
    found = list(db.session.scalars(query))
    order = list(ENDS)
    return sorted(found, key=lambda path: (not path.asked_for, order.index(path.kind), path.why, path.id))


def _few(paths: list[JourneySimulationPath]) -> list[JourneySimulationPath]:
    """Return those asked for, and the first few of each end and reason."""
    seen: Counter[tuple[str, str]] = Counter()
    shown = []
    for path in paths:
        end = (path.kind, path.why)
        if path.asked_for or seen[end] < OF_A_KIND:
            shown.append(path)
            seen[end] += not path.asked_for
    return shown


def _walked(path: JourneySimulationPath, steps: Steps) -> Walked:
    lines = [(_day(each), _line(each, steps)) for each in path.steps]
    days = [(day, [line for _day_, line in some]) for day, some in groupby(lines, lambda each: each[0])]
    link = url_for("LeadView.show", pk=path.lead_id) if may("can_show", "LeadView") else ""
    why = steps.text(path.why) if path.kind == "waiting" else steps.reason(path.why)
    return Walked(path.lead, link, TAGS[path.kind], str(ENDS[path.kind]), why, path.asked_for, days)


def _day(step: list[str | None]) -> str:
    """Return the day on which a step was done, that on which it fell due when it is not done."""
    return str(step[2] or step[1])[:10]


def _line(step: list[str | None], steps: Steps) -> Line:
    name, due, done, status, why = step
    told = steps.way(str(name), str(why)) if why else ""
    return Line(
        _clock(str(due), str(done or due)),
        _clock(str(done), str(done)) if done else "",
        steps.text(str(name)),
        str(status),
        labels.word(STEP, status),
        told or _waited(str(name), str(due), done, steps),
    )


def _clock(moment: str, of_day: str) -> str:
    """Return the time of a moment, with its date when that is another one."""
    time = dt.datetime.fromisoformat(moment).strftime("%H:%M")
    return time if moment[:10] == of_day[:10] else f"{moment[5:10]} {time}"


def _waited(name: str, due: str, done: str | None, steps: Steps) -> str:
    """Return why a step was not done when it fell due, empty when it was."""
    if done is None:
        return _("not done by the end of the period")
    return _("at the first allowed moment") if done != due and steps.is_contact(name) else ""
