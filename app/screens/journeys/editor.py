"""Data of the journey editor: its initial content, its choices, and its answers while the user types.

In the editor a branch has rows of tests instead of filters, a split a list of parts, and a fact trigger rows.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from flask import url_for
from flask_babel import gettext as _
from pydantic import TypeAdapter
from pydantic_core import from_json
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from app import labels
from app.access.people import name_of
from app.errors import DomainError, FieldError
from app.extensions import db
from app.facts.conditions import FactTest
from app.journeys import check, differences, drafts, presets, strategy_tables, typed
from app.journeys.definition import JourneyDef
from app.journeys.sentence import doing, journey_sentence, row_sentence, way_words
from app.journeys.typed import Problem, Typed
from app.journeys.versions import written_def
from app.models import (
    Journey,
    JourneyVersion,
    OutreachTemplate,
    OutreachTemplateVersion,
    Segment,
    StrategyTable,
    Target,
)
from app.screens.journeys import page as pages
from app.screens.journeys.labels import KIND
from app.screens.leads import filter_rows
from app.segments import check as filter_check
from app.segments.filter import WholeFilter

#: How many characters of a posted journey are read: enough for 100 steps with 20 cases of 50 tests.
MAX_LENGTH = 2_000_000
#: the kinds of choices that the search boxes of the editor ask for
KINDS = ("rules", "products", "tags")
_FILTER: TypeAdapter[Any] = TypeAdapter(WholeFilter)


class Posted(NamedTuple):
    """What the editor posted: the journey as in a file, and the problems of what a file has no form for."""

    raw: dict[str, Any]
    problems: list[Problem]


def blank() -> dict[str, Any]:
    """Return the initial content of the editor for a new journey."""
    steps = [{"id": "end", "do": "end"}]
    return {"code": _free_code(), "name": "", "trigger": {"on": "hit"}, "reentry": "never", "steps": steps}


def preset(key: str) -> dict[str, Any]:
    """Return the initial content for a new journey from a preset."""
    return for_editor(presets.stated(key, check.read_known()) | {"code": _free_code()})


def _free_code() -> str:
    """Return a code that no journey has yet."""
    taken = set(db.session.scalars(select(Journey.code).where(Journey.code.startswith("J-"))))
    return next(code for n in range(1, len(taken) + 2) if (code := f"J-{n:03d}") not in taken)


def for_editor(stated: dict[str, Any]) -> dict[str, Any]:
    """Return a journey as in a file as the editor shows it."""
    trigger = stated["trigger"]
    if trigger["on"] == "fact":
        test = FactTest.model_validate({name: each for name, each in trigger.items() if name != "on"})
        trigger = {"on": "fact", "rows": filter_rows.rows_of(test)}
    return stated | {"trigger": trigger, "steps": [_step_for_editor(step) for step in stated["steps"]]}


def _step_for_editor(step: dict[str, Any]) -> dict[str, Any]:
    if step["do"] == "branch":
        cases = [
            {"rows": filter_rows.rows_of(_FILTER.validate_python(case["when"])), "then": case["then"]}
            for case in step["cases"]
        ]
        return step | {"cases": cases}
    if step["do"] == "split":
        return step | {"parts": [[to, percent] for to, percent in step["parts"].items()]}
    return step


# -- what is posted ------------------------------------------------------------------------------------


def posted(text: str, known: check.Known) -> Posted:
    """Return what the editor posted, however wrong it is."""
    # PostgreSQL text holds no NUL, not even as an escape.
    try:
        stated = from_json("{}" if "\\u0000" in text else text[:MAX_LENGTH] or "{}")
    except ValueError:
        stated = {}
    raw = stated if isinstance(stated, dict) else {}
    problems: list[Problem] = []
    steps = raw.get("steps")
    if isinstance(steps, list):
        raw = raw | {"steps": [_step(step, problems, known) for step in steps]}
    trigger = raw.get("trigger")
    if isinstance(trigger, dict) and "rows" in trigger:
        raw = raw | {"trigger": _fact_trigger(trigger["rows"], problems, known.filters)}
    return Posted(raw, problems)


def _step(step: Any, problems: list[Problem], known: check.Known) -> Any:
    """Return a step as in a file."""
    if not isinstance(step, dict):
        return step
    key = str(step.get("id", ""))
    if step.get("do") == "branch" and isinstance(step.get("cases"), list):
        cases = [_case(key, place, case, problems, known.filters) for place, case in enumerate(step["cases"])]
        return step | {"cases": cases}
    if step.get("do") == "split" and isinstance(step.get("parts"), list):
        try:
            parts = {str(to): percent for to, percent in step["parts"]}
        except (TypeError, ValueError):
            return step
        if len(parts) < len(step["parts"]):
            problems.append(Problem(key, "parts", DomainError("Each part leads to a step of its own.")))
        return step | {"parts": parts}
    return step


def _case(step: str, place: int, case: Any, problems: list[Problem], known: filter_check.Known) -> Any:
    if not isinstance(case, dict) or "rows" not in case:
        return case
    try:
        whole = filter_rows.filter_of(case["rows"], known)
        if whole is None:
            raise DomainError("Say for whom this way is.")
    except DomainError as error:
        problems.append(Problem(step, f"cases.{place}.rows", error))
        return {"when": None, "then": case.get("then")}
    return {"when": whole.model_dump(mode="json", exclude_defaults=True), "then": case.get("then")}


def _fact_trigger(rows: Any, problems: list[Problem], known: filter_check.Known) -> dict[str, Any]:
    try:
        test = filter_rows.filter_of(rows, known)
        if not isinstance(test, FactTest):
            raise DomainError("Choose one fact and what must become true of it.")
    except DomainError as error:
        problems.append(Problem(None, "trigger", error))
        return {"on": "fact", "fact": None}
    return {"on": "fact", **test.model_dump(mode="json", exclude_none=True)}


def understood(text: str) -> Typed:
    """Read what the editor posted, with its problems, of each field the first."""
    known = check.read_known()
    given = posted(text, known)
    found = typed.read(given.raw, known)
    problems: dict[Any, Problem] = {}
    for each in (*given.problems, *found.problems):
        problems.setdefault((each.step, _field(each.field) or str(each.error)), each)
    journey = None if given.problems else found.journey
    return Typed(journey, found.steps, list(problems.values()))


def _field(place: str) -> str:
    """Return the field of the form at a place: what a case is for is one field, a list is one."""
    case = re.match(r"cases\.\d+(\.then)?", place)
    return case.group() if case else place.partition(".")[0]


def wording(text: str) -> dict[str, Any]:
    """Return the typed journey in words as a whole and step by step, and its problems."""
    found = understood(text)
    known = pages.names()
    return {
        "sentence": journey_sentence(found.journey, known) if found.journey else "",
        "steps": {
            step.id: {"text": doing(step, known), "ways": way_words(step, known)} for step in found.steps
        },
        "problems": problems_json(found.problems),
    }


def problems_json(problems: list[Problem]) -> list[dict[str, Any]]:
    """Return step, field and text of each problem."""
    return [{"step": each.step, "field": _field(each.field), "text": each.error.text()} for each in problems]


def refusal(error: DomainError) -> list[dict[str, Any]]:
    """Return the problem of a journey that the domain refuses."""
    field = error.field if isinstance(error, FieldError) else ""
    return [{"step": None, "field": field, "text": error.text()}]


def conflict(version: JourneyVersion, yours: JourneyDef) -> dict[str, Any]:
    """Return what the second of two users is told: who saved when, and what differs."""
    theirs = written_def(version)
    saved_at = labels.local(version.updated_at)
    return {
        "text": _(
            "%(who)s saved this draft at %(when)s while you were editing it. Nothing was overwritten, and "
            "what you typed is still here.",
            who=name_of((version.edited_by or [version.created_by])[-1]),
            when=saved_at.strftime("%Y-%m-%d %H:%M:%S"),
        ),
        "seen": drafts.digest(version),
        "theirs": for_editor(theirs.as_json()),
        "changes": [list(each) for each in differences.changes(theirs, yours)],
    }


# -- the page ------------------------------------------------------------------------------------------


def page(journey: dict[str, Any], version: JourneyVersion | None, chosen: str = "") -> dict[str, Any]:
    """Return everything that the template and the scripts of the editor need."""
    return {
        "journey": journey,
        "version": version,
        "chosen": chosen,
        "presets": [] if version else [(key, each.name, each.about) for key, each in presets.PRESETS.items()],
        "tests": filter_rows.editor(),
        "fact_tests": filter_rows.editor(facts_only=True),
        "names": names(),
        "kinds": KIND,
        "texts": _texts(),
        "tables": _tables(),
        "dates": _dates(),
        "choices": {
            "segments": _coded(Segment, Segment.shared),
            "targets": _coded(Target, Target.kind == "webhook"),
        },
        "taken": sorted({step["id"] for each in _versions(version) for step in _steps(each)}),
        "urls": {
            "wording": url_for("JourneyVersionView.wording"),
            "find": url_for("JourneyVersionView.find"),
            "save": url_for("JourneyVersionView.edit", pk=version.id)
            if version
            else url_for("JourneyView.add"),
        },
        "seen": drafts.digest(version) if version else "",
    }


def _steps(version: JourneyVersion) -> list[Any]:
    return [*version.spec["steps"], *(version.written["steps"] if version.written else [])]


def _versions(version: JourneyVersion | None) -> list[JourneyVersion]:
    return version.journey.versions if version else []


def names() -> dict[str, dict[str, str]]:
    """Return the names of what the search boxes may hold, by list."""
    known = pages.names()
    return {"rules": dict(known.rules), "products": dict(known.products), "tags": dict(known.tags)}


def _coded(model: Any, criterion: Any) -> list[tuple[str, str]]:
    """Return the rows of a table with code and name as choices."""
    query = select(model.code, model.name).where(criterion, model.code != "").order_by(model.name)
    return list(db.session.execute(query).tuples())


def _tables() -> list[dict[str, Any]]:
    """Return the strategy tables, each with its rows in words."""
    query = select(StrategyTable).options(selectinload(StrategyTable.rows)).order_by(StrategyTable.name)
    return [
        {
            "code": each.code,
            "name": each.name,
            "url": url_for("StrategyTableView.show", pk=each.id),
            "rows": [row_sentence(strategy_tables.row_def(row), pages.names()) for row in each.rows],
        }
        for each in db.session.scalars(query)
    ]


def _dates() -> list[tuple[str, str]]:
    """Return the facts that are dates and may be used for marketing."""
    return [
        (subject.code.removeprefix("fact:"), subject.name)
        for _group, group in filter_rows.subjects()
        for subject in group
        if subject.kind == "date"
    ]


def _texts() -> dict[str, list[dict[str, Any]]]:
    """Return the templates in use by channel, each with its present text."""
    query = (
        select(OutreachTemplate)
        .options(joinedload(OutreachTemplate.versions))
        .order_by(OutreachTemplate.name)
    )
    found: dict[str, list[dict[str, Any]]] = {"sms": [], "call": []}
    for each in db.session.scalars(query.order_by(OutreachTemplate.name)).unique():
        if each.active and each.versions:
            newest: OutreachTemplateVersion = each.versions[0]
            url = url_for("OutreachTemplateView.show", pk=each.id)
            said = {"code": each.code, "name": each.name, "body": newest.body, "url": url}
            found[each.channel].append(said)
    return found
