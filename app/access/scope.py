"""Row scope: which leads and hits a person may reach, the same for lists, forms, actions, API and exports."""

from __future__ import annotations

from typing import Any

from flask_appbuilder.security.sqla.models import Role, assoc_user_role
from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select, true
from sqlalchemy.orm import aliased

from app.models import (
    Branch,
    BulkJob,
    ExportJob,
    Hit,
    ImportBatch,
    Lead,
    Mail,
    Outreach,
    OutreachBatch,
    Reminder,
    SandboxMessage,
    SavedFilter,
    Segment,
    Staff,
    WeeklyReport,
)

#: Roles that see every branch. Everybody else sees their own branch and what lies below it;
#: an API key (Integration) that was given no branch is the whole bank's.
BANK_WIDE_ROLES = frozenset({"Admin", "Manager", "DataOperator", "Auditor"})
#: Roles that hand out hits and step in on anybody's, and those whose people work hits.
SUPERVISING_ROLES = frozenset({"Admin", "Manager"})
WORKING_ROLES = SUPERVISING_ROLES | {"Marketer"}
#: Roles that see other people's private segments.
SEES_ALL_SEGMENTS = frozenset({"Admin", "Auditor"})


def sees_whole_bank(user: Any) -> bool:
    """Whether any of the person's roles is bank-wide."""
    names = {role.name for role in getattr(user, "roles", [])}
    return bool(names & BANK_WIDE_ROLES) or (names == {"Integration"} and user.branch_id is None)


def supervises(user: Any) -> bool:
    """Whether the person hands out hits and steps in on anybody's."""
    return any(role.name in SUPERVISING_ROLES for role in getattr(user, "roles", []))


def works_hits(user: Any) -> bool:
    """Whether hits can be the person's."""
    return any(role.name in WORKING_ROLES for role in getattr(user, "roles", []))


def branches_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on Branch: the person's branch and its sub-branches, all for bank-wide roles."""
    if sees_whole_bank(user):
        return true()
    branch = user.branch if isinstance(user, Staff) else None
    if branch is None:
        return false()
    return Branch.path.startswith(branch.path, autoescape=True)


def live(model: type[Any]) -> ColumnElement[bool]:
    """Criterion on any table: the row was not deleted for everybody."""
    if model is Lead:
        return Lead.deleted_at.is_(None)
    return Hit.live.is_(True) if model is Hit else true()


def leads_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on Lead: not deleted, and in the person's row scope."""
    if sees_whole_bank(user):
        return live(Lead)
    return and_(live(Lead), Lead.branch_id.in_(select(Branch.id).where(branches_visible_to(user))))


def hits_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on Hit: hits of the leads the person may reach; a hit knows its lead's branch."""
    return and_(Hit.live, within_branches(Hit.branch_id, user))


def within_branches(column: Any, user: Any) -> ColumnElement[bool]:
    """Criterion on a column of branch ids: those in the person's scope, any for bank-wide roles."""
    if sees_whole_bank(user):
        return true()
    within: ColumnElement[bool] = column.in_(select(Branch.id).where(branches_visible_to(user)))
    return within


def reaches(person: Any, branch: Any) -> ColumnElement[bool]:
    """Criterion on columns of a person's and a branch's id: the person may reach that branch's leads.

    The same as ``within_branches`` for each person; for statements about many people at once.
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
    """Criterion on Staff: everybody for bank-wide roles, else oneself."""
    return true() if sees_whole_bank(user) else Staff.id == user.id


def exports_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on ExportJob: one's own, everybody's for who administers or audits."""
    names = {role.name for role in getattr(user, "roles", [])}
    return true() if names & {"Admin", "Auditor"} else ExportJob.requested_by == user.username


def bulk_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on BulkJob: as for exports."""
    names = {role.name for role in getattr(user, "roles", [])}
    return true() if names & {"Admin", "Auditor"} else BulkJob.requested_by == user.username


def outreach_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on Outreach: contacts of the leads the person may reach."""
    return Outreach.lead_id.in_(select(Lead.id).where(leads_visible_to(user)))


def batches_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on OutreachBatch: one's own, everybody's for bank-wide roles."""
    return true() if sees_whole_bank(user) else OutreachBatch.created_by_id == user.id


def sandbox_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on SandboxMessage: those to leads the person may reach."""
    return SandboxMessage.outreach_id.in_(select(Outreach.id).where(outreach_visible_to(user)))


def reports_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on WeeklyReport: those of branches in the person's scope; the whole bank's for its roles."""
    return within_branches(WeeklyReport.branch_id, user)


def mails_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on Mail: one's own, everybody's for bank-wide roles."""
    return true() if sees_whole_bank(user) else Mail.person_id == user.id


def segments_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on Segment: shared ones and the person's own, all for those who see everything."""
    names = {role.name for role in getattr(user, "roles", [])}
    if names & SEES_ALL_SEGMENTS:
        return true()
    return or_(Segment.shared, Segment.owner == user.username)


def reminders_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on Reminder: one's own, whoever one is."""
    return Reminder.person_id == user.id


def saved_filters_visible_to(user: Any) -> ColumnElement[bool]:
    """Criterion on SavedFilter: one's own."""
    return SavedFilter.owner == user.username


_SCOPES = {
    Lead: leads_visible_to,
    Hit: hits_visible_to,
    Branch: branches_visible_to,
    Staff: staff_visible_to,
    WeeklyReport: reports_visible_to,
    Mail: mails_visible_to,
    Segment: segments_visible_to,
    ExportJob: exports_visible_to,
    BulkJob: bulk_visible_to,
    Reminder: reminders_visible_to,
    SavedFilter: saved_filters_visible_to,
    Outreach: outreach_visible_to,
    OutreachBatch: batches_visible_to,
    SandboxMessage: sandbox_visible_to,
}


def visible_to(user: Any, model: type[Any]) -> ColumnElement[bool]:
    """The criterion that limits ``model`` to the rows the person may reach; true() for unscoped tables."""
    if user is None or getattr(user, "is_anonymous", True):
        return false()
    if model is ImportBatch:
        return true()
    scope = _SCOPES.get(model)
    return scope(user) if scope else true()
