"""Data of the rule editor: its initial content, its choices, and its answers while the user types."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from flask import g, url_for
from flask_babel import gettext as _
from pydantic import ValidationError
from pydantic_core import from_json
from sqlalchemy import func, or_, select

from app import labels
from app.access.people import name_of
from app.access.scope import branches_visible_to
from app.activity import metrics, operators
from app.errors import DomainError
from app.extensions import db
from app.models import Branch, Institution, Product, Rule, RuleVersion, Segment, Tag
from app.rules import check, draft_conflict, sentence
from app.rules.check import Problem
from app.rules.definition import (
    DEFAULT_GRADE_BANDS,
    DEFAULT_HALF_LIFE_DAYS,
    DEFAULT_WEIGHTS,
    ConditionDef,
    RuleDef,
)
from app.rules.versions import rule_def
from app.screens.leads import filter_rows
from app.screens.leads.segments import sources

#: How many matches a search shows.
MAX_MATCHES = 30
#: How many characters of a posted rule are read: enough for 20 conditions with thousands of institutions.
MAX_LENGTH = 2_000_000
#: The kinds of choices that the search boxes of the editor ask for.
KINDS = ("places", "branches", "sources", "tags", "segments", "products")


class MalformedError(Exception):
    """The typed text is not a valid rule; ``problems`` lists what is wrong by field."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("malformed")


def parse(text: str) -> RuleDef:
    """Return the rule in a form's JSON. Raises MalformedError when it is none."""
    # PostgreSQL text holds no NUL, not even as an escape.
    text = "" if "\\u0000" in text else text[:MAX_LENGTH]
    try:
        return RuleDef.model_validate_json(_with_filter(text or "{}"))
    except ValidationError as error:
        raise MalformedError(check.malformed(error)) from None


def _with_filter(text: str) -> str:
    """Return the JSON with the rows of the lead filter as the filter that they state.

    Raises MalformedError when a row states none.
    """
    try:
        stated = from_json(text)
        rows = stated["lead_filter"].pop("rows")
    except (ValueError, KeyError, TypeError, AttributeError):
        return text
    try:
        whole = filter_rows.filter_of(rows)
    except DomainError as error:
        raise MalformedError([Problem(("lead_filter", "rows"), "", error, "form")]) from None
    return json.dumps(stated | {"lead_filter": stated["lead_filter"] | {"filter": _dumped(whole)}})


def _dumped(whole: Any) -> Any:
    return whole and whole.model_dump(mode="json", exclude_defaults=True)


def parse_valid(text: str) -> RuleDef:
    """Return the rule in a form's JSON. Raises MalformedError when it is none or when a check refuses it."""
    definition = parse(text)
    problems = check.refused(check.check(definition, check.read_catalogue()))
    if problems:
        raise MalformedError(problems)
    return definition


def blank() -> dict[str, Any]:
    """Return the initial content of the editor for a new rule."""
    return {
        "code": _free_code(),
        "name": "",
        "description": "",
        "match": "all",
        "cooldown_days": 7,
        "conditions": [first_condition()],
        "half_life_days": DEFAULT_HALF_LIFE_DAYS,
        "weights": DEFAULT_WEIGHTS,
        "grade_bands": DEFAULT_GRADE_BANDS,
        "lead_filter": {
            "sources": [],
            "branches": [],
            "statuses": [],
            "tags": [],
            "segments": [],
            "rows": [],
        },
        "holdout_percent": 0,
        "products": [],
    }


def first_condition() -> dict[str, Any]:
    """Return the initial content of a new condition."""
    return ConditionDef(metric="calls", op=">=", value=3, window_days=7).model_dump(mode="json")


def stored(version: RuleVersion) -> dict[str, Any]:
    """Return a stored draft as the editor shows it; a draft without conditions gets the default one."""
    if version.conditions:
        definition = rule_def(version)
        stated = definition.model_dump(mode="json")
        stated["lead_filter"]["rows"] = filter_rows.rows_of(definition.lead_filter.filter)
        return stated
    named = {"code": version.rule.code, "name": version.name, "description": version.description}
    return blank() | named


def _free_code() -> str:
    """Return a code that no rule has yet."""
    taken = set(db.session.scalars(select(Rule.code).where(Rule.code.startswith("R-"))))
    return next(code for n in range(1, len(taken) + 2) if (code := f"R-{n:03d}") not in taken)


def page(rule: dict[str, Any], version: RuleVersion | None) -> dict[str, Any]:
    """Return everything that the template and the scripts of the editor need."""
    return {
        "rule": rule,
        "version": version,
        "names": names(rule),
        "tests": filter_rows.editor(),
        "units": {code: _(metrics.REGISTRY[code].unit) for code in metrics.METRICS},
        "first_condition": first_condition(),
        "choices": {
            "metric": labels.choices(labels.METRIC),
            "op": [(op, f"{entry.sign} {_(entry.words)}") for op, entry in operators.REGISTRY.items()],
            "event_types": labels.choices(labels.EVENT_TYPE),
            "result": labels.choices(labels.RESULT),
            "match": labels.choices(labels.MATCH),
            "statuses": labels.choices(labels.LEAD_STATUS),
        },
        "urls": {
            "wording": url_for("RuleVersionView.wording"),
            "coverage": url_for("RuleVersionView.coverage"),
            "find": url_for("RuleVersionView.find"),
            "save": url_for("RuleVersionView.edit", pk=version.id) if version else url_for("RuleView.add"),
        },
    }


def names(rule: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the names of the codes in a rule, by the list that holds them."""
    conditions = rule["conditions"]
    used = {code for each in conditions for code in each["institutions"]}
    institutions = select(Institution.code, Institution.name).where(Institution.code.in_(used))
    branches = select(Branch.code, Branch.name).where(Branch.code.in_(rule["lead_filter"]["branches"]))
    products = select(Product.code, Product.name).where(Product.code.in_(rule["products"]))
    categories = {code for each in conditions for code in each["categories"]}
    return {
        "institutions": dict(db.session.execute(institutions).tuples().all()),
        "branches": dict(db.session.execute(branches).tuples().all()),
        "products": dict(db.session.execute(products).tuples().all()),
        "categories": {code: labels.word(labels.CATEGORY, code) for code in categories},
    }


def wording(text: str) -> dict[str, Any]:
    """Return the meaning of the typed rule in a sentence, empty for an incomplete rule, and its problems."""
    try:
        definition = parse(text)
    except MalformedError as error:
        return {"sentence": "", "problems": problems_json(error.problems)}
    return {
        "sentence": sentence.rule_sentence(definition),
        "problems": problems_json(check.check(definition, check.read_catalogue())),
    }


def problems_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return the field, the text and the severity of each problem (``note``: not an error)."""
    return [{"field": each.field, "text": each.text(), "note": each.note} for each in problems]


def conflict(base: str, version: RuleVersion, yours: RuleDef) -> dict[str, Any]:
    """Return what the second of two users is told: who saved when, and both values of each changed part."""
    theirs = stored(version)
    try:
        original = parse(base)
    except MalformedError:
        original = yours
    parts = draft_conflict.compare(original, parse(json.dumps(theirs)), yours)
    saved_at = labels.local(version.saved_at) if version.saved_at else None
    return {
        "text": _(
            "%(who)s saved this draft at %(when)s while you were editing it. Nothing was overwritten, and "
            "what you typed is still here.",
            who=name_of(version.saved_by or version.created_by),
            when=saved_at.strftime("%Y-%m-%d %H:%M:%S") if saved_at else "–",
        ),
        "revision": version.revision,
        "theirs": theirs,
        "names": names(theirs),
        "parts": [vars(part) for part in parts],
    }


def find(kind: str, text: str) -> list[dict[str, Any]]:
    """Return the choices of a search box that match a text, in groups of items with list, value and name."""
    query_text = text.strip()
    if kind == "places":
        groups = (_categories(query_text), _regions(query_text), _institutions(query_text))
        return [each for each in groups if each["items"]]
    if kind == "branches":
        return [_group("branches", _("Branch"), _branches(query_text))]
    if kind == "products":
        return [_group("products", _("Products"), _coded(Product, query_text))]
    if kind == "rules":
        return [_group("rules", _("Rules"), _coded(Rule, query_text))]
    if kind == "sources":
        matches = [value for value, _word in sources() if query_text.lower() in value.lower()]
        return [_group("sources", _("Source channel"), [(value, value, "") for value in matches])]
    column = Tag.name if kind == "tags" else Segment.name
    query = select(column).where(_like(column, query_text)).order_by(column).limit(MAX_MATCHES)
    if kind == "segments":
        query = query.where(Segment.shared)
    label = _("Tags") if kind == "tags" else _("Segments")
    return [_group(kind, label, [(name, name, "") for name in db.session.scalars(query)])]


def _group(name: str, label: str, items: list[tuple[str, str, str]]) -> dict[str, Any]:
    entries = [{"list": name, "value": value, "text": text, "hint": hint} for value, text, hint in items]
    return {"label": label, "items": entries[:MAX_MATCHES]}


def _like(column: Any, text: str) -> Any:
    return column.icontains(text, autoescape=True)


def _categories(text: str) -> dict[str, Any]:
    rows = _counts_by(Institution.category)
    categories = [(code, labels.word(labels.CATEGORY, code), n) for code, n in rows]
    return _group("categories", _("Categories"), _matching(categories, text))


def _regions(text: str) -> dict[str, Any]:
    regions = [(name, name, n) for name, n in _counts_by(Institution.region)]
    return _group("regions", _("Regions"), _matching(regions, text))


def _counts_by(column: Any) -> list[tuple[str, int]]:
    query = select(column, func.count()).where(column != "").group_by(column).order_by(column)
    return list(db.session.execute(query).tuples())


def _matching(choices: list[tuple[str, str, int]], text: str) -> list[tuple[str, str, str]]:
    text = text.lower()
    return [
        (value, word, _("institutions: %(n)s", n=n))
        for value, word, n in choices
        if text in word.lower() or text in value.lower()
    ]


def _institutions(text: str) -> dict[str, Any]:
    rows = _coded(Institution, text, Institution.listed.desc())
    return _group("institutions", _("Institutions"), rows)


def _coded(model: Any, text: str, *order: Any) -> list[tuple[str, str, str]]:
    """Return the rows of a table with code and name that match a text."""
    query = (
        select(model.code, model.name)
        .where(or_(_like(model.code, text), _like(model.name, text)))
        .order_by(*order, model.code)
        .limit(MAX_MATCHES)
    )
    return [(code, name, code if code != name else "") for code, name in db.session.execute(query)]


def _branches(text: str) -> list[tuple[str, str, str]]:
    query = (
        select(Branch.code, Branch.name)
        .where(branches_visible_to(g.user), or_(_like(Branch.code, text), _like(Branch.name, text)))
        .order_by(Branch.path)
        .limit(MAX_MATCHES)
    )
    return [(code, name, code) for code, name in db.session.execute(query)]
