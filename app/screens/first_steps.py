"""The first-day list of home: what a role does first, each step ticked by what the user has really done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from flask import g, url_for
from flask_babel import lazy_gettext
from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import InstrumentedAttribute

from app.console.access import may
from app.extensions import db
from app.models import (
    Approval,
    AuditJob,
    BatchStatus,
    Branch,
    HitEvent,
    ImportBatch,
    IngestFile,
    JobRun,
    OutreachBatch,
    OutreachGateway,
    ReminderChoice,
    Reveal,
    RuleVersion,
    RunStatus,
    SavedView,
    Segment,
    Staff,
)

Done = Callable[[Staff], ColumnElement[bool]]


class Step(NamedTuple):
    """Something to do: its words, the page where it is done, and whether a user has done it."""

    text: Any
    page: str
    done: Done


@dataclass(frozen=True)
class Shown:
    """A step as it is shown; ``url`` is empty for a page that the user may not open."""

    text: str
    url: str
    done: bool


@dataclass(frozen=True)
class Card:
    """The steps of a user."""

    steps: list[Shown]

    @property
    def done(self) -> int:
        """The number of steps that are done."""
        return sum(step.done for step in self.steps)

    @property
    def next(self) -> Shown:
        """The first step that is not done."""
        return next(step for step in self.steps if not step.done)


def _own(author: InstrumentedAttribute[Any], *also: ColumnElement[bool]) -> Done:
    """Return the test for rows that name the user as their author, and meet further criteria."""
    return lambda user: exists().where(author == user.username, *also)


_REMINDERS = Step(
    lazy_gettext("Choose which reminders are also mailed"),
    "ReminderChoiceView.this_form_get",
    lambda user: exists().where(ReminderChoice.person_id == user.id),
)
_LIST = Step(
    lazy_gettext("Import a lead list"),
    "ImportBatchView.list",
    lambda user: exists().where(ImportBatch.status == BatchStatus.DONE),
)
#: a user with several roles has the steps of the first one
STEPS: dict[str, tuple[Step, ...]] = {
    "Admin": (
        Step(lazy_gettext("Set up the branches"), "BranchView.list", lambda user: exists(select(Branch.id))),
        Step(
            lazy_gettext("Add a colleague"),
            "StaffView.list",
            lambda user: exists().where(Staff.id != user.id),
        ),
        _LIST,
        Step(
            lazy_gettext("Switch on a gateway for SMS or calls"),
            "OutreachGatewayView.list",
            lambda user: exists().where(OutreachGateway.active),
        ),
        _REMINDERS,
    ),
    "Manager": (
        _LIST,
        Step(
            lazy_gettext("Write or change a rule"),
            "RuleView.list",
            lambda user: exists().where(
                (RuleVersion.created_by == user.username) | (RuleVersion.saved_by == user.username)
            ),
        ),
        Step(
            lazy_gettext("Assign a customer"),
            "CustomerView.list",
            _own(HitEvent.person, HitEvent.kind == "assign"),
        ),
        Step(
            lazy_gettext("Contact many customers at once"),
            "CustomerView.list",
            _own(OutreachBatch.created_by),
        ),
        Step(
            lazy_gettext("Decide what waits for your approval"),
            "ApprovalView.list",
            lambda user: exists().where(Approval.decided_by_id == user.id),
        ),
    ),
    "Marketer": (
        Step(
            lazy_gettext("Claim your first customer"),
            "CustomerView.list",
            _own(HitEvent.person, HitEvent.kind == "claim"),
        ),
        Step(
            lazy_gettext("View a phone number with its purpose"),
            "MyWorkView.list",
            _own(Reveal.revealed_by),
        ),
        Step(
            lazy_gettext("Record the result of a contact"),
            "MyWorkView.list",
            _own(HitEvent.person, HitEvent.result_id.is_not(None)),
        ),
        Step(
            lazy_gettext("Save a segment of your own"),
            "SegmentView.list",
            _own(Segment.owner),
        ),
        _REMINDERS,
    ),
    "DataOperator": (
        Step(
            lazy_gettext("Deliver the first log file"),
            "IngestFileView.list",
            lambda user: exists(select(IngestFile.id)),
        ),
        Step(
            lazy_gettext("See a T+1 run through to its end"),
            "JobRunView.list",
            lambda user: exists().where(JobRun.status == RunStatus.DONE),
        ),
        Step(
            lazy_gettext("Run a day by hand"),
            "JobRunView.list",
            _own(JobRun.requested_by),
        ),
        _REMINDERS,
    ),
    "Auditor": (
        Step(
            lazy_gettext("Verify the chain of the change log"),
            "ChangeLogView.list",
            _own(AuditJob.requested_by, AuditJob.kind == "verify"),
        ),
        Step(
            lazy_gettext("Save filters that you use often"),
            "ChangeLogView.list",
            _own(SavedView.owner),
        ),
        Step(
            lazy_gettext("Export the change log with its proof"),
            "ChangeLogView.list",
            _own(AuditJob.requested_by, AuditJob.kind == "export"),
        ),
        _REMINDERS,
    ),
}


def card(user: Staff) -> Card | None:
    """Return the steps of a user, None once all are done or the user has hidden them."""
    roles = {role.name for role in user.roles}
    steps = next((steps for role, steps in STEPS.items() if role in roles), ())
    if user.steps_hidden or not steps:
        return None
    done = db.session.execute(select(*(step.done(user) for step in steps))).one()
    shown = [
        Shown(str(step.text), _url(step.page), is_done) for step, is_done in zip(steps, done, strict=True)
    ]
    return None if all(done) else Card(shown)


def _url(page: str) -> str:
    view, method = page.split(".")
    return url_for(page) if may("can_list" if method == "list" else f"can_{method}", view) else ""


def hide() -> None:
    """Hide the steps of the current user for good."""
    g.user.steps_hidden = True
    db.session.commit()
