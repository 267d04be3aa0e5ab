"""Hits and coverage of random rules over random events, against a brute force of their exact meaning."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app.extensions import db
from app.hits.export import hits_between
from app.models import Hit
from app.rules.evaluate import evaluate_days, preview
from app.rules.holdout import Lottery
from app.rules.versions import active_versions, rule_def
from tests.rules.brute import (
    DAY0,
    Event,
    brute_force,
    clear,
    deliver,
    events,
    hits_in_order,
    put_in_force,
    rules,
)
from tests.thorough import examples


@given(events, rules)
@examples(3, 24)
def test_hits_are_what_the_rules_mean(
    app: Flask,
    each_engine: None,
    engine: Engine,
    session: Session,
    leads: None,
    all_events: list[Event],
    rule: dict[str, Any],
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


@given(events, rules, st.lists(st.tuples(st.integers(4, 11), st.integers(1, 4)), min_size=2, max_size=8))
@examples(3, 24)
def test_dates_may_be_evaluated_late_and_again(
    app: Flask,
    engine: Engine,
    session: Session,
    leads: None,
    all_events: list[Event],
    rule: dict[str, Any],
    order: list[tuple[int, int]],
) -> None:
    clear(app, engine)
    runs = [[DAY0 + dt.timedelta(first + n) for n in range(length)] for first, length in order]
    days = [day for run in runs for day in run]
    with app.app_context(), tempfile.TemporaryDirectory() as folder:
        put_in_force(rule)
        deliver(app, Path(folder), all_events)
        for run in runs:
            evaluate_days(app.config["SETTINGS"], run[0], run[-1])
        hits = [
            (
                hit.lead_id,
                hit.hit_date.isoformat(),
                hit.values,
                hit.last_met_on.isoformat(),
            )
            for hit in db.session.scalars(select(Hit))
        ]
        versions = _row_versions()
        evaluate_days(app.config["SETTINGS"], runs[-1][0], runs[-1][-1])
        again = _row_versions()
    assert sorted(hits) == hits_in_order(rule, all_events, days)
    assert again == versions, "the same date again writes nothing"


def _row_versions() -> dict[int, str]:
    found = dict(db.session.execute(text("SELECT id, xmin::text FROM hit")).tuples().all())
    db.session.rollback()
    return found
