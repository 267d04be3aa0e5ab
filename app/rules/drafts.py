"""Drafts of rules: a new rule, and saving what somebody typed without losing what somebody else saved."""

from __future__ import annotations

from sqlalchemy import select

from app.errors import DomainError, FieldError
from app.extensions import db
from app.lib import clock
from app.models import Rule, RuleVersion, VersionStatus
from app.rules import versions
from app.rules.definition import RuleDef


class DraftChangedError(DomainError):
    """Somebody saved the draft since it was opened; ``version`` is what is stored now."""

    def __init__(self, version: RuleVersion) -> None:
        self.version = version
        super().__init__("Somebody else has saved this draft in the meantime.")


def create(definition: RuleDef, author: str) -> RuleVersion:
    """A new rule with its first draft. Flushes. Raises FieldError when the code is taken."""
    if db.session.scalar(select(Rule.id).where(Rule.code == definition.code)) is not None:
        raise FieldError("code", "There already is a rule with the code %(code)s.", code=definition.code)
    rule = Rule(code=definition.code, name=definition.name, description=definition.description)
    db.session.add(rule)
    db.session.flush()
    version = versions.add_version(rule, definition, author)
    _sign(version, author)
    return version


def save(version_id: int, definition: RuleDef, author: str, *, revision: int) -> RuleVersion:
    """Make the draft say ``definition`` if it still is at ``revision``, which the author began with.

    Flushes. Raises DraftChangedError when it is not, DomainError when it is gone or no draft any more.
    """
    version = db.session.get(RuleVersion, version_id, with_for_update=True, populate_existing=True)
    if version is None:
        raise DomainError("This draft does not exist any more. What you typed is still here to copy.")
    if version.status != VersionStatus.DRAFT:
        raise DomainError("%(version)s is no draft any more, so it can't be changed.", version=str(version))
    if version.revision != revision:
        raise DraftChangedError(version)
    if not version.conditions or versions.rule_def(version) != definition:
        versions.write(version, definition)
        version.revision += 1
        _sign(version, author)
    db.session.flush()
    return version


def _sign(version: RuleVersion, author: str) -> None:
    version.editors = sorted({*version.editors, author}) if version.editors else [author]
    version.saved_by, version.saved_at = author, clock.now()
