"""A hit's reason by condition, and whether data and rule still agree with the hit."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import orjson
import pytest
import yaml
from flask import Flask
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.activity import query, store
from app.leads.cube import activity_root
from app.models import Hit, Institution, Lead, RuleVersion
from app.rules import evidence
from app.rules.compiled import compile_rule, score_of
from app.rules.evaluate import evaluate_days
from app.rules.versions import rule_def
from app.rulesfile.apply import apply_config, export_config
from app.rulesfile.schema import parse_config
from tests.conftest import Person
from tests.rules.support import add_leads, apply_rule, calls, deliver

DAY = dt.date(2026, 3, 10)
TWO = (calls(institutions=["A"]), calls(metric="institutions", value=2, window_days=3))


def evaluate(app: Flask) -> None:
    with app.app_context():
        evaluate_days(app.config["SETTINGS"], DAY, DAY)


def page(client: Person, hit: Hit) -> str:
    return unescape(re.sub(r"\s+", " ", client.get(f"/hitview/show/{hit.id}").text))


@pytest.fixture
def bank(app: Flask, session: Session, tmp_path: Path) -> Flask:
    add_leads(session, 1)
    seen = [(1, "2026-03-05 09:00", "A"), (1, "2026-03-09 10:00", "B"), (1, "2026-03-10 11:00", "C")]
    deliver(app, tmp_path / "logs", seen)
    return app


def test_the_engine_writes_the_evidence_that_explaining_a_lead_finds(
    each_engine: None, app: Flask, session: Session, tmp_path: Path
) -> None:
    """Whatever institutions are called, and where a condition counts nothing."""
    add_leads(session, 1, 2)
    codes = ['"quoted" \\', "tab\tnew\nline", "机构 é, {1}", "A"]
    seen = [
        (lead, f"2026-03-{8 + n:02} 0{n}:30", code) for n, code in enumerate(codes[:3]) for lead in (1, 2)
    ]
    deliver(app, tmp_path / "logs", [*seen, (2, "2026-03-10 23:59", "A")])
    none = calls(institutions=["B"], op="<=", value=0, window_days=3, event_types=["face_verify"])
    apply_rule(app, calls(hours=[0, 2]), none, match="any", half_life_days=3.5)
    evaluate(app)
    hits = session.scalars(select(Hit).order_by(Hit.lead_id)).all()
    with app.app_context():
        for hit in hits:
            definition, settings = rule_def(hit.version), app.config["SETTINGS"]
            state = store.snapshot(activity_root(settings))
            spec, score = compile_rule(definition), score_of(definition)
            [row] = query.explain(state, spec, hit.hit_date, hit.lead_id, score).to_pylist()
            conditions = zip(definition.conditions, row["values"], row["by_condition"], strict=True)
            expected = {
                "version": hit.version.number,
                "match": "any",
                "window": ["2026-03-04", "2026-03-10"],
                "half_life_days": 3.5,
                "weights": definition.weights,
                "data_batch": state.version,
                "conditions": [evidence.condition(*each, alone=False) for each in conditions],
                "terms": row["by_type_age"],
                **{key: row[key] for key in ("calls", "institutions", "first_at", "last_at")},
            }
            assert orjson.loads(orjson.dumps(expected)) == evidence.of(hit)
            assert (row["values"], row["score"]) == (hit.values, hit.score)
    assert [hit.evidence["institutions"] for hit in hits] == [sorted(codes[:2])] * 2


def test_the_reason_names_the_institutions_of_its_own_condition(
    bank: Flask, session: Session, login: Callable[..., Person]
) -> None:
    apply_rule(bank, *TWO)
    evaluate(bank)
    hit = session.scalars(select(Hit)).one()
    assert [each["seen"] for each in evidence.of(hit)["conditions"]] == [
        {"institutions": ["A"], "first_at": "2026-03-05T09:00:00", "last_at": "2026-03-05T09:00:00"},
        {"institutions": ["B", "C"], "first_at": "2026-03-09T10:00:00", "last_at": "2026-03-10T11:00:00"},
    ]
    assert "近7天在 机构A活跃 1 次，阈值 1 次；近3天在 机构B 等 2 家机构活跃，阈值 2 家" in page(
        login("Manager", language="zh"), hit
    )
    said = page(login("Manager"), hit)
    assert "7-day window: 1 × active at 机构A, threshold 1; 3-day window: active at 机构B and others" in said


def test_the_reason_says_which_events_count(
    bank: Flask, session: Session, login: Callable[..., Person]
) -> None:
    never = calls(op="==", value=0, event_types=["id_ocr"], result="success")
    apply_rule(bank, calls(hours=[20, 12]), never)
    evaluate(bank)
    said = page(login("Manager", language="zh"), session.scalars(select(Hit)).one())
    assert "近7天在 机构A 等 3 家机构活跃 3 次，阈值 1 次（每日20:00–次日12:00）" in said
    assert "近7天活跃 0 次，阈值 = 0 次（仅身份证识别、仅成功）" in said


def test_an_older_hit_without_evidence_per_condition_can_be_read(
    bank: Flask, session: Session, login: Callable[..., Person]
) -> None:
    apply_rule(bank, *TWO)
    evaluate(bank)
    hit = session.scalars(select(Hit)).one()
    bare = [{k: v for k, v in each.items() if k != "seen"} for each in evidence.of(hit)["conditions"]]
    hit.evidence = evidence.of(hit) | {"conditions": bare}
    session.commit()
    manager = login("Manager")
    assert "7-day window: 1 × active at 机构A and others, 3 in all" in page(manager, hit)
    session.execute(update(Institution).where(Institution.name == "机构A").values(name=Institution.code))
    session.commit()
    assert "active at 机构B and others, 3 in all" in page(manager, hit), "who has a name comes first"


def test_recompute_says_that_the_lead_no_longer_fits(
    bank: Flask, session: Session, login: Callable[..., Person]
) -> None:
    apply_rule(bank, lead_filter={"statuses": ["active"]}, holdout_percent=50)
    evaluate(bank)
    hit, manager = session.scalars(select(Hit)).one(), login("Manager")
    address = f"/hitview/action/recompute/{hit.id}"
    assert "still agree" in manager.submit(address, follow_redirects=True).text
    session.get_one(Lead, 1).status = "lost"
    hit.holdout = not hit.holdout
    session.commit()
    text = unescape(manager.submit(address, follow_redirects=True).text)
    assert "Fits the lead filter Yes → No" in text
    was, now = ("Yes", "No") if hit.holdout else ("No", "Yes")
    assert f"Held out {was} → {now}" in text


def test_the_held_out_are_marked_and_found_by_a_filter(
    bank: Flask, session: Session, login: Callable[..., Person], tmp_path: Path
) -> None:
    add_leads(session, *range(2, 22))
    deliver(bank, tmp_path / "more", [(lead, "2026-03-10 10:00", "A") for lead in range(2, 22)])
    apply_rule(bank, holdout_percent=50)
    evaluate(bank)
    held = [hit for hit in session.scalars(select(Hit)) if hit.holdout]
    assert 0 < len(held) < 21
    manager = login("Manager")
    listed = manager.get("/hitview/list/?_flt_0_holdout=1&psize_HitView=100").text
    assert listed.count('name="rowid"') == len(held)
    assert "Held out" in page(manager, held[0])


def test_a_rule_older_than_an_event_type_gives_it_no_weight(bank: Flask, session: Session) -> None:
    apply_rule(bank, calls(), code="R")
    session.execute(text("UPDATE rule_version SET weights = weights - 'data_call'"))
    session.commit()
    evaluate(bank)
    assert session.scalars(select(Hit.score)).one() > 0
    with bank.app_context():
        config = yaml.safe_load(export_config())
        assert config["rules"][0]["weights"] == {"face_verify": 1.0, "id_ocr": 0.8, "data_call": 0.0}
        apply_config(parse_config(config, "test"), "tester")
    assert session.scalar(select(func.count()).select_from(RuleVersion)) == 1
