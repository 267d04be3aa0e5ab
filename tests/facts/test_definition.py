"""Definitions of facts: what is refused, the configuration file, and what deletion minds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import DomainError
from app.facts import catalogue
from app.facts.definition import FactDef, holds_number
from app.models import FactDefinition, Segment
from tests.console.test_translations import words_of
from tests.leads.support import id_number

FILE = """\
facts:
- {code: aum, name: 金融资产, name_en: assets, kind: money, unit: 元, keep_days: 400}
- {code: tier, name: 客户等级, kind: choice, sensitive: true, choices: [普通, 金卡, 白金]}
- {code: due, name: 到期日, kind: date, purpose: service}
"""


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "currency"},
        {"code": "as of"},
        {"code": "as_of"},
        {"name": "身份证号"},
        {"keep_days": 0},
        {"choices": ["甲"]},
        {"kind": "choice"},
        {"kind": "choice", "choices": ["甲", "甲"]},
        {"kind": "choice", "choices": [id_number(7)]},
        {"kind": "choice", "choices": ["卡号 6222 0212 3456 7894"]},
        {"purpose": "fun"},
        {"colour": "red"},
    ],
)
def test_a_bad_definition_is_refused(changes: dict[str, Any]) -> None:
    good = {"code": "aum", "name": "金融资产", "kind": "money"}
    FactDef(**good)
    with pytest.raises(ValidationError):
        FactDef(**(good | changes))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (id_number(3), True),
        ("6222021234567894", True),
        ("６２２２０２１２３４５６７８９４", True),
        ("6222021234567895", False),
        ("13800001111", False),
        ("2026-11-30", False),
        ("大额存单 100000", False),
    ],
)
def test_what_looks_like_an_id_or_card_number(text: str, expected: bool) -> None:
    assert holds_number(text) is expected


def test_the_rules_file_round_trips_byte_by_byte(cli: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(FILE, "utf-8")
    applied = cli("config", "apply", first, "--json")
    assert '"facts": 3' in applied.output, applied.output
    exported = cli("config", "export").output
    second.write_text(exported, "utf-8")
    assert cli("config", "apply", second).exit_code == 0
    assert cli("config", "export").output == exported
    assert "keep_days: 400" in exported
    assert "1100" not in exported


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ("[{code: aum, name: 资产, kind: number}]", "of the kind money"),
        ("[{code: other, name: 金融 资产, kind: money}]", "already names the fact aum"),
        ("[{code: a, name: 甲, kind: flag}, {code: b, name: 甲, kind: flag}]", "already names the fact a"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(cli: Any, tmp_path: Path, facts: str, why: str) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(FILE, "utf-8")
    bad.write_text(f"facts: {facts}", "utf-8")
    cli("config", "apply", good)
    before = cli("config", "export").output
    refused = cli("config", "apply", bad)
    assert (refused.exit_code, why in refused.output) == (1, True), refused.output
    assert cli("config", "export").output == before


def test_a_fact_in_use_is_not_deleted(app: Any, session: Session) -> None:
    session.add(FactDefinition(code="aum", name="金融资产", kind="money", updated_by="x"))
    tested = {"all": [{"any": [{"fact": "aum", "op": ">=", "value": 5}]}]}
    session.add(Segment(name="高净值", definition=tested, owner="me"))
    session.commit()
    with app.app_context():
        row = catalogue.db.session.scalars(select(FactDefinition)).one()
        with pytest.raises(DomainError, match="高净值"):
            catalogue.delete(row)
        assert catalogue.used_by("other") == []


def test_the_screen_says_what_does_not_fit(login: Any, session: Session) -> None:
    manager = login("Manager")
    form = {"code": "tier", "name": "等级", "kind": "choice", "purpose": "service", "keep_days": "90"}
    refused = manager.submit("/factview/add", form)
    assert refused.status_code == 200
    assert session.scalars(select(FactDefinition)).all() == []
    manager.submit("/factview/add", form | {"choices": "普通\r\n 金卡 \r\n\r\n"})
    made = session.scalars(select(FactDefinition)).one()
    assert (made.choices, made.sensitive, made.keep_days) == (["普通", "金卡"], False, 90)
    manager.submit(
        f"/factview/edit/{made.id}", {"name": "级别", "choices": "普通", "purpose": "risk", "keep_days": "9"}
    )
    session.refresh(made)
    assert (made.name, made.kind, made.choices, made.purpose) == ("级别", "choice", ["普通"], "risk")


def test_the_page_names_a_fact_in_the_readers_language_and_rounds_money_only(
    login: Any, session: Session
) -> None:
    people = {each: login("Manager", username=each, language=each) for each in ("en", "zh")}

    def shown(fact: FactDefinition, language: str) -> str:
        return " ".join(words_of(people[language].get(f"/factview/show/{fact.id}").text).split())

    common = {"name_en": "assets", "purpose": "marketing", "keep_days": 90, "updated_by": "x"}
    money = FactDefinition(code="aum", name="金融资产", kind="money", round_to=1000, **common)
    text = FactDefinition(code="note", name="备注信息", kind="text", **common)
    session.add_all([money, text])
    session.commit()
    assert "Facts assets" in shown(money, "en")
    assert "客户事实 金融资产" in shown(money, "zh")
    assert "Rounded in texts to 1000" in shown(money, "en")
    assert "Rounded in texts to —" in shown(text, "en")
