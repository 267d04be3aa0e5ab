"""The API's description as plain data for its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app
from flask_appbuilder.api import BaseApi
from flask_appbuilder.api.manager import OpenApi
from flask_babel import lazy_gettext

VERSION = "v1"
#: The description for machines is English; people read these words in their own language.
SUMMARIES = {
    ("GET", "/api/v1/_openapi"): lazy_gettext("This description, for machines"),
    ("GET", "/api/v1/hits/"): lazy_gettext("Hits within the scope of the key, page by page"),
    ("GET", "/api/v1/hits/{pk}"): lazy_gettext("One hit"),
    ("GET", "/api/v1/leads/"): lazy_gettext("Leads within the scope of the key, page by page, phones masked"),
    ("GET", "/api/v1/leads/{pk}"): lazy_gettext("One lead, its phone masked"),
    ("POST", "/api/v1/outreach/results"): lazy_gettext(
        "Take what became of contacts: up to 1000 results, each answered by itself and in order. Sending the "
        "same again changes nothing. An opt-out puts the person on the do-not-disturb list, a conversion "
        "moves the hit."
    ),
}
PARAMETERS = {
    "pk": lazy_gettext("Number of the row"),
    "q": lazy_gettext("What is wanted, as Rison or JSON; pages count from 0. It may have:"),
}
ONE_ROW = lazy_gettext("Which fields are wanted, as Rison or JSON:")
LIST_KEYS = "filters [col, opr, value], order_column, order_direction [asc, desc], page, page_size, columns"
ROW_KEYS = "columns"
PLACES = {"path": lazy_gettext("in the path"), "query": lazy_gettext("in the query")}
ANSWERS = {
    "200": lazy_gettext("Done: the answer has what was asked for"),
    "400": lazy_gettext("The request is wrong; the answer says how"),
    "401": lazy_gettext("No key, or one that doesn't work (any more)"),
    "403": lazy_gettext("The key may not do this"),
    "404": lazy_gettext("Not there, or outside the scope of the key"),
    "422": lazy_gettext("Values that can't be worked with"),
    "500": lazy_gettext("A fault of this system; trying again may help"),
}


@dataclass(frozen=True)
class Parameter:
    """A parameter, where it stands, what it means and which keys its value has."""

    name: str
    place: str
    meaning: str
    keys: str


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    summary: str
    parameters: list[Parameter]
    body: Any
    answers: list[tuple[str, str]]


def operations() -> list[Operation]:
    """Every operation, in the order of the addresses."""
    spec = description()
    found = []
    for path, methods in sorted(spec["paths"].items()):
        for method, operation in methods.items():
            if method in ("get", "post", "put", "delete"):
                found.append(_operation(spec, method, path, operation))
    return found


def description() -> dict[str, Any]:
    """The OpenAPI description of all of our API."""
    spec = OpenApi._create_api_spec(VERSION)
    for view in current_app.appbuilder.baseviews:  # type: ignore[attr-defined]
        if isinstance(view, BaseApi) and view.version == VERSION:
            view.add_api_spec(spec)
    found: dict[str, Any] = spec.to_dict()
    for methods in found["paths"].values():
        for operation in methods.values():
            _correct(operation)
    return found


def _correct(operation: Any) -> None:
    """Say what Flask-AppBuilder's own words about its lists get wrong: keys are numbers, 403 happens."""
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
    said = SUMMARIES.get((method.upper(), path)) or operation.get("summary", "")
    return Operation(method.upper(), path, str(said), _parameters(parameters), body, answers)


def _parameters(given: list[dict[str, Any]]) -> list[Parameter]:
    one_row = any(each["name"] == "pk" for each in given)
    keys = {"q": ROW_KEYS if one_row else LIST_KEYS}
    meanings = PARAMETERS | ({"q": ONE_ROW} if one_row else {})
    return [
        Parameter(
            name := each["name"],
            str(PLACES.get(each["in"], each["in"])),
            str(meanings.get(name, "")),
            keys.get(name, ""),
        )
        for each in given
    ]


def _resolved(spec: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    found: Any = part
    while isinstance(found, dict) and "$ref" in found:
        place = found["$ref"].removeprefix("#/").split("/")
        found = spec
        for name in place:
            found = found.get(name, {})
    return dict(found)
