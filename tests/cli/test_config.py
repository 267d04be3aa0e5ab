"""The configuration file: every kind comes back as it was, differences in words, folders kept in git."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app.models import Branch, ChangeLog, OutreachTemplateVersion, Tag
from app.outreach import settings
from tests.database import empty

CONDITION = {"metric": "calls", "op": ">=", "value": 3, "window_days": 7}
EVERYTHING: dict[str, Any] = {
    "branches": [
        {"code": "B-HZ-1", "name": "西湖支行", "parent": "B-HZ"},
        {"code": "B-HZ", "name": "杭州分行", "parent": "B-ROOT"},
        {"code": "B-ROOT", "name": "总行"},
    ],
    "holidays": [
        {"date": "2027-01-03", "kind": "workday", "name": "元旦"},
        {"date": "2027-01-01", "kind": "holiday", "name": "元旦"},
    ],
    "tags": [{"code": "vip", "name": "贵宾", "colour": "purple"}],
    "institutions": [{"code": "I-1", "name": "一"}],
    "facts": [{"code": "aum", "name": "金融资产", "kind": "money", "unit": "元"}],
    "products": [
        {
            "code": "LOAN-C",
            "name": "消费贷",
            "line": "loan",
            "margin_rate": 0.05,
            "from": "2026-01-01",
            "eligible": {
                "all": [{"fact": "aum", "op": ">=", "value": 500000}, {"attribute": "tag", "in": ["vip"]}]
            },
        }
    ],
    "outreach": {"hours": ["10:00", "19:00"], "caps": [{"channel": "call", "contacts": 1, "days": 3}]},
    "templates": [
        {
            "code": "T-LOAN",
            "name": "消费贷",
            "channel": "sms",
            "text": "{surname}您好",
            "products": ["LOAN-C"],
        }
    ],
    "rules": [{"code": "R-1", "name": "一", "conditions": [CONDITION], "products": ["LOAN-C"]}],
    "schedules": [{"code": "S-1", "name": "每日", "rules": ["R-1"], "preset": "daily", "at": "09:00"}],
    "journeys": [
        {
            "code": "J-1",
            "name": "召回",
            "trigger": {"on": "hit", "rules": ["R-1"], "grades": ["A"]},
            "reentry": {"after_days": 90},
            "goal": {"products": ["LOAN-C"]},
            "steps": [
                {"id": "sms", "do": "contact", "channel": "sms", "template": "T-LOAN", "then": "ask"},
                {
                    "id": "ask",
                    "do": "branch",
                    "cases": [
                        {"when": {"not": {"fact": "aum", "op": ">=", "value": 100000}}, "then": "wait"}
                    ],
                    "else": "end",
                },
                {"id": "wait", "do": "wait", "hours": 36, "then": "end"},
                {"id": "end", "do": "end"},
            ],
        }
    ],
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def put(content: Any, name: str = "config.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True)
        path.write_text(text, "utf-8")
        return path

    return put


def test_everything_comes_back_byte_for_byte_on_another_installation(
    cli: Callable[..., Any], write: Callable[..., Path], engine: Engine, session: Session
) -> None:
    file = write(EVERYTHING)
    counts = json.loads(cli("config", "apply", file, "--json").stdout)
    assert counts == {kind: len(items) if kind != "outreach" else 1 for kind, items in EVERYTHING.items()}
    assert cli("config", "diff", file).exit_code == 0
    exported = cli("config", "export").stdout
    content = yaml.safe_load(exported)
    assert [each["code"] for each in content["branches"]] == ["B-ROOT", "B-HZ", "B-HZ-1"]
    assert content["outreach"]["caps"] == EVERYTHING["outreach"]["caps"]
    assert content["products"][0]["eligible"] == EVERYTHING["products"][0]["eligible"]
    paths = dict(
        session.execute(select(Branch.code, func.cardinality(func.string_to_array(Branch.path, "/")))).all()
    )
    assert (paths["B-ROOT"], paths["B-HZ-1"]) == (3, 5)
    empty(engine)
    other = write(exported, "other.yaml")
    assert cli("config", "apply", other).exit_code == 0
    assert cli("config", "export").stdout == exported
    cli("config", "apply", other)
    assert session.scalars(select(OutreachTemplateVersion.number)).all() == [1]


def test_differences_are_told_in_words_and_nothing_is_changed(
    app: Flask, cli: Callable[..., Any], write: Callable[..., Path]
) -> None:
    cli("config", "apply", write(EVERYTHING))
    exported = cli("config", "export").stdout
    other = {
        "branches": [{"code": "B-HZ-1", "name": "西湖支行", "parent": "B-ROOT"}],
        "tags": [{"code": "new", "name": "新客"}],
        "products": [{**EVERYTHING["products"][0], "margin_rate": 0.04}],
        "outreach": {**EVERYTHING["outreach"], "caps": []},
        "rules": [{**EVERYTHING["rules"][0], "conditions": [{**CONDITION, "value": 5}]}],
        "journeys": [{**EVERYTHING["journeys"][0], "reentry": "never"}],
    }
    result = cli("config", "diff", write(other))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "branches B-HZ-1: parent: B-HZ → B-ROOT",
        "tags new: would be added",
        "products LOAN-C: margin_rate: 0.05 → 0.04",
        "outreach: Calls per person: 1 time → not limited",
        "outreach: Calls counted over: 3 days → 7 days",
        "rules R-1: Condition: calls ≥ 3 in 7 days → calls ≥ 5 in 7 days",
        "journeys J-1: Entering again: after 90 days at the earliest → never again",
    ]
    assert cli("config", "export").stdout == exported
    cli("config", "apply", write(other))
    with app.app_context():
        assert settings.current().call_cap is None


def test_a_folder_in_git_is_applied_as_one_file_and_its_commit_noted(
    cli: Callable[..., Any], write: Callable[..., Path], session: Session, tmp_path: Path
) -> None:
    write({"rules": [EVERYTHING["rules"][0]]}, "conf/rules.yaml")
    products = [{**EVERYTHING["products"][0], "eligible": {}}]
    write({"products": products}, "conf/sales/products.yml")
    write("tags: [", "conf/.drafts/tags.yaml")
    git = ["git", "-C", str(tmp_path / "conf"), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    result = cli("config", "apply", tmp_path / "conf", "--json")
    assert json.loads(result.stdout) == {"institutions": 0, "products": 1, "rules": 1, "schedules": 0}
    noted = select(ChangeLog.changes["commit"].astext).where(ChangeLog.kind == "config_applied")
    assert session.scalars(noted).all() == [commit]
    write({"products": products}, "conf/again.yaml")
    refused = cli("config", "apply", tmp_path / "conf")
    assert refused.exit_code == 1
    assert "products.yml: products[0].code: 'LOAN-C' stands twice" in refused.stderr
    (tmp_path / "conf" / "again.yaml").write_text("tags: []\n")
    cli("config", "apply", tmp_path / "conf")
    assert session.scalars(noted.order_by(ChangeLog.id)).all()[-1] == f"{commit} (changed since)"


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ({"branches": [{"code": "A", "name": "甲", "parent": "B"}]}, "branches[0].parent: 'B': unknown"),
        (
            {
                "branches": [
                    {"code": "A", "name": "甲", "parent": "B"},
                    {"code": "B", "name": "乙", "parent": "A"},
                ]
            },
            "branches[0].parent: 'B': the branch would belong to itself",
        ),
        ({"holidays": [{"date": "1999-01-01", "kind": "holiday", "name": "元旦"}]}, "holidays[0].date"),
        ({"holidays": [{"date": "2027-01-01", "kind": "off", "name": "元旦"}]}, "holidays[0].kind: 'off'"),
        ({"tags": [{"code": "a", "name": "贵宾"}, {"code": "b", "name": "贵宾"}]}, "tags[1].name: '贵宾'"),
        ({"tags": [{"code": "a", "name": "贵宾", "colour": "pink-ish"}]}, "tags[0].colour: 'pink-ish'"),
        ({"outreach": {"hours": ["20:00", "09:00"]}}, "outreach: hours: Contact hours must end"),
        (
            {"outreach": {"caps": [{"channel": "sms", "contacts": 0, "days": 7}]}},
            "outreach.caps[0].contacts: 0",
        ),
        (
            {"templates": [{"code": "T", "name": "甲", "channel": "sms", "text": "{you}"}]},
            "templates[0].text: There is no variable {you}",
        ),
        (
            {"templates": [{"code": "T", "name": "甲", "channel": "sms", "text": "好", "products": ["P"]}]},
            "templates[0].products[0]: 'P': unknown product code",
        ),
        (
            {
                "journeys": [
                    {
                        "code": "J",
                        "name": "甲",
                        "trigger": {"on": "hit"},
                        "steps": [{"id": "a", "do": "wait", "hours": 1, "then": "b"}],
                    }
                ]
            },
            "journeys[0]: step a: then names the step b, which does not exist.",
        ),
    ],
)
def test_what_cannot_be_applied_is_named_with_its_place_and_nothing_is_applied(
    cli: Callable[..., Any], write: Callable[..., Path], session: Session, content: Any, path: str
) -> None:
    file = write({"tags": [{"code": "fine", "name": "好"}], **content})
    for command in ("apply", "diff"):
        result = cli("config", command, file)
        assert (result.exit_code, result.stdout) == (1, "")
        assert path in result.stderr
    assert session.scalars(select(Tag)).all() == []
