"""Approval of changes of access by a second administrator: log-ins' roles and branches, roles' permissions.

Without a second administrator a change takes effect at once and is recorded as unchecked. A bank with a
single administrator must not be locked out, and nobody becomes the only one without the consent of another.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from flask_appbuilder.security.sqla.models import (
    PermissionView,
    Role,
    assoc_permissionview_role,
    assoc_user_role,
)
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import select

from app import labels
from app.access import taints
from app.access.staff import check_admin_stays
from app.approvals.kinds import Change, register, subject_row
from app.approvals.requests import ask, deciders, has_other_deciders
from app.errors import N_, DomainError
from app.extensions import db
from app.lib.pointers import to_row
from app.models import Approval, ApprovalStatus, Branch, Staff

LOG_IN = "role_change"
ROLE = "role_permissions"


class Access(NamedTuple):
    """Access of a log-in: ids of its roles and its branch, whether it is enabled, and its owner's address.

    An empty ``email`` leaves the address unchanged.
    """

    roles: list[int]
    branch: int | None
    active: bool
    email: str = ""


def access_of(person: Staff) -> Access:
    """Return the present access of a log-in, including changes that are not stored yet."""
    branch = person.branch.id if person.branch else None
    return Access(sorted(role.id for role in person.roles), branch, bool(person.active), person.email or "")


def discard_changes(person: Staff) -> None:
    """Discard the unsaved changes to a stored log-in's access."""
    # Assigned, because expiring the attributes would leave the changes on the other side of the relations.
    ids = select(assoc_user_role.c.role_id).where(assoc_user_role.c.user_id == person.id)
    columns = select(Staff.branch_id, Staff.active, Staff.email).where(Staff.id == person.id)
    stored = db.session.execute(columns).one()
    person.roles = list(db.session.scalars(select(Role).where(Role.id.in_(ids)).order_by(Role.id)))
    person.branch, person.active, person.email = _branch(stored.branch_id), stored.active, stored.email


def discard_permission_changes(role: Role) -> None:
    """Discard the unsaved changes to a stored role's permissions."""
    table = assoc_permissionview_role
    _set_permissions(
        role,
        list(db.session.scalars(select(table.c.permission_view_id).where(table.c.role_id == role.id))),
    )


def set_access(person: Staff, access: Access, user: Staff | None, *, checked: bool) -> None:
    """Give a log-in the access that ``user`` requested; ``checked`` says that a second person approved it.

    Raises DomainError when a role no longer exists, when no administrator would be left, or when another
    log-in has the address.
    """
    roles = list(db.session.scalars(select(Role).where(Role.id.in_(access.roles)).order_by(Role.id)))
    if len(roles) != len(access.roles):
        raise DomainError("One of the roles no longer exists.")
    check_admin_stays(person, active=access.active, roles={role.name for role in roles})
    person.roles = roles
    person.branch = _branch(access.branch)
    person.active = access.active
    if access.email and access.email != person.email:
        _set_address(person, access.email, user, checked=checked)


def _set_address(person: Staff, email: str, user: Staff | None, *, checked: bool) -> None:
    if db.session.scalar(select(Staff.id).where(Staff.email == email, Staff.id != person.id)):
        raise DomainError("Another log-in already uses the address %(email)s.", email=email)
    person.email = email
    if user is not None:
        # A log-in that nobody has used yet is still being set up.
        is_new = not (person.last_login or person.login_count)
        taints.record_address_change(person, user, checked=checked or is_new)


def ask_for_access(person: Staff, access: Access, user: Staff, reason: str) -> Approval | None:
    """Request a change of access and flush. Return None when it took effect at once.

    Raises DomainError as ``requests.ask`` does, and as ``set_access`` when there is no second administrator.
    """
    return ask(LOG_IN, person.id, user, reason, access._asdict())


def ask_for_permissions(
    role: Role, permissions: list[int], user: Staff, reason: str, words: dict[str, dict[str, list[str]]]
) -> Approval | None:
    """Request a change of a role's permissions and flush. Return None when it took effect at once.

    ``words`` names the permissions ``given`` and ``taken``, by language.
    """
    return ask(ROLE, role.id, user, reason, {"permissions": permissions, "words": words})


def has_second_administrator(user: Staff) -> bool:
    """Return whether there is another administrator to decide on changes."""
    return has_other_deciders(LOG_IN, user)


def has_no_decider(approval: Approval) -> bool:
    """Return whether everybody who could decide on a request is too close to it at present."""
    return not deciders(approval)


def _only_reduces(before: Access, after: Access) -> bool:
    """Return whether a change of access grants nothing new."""
    same_reach = after.branch == before.branch and (before.active or not after.active)
    same_owner = after.email in ("", before.email)
    return same_reach and same_owner and set(after.roles) <= set(before.roles)


def _set_permissions(role: Role, permissions: list[int]) -> None:
    role.permissions = list(
        db.session.scalars(select(PermissionView).where(PermissionView.id.in_(permissions)))
    )


class _LogInKind:
    name = LOG_IN
    permission = ("can_edit", "StaffView")

    def title(self, subject_id: int) -> str:
        person = _person(subject_id)
        return f"{person.username} {person.get_full_name()}"

    def state(self, subject_id: int) -> str:
        return json.dumps(access_of(_person(subject_id)))

    def makers(self, subject_id: int) -> set[str]:
        return set()

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        person, requested = _person(subject_id), Access(**payload)
        present = access_of(person)
        # The approval of a new log-in includes its owner's address.
        present = present if person.roles else present._replace(email="")
        before = _in_words(present)
        after = _in_words(requested._replace(email=requested.email or present.email))
        changes = [Change(what, before[what], after[what]) for what in before]
        return [each for each in changes if each.old != each.new]

    def submitted(self, approval: Approval) -> None:
        person, requested = _person(approval.subject_id), Access(**approval.payload)
        grants = not _only_reduces(access_of(person), requested)
        # With only two administrators the other one has to decide, even about their own access.
        user = db.session.get_one(Staff, approval.requested_by_id)
        if grants and has_other_deciders(LOG_IN, user, person.id):
            approval.makers = sorted({*approval.makers, person.username})

    def apply(self, approval: Approval, user: str) -> None:
        requester = db.session.get(Staff, approval.requested_by_id) if approval.requested_by_id else None
        checked = approval.status == ApprovalStatus.APPROVED
        set_access(_person(approval.subject_id), Access(**approval.payload), requester, checked=checked)

    def returned(self, approval: Approval) -> None:
        """Do nothing: the log-in itself has no waiting state."""

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("ab_user", subject_id)


class _RoleKind:
    name = ROLE
    permission = ("can_edit", "RoleView")

    def title(self, subject_id: int) -> str:
        return str(_role(subject_id).name)

    def state(self, subject_id: int) -> str:
        return json.dumps(sorted(pair.id for pair in _role(subject_id).permissions))

    def makers(self, subject_id: int) -> set[str]:
        return set()

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        words = payload["words"][str(get_locale())]
        taken = [Change(_("Permission"), name, "") for name in words["taken"]]
        return taken + [Change(_("Permission"), "", name) for name in words["given"]]

    def submitted(self, approval: Approval) -> None:
        """Do nothing: the role itself has no waiting state."""

    def apply(self, approval: Approval, user: str) -> None:
        _set_permissions(_role(approval.subject_id), approval.payload["permissions"])

    def returned(self, approval: Approval) -> None:
        """Do nothing: the role itself has no waiting state."""

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("ab_role", subject_id)


def _in_words(access: Access) -> dict[str, str]:
    roles = db.session.scalars(select(Role).where(Role.id.in_(access.roles)).order_by(Role.id))
    branch = _branch(access.branch)
    return {
        _("Roles"): labels.joined(labels.word(labels.ROLE, role.name) for role in roles),
        _("Branch"): branch.name if branch else "",
        _("Enabled"): labels.yes_no(access.active),
        _("E-mail"): access.email,
    }


def _branch(branch_id: int | None) -> Branch | None:
    return db.session.get(Branch, branch_id) if branch_id else None


def _person(subject_id: int) -> Staff:
    return subject_row(Staff, subject_id, N_("The log-in no longer exists."))


def _role(subject_id: int) -> Role:
    return subject_row(Role, subject_id, N_("The role no longer exists."))


register(_LogInKind())
register(_RoleKind())
