"""Presentation of journeys, their versions and their customers in lists and on pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import g, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import select

from app import labels as words
from app.console.access import may
from app.console.formats import changes_markup
from app.console.urls import list_url
from app.extensions import db
from app.journeys import approval, counts
from app.journeys.sentence import (
    Names,
    doing,
    head_sentences,
    read_names,
    steps_sentences,
    trigger_sentence,
    way_words,
)
from app.journeys.versions import stored_def
from app.lib.deadline import DeadlineExceeded
from app.models import (
    EnrolmentStatus,
    Journey,
    JourneyEnrolment,
    JourneyStep,
    JourneyStepStatus,
    JourneyVersion,
)
from app.screens.journeys.labels import KIND, STEP, WHY, kind_of

#: what is counted of a step, in the order of the page; a step being done is waiting to people
SHOWN = (JourneyStepStatus.WAITING, JourneyStepStatus.DONE, JourneyStepStatus.HELD, JourneyStepStatus.SKIPPED)


def names() -> Names:
    """Return the names of what journeys name, read once a request."""
    if "journey_names" not in g:
        g.journey_names = read_names()
    found: Names = g.journey_names
    return found


def shown_version(journey: Journey) -> JourneyVersion:
    """Return the version in force, or the newest one when none is."""
    return journey.active_version or journey.versions[-1]


def trigger(journey: Journey) -> str:
    """Return in words who enters."""
    return trigger_sentence(stored_def(shown_version(journey)).trigger, names())


def sentence(journey: Journey) -> str:
    """Return in words who enters the journey as it is shown, and what ends it early."""
    return version_head(shown_version(journey))


def version_head(version: JourneyVersion) -> str:
    """Return in words who enters a version and what ends it early."""
    return _("; ").join(head_sentences(stored_def(version), names()))


def difference(version: JourneyVersion) -> Markup:
    """Return the differences between a version and the one in force."""
    return changes_markup(approval.changes(version))


# -- how many ------------------------------------------------------------------------------------------


def load_counts(rows: Sequence[Journey]) -> None:
    """Count the customers of some journeys at once."""
    found = counts.of_journeys(g.user, [row.id for row in rows])
    g.setdefault("journey_counts", {}).update({row.id: found.get(row.id, {}) for row in rows})


def _counts(journey: Journey) -> dict[str, int]:
    if journey.id not in g.get("journey_counts", {}):
        load_counts([journey])
    found: dict[str, int] = g.journey_counts[journey.id]
    return found


def entered(journey: Journey) -> Markup:
    """Return how many entered, as a link to their list."""
    return number_link(counts.total(_counts(journey)), journey=journey.id)


def under_way(journey: Journey) -> Markup:
    """Return how many are under way."""
    status = EnrolmentStatus.UNDER_WAY
    return number_link(_counts(journey).get(status, 0), journey=journey.id, status=status)


def reached(journey: Journey) -> Markup:
    """Return how many reached the goal."""
    status = EnrolmentStatus.GOAL
    return number_link(_counts(journey).get(status, 0), journey=journey.id, status=status)


def number_link(number: int, **filters: Any) -> Markup:
    """Return a number as a link to the customers that it counts."""
    text = f"{number:,}"
    if not number or not may("can_list", "EnrolmentView"):
        return Markup('<span class="num">{}</span>').format(text)
    return Markup('<a class="num" href="{}">{}</a>').format(list_url("EnrolmentView", **filters), text)


@dataclass(frozen=True)
class Stop:
    """A step on the page of a version: its number, kind and words, and how many customers in each state.

    A number that was not counted is None.
    """

    id: str
    number: int
    kind: str
    text: str
    numbers: list[tuple[str, int | None, str]]


def stops(version: JourneyVersion) -> dict[str, Any]:
    """Return the steps of a version with their numbers.

    When counting takes too long, only those who wait are counted, and nobody if that takes too long as well.
    """
    steps = stored_def(version).steps
    found, counted = _counted(version)
    rows = [
        Stop(
            step.id,
            place,
            kind_of(step.model_dump()),
            text,
            _numbers(version, step.id, found.get(step.id, {}), counted),
        )
        for place, (step, text) in enumerate(zip(steps, steps_sentences(steps, names()), strict=True), 1)
    ]
    late = "" if len(counted) == len(SHOWN) else "passed" if counted else "all"
    return {"version": version, "stops": rows, "late": late, "kinds": KIND, "drawing": drawing(steps, rows)}


def _counted(version: JourneyVersion) -> tuple[dict[str, counts.Counts], Sequence[str]]:
    """Return the numbers by step and status, and the statuses that were counted."""
    try:
        return counts.of_steps(g.user, version), SHOWN
    except DeadlineExceeded:
        pass
    try:
        return counts.of_steps(g.user, version, only_waiting=True), [JourneyStepStatus.WAITING]
    except DeadlineExceeded:
        return {}, []


def _numbers(
    version: JourneyVersion, step: str, found: dict[str, int], counted: Sequence[str]
) -> list[tuple[str, int | None, str]]:
    linked = may("can_list", "EnrolmentView")
    return [
        (
            words.word(STEP, status),
            found.get(status, 0) if status in counted else None,
            list_url("EnrolmentView", version=version.id, at=f"{step}:{status}")
            if linked and found.get(status)
            else "",
        )
        for status in SHOWN
    ]


def drawing(steps: Sequence[Any], rows: Sequence[Stop]) -> dict[str, Any]:
    """Return what the script draws: nodes in their order, and the ways between them."""
    return {
        "nodes": [
            {
                "id": step.id,
                "number": row.number,
                "kind": row.kind,
                "word": words.word(KIND, row.kind),
                "text": doing(step, names()),
                "numbers": [[word, number] for word, number, _url in row.numbers if number],
            }
            for step, row in zip(steps, rows, strict=True)
        ],
        "edges": [
            {"from": step.id, "to": to, "text": when}
            for step in steps
            for (_way, to), when in zip(step.ways, way_words(step, names()), strict=True)
        ],
    }


# -- customers -----------------------------------------------------------------------------------------


def load_here(rows: Sequence[JourneyEnrolment]) -> None:
    """Read at once where some customers stand."""
    ids = [row.id for row in rows if row.status == EnrolmentStatus.UNDER_WAY]
    waiting = (JourneyStepStatus.WAITING, JourneyStepStatus.WORKING)
    query = select(JourneyStep).where(JourneyStep.enrolment_id.in_(ids), JourneyStep.status.in_(waiting))
    found = {step.enrolment_id: step for step in db.session.scalars(query)}
    g.setdefault("journey_here", {}).update({row.id: found.get(row.id) for row in rows})


def here(row: JourneyEnrolment) -> str:
    """Return in words where a customer stands, or why they left."""
    if row.id not in g.get("journey_here", {}):
        load_here([row])
    step = g.journey_here[row.id]
    if step is None:
        return words.word(WHY, row.why)
    return step_words(row.version, step.step)


def step_words(version: JourneyVersion, step_id: str) -> str:
    """Return the number of a step and what it does."""
    for number, step in enumerate(stored_def(version).steps, 1):
        if step.id == step_id:
            return f"{number} · {doing(step, names())}"
    return step_id


def path(row: JourneyEnrolment) -> list[dict[str, Any]]:
    """Return the steps that a customer came to, in their order."""
    query = select(JourneyStep).where(JourneyStep.enrolment_id == row.id).order_by(JourneyStep.number)
    steps = {step.id: step for step in stored_def(row.version).steps}
    return [
        {
            "text": step_words(row.version, each.step),
            "due": words.local(each.due_at),
            "done": words.local(each.done_at) if each.done_at else None,
            "next": words.local(each.next_at) if each.next_at and each.next_at > each.due_at else None,
            "status": each.status,
            "status_text": words.word(STEP, each.status),
            "why": way_taken(steps.get(each.step), each),
            "url": url_for("OutreachView.show", pk=each.outreach_id)
            if each.outreach_id and may("can_show", "OutreachView")
            else "",
        }
        for each in db.session.scalars(query)
    ]


def way_taken(step: Any, row: JourneyStep) -> str:
    """Return why a step ended as it did, or which of its ways was taken."""
    case, _space, number = row.why.partition(" ")
    if step is not None and step.do == "branch":
        place = int(number) - 1 if case == "case" else len(step.cases)
        return way_words(step, names())[place]
    if step is not None and step.do == "split" and row.why in step.parts:
        return f"{step.parts[row.why]}%"
    return words.word(WHY, row.why)
