"""The defined facts: reading, storing and deleting definitions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import JSONPATH

from app.errors import DomainError
from app.extensions import db
from app.facts.definition import FactDef, check_names, fact_def
from app.models import (
    FactDefinition,
    OutreachTemplate,
    OutreachTemplateVersion,
    Rule,
    RuleStatus,
    RuleVersion,
    Segment,
    VersionStatus,
)

_BINDING = (VersionStatus.SUBMITTED, VersionStatus.ACTIVE)


def definitions() -> dict[int, FactDef]:
    """Return the definitions by the id of their row, in the order in which they were made."""
    rows = db.session.scalars(select(FactDefinition).order_by(FactDefinition.id))
    return {row.id: fact_def(row) for row in rows}


def check_new(fact: FactDef) -> None:
    """Raise FieldError when another definition has one of this one's names."""
    check_names(fact, (each for each in definitions().values() if each.code != fact.code))


def apply(fact: FactDef, user: str, *, overwrite: bool = True) -> None:
    """Create the definition or change the stored one of its code, without committing."""
    row = db.session.scalar(select(FactDefinition).where(FactDefinition.code == fact.code))
    if row is None:
        db.session.add(FactDefinition(**fact.as_row(), updated_by=user))
    elif overwrite and fact_def(row) != fact:
        for name, value in fact.as_row().items():
            setattr(row, name, value)
        row.updated_by = user
    # Ids give the order of an export, so they follow the order of the file.
    db.session.flush()


def delete(row: FactDefinition) -> None:
    """Delete a definition without committing. Raises DomainError while a rule, segment or text uses it."""
    users = used_by(row.code)
    if users:
        raise DomainError(
            "“%(name)s” is used by %(users)s; change them first.", name=row.name, users=", ".join(users)
        )
    db.session.delete(row)


def used_by(code: str) -> list[str]:
    """Return what uses a fact: codes of rules in force or waiting, names of segments and of templates."""
    rules = (
        select(Rule.code)
        .join(RuleVersion, RuleVersion.rule_id == Rule.id)
        .where(RuleVersion.status.in_(_BINDING), _tests(RuleVersion.lead_filter, code))
        .distinct()
        .order_by(Rule.code)
    )
    segments = select(Segment.name).where(_tests(Segment.definition, code)).order_by(Segment.name)
    newest = (
        select(OutreachTemplateVersion.body)
        .where(OutreachTemplateVersion.template_id == OutreachTemplate.id)
        .order_by(OutreachTemplateVersion.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    texts = select(OutreachTemplate.name).where(newest.contains(f"{{fact:{code}}}", autoescape=True))
    return [each for query in (rules, segments, texts) for each in db.session.scalars(query)]


def rules_in_force(code: str) -> list[str]:
    """Return the codes of the rules in force whose lead filter tests a fact."""
    rules = (
        select(Rule.code)
        .join(RuleVersion, RuleVersion.id == Rule.active_version_id)
        .where(Rule.status == RuleStatus.ACTIVE, _tests(RuleVersion.lead_filter, code))
    )
    return list(db.session.scalars(rules.order_by(Rule.code)))


def _tests(definition: Any, code: str) -> Any:
    """Return whether a filter stored as JSON has a test of the fact at any depth."""
    path = bindparam(None, "$.**.fact ? (@ == $code)", type_=JSONPATH)
    return func.jsonb_path_exists(definition, path, func.jsonb_build_object("code", code))
