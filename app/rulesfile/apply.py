"""Applying a rules file to the database, and exporting the configuration as one."""

from __future__ import annotations

from typing import Any

import yaml
from sqlalchemy import select

from app.channels import targets
from app.errors import FieldError
from app.extensions import db
from app.facts import catalogue as fact_catalogue
from app.facts.definition import check_names
from app.models import Institution, Rule, RuleStatus, Schedule
from app.products import catalogue as product_catalogue
from app.products import definition as product_definition
from app.rules import check, lead_filter
from app.rules.definition import DEFAULT_GRADE_BANDS, DEFAULT_HALF_LIFE_DAYS, DEFAULT_WEIGHTS, RuleDef
from app.rules.versions import activate, add_version, rule_def
from app.rulesfile.schema import ConfigFile, ConfigFileError
from app.schedules import versions
from app.schedules.definition import ScheduleDef


def apply_config(config: ConfigFile, name: str, operator: str, *, overwrite: bool = True) -> dict[str, int]:
    """Create or update everything in the file, in one transaction. Rules become active at once.

    ``overwrite=False`` leaves existing rows as they are (cold start). Return the numbers of institutions,
    rules and schedules in the file, and of facts and products if it has any. Raises ConfigFileError, with
    nothing applied, for a rule that names an unknown institution, product, branch, tag or shared segment, a
    schedule that names an unknown rule or channel, a fact or product that has the name of another, or a fact
    that changes its kind.
    """
    _check_codes(config, name)
    for institution in config.institutions:
        _apply_institution(institution.model_dump(), overwrite)
    for fact in config.facts:
        fact_catalogue.apply(fact, operator, overwrite=overwrite)
    for product in config.products:
        product_catalogue.apply(product, operator, overwrite=overwrite)
    for rule in config.rules:
        _apply_rule(rule, operator, overwrite)
    for schedule in config.schedules:
        _apply_schedule(schedule, operator, overwrite)
        targets.ensure(db.session, [(each.kind, each.target) for each in schedule.channels], operator)
    db.session.commit()
    counts = {kind: len(getattr(config, kind)) for kind in ("institutions", "rules", "schedules")}
    return counts | {kind: n for kind in ("facts", "products") if (n := len(getattr(config, kind)))}


def _check_codes(config: ConfigFile, name: str) -> None:
    rules = set(db.session.scalars(select(Rule.code))) | {r.code for r in config.rules}
    known = check.read_catalogue().extended(config.institutions, [each.code for each in config.products])
    problems = [
        _line(name, r, each)
        for r, rule in enumerate(config.rules)
        for each in check.check(rule, known)
        if each.kind == "unknown" and each.path[0] in ("conditions", "products")
    ]
    problems += [
        f"{name}: rules[{r}].lead_filter.{each.field}[{each.position}]: {each.name!r}: {each.why}"
        for r, rule in enumerate(config.rules)
        for each in lead_filter.unknown(rule.lead_filter)
    ]
    problems += [
        f"{name}: products[{p}].eligible.{each.field}[{each.position}]: {each.name!r}: {each.why}"
        for p, product in enumerate(config.products)
        for each in lead_filter.unknown(product.eligible)
    ]
    problems += [
        f"{name}: schedules[{s}].rules[{i}]: {code!r}: unknown rule code"
        for s, schedule in enumerate(config.schedules)
        for i, code in enumerate(schedule.rules)
        if code not in rules
    ]
    problems += [
        f"{name}: schedules[{s}].channels[{i}]: {problem}"
        for s, schedule in enumerate(config.schedules)
        for i, each in enumerate(schedule.channels)
        if (problem := targets.problem_with(each.kind, each.target))
    ]
    problems += _fact_problems(config, name)
    problems += _product_problems(config, name)
    if problems:
        raise ConfigFileError(problems)


def _fact_problems(config: ConfigFile, name: str) -> list[str]:
    known = {fact.code: fact for fact in fact_catalogue.definitions().values()}
    problems = [
        f"{name}: facts[{f}].kind: {fact.kind!r}: the fact is of the kind {known[fact.code].kind}"
        for f, fact in enumerate(config.facts)
        if fact.code in known and known[fact.code].kind != fact.kind
    ]
    try:
        check_names((known | {fact.code: fact for fact in config.facts}).values())
    except FieldError as error:
        problems.append(f"{name}: facts: {error}")
    return problems


def _product_problems(config: ConfigFile, name: str) -> list[str]:
    known = {product.code: product for product in product_catalogue.definitions()}
    try:
        product_definition.check_names((known | {each.code: each for each in config.products}).values())
    except FieldError as error:
        return [f"{name}: products: {error}"]
    return []


def warnings(config: ConfigFile, name: str) -> list[str]:
    """Return a line with file, path and value for each condition that no lead can ever meet.

    Forms refuse such rules, but a file that could be applied before must remain applicable.
    """
    known = check.read_catalogue().extended(config.institutions, [each.code for each in config.products])
    return [
        _line(name, r, each)
        for r, rule in enumerate(config.rules)
        for each in check.check(rule, known)
        if each.kind == "never"
    ]


def _line(name: str, rule: int, problem: check.Problem) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.path)
    return f"{name}: rules[{rule}]{path}: {problem.value!r}: {problem.error}"


def _apply_institution(values: dict[str, Any], overwrite: bool) -> None:
    row = db.session.scalar(select(Institution).where(Institution.code == values["code"]))
    if row is None:
        db.session.add(Institution(**values, listed=True))
    elif overwrite or not row.listed:
        for key, value in values.items():
            setattr(row, key, value)
        row.listed = True


def _apply_rule(definition: RuleDef, operator: str, overwrite: bool) -> None:
    rule = db.session.scalar(select(Rule).where(Rule.code == definition.code))
    if rule is None:
        rule = Rule(code=definition.code, name=definition.name, description=definition.description)
        db.session.add(rule)
        db.session.flush()
    elif not overwrite:
        return
    current = rule.active_version
    if current is not None and rule_def(current) == definition:
        rule.status = RuleStatus.ACTIVE
        return
    activate(add_version(rule, definition, operator), operator)


def _apply_schedule(definition: ScheduleDef, operator: str, overwrite: bool) -> None:
    schedule = db.session.scalar(select(Schedule).where(Schedule.code == definition.code))
    if schedule is None:
        schedule = Schedule(code=definition.code, name=definition.name)
        db.session.add(schedule)
        db.session.flush()
    elif not overwrite:
        return
    current = schedule.active_version
    if current is not None and versions.version_def(current) == definition:
        schedule.status = RuleStatus.ACTIVE
        return
    versions.activate(versions.add_version(schedule, definition, operator), operator)


def export_config() -> str:
    """Return the whole configuration as a rules file. Applying it again changes nothing."""
    institutions = db.session.scalars(select(Institution).where(Institution.listed).order_by(Institution.id))
    rules = db.session.scalars(
        select(Rule)
        .where(Rule.active_version_id.is_not(None), Rule.status == RuleStatus.ACTIVE)
        .order_by(Rule.id)
    )
    schedules = db.session.scalars(
        select(Schedule)
        .where(Schedule.active_version_id.is_not(None), Schedule.status == RuleStatus.ACTIVE)
        .order_by(Schedule.id)
    )
    content: dict[str, Any] = {"institutions": [_institution_dict(row) for row in institutions]}
    if facts := fact_catalogue.definitions():
        content["facts"] = [fact.as_yaml() for fact in facts.values()]
    if products := product_catalogue.definitions():
        content["products"] = [product.as_yaml() for product in products]
    content["rules"] = [_rule_dict(rule_def(row.active_version)) for row in rules if row.active_version]
    specs = [row.active_version.spec for row in schedules if row.active_version]
    if specs:
        content["schedules"] = specs
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120)


def _institution_dict(row: Institution) -> dict[str, str]:
    values = {"code": row.code, "name": row.name, "category": row.category, "region": row.region}
    return {key: value for key, value in values.items() if value}


def _rule_dict(definition: RuleDef) -> dict[str, Any]:
    content = definition.model_dump(mode="json", exclude_defaults=True)
    content["match"] = definition.match
    content["cooldown_days"] = definition.cooldown_days
    for key, default in (
        ("half_life_days", DEFAULT_HALF_LIFE_DAYS),
        ("weights", DEFAULT_WEIGHTS),
        ("grade_bands", DEFAULT_GRADE_BANDS),
    ):
        if content.get(key) == default:
            content.pop(key)
    order = ("code", "name", "description", "match", "cooldown_days", "lead_filter", "conditions")
    return {key: content[key] for key in (*order, *(k for k in content if k not in order)) if key in content}
