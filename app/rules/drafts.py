"""Drafts of rules: creating a rule, and saving an edit without overwriting somebody else's."""

from __future__ import annotations

from sqlalchemy import select

from app.errors import DomainError, FieldError
from app.extensions import db
from app.lib import clock
from app.models import Rule, RuleVersion, VersionStatus
from app.rules import versions
from app.rules.definition import RuleDef


class DraftChangedError(DomainError):
    """The draft was saved by somebody else since it was opened; ``version`` is the stored one."""

    def __init__(self, version: RuleVersion) -> None:
        self.version = version
        super().__init__("Somebody else has saved this draft in the meantime.")


def create(definition: RuleDef, username: str) -> RuleVersion:
    """Create a rule with its first draft. Flushes. Raises FieldError when the code is taken."""
    if db.session.scalar(select(Rule.id).where(Rule.code == definition.code)) is not None:
        raise FieldError("code", "There is already a rule with the code %(code)s.", code=definition.code)
    rule = Rule(code=definition.code, name=definition.name, description=definition.description)
    db.session.add(rule)
    db.session.flush()
    version = versions.add_version(rule, definition, username)
    _add_editor(version, username)
    return version


def save(version_id: int, definition: RuleDef, username: str, *, revision: int) -> RuleVersion:
    """Save ``definition`` in the draft if it is still at the ``revision`` that the user edited.

    Flushes. Raises DraftChangedError when it is not, DomainError when it is gone or no longer a draft.
    """
    version = db.session.get(RuleVersion, version_id, with_for_update=True, populate_existing=True)
    if version is None:
        raise DomainError("This draft no longer exists. You can still copy your input from this page.")
    if version.status != VersionStatus.DRAFT:
        raise DomainError("%(version)s is no longer a draft, so it can't be changed.", version=str(version))
    if version.revision != revision:
        raise DraftChangedError(version)
    if not version.conditions or versions.rule_def(version) != definition:
        versions.write(version, definition)
        version.revision += 1
        _add_editor(version, username)
    db.session.flush()
    return version


def _add_editor(version: RuleVersion, username: str) -> None:
    version.editors = sorted({*version.editors, username}) if version.editors else [username]
    version.saved_by, version.saved_at = username, clock.now()
