"""Facts in texts: rounded, sent only to whom they are known of, and refused where they may not be named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.facts.definition import FactDef
from app.models import FactDefinition, SandboxMessage
from app.outreach import text_facts
from tests.conftest import Person
from tests.leads.support import write_csv
from tests.outreach.conftest import Bank

CONFIG = """\
facts:
- {code: aum, name: 金融资产, kind: money, unit: 元, round_to: 10000}
- {code: due, name: 到期日, kind: date}
- {code: tier, name: 等级, kind: choice, choices: [金卡]}
- {code: note, name: 备忘, kind: text}
- {code: payroll, name: 代发, kind: flag}
- {code: health, name: 健康, kind: number, sensitive: true}
- {code: risk, name: 风险分, kind: number, purpose: risk}
templates:
- {code: T-1, name: 资产短信, channel: sms, text: "您的资产约{fact:aum}，{fact:due}到期。"}
"""


@pytest.fixture
def applied(bank: Bank, cli: Callable[..., Any], tmp_path: Path) -> Callable[[str], Any]:
    def apply(text: str) -> Any:
        path = tmp_path / "config.yaml"
        path.write_text(text, "utf-8")
        return cli("config", "apply", path)

    done = apply(CONFIG)
    assert done.exit_code == 0, done.stderr
    return apply


def told(cli: Callable[..., Any], folder: Path, *rows: list[str]) -> int:
    path = write_csv(folder / "facts.csv", [["lead_no", "aum", "due"], *rows])
    done = cli("facts", "import", path, "--json")
    assert done.exit_code == 0, done.output
    return int(json.loads(done.stdout)["batch"])


def test_a_text_with_facts_goes_to_those_of_whom_they_are_known(
    bank: Bank, applied: Any, manager: Person, cli: Callable[..., Any], session: Session, tmp_path: Path
) -> None:
    bank.templates["sms"].versions[0].body = "您的资产约{fact:aum}，{fact:due}到期。"
    session.commit()
    first, second, third, fourth = hits = bank.people(4)
    told(cli, tmp_path, ["L90000", "1234999.5", "2027-03-01"], ["L90001", "500", ""])
    later = told(cli, tmp_path, ["L90002", "15000", "2027-03-02"])
    batch = bank.start(manager, hits)
    assert bank.batch(batch).planned["held"] == {"fact": 2}
    assert bank.batch(batch).planned["go"] == 2
    page = manager.get(f"/outreachbatchview/show/{batch}").text
    assert "您的资产约1,230,000元，2027-03-01到期。" in page
    assert "客户未知文本中的事实" in page
    bank.confirm(manager, batch)
    assert cli("facts", "undo", later).exit_code == 0
    bank.send()
    assert bank.outcomes(batch) == {
        first: ("sent", ""),
        second: ("held", "fact"),
        third: ("held", "fact"),
        fourth: ("held", "fact"),
    }
    [sent] = session.scalars(select(SandboxMessage.body)).all()
    assert sent.startswith("您的资产约1,230,000元，2027-03-01到期。")
    segments, cost = bank.costs(batch)[first]
    assert segments == 1
    assert cost


def test_a_fact_that_may_not_be_named_any_more_holds_the_contact(
    bank: Bank, applied: Any, manager: Person, cli: Callable[..., Any], session: Session, tmp_path: Path
) -> None:
    bank.templates["sms"].versions[0].body = "约{fact:aum}。"
    session.commit()
    [hit] = bank.people(1)
    told(cli, tmp_path, ["L90000", "1234999.5", ""])
    batch = bank.start(manager, [hit])
    bank.confirm(manager, batch)
    session.execute(update(FactDefinition).where(FactDefinition.code == "aum").values(sensitive=True))
    session.commit()
    bank.send()
    assert bank.outcomes(batch) == {hit: ("held", "fact")}


def test_what_may_not_stand_in_a_text_is_refused_with_the_reason(
    bank: Bank, applied: Callable[[str], Any], manager: Person, cli: Callable[..., Any]
) -> None:
    form = {"name": "新", "code": "T-9", "channel": "sms"}
    page = manager.get("/outreachtemplateview/add").text
    assert 'title="{fact:aum}">金融资产' in page
    assert "fact:health" not in page
    for code, why in (
        ("height", "没有客户事实 height"),
        ("note", "只有数值、金额、日期和选项"),
        ("payroll", "只有数值、金额、日期和选项"),
        ("health", "敏感"),
        ("risk", "用途不是营销"),
    ):
        refused = manager.submit("/outreachtemplateview/add", {**form, "body": f"您好{{fact:{code}}}"})
        assert refused.status_code == 200
        assert why in refused.text, code
    assert manager.submit("/outreachtemplateview/add", {**form, "body": "{fact:tier}客户"}).status_code == 302
    wrong = applied('templates: [{code: T-2, name: 二, channel: sms, text: "{fact:risk}"}]')
    assert wrong.exit_code == 1
    assert "templates[0].text" in wrong.stderr
    there = applied(
        "facts: [{code: rate, name: 利率, kind: number}]\n"
        'templates: [{code: T-2, name: 二, channel: sms, text: "{fact:rate}"}]'
    )
    assert there.exit_code == 0, there.stderr
    exported = cli("config", "export").stdout
    assert "round_to: 10000" in exported
    assert exported.count("round_to") == 1, "what is the default isn't written"
    assert applied(exported).exit_code == 0
    assert cli("config", "export").stdout == exported


def test_a_fact_that_a_text_names_stays(
    bank: Bank, applied: Any, login: Callable[..., Person], session: Session
) -> None:
    fact = session.scalars(select(FactDefinition.id).where(FactDefinition.code == "due")).one()
    admin = login("Admin", username="chief", language="zh")
    answer = admin.submit(f"/factview/delete/{fact}", follow_redirects=True)
    assert "资产短信" in answer.text
    assert session.get(FactDefinition, fact) is not None


@pytest.mark.parametrize(
    ("fact", "value", "said"),
    [
        ({"kind": "money", "unit": "元", "round_to": 1}, 1234.5, "1,235元"),
        ({"kind": "money", "unit": "元", "round_to": 10000}, 1234999.99, "1,230,000元"),
        ({"kind": "money", "unit": "yuan", "round_to": 100}, -149.0, "-100 yuan"),
        ({"kind": "number", "unit": "%"}, 3.25, "3.25%"),
        ({"kind": "choice", "choices": ["金卡"]}, "金卡", "金卡"),
    ],
)
def test_a_value_as_a_text_says_it(fact: dict[str, Any], value: Any, said: str) -> None:
    assert text_facts.in_text(FactDef(code="f", name="事实", **fact), value) == said
