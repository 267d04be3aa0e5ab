"""Segments and rules with facts: the configuration file, the count by command, the form and the back-test."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from collections.abc import Callable
from typing import Any

import yaml
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.extensions import db
from app.models import FactDefinition, Lead, Rule, RuleVersion, Segment
from app.rules.backtest import BacktestPlan, run
from app.rules.evaluate import evaluate_days, preview
from app.rules.versions import rule_def
from app.screens.leads import filter_rows
from app.segments.definition import segment_def
from app.t1.deliveries import ingest_logs
from tests.conftest import Person
from tests.facts.conftest import TODAY, Bank, ago

CONFIG = """\
tags: [{code: vip, name: 贵宾}]
segments:
- code: SG-RICH
  name: 高净值
  filter: {all: [{fact: aum, op: ">=", value: 100}, {fact: tier, op: in, value: [金卡]}]}
- code: SG-FELL
  name: 下降
  filter: {fact: aum, fell_by: 0.5, against_days: 3}
- code: SG-DUE
  name: 到期
  filter: {any: [{fact: due, op: within_days, value: 5}, {fact: due, op: "==", value: 2020-01-01}]}
- code: SG-NEW
  name: 渠道
  filter: {all: [{attribute: source, in: [抖音推广]}, {not: {attribute: tag, in: [vip]}}]}
rules:
- code: R-RICH
  name: 高净值活跃
  cooldown_days: 1
  lead_filter: {all: [{fact: aum, op: ">", value: 99}, {not: {fact: tier, op: "==", value: 金卡}}]}
  conditions: [{metric: calls, op: ">=", value: 1, window_days: 30}]
"""


def applied(bank: Bank, text: str, code: int = 0) -> Any:
    path = bank.folder / "more.yaml"
    path.write_text(text, "utf-8")
    done = bank.cli("config", "apply", path)
    assert done.exit_code == code, done.output
    return done


def count(bank: Bank, code: str, *options: Any) -> int:
    done = bank.cli("segments", "count", code, *options, "--json")
    assert done.exit_code == 0, done.output
    return int(json.loads(done.stdout)["leads"])


def test_segments_come_from_the_file_are_counted_as_of_a_date_and_exported_the_same(
    bank: Bank, cli: Callable[..., Any]
) -> None:
    applied(bank, CONFIG)
    assert [count(bank, code) for code in ("SG-RICH", "SG-NEW")] == [0, 5], "nothing was told yet"
    header = ["lead_no", "as_of", "aum", "tier", "due"]
    due = (TODAY + dt.timedelta(days=4)).isoformat()
    bank.rows(
        header,
        ["L1001", ago(9), "300", "金卡", ""],
        ["L1002", ago(9), "300", "普通", due],
        ["L1003", ago(9), "50", "金卡", ago(1)],
        options=["--backfill"],
    )
    bank.rows(header, ["L1001", ago(2), "100", "", ""], options=["--backfill"])
    assert [count(bank, code) for code in ("SG-RICH", "SG-FELL", "SG-DUE", "SG-NEW")] == [1, 1, 1, 5]
    assert [count(bank, "SG-FELL", "--as-of", ago(n)) for n in (6, 3, 2)] == [0, 0, 1]
    assert count(bank, "SG-RICH", "--as-of", ago(10)) == 0
    bank.rows(header, ["L1003", ago(9), "500", "", ""])
    assert [count(bank, "SG-RICH", "--as-of", ago(n)) for n in (2, 1)] == [1, 2], "known when delivered"
    assert cli("segments", "count", "SG-NONE", "--json").exit_code == 1
    exported = cli("config", "export").stdout
    stated, there = yaml.safe_load(CONFIG), yaml.safe_load(exported)
    assert there["segments"] == json.loads(json.dumps(stated["segments"], default=dt.date.isoformat))
    assert there["rules"][0]["lead_filter"] == stated["rules"][0]["lead_filter"]
    applied(bank, exported)
    assert cli("config", "export").stdout == exported


def test_a_filter_that_means_nothing_is_refused_with_its_place(bank: Bank) -> None:
    for wanted, said in (
        ("{fact: height, op: '>', value: 1}", "segments[0].filter: There is no fact height."),
        ("{fact: aum, op: '>', value: much}", "can't be compared with the fact"),
        ("{fact: tier, op: '>', value: 金卡}", "can't be compared with >"),
        ("{fact: tier, op: in, value: [白金]}", "can't be compared with the fact"),
        ("{fact: tier, fell_by: 0.5, against_days: 3}", "is no number that could have fallen"),
        ("{fact: aum, op: '>'}", "give op and value"),
        ("{attribute: tag, in: [无]}", "There is no tag"),
        ("{height: 1}", "this is no test"),
        ("{all: []}", "segments[0].filter"),
    ):
        refused = applied(bank, f"segments: [{{code: S-1, name: 一, filter: {wanted}}}]", 1)
        assert said in refused.stderr, wanted
    refused = applied(bank, CONFIG.replace('aum, op: ">"', 'height, op: ">"'), 1)
    assert "rules[0].lead_filter.filter" in refused.stderr
    blood = "facts: [{code: blood, name: 血型, kind: text, purpose: risk}]\n"
    tested = "segments: [{code: S-1, name: 一, filter: {fact: blood, op: '==', value: A}}]"
    assert "its purpose is not marketing" in applied(bank, blood + tested, 1).stderr


def test_a_rule_sees_facts_as_they_were_known_on_each_date(bank: Bank, app: Flask) -> None:
    applied(bank, CONFIG)
    days = [TODAY - dt.timedelta(days=n) for n in (5, 4, 3, 2, 1)]
    settings = app.config["SETTINGS"]
    header = ["lead_no", "as_of", "aum", "tier"]
    bank.rows(header, ["L1001", ago(4), "100", ""], ["L1002", ago(5), "99", ""], options=["--backfill"])
    bank.rows(header, ["L1003", ago(5), "100", ""], ["L1002", ago(2), "100", "金卡"])
    with app.app_context():
        path = bank.folder / "calls.jsonl"
        made = [
            {"request_id": f"c{n}", "event_time": f"{days[0]} 00:00:0{n}", "event_type": "data_call",
             "institution_code": "I", "id_hash": each, "result": "success"}
            for n, each in enumerate(db.session.scalars(select(Lead.id_hash)))
        ]  # fmt: skip
        path.write_text("\n".join(map(json.dumps, made)), "utf-8")
        ingest_logs(settings, [path])
        version = db.session.scalars(select(Rule)).one().active_version
        assert version is not None
        definition = rule_def(version)
        expected = dict(zip((day.isoformat() for day in days), (0, 1, 1, 1, 2), strict=True))
        assert preview(settings, definition, days[0], days[-1]) == expected
        assert run(settings, definition, None, BacktestPlan(days[0], days[-1], 7))["by_day"] == expected
        hits = evaluate_days(settings, days[0], days[-1])
        assert [sum(each["created"].values()) for each in hits.values()] == list(expected.values())


def rows(*stated: tuple[Any, ...]) -> str:
    """Return tests as the form sends them: what, op, value, perhaps days."""
    names = ("what", "op", "value", "days")
    return json.dumps([dict(zip(names, each, strict=False)) for each in stated])


def told(page: str) -> list[dict[str, Any]]:
    """Return the rows that a page shows."""
    [value] = re.findall(r'name="tests" value="([^"]*)"', page)
    rows: list[dict[str, Any]] = json.loads(html.unescape(value))
    return rows


def test_the_form_of_a_segment_tests_facts(
    bank: Bank, session: Session, login: Callable[..., Person]
) -> None:
    bank.rows(["lead_no", "aum", "tier"], ["L1001", "5000", "金卡"], ["L1002", "10", "普通"])
    manager = login("Manager", username="m1", language="zh")
    form = {
        "name": "富裕",
        "opted_out": "",
        "activity_metric": "calls",
        "tests": rows(("fact:aum", ">=", "1,000"), ("fact:tier", "in", "金卡、普通")),
    }
    assert "1" in manager.submit("/segmentview/count", form).get_json()["text"]
    assert manager.submit("/segmentview/add", form).status_code == 302
    segment = session.scalars(select(Segment)).one()
    assert segment.definition == {
        "filter": {
            "all": [
                {"fact": "aum", "op": ">=", "value": 1000},
                {"fact": "tier", "op": "in", "value": ["金卡", "普通"]},
            ]
        }
    }
    assert "金融资产 ≥ 1,000 元" in manager.get("/segmentview/list/").text
    assert manager.get(f"/leadview/list/?_flt_0_segment={segment.id}").text.count('name="rowid"') == 1
    page = manager.get(f"/segmentview/edit/{segment.id}").text
    assert [row["value"] for row in told(page)] == ["1000", "金卡, 普通"]
    refused = manager.submit(
        "/segmentview/add", {**form, "name": "错", "tests": rows(("fact:aum", ">", "很多"))}
    )
    assert "金融资产：不是金额" in refused.text
    assert session.scalars(select(Segment)).all() == [segment]


def test_a_form_keeps_what_it_has_no_fields_for_and_shows_it_in_words(
    bank: Bank, app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    whole = [
        {"fact": "aum", "fell_by": 0.5, "against_days": 30},
        {"any": [{"fact": "aum", "op": ">", "value": 5}, {"attribute": "source", "in": ["抖音推广"]}]},
        {"not": {"answered": "sms", "days": 7}},
        {"metric": "calls", "window_days": 3, "fell_by": 0.25, "against_days": 9},
        {"interactions": 2, "days": 30},
        {"metric": "active_days", "op": "<=", "value": 3, "window_days": 30},
        {"outcome": "any", "days": 90},
    ]
    applied(bank, f"segments: [{{code: S-1, name: 混合, filter: {json.dumps({'all': whole})}}}]")
    segment = session.scalars(select(Segment)).one()
    manager = login("Admin", username="m1", language="zh")
    with app.test_request_context():
        shown = filter_rows.rows_of(segment_def(segment.definition).filter)
    assert [row.get("what") for row in shown] == [
        "fact:aum", None, "answered:sms", None, "interactions", "metric:active_days", "outcome:any",
    ]  # fmt: skip
    page = manager.get(f"/segmentview/edit/{segment.id}").text
    assert [row["said"] for row in told(page) if "said" in row] == [
        "金融资产 > 5 元或来源渠道：抖音推广",
        "近 3 天活跃次数比 9 天前下降至少 25%",
    ]
    before = segment.definition
    form = {"name": "混合", "opted_out": "", "activity_metric": "calls", "tests": json.dumps(shown)}
    assert manager.submit(f"/segmentview/edit/{segment.id}", form).status_code == 302
    session.expire_all()
    assert session.scalars(select(Segment)).one().definition == before


def test_the_rule_editor_has_rows_for_its_lead_filter(
    bank: Bank, session: Session, login: Callable[..., Person]
) -> None:
    applied(bank, CONFIG)
    manager = login("Manager", username="m1", language="zh")
    assert manager.get("/ruleview/add").status_code == 200
    rule = {
        "code": "R-FELL",
        "name": "资产流失",
        "conditions": [{"metric": "calls", "op": ">=", "value": 1, "window_days": 30}],
        "lead_filter": {
            "rows": json.loads(rows(("fact:aum", "fell_by", "50", 30), ("contacted:any", "has_not", "", 7)))
        },
    }
    said = manager.submit("/ruleversionview/wording", {"rule": json.dumps(rule)}).get_json()
    assert "金融资产比 30 天前下降至少 50%" in said["sentence"]
    assert "近 7 天被触达过" in said["sentence"]
    saved = manager.submit("/ruleview/add", {"rule": json.dumps(rule), "revision": "0", "base": "{}"})
    assert saved.status_code == 200, saved.text
    version = session.scalars(select(RuleVersion).where(RuleVersion.name == "资产流失")).one()
    assert version.lead_filter == {
        "filter": {
            "all": [
                {"fact": "aum", "fell_by": 0.5, "against_days": 30},
                {"not": {"contacted": "any", "days": 7}},
            ]
        }
    }
    assert "fact:aum" in manager.get(f"/ruleversionview/edit/{version.id}").text
    rule["lead_filter"] = {"rows": json.loads(rows(("fact:aum", ">", "很多")))}
    refused = manager.submit("/ruleversionview/wording", {"rule": json.dumps(rule)}).get_json()
    assert refused["problems"] == [{"field": "lead_filter.rows", "text": "金融资产：不是金额", "note": False}]


def test_facts_are_axes_of_the_matrix_and_each_quadrant_is_a_list(
    bank: Bank, session: Session, login: Callable[..., Person]
) -> None:
    later, header = (TODAY + dt.timedelta(days=40)).isoformat(), ["lead_no", "as_of", "aum", "due"]
    bank.rows(
        header,
        ["L1001", ago(9), "1234567.5", later],
        ["L1002", ago(9), "1234567.25", ago(1)],
        ["L1003", ago(9), "50", later],
        ["L1004", ago(9), "-20", ""],
        options=["--backfill"],
    )
    manager = login("Manager", username="m1", language="zh")

    def quadrants(query: str) -> list[set[str]]:
        page = manager.get(f"/matrixview/list/?{query}").text
        found = []
        for url, shown in re.findall(
            r'<a class="corner[^"]*" href="([^"]*)">.*?<b class="num">([^<]*)</b>', page, re.S
        ):
            leads = set(re.findall(r">(L100\d)<", manager.get(html.unescape(url)).text))
            assert len(leads) == int(shown)
            found.append(leads)
        return found

    # Top left first; of the fifth customer nothing is known, of the fourth no date.
    both = f"x=fact:aum&x_at=1234567.5&y=fact:due&y_at={later}"
    assert quadrants(both) == [{"L1003"}, {"L1001"}, {"L1002"}, set()]
    assert "2 条线索不在任何象限" in manager.get(f"/matrixview/list/?{both}").text
    assert quadrants("x=fact:aum&x_at=-20&y=days_known&y_at=1") == [
        set(),
        set(),
        set(),
        {f"L100{n}" for n in (1, 2, 3, 4)},
    ]
    page = manager.get("/matrixview/list/?x=fact:aum&y=fact:due").text
    assert [word in page for word in ("中位数：50", f"中位数：{later}", "金融资产 ≥ 50")] == [True] * 3
    for wrong in (
        "x=fact:tier",
        "x=fact:height",
        "x=fact:due&x_at=5",
        "x=fact:aum&x_at=2027-01-31",
        "x=hits&x_at=2027-01-31",
    ):
        assert manager.get(f"/matrixview/list/?x={wrong}&y=hits").status_code == 400, wrong
    session.execute(update(FactDefinition).where(FactDefinition.code == "aum").values(purpose="risk"))
    session.commit()
    assert manager.get("/matrixview/list/?x=fact:aum&y=hits").status_code == 400
    assert "fact:aum" not in manager.get("/matrixview/list/").text
