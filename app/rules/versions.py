"""Stored rule versions: conversion from and to RuleDef, new versions, activation."""

from __future__ import annotations

from sqlalchemy import select

from app.activity.event_types import EVENT_TYPES
from app.approvals.versions import next_number, put_in_force
from app.errors import DomainError
from app.extensions import db
from app.models import Hit, Rule, RuleCondition, RuleStatus, RuleVersion, Schedule, VersionStatus
from app.rules import lead_filter
from app.rules.definition import ConditionDef, LeadFilterDef, RuleDef


def condition_def(row: RuleCondition) -> ConditionDef:
    """Return the definition of a stored condition."""
    return ConditionDef(
        metric=row.metric,  # type: ignore[arg-type]
        op=row.op,  # type: ignore[arg-type]
        value=row.value,
        window_days=row.window_days,
        hours=[row.hour_from, row.hour_to],
        institutions=list(row.institutions or []),
        categories=list(row.categories or []),
        regions=list(row.regions or []),
        event_types=list(row.event_types or []),  # type: ignore[arg-type]
        result=row.result,  # type: ignore[arg-type]
    )


def rule_def(version: RuleVersion) -> RuleDef:
    """Return the definition of a stored version."""
    return RuleDef(
        code=version.rule.code,
        name=version.name,
        description=version.description,
        match=version.match,  # type: ignore[arg-type]
        cooldown_days=version.cooldown_days,
        conditions=[condition_def(row) for row in version.conditions],
        half_life_days=version.half_life_days,
        weights=dict.fromkeys(EVENT_TYPES, 0.0) | version.weights,  # type: ignore[arg-type]
        grade_bands=version.grade_bands,  # type: ignore[arg-type]
        lead_filter=LeadFilterDef(**version.lead_filter),  # type: ignore[arg-type]
        holdout_percent=version.holdout_percent,
        products=list(version.products or []),
    )


def condition_row(position: int, condition: ConditionDef) -> RuleCondition:
    """Return a new row for a condition."""
    return RuleCondition(
        position=position,
        metric=condition.metric,
        op=condition.op,
        value=condition.value,
        window_days=condition.window_days,
        hour_from=condition.hours[0],
        hour_to=condition.hours[1],
        institutions=list(condition.institutions),
        categories=list(condition.categories),
        regions=list(condition.regions),
        event_types=list(condition.event_types),
        result=condition.result,
    )


def add_version(rule: Rule, definition: RuleDef, username: str) -> RuleVersion:
    """Add a draft version with the definition to the rule. Flushes, does not commit."""
    version = RuleVersion(rule=rule, number=next_number(rule), created_by=username)
    write(version, definition)
    db.session.add(version)
    db.session.flush()
    return version


def write(version: RuleVersion, definition: RuleDef) -> None:
    """Store the definition in the version. The caller checks whether it may change."""
    version.name = definition.name
    version.description = definition.description
    version.match = definition.match
    version.cooldown_days = definition.cooldown_days
    version.half_life_days = definition.half_life_days
    version.weights = {str(kind): weight for kind, weight in definition.weights.items()}
    version.grade_bands = {str(grade): edge for grade, edge in definition.grade_bands.items()}
    version.lead_filter = definition.lead_filter.as_json()
    version.holdout_percent = definition.holdout_percent
    version.products = list(definition.products)
    version.conditions = [condition_row(i, each) for i, each in enumerate(definition.conditions, start=1)]


def copy_as_draft(version: RuleVersion, username: str) -> RuleVersion:
    """Add a draft that is a copy of ``version``."""
    return add_version(version.rule, rule_def(version), username)


def activate(version: RuleVersion, username: str) -> None:
    """Put a draft or submitted version in force and retire the previous one. Does not commit.

    Raises DomainError when the version is neither or has no condition.
    """
    check_conditions(version)
    put_in_force(version.rule, version, version.name, username)
    version.rule.description = version.description
    db.session.flush()


def check_conditions(version: RuleVersion) -> None:
    """Raise DomainError for a version without conditions or with unknown names in its lead filter."""
    if not version.conditions:
        raise DomainError("%(version)s has no condition yet; add one first.", version=str(version))
    lead_filter.check(rule_def(version).lead_filter)


def active_versions(code: str | None = None) -> list[RuleVersion]:
    """Return the versions to evaluate, ordered by rule code, or only that of the rule ``code``.

    Raises DomainError when that rule is unknown or has no active version.
    """
    query = (
        select(RuleVersion)
        .join(Rule, Rule.active_version_id == RuleVersion.id)
        .where(Rule.status == RuleStatus.ACTIVE)
        .order_by(Rule.code)
    )
    if code is not None:
        query = query.where(Rule.code == code)
    active = list(db.session.scalars(query))
    if code is not None and not active:
        raise DomainError("There is no active rule with the code %(code)s.", code=code)
    return active


def draft_of(rule: Rule, username: str) -> RuleVersion:
    """Return the rule's open draft, or a new copy of its newest version. Flushes.

    Raises DomainError while a version waits for approval.
    """
    db.session.execute(select(Rule.id).where(Rule.id == rule.id).with_for_update())
    db.session.refresh(rule)
    newest = rule.versions[-1]
    if newest.status == VersionStatus.SUBMITTED:
        raise DomainError(
            "%(version)s is waiting for approval; withdraw the request to change it.", version=str(newest)
        )
    return newest if newest.status == VersionStatus.DRAFT else copy_as_draft(newest, username)


def set_paused(rule: Rule, paused: bool) -> None:
    """Pause or resume evaluation. Raises DomainError for a rule without a version in force."""
    if rule.active_version is None:
        raise DomainError("%(rule)s has no version in force yet.", rule=str(rule))
    rule.status = RuleStatus.PAUSED if paused else RuleStatus.ACTIVE


def retire(rule: Rule) -> None:
    """Retire a rule and its version in force. Raises DomainError for a rule without one."""
    if rule.active_version is None:
        raise DomainError("%(rule)s has no version in force yet.", rule=str(rule))
    rule.active_version.status = VersionStatus.RETIRED
    rule.active_version = None
    rule.status = RuleStatus.RETIRED


def delete_rule(rule: Rule) -> None:
    """Delete a rule and its versions. Raises DomainError when it has made hits or is scheduled."""
    if db.session.scalar(select(Hit.id).where(Hit.rule_id == rule.id).limit(1)):
        raise DomainError("%(rule)s has hits and can't be deleted; pause it instead.", rule=str(rule))
    for schedule in db.session.scalars(select(Schedule)):
        if any(rule.code in version.spec["rules"] for version in schedule.versions[-1:]) or (
            schedule.active_version and rule.code in schedule.active_version.spec["rules"]
        ):
            raise DomainError(
                "%(rule)s can't be deleted because %(schedule)s pushes its hits.",
                schedule=str(schedule),
                rule=str(rule),
            )
    rule.active_version = None
    db.session.flush()
    db.session.delete(rule)
