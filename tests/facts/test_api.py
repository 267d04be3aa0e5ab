"""``POST /api/v1/facts`` stores rows as a batch, once, about the leads that its key may see."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.models import Branch, ImportBatch, Lead
from tests.facts.conftest import Bank, ago
from tests.leads.support import id_number


@pytest.fixture
def post(app: Flask, cli: Callable[..., Any], bank: Bank) -> Callable[..., Any]:
    numbers = count()

    def send(rows: Any, *words: str) -> Any:
        key = json.loads(cli("api-key", "create", f"crm-{next(numbers)}", *words, "--json").stdout)["key"]
        headers = {"Authorization": f"Bearer {key}"}
        return app.test_client().post("/api/v1/facts", json={"facts": rows}, headers=headers)

    return send


def test_each_row_is_answered_and_a_repeated_request_changes_nothing(
    post: Callable[..., Any], bank: Bank, session: Session
) -> None:
    rows = [
        {"lead_no": "L1001", "aum": 1234.5, "payroll": True, "as_of": ago(2)},
        {"id_number": id_number(2), "金融资产": "7", "tier": None},
        {"lead_no": "L9999", "aum": 1},
        {"lead_no": "L1003", "aum": "much"},
        {"lead_no": "", "aum": 1},
        {"lead_no": "L1003", "height": 1},
        {"lead_no": "L1003", "aum": [1]},
        {"lead_no": "L1003"},
        "row",
        {"lead_no": "L1004", "aum": 1, "as_of": "soon"},
        {"lead_no": "L1001", "aum": 2, "as_of": ago(2)},
    ]
    answer = post(rows).json
    reasons = [row.get("reason", row["status"]) for row in answer["rows"]]
    assert reasons == [
        *("accepted", "accepted", "unknown_lead", "bad_value", "missing_id", "unknown_fact", "bad_value"),
        *("missing_fact", "malformed_row", "bad_as_of", "duplicate_in_file"),
    ]
    assert (answer["stored"], answer["unchanged"]) == (3, 0)
    assert {code: each["value"] for code, each in bank.show("L1001").items()} == {
        "aum": 1234.5,
        "payroll": True,
    }
    assert bank.show("L1002")["aum"] == {"value": 7, "as_of": ago(1), "known_on": ago(1)}
    batch = session.get_one(ImportBatch, answer["batch"])
    assert (batch.kind, batch.status, batch.rows_created) == ("facts", "done", 3)
    again = post(rows).json
    assert (again["stored"], again["unchanged"]) == (0, 3)
    assert post([{}] * 1001).status_code == 400


def test_a_key_of_a_branch_states_nothing_about_leads_of_others(
    post: Callable[..., Any], bank: Bank, session: Session
) -> None:
    session.add(Branch(code="B-OWN", name="自己"))
    session.flush()
    own = session.scalars(select(Branch).where(Branch.code == "B-OWN")).one()
    own.path = f"/{own.id}/"
    session.execute(update(Lead).where(Lead.lead_no == "L1001").values(branch_id=own.id))
    session.commit()
    rows = [{"lead_no": number, "aum": 1} for number in ("L1001", "L1002")]
    answer = post(rows, "--branch", "B-OWN").json
    assert [row.get("reason", row["status"]) for row in answer["rows"]] == ["accepted", "unknown_lead"]
    assert bank.show("L1002") == {}
