"""Hits and coverage of random rules over random events, against a brute force of the rules' exact meaning."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.models import Lead
from app.rules.config_file import apply_config
from app.rules.definition import parse_config
from app.rules.evaluate import evaluate_days, preview
from app.rules.hits import hits_between
from app.rules.versions import active_versions, rule_def
from app.t1.deliveries import ingest_logs

DAY0, DAYS, LEADS = dt.date(2026, 3, 1), 16, 6
CATALOGUE = {  # code: (category, region); X-UNLISTED is in the logs only
    "B1": ("bank", "east"),
    "B2": ("bank", "west"),
    "C1": ("credit", "east"),
    "C2": ("credit", "west"),
}
OPS: dict[str, Any] = {
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
    "==": lambda a, b: a == b,
    "<=": lambda a, b: a <= b,
    "<": lambda a, b: a < b,
}


class Event(NamedTuple):
    lead: int
    at: dt.datetime
    type: str
    institution: str
    result: str


def subset(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.one_of(st.just([]), st.lists(st.sampled_from(values), unique=True, max_size=len(values)))


events = st.lists(
    st.builds(
        lambda lead, day, hour, minute, kind, institution, result: Event(
            lead,
            dt.datetime.combine(DAY0 + dt.timedelta(day), dt.time(hour, minute)),
            kind,
            institution,
            result,
        ),
        st.integers(1, LEADS),
        st.integers(0, DAYS - 1),
        st.sampled_from([0, 1, 2, 9, 19, 20, 21, 23]),
        st.sampled_from([0, 59]),
        st.sampled_from(["face_verify", "id_ocr", "data_call"]),
        st.sampled_from([*CATALOGUE, "X-UNLISTED"]),
        st.sampled_from(["success", "fail"]),
    ),
    min_size=15,
    max_size=70,
)
conditions = st.fixed_dictionaries(
    {
        "metric": st.sampled_from(["calls", "institutions", "active_days"]),
        "op": st.sampled_from([">=", ">", "==", "<=", "<"]),
        "value": st.integers(0, 4),
        "window_days": st.integers(1, 9),
        "hours": st.sampled_from([[0, 24], [20, 2], [9, 20], [23, 0], [1, 2]]),
        "institutions": subset([*CATALOGUE]),
        "categories": subset(["bank", "credit"]),
        "regions": subset(["east", "west"]),
        "event_types": subset(["face_verify", "id_ocr", "data_call"]),
        "result": st.sampled_from(["any", "success"]),
    }
)
rules = st.fixed_dictionaries(
    {
        "match": st.sampled_from(["all", "any"]),
        "cooldown_days": st.integers(1, 6),
        "conditions": st.lists(conditions, min_size=1, max_size=3),
    }
)


def value(condition: dict[str, Any], seen: list[Event], day: dt.date) -> int:
    a, b = condition["hours"]
    found = [
        e
        for e in seen
        if day - dt.timedelta(condition["window_days"] - 1) <= e.at.date() <= day
        and (a <= e.at.hour < b if a < b else e.at.hour >= a or e.at.hour < b)
        and (not condition["institutions"] or e.institution in condition["institutions"])
        and (
            not condition["categories"]
            or CATALOGUE.get(e.institution, ("", ""))[0] in condition["categories"]
        )
        and (not condition["regions"] or CATALOGUE.get(e.institution, ("", ""))[1] in condition["regions"])
        and (not condition["event_types"] or e.type in condition["event_types"])
        and (condition["result"] == "any" or e.result == "success")
    ]
    what = {"calls": len(found), "institutions": len({e.institution for e in found})}
    return what.get(condition["metric"], len({e.at.date() for e in found}))


def met(rule: dict[str, Any], seen: list[Event], day: dt.date) -> list[int] | None:
    """The conditions' values when the rule is met, else None."""
    widest = max(c["window_days"] for c in rule["conditions"])
    values = [value(c, seen, day) for c in rule["conditions"]]
    holds = [OPS[c["op"]](v, c["value"]) for c, v in zip(rule["conditions"], values, strict=True)]
    active = any(day - dt.timedelta(widest - 1) <= e.at.date() <= day for e in seen)
    return values if active and (all if rule["match"] == "all" else any)(holds) else None


def brute_force(rule: dict[str, Any], all_events: list[Event], days: list[dt.date]) -> tuple[Any, Any]:
    """Hits as (lead, date, values), and how many leads meet the rule as of each date."""
    hits: list[tuple[int, str, list[int]]] = []
    last: dict[int, dt.date] = {}
    coverage = dict.fromkeys((day.isoformat() for day in days), 0)
    for day in days:
        for lead in range(1, LEADS + 1):
            values = met(rule, [e for e in all_events if e.lead == lead], day)
            if values is None:
                continue
            coverage[day.isoformat()] += 1
            if lead not in last or (day - last[lead]).days >= rule["cooldown_days"]:
                last[lead] = day
                hits.append((lead, day.isoformat(), values))
    return sorted(hits), coverage


@pytest.fixture
def leads(session: Session) -> Iterator[None]:
    for number in range(1, LEADS + 1):
        session.add(
            Lead(
                id=number,
                lead_no=f"L{number}",
                name="甲",
                id_hash=f"{number:064x}",
                phone_cipher=b"",
                phone_index="",
                phone_masked="",
            )
        )
    session.commit()
    return


def deliver(app: Flask, folder: Path, all_events: list[Event]) -> None:
    lines = [
        json.dumps(
            {
                "request_id": f"r{number}",
                "event_time": f"{e.at:%Y-%m-%d %H:%M:%S}",
                "event_type": e.type,
                "institution_code": e.institution,
                "id_hash": f"{e.lead:032x}" * 2,
                "result": e.result,
            }
        )
        for number, e in enumerate(all_events)
    ]
    path = folder / "log.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    result = ingest_logs(app.config["SETTINGS"], [path]).as_json()
    assert result["accepted"] == len(all_events)


@given(events, rules)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_hits_are_what_the_rules_mean(
    app: Flask, engine: Engine, session: Session, leads: None, all_events: list[Event], rule: dict[str, Any]
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE lead SET id_hash = repeat(left(lpad(to_hex(id), 32, '0'), 32), 2)"))
        connection.execute(
            text("TRUNCATE hit, rule, rule_version, rule_condition, ingest_file, institution CASCADE")
        )
    shutil.rmtree(app.config["SETTINGS"].data_dir / "activity", ignore_errors=True)
    config = {
        "institutions": [
            {"code": code, "name": code, "category": category, "region": region}
            for code, (category, region) in CATALOGUE.items()
        ],
        "rules": [{"code": "R", "name": "R", **rule}],
    }
    first, last = DAY0 + dt.timedelta(4), DAY0 + dt.timedelta(11)
    days = [first + dt.timedelta(n) for n in range((last - first).days + 1)]
    with app.app_context(), tempfile.TemporaryDirectory() as folder:
        apply_config(parse_config(config, "test"), "test", "tester")
        deliver(app, Path(folder), all_events)
        found = evaluate_days(app.config["SETTINGS"], first, last)
        hits = sorted(
            (int(str(h["lead_no"])[1:]), h["hit_date"], h["values"]) for h in hits_between(None, None)
        )
        covered = preview(app.config["SETTINGS"], rule_def(active_versions("R")[0]), first, last)
        again = evaluate_days(app.config["SETTINGS"], first, last)
    wanted_hits, wanted_coverage = brute_force(rule, all_events, days)
    assert hits == wanted_hits
    assert covered == wanted_coverage
    for day, counts in found.items():
        assert counts["created"]["R"] + counts["refreshed"]["R"] == wanted_coverage[day]
    assert sum(counts["created"]["R"] for counts in again.values()) == 0
