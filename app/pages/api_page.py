"""The API's description as plain data for its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app
from flask_appbuilder.api import BaseApi
from flask_appbuilder.api.manager import OpenApi

VERSION = "v1"


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    summary: str
    parameters: list[str]
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
        (str(status), _resolved(spec, answer).get("description", ""))
        for status, answer in sorted(operation.get("responses", {}).items(), key=lambda each: str(each[0]))
    ]
    named = [
        f"{each['name']} ({each['in']})"
        for each in (_resolved(spec, one) for one in operation.get("parameters", []))
    ]
    said = operation.get("summary") or operation.get("description", "")
    return Operation(method.upper(), path, " ".join(said.split()), named, body, answers)


def _resolved(spec: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    found: Any = part
    while isinstance(found, dict) and "$ref" in found:
        place = found["$ref"].removeprefix("#/").split("/")
        found = spec
        for name in place:
            found = found.get(name, {})
    return dict(found)
