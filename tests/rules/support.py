"""Helpers for tests of rules: leads by number, calls by line, and rules by their parts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy.orm import Session

from app.models import Lead
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from app.t1.deliveries import ingest_logs

#: lead, "2026-03-01 10:00", institution
Call = tuple[int, str, str]


def add_leads(session: Session, *numbers: int, **values: Any) -> None:
    """Store leads that differ only in their ids."""
    for number in numbers:
        person = {"lead_no": f"L{number}", "name": f"客{number}", "id_hash": id_hash(number)}
        phone = {"phone_cipher": b"x", "phone_index": f"p{number}", "phone_masked": "138****0000"}
        session.add(Lead(id=number, **person, **phone, **values))
    session.commit()


def id_hash(lead: int) -> str:
    return f"{lead:032x}" * 2


def deliver(app: Flask, folder: Path, calls: Iterable[Call]) -> None:
    """Ingest a log file of the calls."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{len(list(folder.iterdir()))}.jsonl"
    lines = [
        json.dumps(
            {
                "request_id": f"{folder.name}-{path.name}-{place}",
                "event_time": f"{at}:00",
                "event_type": "face_verify",
                "institution_code": institution,
                "id_hash": id_hash(lead),
                "result": "success",
            }
        )
        for place, (lead, at, institution) in enumerate(calls)
    ]
    path.write_text("\n".join(lines), "utf-8")
    with app.app_context():
        assert ingest_logs(app.config["SETTINGS"], [path]).as_json()["accepted"] == len(lines)


def calls(condition: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    """Return a condition of a configuration file, by default a minimum of calls in a week."""
    return {"metric": "calls", "op": ">=", "value": 1, "window_days": 7, **(condition or {}), **values}


def apply_rule(app: Flask, *conditions: dict[str, Any], code: str = "R", **values: Any) -> None:
    """Put a rule in force, with institutions A and B in the catalogue."""
    known = [{"code": code, "name": f"机构{code}", "category": "bank", "region": "华东"} for code in "AB"]
    rule = {"code": code, "name": code, "conditions": list(conditions) or [calls()], **values}
    with app.app_context():
        apply_config(parse_config({"institutions": known, "rules": [rule]}, "test"), "tester")
