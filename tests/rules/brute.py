"""Brute-force evaluation of rules over events, with random banks and rules for property tests."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.activity.spec import EVENT_TYPES, METRICS, OPERATORS
from app.models import Lead, Segment, Tag
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from app.t1.deliveries import ingest_logs
from tests.access.world import branch
from tests.activity.oracle import OPS, VALUE

DAY0, DAYS, LEADS = dt.date(2026, 3, 1), 16, 6
CATALOGUE = {  # code: (category, region); X-UNLISTED is in the logs only
    "B1": ("bank", "east"),
    "B2": ("bank", "west"),
    "C1": ("credit", "east"),
    "C2": ("credit", "west"),
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
        st.sampled_from(EVENT_TYPES),
        st.sampled_from([*CATALOGUE, "X-UNLISTED"]),
        st.sampled_from(["success", "fail"]),
    ),
    min_size=15,
    max_size=70,
)
conditions = st.fixed_dictionaries(
    {
        "metric": st.sampled_from(METRICS),
        "op": st.sampled_from(OPERATORS),
        "value": st.integers(0, 4),
        "window_days": st.integers(1, 9),
        "hours": st.sampled_from([[0, 24], [20, 2], [9, 20], [23, 0], [1, 2]]),
        "institutions": subset([*CATALOGUE]),
        "categories": subset(["bank", "credit"]),
        "regions": subset(["east", "west"]),
        "event_types": subset([*EVENT_TYPES]),
        "result": st.sampled_from(["any", "success"]),
    }
)
#: what a lead is, by number; VIP is a tag, S1 a shared segment of the leads from s1
SOURCES = {n: f"s{n % 2}" for n in range(1, LEADS + 1)}
STATUSES = {n: ("active", "paused", "lost")[n % 3] for n in range(1, LEADS + 1)}
BRANCHES = {1: {"TOP"}, 2: {"TOP", "SUB"}, 3: {"OTHER"}, 4: {"TOP", "SUB"}, 5: {"TOP"}, 6: set()}
TAGGED = {1, 4, 6}
filters = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            "sources": st.sampled_from([["s0"], ["s1"], ["s0", "s1"]]),
            "statuses": st.sampled_from([["active"], ["paused", "lost"]]),
            "branches": st.sampled_from([["TOP"], ["SUB"], ["SUB", "OTHER"]]),
            "tags": st.just(["VIP"]),
            "segments": st.just(["S1"]),
        },
    ),
)
rules = st.fixed_dictionaries(
    {
        "lead_filter": filters,
        "holdout_percent": st.sampled_from([0, 20, 50]),
        "match": st.sampled_from(["all", "any"]),
        "cooldown_days": st.integers(1, 6),
        "conditions": st.lists(conditions, min_size=1, max_size=3),
    }
)


def fits(wanted: dict[str, list[str]], lead: int) -> bool:
    return (
        ("sources" not in wanted or SOURCES[lead] in wanted["sources"])
        and ("statuses" not in wanted or STATUSES[lead] in wanted["statuses"])
        and ("branches" not in wanted or bool(BRANCHES[lead] & set(wanted["branches"])))
        and ("tags" not in wanted or lead in TAGGED)
        and ("segments" not in wanted or SOURCES[lead] == "s1")
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
    return VALUE[condition["metric"]](found)


def met(rule: dict[str, Any], seen: list[Event], day: dt.date) -> list[int] | None:
    """Return the conditions' values when the rule is met, else None."""
    widest = max(c["window_days"] for c in rule["conditions"])
    values = [value(c, seen, day) for c in rule["conditions"]]
    holds = [OPS[c["op"]](v, c["value"]) for c, v in zip(rule["conditions"], values, strict=True)]
    active = any(day - dt.timedelta(widest - 1) <= e.at.date() <= day for e in seen)
    return values if active and (all if rule["match"] == "all" else any)(holds) else None


def brute_force(rule: dict[str, Any], all_events: list[Event], days: list[dt.date]) -> tuple[Any, Any]:
    """Return the hits as (lead, date, values), and the number of leads that meet the rule by date."""
    hits: list[tuple[int, str, list[int]]] = []
    last: dict[int, dt.date] = {}
    coverage = dict.fromkeys((day.isoformat() for day in days), 0)
    for day in days:
        for lead in (each for each in range(1, LEADS + 1) if fits(rule["lead_filter"], each)):
            values = met(rule, [e for e in all_events if e.lead == lead], day)
            if values is None:
                continue
            coverage[day.isoformat()] += 1
            if lead not in last or (day - last[lead]).days >= rule["cooldown_days"]:
                last[lead] = day
                hits.append((lead, day.isoformat(), values))
    return sorted(hits), coverage


def hits_in_order(
    rule: dict[str, Any], all_events: list[Event], order: list[dt.date]
) -> list[tuple[int, str, list[int], str]]:
    """Return the hits after evaluating dates in this order, with the dates on which they were last met."""
    hits: dict[int, dict[dt.date, list[Any]]] = {lead: {} for lead in range(1, LEADS + 1)}
    for day in order:
        for lead in (each for each in hits if fits(rule["lead_filter"], each)):
            values = met(rule, [e for e in all_events if e.lead == lead], day)
            own = hits[lead]
            if values is None:
                continue
            if all((day - each).days >= rule["cooldown_days"] for each in own):
                own[day] = [values, day]
            newest = max((each for each in own if each <= day), default=day)
            if newest < day and own[newest][1] <= day:
                own[newest][1] = day
    return sorted(
        (lead, day.isoformat(), values, last.isoformat())
        for lead, own in hits.items()
        for day, (values, last) in own.items()
    )


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


def clear(app: Flask, engine: Engine) -> None:
    """Delete events, rules and hits, but keep the leads."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "TRUNCATE hit, rule, rule_version, rule_condition, ingest_file, institution, product CASCADE"
            )
        )
    shutil.rmtree(app.config["SETTINGS"].data_dir / "activity", ignore_errors=True)


def put_in_force(rule: dict[str, Any], code: str = "R") -> None:
    """Apply the catalogue and a rule."""
    config = {
        "institutions": [
            {"code": code, "name": code, "category": category, "region": region}
            for code, (category, region) in CATALOGUE.items()
        ],
        "rules": [{"code": code, "name": code, **rule}],
    }
    apply_config(parse_config(config, "test"), "tester")


def make_leads(session: Session) -> None:
    """Store leads 1 to LEADS with their branches, tags and a shared segment."""
    top = branch(session, "TOP")
    places = {"TOP": top, "SUB": branch(session, "SUB", top), "OTHER": branch(session, "OTHER")}
    vip = Tag(name="VIP", colour="red", created_by="x")
    session.add_all([vip, Segment(name="S1", definition={"sources": ["s1"]}, shared=True, owner="x")])
    for number in range(1, LEADS + 1):
        own = BRANCHES[number]
        session.add(
            Lead(
                id=number,
                lead_no=f"L{number}",
                name="甲",
                id_hash=f"{number:032x}" * 2,
                phone_cipher=b"",
                phone_index="",
                phone_masked="",
                source=SOURCES[number],
                status=STATUSES[number],
                branch=places["SUB" if "SUB" in own else next(iter(own))] if own else None,
                tags=[vip] if number in TAGGED else [],
            )
        )
    session.commit()
