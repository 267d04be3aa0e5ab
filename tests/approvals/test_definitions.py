"""Changes to products and facts that rules in force use: another person decides."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.models import Approval, FactDefinition, Product, Rule, RuleVersion
from tests.conftest import Person

FILE = """\
facts:
- {code: aum, name: 金融资产, kind: money, unit: 元, keep_days: 400}
products:
- {code: LOAN-C, name: 消费贷, line: loan, margin_rate: 0.05}
rules:
- code: R-1
  name: 一
  products: [LOAN-C]
  conditions: [{metric: calls, op: '>=', value: 3, window_days: 7}]
"""
PRODUCT = {"name": "消费贷款", "line": "loan", "margin_rate": "0.05", "valid_from": "", "valid_until": ""}
FACT = {
    "name": "金融资产",
    "name_en": "assets",
    "unit": "元",
    "choices": "",
    "purpose": "marketing",
    "keep_days": 400,
    "round_to": 1,
}


@pytest.fixture(autouse=True)
def configured(cli: Callable[..., Any], tmp_path: Path, session: Session) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(FILE, "utf-8")
    assert cli("config", "apply", path).exit_code == 0
    uses = {"all": [{"fact": "aum", "op": ">=", "value": 1}]}
    session.execute(update(RuleVersion).values(lead_filter=uses))
    session.commit()


@pytest.mark.parametrize(
    ("model", "view", "same", "change", "column", "in_words"),
    [
        (Product, "productview", PRODUCT, {"margin_rate": "0.04"}, "margin_rate", ("5 %", "4 %")),
        (FactDefinition, "factview", FACT, {"unit": "万元"}, "unit", ("元", "万元")),
    ],
)
def test_what_a_rule_in_force_uses_is_changed_by_two(
    session: Session,
    login: Callable[..., Person],
    model: type[Any],
    view: str,
    same: dict[str, Any],
    change: dict[str, Any],
    column: str,
    in_words: tuple[str, str],
) -> None:
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker", language="zh")
    row = session.scalars(select(model)).one()
    path, before = f"/{view}/edit/{row.id}", getattr(row, column)

    def stored() -> Any:
        session.rollback()
        return session.get_one(model, row.id, populate_existing=True)

    assert 'name="reason"' not in maker.get(path).text
    maker.submit(path, same)
    assert (stored().name, session.scalars(select(Approval)).all()) == (same["name"], []), "a name alone"
    page = maker.submit(path, same | change).text
    assert "The rules in force R-1 use it" in page
    assert 'name="reason"' in page
    maker.submit(path, same | change | {"reason": "监管要求"})
    assert getattr(stored(), column) == before
    asked = session.scalars(select(Approval)).one()
    shown = re.sub(r"<[^>]+>", " ", checker.get(f"/approvalview/show/{asked.id}").text)
    assert all(text in shown for text in (*in_words, "R-1", "监管要求"))
    maker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert getattr(stored(), column) == before
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert str(getattr(stored(), column)).rstrip("0") == next(iter(change.values()))
    assert stored().updated_by == "maker"


def test_without_a_rule_in_force_it_is_changed_at_once(
    session: Session, login: Callable[..., Person]
) -> None:
    session.execute(update(Rule).values(status="paused"))
    session.commit()
    product = session.scalars(select(Product)).one()
    login("Manager").submit(f"/productview/edit/{product.id}", PRODUCT | {"margin_rate": "0.04"})
    session.rollback()
    assert float(session.scalars(select(Product.margin_rate)).one()) == 0.04
    assert session.scalars(select(Approval)).all() == []
