"""Hits and coverage of random rules over random events, against a brute force of the rules' exact meaning."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.extensions import db
from app.hits.rows import hits_between
from app.models import Hit
from app.rules.evaluate import evaluate_days, preview
from app.rules.holdout import Lottery
from app.rules.versions import active_versions, rule_def
from tests.rules.brute import DAY0, Event, brute_force, clear, deliver, events, put_in_force, rules


@given(events, rules)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_hits_are_what_the_rules_mean(
    app: Flask, engine: Engine, session: Session, leads: None, all_events: list[Event], rule: dict[str, Any]
) -> None:
    clear(app, engine)
    first, last = DAY0 + dt.timedelta(4), DAY0 + dt.timedelta(11)
    days = [first + dt.timedelta(n) for n in range((last - first).days + 1)]
    with app.app_context(), tempfile.TemporaryDirectory() as folder:
        put_in_force(rule)
        deliver(app, Path(folder), all_events)
        found = evaluate_days(app.config["SETTINGS"], first, last)
        hits = sorted(
            (int(str(h["lead_no"])[1:]), h["hit_date"], h["values"]) for h in hits_between(None, None)
        )
        held = dict(db.session.execute(select(Hit.lead_id, Hit.holdout)).tuples().all())
        covered = preview(app.config["SETTINGS"], rule_def(active_versions("R")[0]), first, last)
        again = evaluate_days(app.config["SETTINGS"], first, last)
    wanted_hits, wanted_coverage = brute_force(rule, all_events, days)
    assert hits == wanted_hits
    lottery = Lottery(app.config["SETTINGS"], "R")
    draws = {lead: lottery.holds_out(f"{lead:032x}" * 2, rule["holdout_percent"]) for lead in held}
    assert held == draws
    assert covered == wanted_coverage
    for day, counts in found.items():
        assert counts["created"]["R"] + counts["refreshed"]["R"] == wanted_coverage[day]
    assert sum(counts["created"]["R"] for counts in again.values()) == 0
