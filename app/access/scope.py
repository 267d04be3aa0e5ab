"""Row scope: which rows a user may reach, the same for lists, forms, actions, API and exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_appbuilder.security.sqla.models import Role, assoc_user_role
from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true
from sqlalchemy.orm import aliased

from app.access import sessions
from app.extensions import db
from app.lib.settings import current_settings
from app.models import (
    Branch,
    BulkJob,
    Customer,
    ExportJob,
    Hit,
    ImportBatch,
    JourneyEnrolment,
    Lead,
    LoginSession,
    Mail,
    Outreach,
    OutreachBatch,
    OutreachTest,
    Reminder,
    SandboxMessage,
    SavedView,
    Segment,
    Staff,
    WeeklyReport,
)

#: roles that see every branch; everybody else sees their own branch and its sub-branches, and an API key
#: (Integration) without a branch sees the whole bank
BANK_WIDE_ROLES = frozenset({"Admin", "Manager", "DataOperator", "Auditor"})
#: roles that assign hits and may take over anybody's, and roles whose users work hits
SUPERVISING_ROLES = frozenset({"Admin", "Manager"})
WORKING_ROLES = SUPERVISING_ROLES | {"Marketer"}
#: roles that see other people's private segments
SEES_ALL_SEGMENTS = frozenset({"Admin", "Auditor"})


def sees_whole_bank(user: Any) -> bool:
    """Return whether the user sees every branch."""
    names = {role.name for role in getattr(user, "roles", [])}
    return bool(names & BANK_WIDE_ROLES) or (names == {"Integration"} and user.branch_id is None)


def supervises(user: Any) -> bool:
    """Return whether the user assigns hits and may take over anybody's."""
    return any(role.name in SUPERVISING_ROLES for role in getattr(user, "roles", []))


def works_hits(user: Any) -> bool:
    """Return whether hits can be assigned to the user."""
    return any(role.name in WORKING_ROLES for role in getattr(user, "roles", []))


def branches_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on Branch: the user's branch and its sub-branches, or all for bank-wide roles."""
    if sees_whole_bank(user):
        return true()
    branch = user.branch if isinstance(user, Staff) else None
    if branch is None:
        return false()
    return Branch.path.startswith(branch.path, autoescape=True)


def live(model: type[Any]) -> ColumnElement[bool]:
    """Return a criterion on any table: the row has not been deleted."""
    if model is Lead:
        return Lead.deleted_at.is_(None)
    if model in (Hit, Customer):
        # The bare column, unlike "live IS TRUE", lets partial indexes be used.
        alive: ColumnElement[bool] = model.live
        return alive
    return true()


def leads_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on Lead: leads that are not deleted and belong to the user's branches."""
    if sees_whole_bank(user):
        return live(Lead)
    return and_(live(Lead), Lead.branch_id.in_(branch_keys(user)))


def hits_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on Hit: live hits of the user's branches."""
    return and_(Hit.live, within_branches(Hit.branch_id, user))


def customers_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on Customer: customers of the user's branches whose lead is not deleted."""
    if sees_whole_bank(user):
        return live(Customer)
    return and_(live(Customer), Customer.branch_id.in_(branch_keys(user)))


def branch_keys(user: Any) -> Sequence[int]:
    """Return the keys of the user's branches: with them the planner knows how few rows a branch has."""
    return db.session.scalars(select(Branch.id).where(branches_visible_to(user))).all()


def within_branches(column: Any, user: Any) -> ColumnElement[bool]:
    """Return a criterion on a column of branch ids: the user's branches, or any for bank-wide roles."""
    if sees_whole_bank(user):
        return true()
    within: ColumnElement[bool] = column.in_(branch_keys(user))
    return within


def reaches(person: Any, branch: Any) -> ColumnElement[bool]:
    """Return a criterion on columns of a person's and a branch's id: the person may reach the branch's leads.

    It means the same as ``within_branches``, for statements about many people at once.
    """
    own, other = aliased(Branch), aliased(Branch)
    roles = (
        select(assoc_user_role.c.user_id)
        .join(Role, Role.id == assoc_user_role.c.role_id)
        .where(assoc_user_role.c.user_id == person, Role.name.in_(BANK_WIDE_ROLES))
    )
    below = (
        select(Staff.id)
        .join(own, own.id == Staff.branch_id)
        .join(other, func.starts_with(other.path, own.path))
        .where(Staff.id == person, other.id == branch)
    )
    return or_(exists(roles), exists(below))


def staff_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on Staff: everybody for bank-wide roles, otherwise the user alone."""
    return true() if sees_whole_bank(user) else Staff.id == user.id


def exports_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on ExportJob: the user's own, or everybody's for administrators and auditors."""
    names = {role.name for role in getattr(user, "roles", [])}
    return true() if names & {"Admin", "Auditor"} else ExportJob.requested_by == user.username


def bulk_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on BulkJob: the user's own, or everybody's for administrators and auditors."""
    names = {role.name for role in getattr(user, "roles", [])}
    return true() if names & {"Admin", "Auditor"} else BulkJob.requested_by == user.username


def outreach_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on Outreach: contacts of the leads the user may reach."""
    return Outreach.lead_id.in_(select(Lead.id).where(leads_visible_to(user)))


def enrolments_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on JourneyEnrolment: those of leads the user may reach, or all for bank-wide roles.

    Bank-wide roles see those of deleted leads too, whose names are gone from the lists.
    """
    if sees_whole_bank(user):
        return true()
    return JourneyEnrolment.lead_id.in_(select(Lead.id).where(leads_visible_to(user)))


def batches_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on OutreachBatch: the user's own, or everybody's for bank-wide roles."""
    return true() if sees_whole_bank(user) else OutreachBatch.created_by_id == user.id


def sandbox_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on SandboxMessage: those to leads in scope, and tests for bank-wide roles."""
    reached = SandboxMessage.outreach_id.in_(select(Outreach.id).where(outreach_visible_to(user)))
    return or_(reached, SandboxMessage.outreach_id.is_(None)) if sees_whole_bank(user) else reached


def test_sms_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on OutreachTest: the user's own, or everybody's for bank-wide roles."""
    return true() if sees_whole_bank(user) else OutreachTest.user_id == user.id


def reports_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on WeeklyReport: reports of the user's branches, or all for bank-wide roles."""
    return within_branches(WeeklyReport.branch_id, user)


def mails_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on Mail: mails to the user, or to everybody for bank-wide roles."""
    return true() if sees_whole_bank(user) else Mail.person_id == user.id


def segments_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on Segment: shared ones and the user's own, all for administrators and auditors."""
    names = {role.name for role in getattr(user, "roles", [])}
    if names & SEES_ALL_SEGMENTS:
        return true()
    return or_(Segment.shared, Segment.owner == user.username)


def reminders_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on Reminder: the user's own, whatever their role."""
    return Reminder.person_id == user.id


def saved_views_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on SavedView: own ones and those shared with the user's roles, all for Admin."""
    roles = getattr(user, "roles", [])
    if any(role.name == "Admin" for role in roles):
        return true()
    return or_(SavedView.owner == user.username, SavedView.role_id.in_([role.id for role in roles]))


def sessions_visible_to(user: Any) -> ColumnElement[bool]:
    """Return a criterion on LoginSession: live ones, the user's own or those of all for Admin and Auditor."""
    alive = sessions.is_live(current_settings())
    names = {role.name for role in getattr(user, "roles", [])}
    return alive if names & {"Admin", "Auditor"} else and_(alive, LoginSession.user_id == user.id)


_SCOPES = {
    Lead: leads_visible_to,
    Hit: hits_visible_to,
    Customer: customers_visible_to,
    Branch: branches_visible_to,
    Staff: staff_visible_to,
    WeeklyReport: reports_visible_to,
    Mail: mails_visible_to,
    Segment: segments_visible_to,
    ExportJob: exports_visible_to,
    BulkJob: bulk_visible_to,
    LoginSession: sessions_visible_to,
    Reminder: reminders_visible_to,
    SavedView: saved_views_visible_to,
    Outreach: outreach_visible_to,
    JourneyEnrolment: enrolments_visible_to,
    OutreachBatch: batches_visible_to,
    OutreachTest: test_sms_visible_to,
    SandboxMessage: sandbox_visible_to,
}


def visible_to(user: Any, model: type[Any]) -> ColumnElement[bool]:
    """Return the criterion that limits ``model`` to the user's rows, true() for an unscoped table."""
    if user is None or getattr(user, "is_anonymous", True):
        return false()
    if model is ImportBatch:
        return true()
    scope = _SCOPES.get(model)
    return scope(user) if scope else true()
