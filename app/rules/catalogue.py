"""The institution catalogue: resolving filters, first-seen dates, deletion, and choices for forms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from sqlalchemy import any_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app import labels
from app.errors import DomainError
from app.extensions import db
from app.models import Institution, InstitutionDay, Rule, RuleCondition, RuleStatus, RuleVersion
from app.rules.definition import ConditionDef

REGIONS = ("华东", "华北", "华南", "华中", "西南", "西北", "东北")


def resolve(condition: ConditionDef) -> frozenset[str] | None:
    """Return the institution codes that a condition counts, None when it has no institution filter.

    A code named in the condition counts even if it is not in the catalogue, unless a category or region is
    given as well: then it must be in the catalogue with that category and region.
    """
    if not (condition.institutions or condition.categories or condition.regions):
        return None
    if not (condition.categories or condition.regions):
        return frozenset(condition.institutions)
    query = select(Institution.code)
    if condition.institutions:
        query = query.where(Institution.code.in_(condition.institutions))
    if condition.categories:
        query = query.where(Institution.category.in_(condition.categories))
    if condition.regions:
        query = query.where(Institution.region.in_(condition.regions))
    return frozenset(db.session.scalars(query))


def add_unlisted(codes: Iterable[str], first_seen: dt.date) -> None:
    """Add unknown codes to the catalogue as unlisted. Does not commit."""
    rows = [
        {"code": code, "name": code, "listed": False, "first_seen": first_seen} for code in sorted(set(codes))
    ]
    if rows:
        db.session.execute(insert(Institution).values(rows).on_conflict_do_nothing(index_elements=["code"]))


def date_first_seen() -> None:
    """Set each institution's first-seen date from the days that have calls of it. Does not commit."""
    seen = (
        select(InstitutionDay.institution, func.min(InstitutionDay.day).label("day"))
        .group_by(InstitutionDay.institution)
        .subquery()
    )
    later = or_(Institution.first_seen.is_(None), Institution.first_seen > seen.c.day)
    db.session.execute(
        update(Institution)
        .where(Institution.code == seen.c.institution, later)
        .values(first_seen=seen.c.day),
        execution_options={"synchronize_session": False},
    )


def delete(institution: Institution) -> None:
    """Delete an institution. Raises DomainError while a rule version names it or a call of it is stored."""
    code = institution.code
    rules = db.session.scalars(
        select(Rule.code)
        .join(RuleVersion, RuleVersion.rule_id == Rule.id)
        .join(RuleCondition, RuleCondition.version_id == RuleVersion.id)
        .where(literal(code) == any_(RuleCondition.institutions))
        .distinct()
        .order_by(Rule.code)
    ).all()
    if rules:
        raise DomainError(
            "%(code)s can't be deleted because the rules %(rules)s refer to it.",
            code=code,
            rules=", ".join(rules),
        )
    days = db.session.scalar(select(func.count()).where(InstitutionDay.institution == code))
    if days:
        raise DomainError(
            "%(code)s can't be deleted because it has calls on %(days)s days. "
            "Only institutions without calls and references can be deleted.",
            code=code,
            days=days,
        )
    db.session.delete(institution)


def stored_description(institution: Institution) -> tuple[str, str]:
    """Return category and region as stored in the database, ignoring unsaved changes."""
    query = select(Institution.category, Institution.region).where(Institution.id == institution.id)
    category, region = db.session.execute(query).tuples().one()
    return category, region


def affected_rules(institution: Institution, category: str, region: str) -> list[str]:
    """Return the codes of the rules in force that a new category and region would affect.

    They would start or stop counting the institution.
    """
    conditions = (
        select(Rule.code, RuleCondition)
        .join(RuleCondition, RuleCondition.version_id == Rule.active_version_id)
        .where(Rule.status == RuleStatus.ACTIVE)
        .order_by(Rule.code)
    )
    code = institution.code
    affected = [
        rule
        for rule, each in db.session.execute(conditions).tuples()
        if _counts(each, code, institution.category, institution.region)
        != _counts(each, code, category, region)
    ]
    return list(dict.fromkeys(affected))


def _counts(condition: RuleCondition, code: str, category: str, region: str) -> bool:
    """Whether a condition counts an institution with this category and region, as in ``resolve``."""
    return (
        (not condition.institutions or code in condition.institutions)
        and (not condition.categories or category in condition.categories)
        and (not condition.regions or region in condition.regions)
    )


def institution_names() -> dict[str, str]:
    """Return the names of all institutions by code."""
    return dict(db.session.execute(select(Institution.code, Institution.name)).tuples().all())


def category_choices() -> list[tuple[str, str]]:
    """Return the categories in use as form choices."""
    query = (
        select(Institution.category)
        .where(Institution.category != "")
        .distinct()
        .order_by(Institution.category)
    )
    return [(code, labels.word(labels.CATEGORY, code)) for code in db.session.scalars(query)]


def categories_to_choose() -> list[tuple[str, str]]:
    """Return the form choices for an institution: none, the known categories, and others in use."""
    known = [(code, str(word)) for code, word in labels.CATEGORY.items()]
    return [("", ""), *known, *(pair for pair in category_choices() if pair[0] not in labels.CATEGORY)]


def regions_to_choose() -> list[tuple[str, str]]:
    """Return the form choices for an institution: none, the seven regions of China, and others in use."""
    return [
        ("", ""),
        *((r, r) for r in REGIONS),
        *(pair for pair in region_choices() if pair[0] not in REGIONS),
    ]


def region_choices() -> list[tuple[str, str]]:
    """Return the regions in use as form choices."""
    query = select(Institution.region).where(Institution.region != "").distinct().order_by(Institution.region)
    return [(region, region) for region in db.session.scalars(query)]
