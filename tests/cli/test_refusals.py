"""Refusals of the commands: exit status, the reason on standard error, no effect."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Institution, Rule, RuleVersion, Schedule
from tests.conftest import SAMPLE
from tests.leads.support import HEADER, person, write_xlsx

RULE = {
    "code": "R-1",
    "name": "一",
    "conditions": [{"metric": "calls", "op": ">=", "value": 3, "window_days": 7}],
}
SCHEDULE = {
    "code": "S-DAILY",
    "name": "每日推送",
    "rules": ["R-1"],
    "preset": "daily",
    "at": "09:00",
    "start_date": "2026-10-01",
    "grid": {"mon": "SSSSSSSSSMMHHHMMHHHHMLSS"},
    "weekend": 3,
    "ranges": [{"from": "12:00", "to": "14:00", "level": "S", "days": ["mon", "tue"]}],
    "quiet_hours": ["21:00", "08:00"],
    "channels": [{"kind": "webhook", "target": "crm"}],
}


@pytest.fixture
def apply(cli: Callable[..., Any], tmp_path: Path) -> Callable[[Any], Any]:
    def run(content: Any) -> Any:
        path = tmp_path / "rules.yaml"
        path.write_text(
            content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True), "utf-8"
        )
        return cli("config", "apply", path, "--json")

    return run


def condition(**changes: Any) -> dict[str, Any]:
    return {"rules": [{**RULE, "conditions": [{**RULE["conditions"][0], **changes}]}]}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("content", "path", "value"),
    [
        (condition(value="3"), "rules[0].conditions[0].value", "'3'"),
        (condition(value=-1), "rules[0].conditions[0].value", "-1"),
        (condition(window_days=0), "rules[0].conditions[0].window_days", "0"),
        (condition(metric="visits"), "rules[0].conditions[0].metric", "'visits'"),
        (condition(op="=>"), "rules[0].conditions[0].op", "'=>'"),
        (condition(hours=[3, 3]), "rules[0].conditions[0]", "hours"),
        (condition(hours=[24, 3]), "rules[0].conditions[0]", "hours"),
        (condition(event_types=["selfie"]), "rules[0].conditions[0].event_types[0]", "'selfie'"),
        (condition(result="fail"), "rules[0].conditions[0].result", "'fail'"),
        (condition(window=7), "rules[0].conditions[0].window", "unknown key"),
        (condition(institutions=["NOBODY"]), "rules[0].conditions[0].institutions[0]", "'NOBODY'"),
        ({"rules": [{**RULE, "cooldown_days": 0}]}, "rules[0].cooldown_days", "0"),
        ({"rules": [{**RULE, "match": "some"}]}, "rules[0].match", "'some'"),
        ({"rules": [{**RULE, "conditions": []}]}, "rules[0].conditions", "at least 1"),
        ({"rules": [RULE, RULE]}, "rules[1].code", "'R-1'"),
        ({"rulez": []}, "rulez", "unknown key"),
        ({"rules": [RULE], "schedules": [{**SCHEDULE, "rules": ["R-9"]}]}, "schedules[0].rules[0]", "'R-9'"),
        (
            {"rules": [RULE], "schedules": [{**SCHEDULE, "grid": {"mon": "HHH"}}]},
            "schedules[0].grid.mon",
            "'HHH'",
        ),
        ({"rules": [RULE], "schedules": [{**SCHEDULE, "at": "25:00"}]}, "schedules[0].at", "'25:00'"),
        ("rules: [", "is not YAML", ""),
        ("rules:\n- {code: A, code: B}", "stands twice", "'code'"),
    ],
)
def test_a_bad_rules_file_names_the_place_and_applies_nothing(
    apply: Callable[[Any], Any], session: Session, content: Any, path: str, value: str
) -> None:
    if isinstance(content, dict):
        content = {"institutions": [{"code": "I-NEW", "name": "新"}], **content}
    result = apply(content)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "rules.yaml" in result.stderr
    assert path in result.stderr
    assert value in result.stderr
    assert session.scalars(select(Rule)).all() == []
    assert session.scalars(select(Institution)).all() == []


def test_applying_again_makes_no_version_and_a_change_makes_one(
    apply: Callable[[Any], Any], cli: Callable[..., Any], session: Session
) -> None:
    content = {"rules": [RULE], "schedules": [SCHEDULE]}
    assert json.loads(apply(content).stdout) == {"institutions": 0, "rules": 1, "schedules": 1}
    exported = cli("config", "export").stdout
    assert yaml.safe_load(exported)["schedules"][0]["grid"] == SCHEDULE["grid"]
    assert apply(exported).exit_code == 0
    assert cli("config", "export").stdout == exported
    assert [v.number for v in session.scalars(select(RuleVersion))] == [1]
    apply({"rules": [{**RULE, "cooldown_days": 9}]})
    versions = session.scalars(select(RuleVersion).order_by(RuleVersion.number)).all()
    assert [(v.number, v.status, v.cooldown_days) for v in versions] == [(1, "retired", 7), (2, "active", 9)]
    assert versions[1].created_by.startswith("cli:")
    assert session.scalars(select(Schedule.code)).all() == ["S-DAILY"]


def test_push_plan(apply: Callable[[Any], Any], cli: Callable[..., Any]) -> None:
    schedule = {**SCHEDULE, "preset": "custom", "interval_minutes": 60, "ranges": [], "grid": {}}
    assert apply({"rules": [RULE], "schedules": [schedule]}).exit_code == 0
    result = cli("push", "plan", "S-DAILY", "--date", "2026-10-26", "--json")
    pushes = json.loads(result.stdout)["pushes"]
    assert len(pushes) == 24
    assert pushes[9] == {
        "planned": "2026-10-26T09:00:00+08:00",
        "at": "2026-10-26T09:00:00+08:00",
        "outcome": "send",
        "why": "on time",
    }
    assert [p["outcome"] for p in pushes].count("silenced") == 11
    assert pushes[7]["at"] is None
    assert pushes[7]["why"] == "quiet hours"
    assert (
        len(json.loads(cli("push", "plan", "S-DAILY", "--date", "2026-10-24", "--json").stdout)["pushes"])
        == 8
    )
    assert "2031" in cli("push", "plan", "S-DAILY", "--date", "2031-01-01", "--json").stderr
    assert cli("push", "plan", "S-NONE", "--date", "2026-10-26").exit_code == 1


def test_the_sample_config_comes_back_as_it_was(cli: Callable[..., Any]) -> None:
    cli("config", "apply", SAMPLE / "config.yaml")
    wanted = yaml.safe_load((SAMPLE / "config.yaml").read_text("utf-8"))
    assert yaml.safe_load(cli("config", "export").stdout) == wanted


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["config", "apply", "missing.yaml"], "missing.yaml"),
        (["leads", "undo", "99"], "99"),
        (["logs", "ingest", "missing"], "missing"),
        (["rules", "preview", "R-NONE", "--from", "2026-10-01", "--to", "2026-10-02"], "R-NONE"),
    ],
)
def test_refused_with_a_reason(cli: Callable[..., Any], words: list[str], reason: str) -> None:
    result = cli(*words)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert reason in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["rules", "evaluate"],
        ["rules", "evaluate", "--as-of", "26.10.2026"],
        ["rules", "evaluate", "--as-of", "2026-10-26", "--through", "2026-10-25"],
        ["hits", "export", "--format", "xml"],
        ["leads", "undo", "x"],
        ["logs", "ingest"],
    ],
)
def test_wrong_usage_is_status_2(cli: Callable[..., Any], words: list[str]) -> None:
    result = cli(*words)
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize("content", ["not a workbook", "", None])
def test_an_unreadable_lead_file_is_refused_whole(
    cli: Callable[..., Any], tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "leads.xlsx"
    if content is not None:
        path.write_text(content, "utf-8")
    result = cli("leads", "import", path, "--json")
    assert result.exit_code == 1
    assert result.stderr.startswith("unreadable_file: leads.xlsx")
    assert json.loads(result.stdout) == {
        "batch": None,
        "read": 0,
        "created": 0,
        "updated": 0,
        "existing": 0,
        "rejected": {"unreadable_file": 1},
        "error_file": None,
    }


def test_what_is_odd_about_a_workbook_is_told(cli: Callable[..., Any], tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "leads.xlsx", {"leads": [HEADER, person(1), [*person(2)[:5], "=A1"]]})
    result = cli("leads", "import", path, "--dry-run", "--json")
    assert "Some cells hold formulas without a stored result and are read as empty." in result.stderr
    assert json.loads(result.stdout)["created"] == 2


def test_a_refused_log_file_does_not_stop_the_others(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("nothing,of,this\n1,2,3\n", "utf-8")
    good = SAMPLE / "logs" / "2026-10-31" / "part-a.csv.gz"
    result = cli("logs", "ingest", tmp_path / "a.csv", good, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["files_refused"] == 1
    assert json.loads(result.stdout)["rows"] == 4
    assert "a.csv" in result.stderr


def test_export_of_hits_as_csv_has_the_columns(cli: Callable[..., Any]) -> None:
    result = cli("hits", "export", "--format", "csv")
    assert result.stdout == "rule_code,rule_version,lead_no,hit_date,grade,score,status,values\n"


def test_doctor_tells_what_is_wrong(cli: Callable[..., Any], session: Session) -> None:
    assert cli("doctor", "--json").exit_code == 0
    newest = session.connection().exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = 'zzzz'")
    session.commit()
    try:
        result = cli("doctor", "--json")
    finally:
        session.connection().exec_driver_sql(f"UPDATE alembic_version SET version_num = '{newest}'")
        session.commit()
    assert result.exit_code == 1
    assert json.loads(result.stdout)["checks"]["migrations"]["ok"] is False
    assert "migrations" in result.stderr
