"""The OpenAPI description of the API, and its operations as plain data for the documentation page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app
from flask_appbuilder.api import BaseApi
from flask_appbuilder.api.manager import OpenApi
from flask_babel import lazy_gettext

VERSION = "v1"
#: Summaries for the page, which is translated; the OpenAPI description is English only.
SUMMARIES = {
    ("GET", "/api/v1/_openapi"): lazy_gettext("This description, for machines"),
    ("POST", "/api/v1/facts"): lazy_gettext(
        "Stores values of facts: up to 1000 rows at a time, each answered individually and in order. A row "
        "names the person, perhaps the date as_of, and has a value for each fact by its code. Repeating a "
        "row changes nothing."
    ),
    ("GET", "/api/v1/hits/"): lazy_gettext("Hits within the scope of the key, page by page"),
    ("GET", "/api/v1/hits/{pk}"): lazy_gettext("One hit"),
    ("GET", "/api/v1/leads/"): lazy_gettext("Leads within the scope of the key, page by page, phones masked"),
    ("GET", "/api/v1/leads/{pk}"): lazy_gettext("One lead, its phone masked"),
    ("POST", "/api/v1/outcomes"): lazy_gettext(
        "Stores what customers bought: up to 1000 outcomes at a time, each answered individually and in "
        "order. Repeating an outcome changes nothing, other values correct it; a person who is not on the "
        "list is unmatched, and nothing is stored."
    ),
    ("POST", "/api/v1/outreach/results"): lazy_gettext(
        "Accepts outreach results: up to 1000 at a time, each answered individually and in order. Repeating "
        "a request changes nothing. An opt-out puts the customer on the do-not-disturb list; a conversion "
        "updates the hit."
    ),
}
PARAMETERS = {
    "pk": lazy_gettext("ID of the row"),
    "q": lazy_gettext("The query, as Rison or JSON; pages are counted from 0. Keys:"),
}
ONE_ROW = lazy_gettext("The fields to return, as Rison or JSON. Keys:")
LIST_KEYS = "filters [col, opr, value], order_column, order_direction [asc, desc], page, page_size, columns"
ROW_KEYS = "columns"
PLACES = {"path": lazy_gettext("in the path"), "query": lazy_gettext("in the query")}
ANSWERS = {
    "200": lazy_gettext("Success; the answer holds what was requested"),
    "400": lazy_gettext("Invalid request; the answer gives the reason"),
    "401": lazy_gettext("No key, or one that is invalid or expired"),
    "403": lazy_gettext("The key may not do this"),
    "404": lazy_gettext("Not found, or outside the scope of the key"),
    "422": lazy_gettext("Values that can't be processed"),
    "500": lazy_gettext("Internal error; a retry may help"),
}


@dataclass(frozen=True)
class Parameter:
    """A parameter with its place, its meaning and the keys of its value."""

    name: str
    place: str
    meaning: str
    keys: str


@dataclass(frozen=True)
class Operation:
    """A method of an address."""

    method: str
    path: str
    summary: str
    parameters: list[Parameter]
    body: Any
    answers: list[tuple[str, str]]


def operations() -> list[Operation]:
    """Return every operation, sorted by address."""
    spec = openapi()
    listed = []
    for path, methods in sorted(spec["paths"].items()):
        for method, operation in methods.items():
            if method in ("get", "post", "put", "delete"):
                listed.append(_operation(spec, method, path, operation))
    return listed


def openapi() -> dict[str, Any]:
    """Return the OpenAPI description of the whole API."""
    spec = OpenApi._create_api_spec(VERSION)
    for view in current_app.appbuilder.baseviews:  # type: ignore[attr-defined]
        if isinstance(view, BaseApi) and view.version == VERSION:
            view.add_api_spec(spec)
    document: dict[str, Any] = spec.to_dict()
    for methods in document["paths"].values():
        for operation in methods.values():
            _correct(operation)
    return document


def _correct(operation: Any) -> None:
    """Correct what Flask-AppBuilder describes wrongly: ids are integers, and 403 is a possible answer."""
    if not isinstance(operation, dict) or "responses" not in operation:
        return
    operation["responses"].setdefault("403", {"$ref": "#/components/responses/403"})
    for answer in operation["responses"].values():
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        keys = schema.get("properties", {}).get("ids")
        if keys:
            keys["items"] = {"type": "integer"}


def _operation(spec: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    answers = [
        (str(status), str(ANSWERS.get(str(status)) or _resolved(spec, answer).get("description", "")))
        for status, answer in sorted(operation.get("responses", {}).items(), key=lambda each: str(each[0]))
    ]
    parameters = [_resolved(spec, one) for one in operation.get("parameters", [])]
    summary = SUMMARIES.get((method.upper(), path)) or operation.get("summary", "")
    return Operation(method.upper(), path, str(summary), _parameters(parameters), body, answers)


def _parameters(specs: list[dict[str, Any]]) -> list[Parameter]:
    one_row = any(each["name"] == "pk" for each in specs)
    keys = {"q": ROW_KEYS if one_row else LIST_KEYS}
    meanings = PARAMETERS | ({"q": ONE_ROW} if one_row else {})
    return [
        Parameter(
            name := each["name"],
            str(PLACES.get(each["in"], each["in"])),
            str(meanings.get(name, "")),
            keys.get(name, ""),
        )
        for each in specs
    ]


def _resolved(spec: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    resolved: Any = part
    while isinstance(resolved, dict) and "$ref" in resolved:
        path = resolved["$ref"].removeprefix("#/").split("/")
        resolved = spec
        for name in path:
            resolved = resolved.get(name, {})
    return dict(resolved)
