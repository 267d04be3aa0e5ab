"""The presets: enough for a bank to start with, and without effect on people's changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app import labels
from app.coldstart import FOLDER, apply_presets
from app.models import (
    FactDefinition,
    Institution,
    OutreachSetting,
    OutreachTemplate,
    Product,
    Rule,
    RuleStatus,
    RuleVersion,
    Schedule,
    Segment,
)
from app.rules.check import check, read_catalogue
from app.rules.versions import activate, copy_as_draft, set_paused
from app.rulesfile.schema import ConfigFile, read_config
from tests.thorough import share, thorough


@pytest.fixture(scope="module")
def presets() -> ConfigFile:
    return read_config(FOLDER)


def apply(app: Flask) -> dict[str, int]:
    with app.app_context():
        return apply_presets()


def content(engine: Engine) -> dict[str, list[str]]:
    """Return every row that the cold start may change."""
    tables = (
        *("institution", "rule", "rule_version", "rule_condition", "schedule", "schedule_version"),
        *("fact_definition", "product", "segment", "tag", "outreach_setting"),
        *("outreach_template", "outreach_template_version", "forbidden_word", "close_reason"),
    )
    with engine.connect() as connection:
        return {t: sorted(connection.scalars(text(f"SELECT t::text FROM {t} t"))) for t in tables}


def test_a_banker_finds_enough_and_every_preset_says_its_purpose(presets: ConfigFile) -> None:
    assert len(presets.rules) >= 8
    assert len(presets.institutions) >= 20
    assert len(presets.schedules) >= 2
    for rule in presets.rules:
        assert len(rule.description) >= 30, rule.code
        assert rule.name != rule.code
    assert {each.category for each in presets.institutions} == set(labels.CATEGORY) - {"other"}
    assert {each.region for each in presets.institutions} == {
        "华东",
        "华北",
        "华南",
        "华中",
        "西南",
        "西北",
        "东北",
    }


def test_filters_name_categories_and_regions_that_exist_and_every_rule_is_pushed(presets: ConfigFile) -> None:
    categories = {each.category for each in presets.institutions}
    regions = {each.region for each in presets.institutions}
    for condition in (each for rule in presets.rules for each in rule.conditions):
        assert set(condition.categories) <= categories
        assert set(condition.regions) <= regions
    pushed = [code for schedule in presets.schedules for code in schedule.rules]
    assert sorted(pushed) == sorted(rule.code for rule in presets.rules)


def test_every_preset_is_sound_and_holds_somebody_out(app: Flask, presets: ConfigFile) -> None:
    apply(app)
    with app.app_context():
        known = read_catalogue()
        problems = {rule.code: check(rule, known) for rule in presets.rules}
    assert {code: found for code, found in problems.items() if found} == {}
    assert {rule.holdout_percent for rule in presets.rules} == {5}


def test_every_product_has_a_text_and_a_rule_whose_outcomes_it_is(presets: ConfigFile) -> None:
    products = {product.code for product in presets.products}
    assert {code for template in presets.templates for code in template.products} == products
    assert {code for rule in presets.rules for code in rule.products} == products
    tested = {str(each.filter) for each in presets.segments} | {str(r.lead_filter) for r in presets.rules}
    for kind in ("fell_by=0.3", "within_days", "outcome="):
        assert any(kind in text for text in tested), kind


def test_a_fresh_database_gets_them_active(app: Flask, session: Session, presets: ConfigFile) -> None:
    kinds = ("tags", "institutions", "facts", "segments", "products", "templates", "rules", "schedules")
    assert apply(app) == {kind: len(getattr(presets, kind)) for kind in kinds} | {"outreach": 1}
    rules = session.scalars(select(Rule)).all()
    assert {rule.code for rule in rules} == {rule.code for rule in presets.rules}
    assert {rule.status for rule in rules} == {RuleStatus.ACTIVE}
    assert {rule.active_version.activated_by for rule in rules if rule.active_version} == {"coldstart"}
    assert {row.code for row in session.scalars(select(Schedule))} == {
        each.code for each in presets.schedules
    }
    rules_of_outreach = session.scalars(select(OutreachSetting)).one()
    assert (rules_of_outreach.status, rules_of_outreach.values["open_to"]) == ("active", "20:00")


def test_applying_again_changes_nothing(app: Flask, engine: Engine) -> None:
    apply(app)
    before = content(engine)
    apply(app)
    assert content(engine) == before


def rename_a_rule(session: Session) -> None:
    rule = session.scalars(select(Rule).limit(1)).one()
    rule.name, rule.description = "改过的名字", ""


def pause_a_rule(session: Session) -> None:
    set_paused(session.scalars(select(Rule).limit(1)).one(), True)


def retire_a_rule(session: Session) -> None:
    rule = session.scalars(select(Rule).limit(1)).one()
    rule.active_version, rule.status = None, RuleStatus.DRAFT


def retire_a_rule_for_good(session: Session) -> None:
    rule = session.scalars(select(Rule).limit(1)).one()
    assert rule.active_version is not None
    rule.active_version.status, rule.active_version, rule.status = "retired", None, RuleStatus.RETIRED


def narrow_a_rule(session: Session) -> None:
    version = session.scalars(select(RuleVersion).limit(1)).one()
    version.lead_filter, version.holdout_percent = {"statuses": ["active"]}, 5


def begin_a_draft(session: Session) -> None:
    rule = session.scalars(select(Rule).limit(1)).one()
    session.add(RuleVersion(rule=rule, number=2, name="草稿", weights={}, grade_bands={}, created_by="x"))


def drop_a_condition(session: Session) -> None:
    rule = next(each for each in session.scalars(select(Rule)) if len(each.versions[0].conditions) > 1)
    del rule.versions[0].conditions[1]


def change_a_schedule(session: Session) -> None:
    schedule = session.scalars(select(Schedule).limit(1)).one()
    version = schedule.versions[-1]
    version.spec = version.spec | {"weekend": "silent", "rules": version.spec["rules"][:1]}


def describe_an_institution(session: Session) -> None:
    institution = session.scalars(select(Institution).limit(1)).one()
    institution.name, institution.category, institution.region = "改过的机构", "other", ""


def change_what_customers_are(session: Session) -> None:
    fact = session.scalars(select(FactDefinition).where(FactDefinition.code == "aum")).one()
    fact.name, fact.keep_days = "资产", 30
    session.scalars(select(Product).limit(1)).one().margin_rate = 0.5
    session.scalars(select(Segment).limit(1)).one().definition = {}
    session.delete(session.scalars(select(OutreachTemplate).limit(1)).one())


CHANGES = (
    change_what_customers_are,
    rename_a_rule,
    pause_a_rule,
    retire_a_rule,
    retire_a_rule_for_good,
    narrow_a_rule,
    begin_a_draft,
    drop_a_condition,
    change_a_schedule,
    describe_an_institution,
)


@thorough
@pytest.mark.parametrize("change", share(CHANGES, 4), ids=lambda change: change.__name__)
def test_what_people_changed_stays(
    change: Callable[[Session], None], app: Flask, session: Session, engine: Engine
) -> None:
    apply(app)
    original = content(engine)
    change(session)
    session.commit()
    changed = content(engine)
    assert changed != original
    apply(app)
    assert content(engine) == changed


def test_a_new_version_stays_in_force(app: Flask, engine: Engine) -> None:
    apply(app)
    with app.app_context():
        from app.extensions import db

        rule = db.session.scalars(select(Rule).limit(1)).one()
        assert rule.active_version is not None
        draft = copy_as_draft(rule.active_version, "manager")
        draft.conditions[0].value += 1
        activate(draft, "manager")
        db.session.commit()
    changed = content(engine)
    apply(app)
    assert content(engine) == changed


def test_a_code_that_logs_brought_gets_its_description(
    app: Flask, session: Session, presets: ConfigFile
) -> None:
    known = presets.institutions[0]
    session.add(Institution(code=known.code, name=known.code, listed=False))
    session.commit()
    apply(app)
    session.expire_all()
    row = session.scalars(select(Institution).where(Institution.code == known.code)).one()
    assert (row.name, row.category, row.listed) == (known.name, known.category, True)


def test_the_command_says_what_the_presets_hold(cli: Callable[..., Any], presets: ConfigFile) -> None:
    result = cli("coldstart", "--json")
    assert result.exit_code == 0, result.output
    assert f'"rules": {len(presets.rules)}' in result.stdout


def test_what_people_deleted_does_not_come_back(app: Flask, session: Session, presets: ConfigFile) -> None:
    apply(app)
    with app.app_context():
        from app.extensions import db
        from app.rules.versions import delete_rule

        code = presets.rules[0].code
        for schedule in db.session.scalars(select(Schedule)):
            db.session.delete(schedule)
        db.session.flush()
        delete_rule(db.session.scalars(select(Rule).where(Rule.code == code)).one())
        db.session.commit()
    assert apply(app) == {"institutions": 0, "rules": 0, "schedules": 0}
    assert session.scalars(select(Rule).where(Rule.code == code)).all() == []
    assert session.scalars(select(Schedule)).all() == []


def test_what_a_bank_has_made_itself_stands_and_presets_that_do_not_fit_are_left_out(
    app: Flask, session: Session, presets: ConfigFile
) -> None:
    session.add(FactDefinition(code="assets", name="金融资产", kind="money", updated_by="me"))
    session.add(Product(code="L1", name="消费贷", line="loan", updated_by="me"))
    session.commit()
    apply(app)
    codes = {model: set(session.scalars(select(model.code))) for model in (FactDefinition, Product, Rule)}
    assert codes[FactDefinition] == {fact.code for fact in presets.facts} - {"aum"} | {"assets"}
    assert codes[Product] == {each.code for each in presets.products} - {"LOAN-C", "WEALTH"} | {"L1"}
    assert "R-OUTFLOW-14D" not in codes[Rule]
    assert "R-INSURANCE-30D" in codes[Rule]
    pushed = {code for row in session.scalars(select(Schedule)) for code in row.versions[-1].spec["rules"]}
    assert pushed == codes[Rule]
    before = session.scalar(text("SELECT count(*) FROM rule"))
    assert apply(app) == {"institutions": 0, "rules": 0, "schedules": 0}
    assert session.scalar(text("SELECT count(*) FROM rule")) == before
