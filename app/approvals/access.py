"""What people may do as something a second administrator decides about: log-ins' access, roles' permissions.

Without a second administrator a change takes effect at once, noted as unchecked: a bank that has one alone
must not be locked out, and nobody becomes the only one without another one's consent.
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
from app.access import hands
from app.access.staff import check_admin_stays
from app.approvals.kinds import Change, register, subject_row
from app.approvals.requests import ask, deciders, others_decide
from app.errors import N_, DomainError
from app.extensions import db
from app.lib.pointers import to_row
from app.models import Approval, ApprovalStatus, Branch, Staff

LOG_IN = "role_change"
ROLE = "role_permissions"


class Access(NamedTuple):
    """What a log-in may do: ids of roles, of the branch, whether it is switched on; and whose it is by mail.

    An empty ``email`` leaves the address as it is.
    """

    roles: list[int]
    branch: int | None
    active: bool
    email: str = ""


def access_of(person: Staff) -> Access:
    """The access a log-in has now, what a form has set and nothing has stored yet included."""
    branch = person.branch.id if person.branch else None
    return Access(sorted(role.id for role in person.roles), branch, bool(person.active), person.email or "")


def take_back(person: Staff) -> None:
    """Undo unsaved changes of a stored log-in's access.

    By assignment: expiring the attributes would leave the changes on the other side of the relations.
    """
    ids = select(assoc_user_role.c.role_id).where(assoc_user_role.c.user_id == person.id)
    columns = select(Staff.branch_id, Staff.active, Staff.email).where(Staff.id == person.id)
    stored = db.session.execute(columns).one()
    person.roles = list(db.session.scalars(select(Role).where(Role.id.in_(ids)).order_by(Role.id)))
    person.branch, person.active, person.email = _branch(stored.branch_id), stored.active, stored.email


def take_back_permissions(role: Role) -> None:
    """Undo unsaved changes of a stored role's permissions."""
    table = assoc_permissionview_role
    _set_permissions(
        role,
        list(db.session.scalars(select(table.c.permission_view_id).where(table.c.role_id == role.id))),
    )


def give(person: Staff, wanted: Access, by: Staff | None, *, checked: bool) -> None:
    """Make a log-in's access what ``by`` wanted; ``checked``: a second person agreed. Raises DomainError."""
    roles = list(db.session.scalars(select(Role).where(Role.id.in_(wanted.roles)).order_by(Role.id)))
    if len(roles) != len(wanted.roles):
        raise DomainError("One of the roles does not exist any more.")
    check_admin_stays(person, active=wanted.active, roles={role.name for role in roles})
    person.roles = roles
    person.branch = _branch(wanted.branch)
    person.active = wanted.active
    if wanted.email and wanted.email != person.email:
        _set_address(person, wanted.email, by, checked=checked)


def _set_address(person: Staff, email: str, by: Staff | None, *, checked: bool) -> None:
    """Change the address; a log-in nobody has used yet is still being set up."""
    if db.session.scalar(select(Staff.id).where(Staff.email == email, Staff.id != person.id)):
        raise DomainError("Another log-in has the address %(email)s.", email=email)
    person.email = email
    if by is not None:
        hands.note_address(person, by, checked=checked or not (person.last_login or person.login_count))


def ask_for_access(person: Staff, wanted: Access, by: Staff, reason: str) -> Approval | None:
    """Ask another administrator for a change of access; None when it took effect at once. Flushes.

    Raises DomainError as ``requests.ask`` does, and as ``give`` when there is nobody else.
    """
    return ask(LOG_IN, person.id, by, reason, wanted._asdict())


def ask_for_permissions(
    role: Role, permissions: list[int], by: Staff, reason: str, words: dict[str, dict[str, list[str]]]
) -> Approval | None:
    """Ask another administrator to change what a role may do; None when it took effect at once. Flushes.

    ``words`` are the permissions ``given`` and ``taken``, by language.
    """
    return ask(ROLE, role.id, by, reason, {"permissions": permissions, "words": words})


def decided_by_another(by: Staff) -> bool:
    """Whether there is another administrator to decide."""
    return others_decide(LOG_IN, by)


def nobody_may_decide(approval: Approval) -> bool:
    """Whether all who could decide about a request are too close to it at present."""
    return not deciders(approval)


def _only_takes(before: Access, wanted: Access) -> bool:
    """Whether a change gives nothing that was not there."""
    same_reach = wanted.branch == before.branch and (before.active or not wanted.active)
    same_owner = wanted.email in ("", before.email)
    return same_reach and same_owner and set(wanted.roles) <= set(before.roles)


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
        person, wanted = _person(subject_id), Access(**payload)
        now = access_of(person)
        # Who decides about a new log-in decides about whose it is, too.
        now = now if person.roles else now._replace(email="")
        before, after = _in_words(now), _in_words(wanted._replace(email=wanted.email or now.email))
        found = [Change(what, before[what], after[what]) for what in before]
        return [each for each in found if each.old != each.new]

    def submitted(self, approval: Approval) -> None:
        person, wanted = _person(approval.subject_id), Access(**approval.payload)
        gives = not _only_takes(access_of(person), wanted)
        # With two administrators alone the other one's consent is what there is to ask for.
        by = db.session.get_one(Staff, approval.requested_by_id)
        if gives and others_decide(LOG_IN, by, person.id):
            approval.makers = sorted({*approval.makers, person.username})

    def apply(self, approval: Approval, who: str) -> None:
        by = db.session.get(Staff, approval.requested_by_id) if approval.requested_by_id else None
        checked = approval.status == ApprovalStatus.APPROVED
        give(_person(approval.subject_id), Access(**approval.payload), by, checked=checked)

    def returned(self, approval: Approval) -> None:
        """Nothing waits on the log-in itself."""

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
        """Nothing waits on the role itself."""

    def apply(self, approval: Approval, who: str) -> None:
        _set_permissions(_role(approval.subject_id), approval.payload["permissions"])

    def returned(self, approval: Approval) -> None:
        """Nothing waits on the role itself."""

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
    return subject_row(Staff, subject_id, N_("The log-in does not exist any more."))


def _role(subject_id: int) -> Role:
    return subject_row(Role, subject_id, N_("The role does not exist any more."))


register(_LogInKind())
register(_RoleKind())
