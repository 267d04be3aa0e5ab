"""Products: the configuration file, rules that name them, and what deletion minds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Product, Rule, RuleVersion
from app.rules.differences import rule_changes
from app.rules.versions import rule_def

FILE = """\
products:
- {code: LOAN-C, name: 消费贷, line: loan, margin_rate: 0.05, from: 2026-01-01, until: null, eligible: {}}
- {code: DEP, name: 存款, line: deposit, until: 2027-12-31, eligible: {statuses: [active]}}
rules:
- code: R-1
  name: 一
  products: [LOAN-C]
  conditions: [{metric: calls, op: '>=', value: 3, window_days: 7}]
"""


def test_the_rules_file_round_trips_byte_by_byte(cli: Any, tmp_path: Path, session: Session) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(FILE, "utf-8")
    applied = cli("config", "apply", first, "--json")
    assert json.loads(applied.output)["products"] == 2
    exported = cli("config", "export").output
    second.write_text(exported, "utf-8")
    assert cli("config", "apply", second).exit_code == 0
    assert cli("config", "export").output == exported
    assert "from: 2026-01-01" in exported
    assert "products:\n  - LOAN-C" in exported
    deposit = session.scalars(select(Product).where(Product.code == "DEP")).one()
    assert (float(deposit.margin_rate), deposit.eligible) == (0.03, {"statuses": ["active"]})
    assert session.query(RuleVersion).count() == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ("products: [LOAN-C]:products: [CARD]", "rules[0].products[0]: 'CARD': There is no product"),
        ("name: 存款:name: LOAN-C", "already names the product LOAN-C"),
        ("until: 2027-12-31:until: 2027-12-31, from: 2028-01-01", "until comes before from"),
        ("statuses: [active]:tags: [没有]", "products[1].eligible.tags[0]: '没有': unknown tag"),
        ("margin_rate: 0.05:margin_rate: 5", "products[0].margin_rate: 5"),
        ("line: loan:colour: red", "products[0].colour: 'red': unknown key"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(
    cli: Any, tmp_path: Path, session: Session, changed: str, why: str
) -> None:
    before, after = changed.split(":", 1)[0] + ":" + changed.split(":")[1], ":".join(changed.split(":")[2:])
    bad = tmp_path / "bad.yaml"
    bad.write_text(FILE.replace(before, after, 1), "utf-8")
    refused = cli("config", "apply", bad)
    assert (refused.exit_code, why in refused.output) == (1, True), refused.output
    assert session.query(Product).count() == session.query(Rule).count() == 0


def test_a_product_that_a_rule_names_stays(cli: Any, tmp_path: Path, login: Any, session: Session) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(FILE, "utf-8")
    cli("config", "apply", path)
    manager = login("Manager", language="en")
    loan, deposit = session.scalars(select(Product).order_by(Product.id))
    refused = manager.submit(f"/productview/delete/{loan.id}", {}, follow_redirects=True)
    assert "“消费贷” is used by R-1" in refused.text
    table = {"code": "ST-1", "name": "表", "rows": [{"products": [deposit.code], "hand_to": "owner"}]}
    path.write_text(yaml.safe_dump({"strategy_tables": [table]}), "utf-8")
    assert cli("config", "apply", path).exit_code == 0
    refused = manager.submit(f"/productview/delete/{deposit.id}", {}, follow_redirects=True)
    assert "is used by ST-1" in refused.text
    path.write_text(yaml.safe_dump({"strategy_tables": [table | {"rows": []}]}), "utf-8")
    assert cli("config", "apply", path).exit_code == 0
    manager.submit(f"/productview/delete/{deposit.id}", {})
    assert session.scalars(select(Product.code)).all() == ["LOAN-C"]


def test_the_editor_knows_products_and_a_version_says_what_changed(
    cli: Any, app: Any, tmp_path: Path, login: Any, session: Session
) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(FILE, "utf-8")
    cli("config", "apply", path)
    manager = login("Manager", language="en")
    found = manager.get("/ruleversionview/find?kind=products&q=存").json["groups"]
    assert [item["value"] for item in found[0]["items"]] == ["DEP"]
    asked = {"rule": json.dumps(rule_def(session.query(RuleVersion).one()).model_dump(mode="json"))}
    assert "conversions: 消费贷" in manager.submit("/ruleversionview/wording", asked).json["sentence"]
    with app.test_request_context():
        old = rule_def(session.query(RuleVersion).one())
        [change] = rule_changes(old, old.model_copy(update={"products": []}))
    assert (change.old, change.new) == ("消费贷", "任意产品")
