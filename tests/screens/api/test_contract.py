"""The whole API against its own description: no server errors, and only documented answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy.orm import Session

from tests.access import world

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def described(app: Flask, session: Session, cli: Callable[..., Any]) -> Any:
    """Return the schema that a system of the bank gets, with rows in the tables."""
    world.build(session, app.config["SETTINGS"])
    key = json.loads(cli("api-key", "create", "crm", "--json").stdout)["key"]
    headers = {"Authorization": f"Bearer {key}"}
    schema = schemathesis.openapi.from_wsgi("/api/v1/_openapi", app, headers=headers)
    schema.headers = headers  # type: ignore[attr-defined]
    return schema


def test_answers_are_as_described(described: Any) -> None:
    for result in described.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case: Any) -> None:
            case.call_and_validate(headers=described.headers, checks=CHECKS)

        check()
