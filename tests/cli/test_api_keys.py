"""API keys: created and revoked by commands, used over HTTP."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests import clock
from tests.access.world import build


def test_a_key_works_until_it_is_revoked(
    app: Flask, cli: Callable[..., Any], session: Session, engine: Engine
) -> None:
    build(session, app.config["SETTINGS"])
    made = json.loads(cli("api-key", "create", "crm", "--branch", "HOME", "--json").stdout)
    assert made["expires"] == str(clock.today() + dt.timedelta(days=365))
    asked = {"headers": {"Authorization": f"Bearer {made['key']}"}}
    client = app.test_client()
    assert client.get("/api/v1/leads/", **asked).get_json()["count"] == 2
    assert client.get("/leadview/list/", **asked).status_code == 302
    listed = json.loads(cli("api-key", "list", "--json").stdout)["keys"][-1]
    assert (listed["name"], listed["active"]) == ("crm", True)
    assert listed["last_used"]
    with engine.connect() as connection:
        for table in ("ab_api_key", "ab_user"):
            kept = " ".join(connection.scalars(text(f"SELECT t::text FROM {table} t")))
            assert made["key"] not in kept
    assert json.loads(cli("api-key", "revoke", "crm", "--json").stdout) == {"revoked": 1}
    assert client.get("/api/v1/leads/", **asked).status_code == 401
    assert json.loads(cli("api-key", "list", "--json").stdout)["keys"][-1]["active"] is False


def test_an_expired_key_is_refused(app: Flask, cli: Callable[..., Any], engine: Engine) -> None:
    made = json.loads(cli("api-key", "create", "crm", "--json").stdout)
    with engine.begin() as connection:
        connection.execute(text("UPDATE ab_api_key SET expires_on = now() - interval '2 days'"))
    answer = app.test_client().get("/api/v1/leads/", headers={"Authorization": f"Bearer {made['key']}"})
    assert answer.status_code == 401


def test_refusals(cli: Callable[..., Any]) -> None:
    assert cli("api-key", "create", "crm", "--branch", "NOWHERE").exit_code == 1
    assert cli("api-key", "create", "crm").exit_code == 0
    assert "already" in cli("api-key", "create", "crm").stderr
    assert cli("api-key", "revoke", "nobody").exit_code == 1
    assert cli("api-key", "create", "erp", "--days", "0").exit_code == 2
