"""What waits for an auditor's look: log-ins, exports, exceptions, pairs of approvers, and the chain."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import func, select

from app.console import extracts, formats
from app.console.access import may
from app.console.figures import Figure
from app.console.urls import list_url
from app.extensions import db
from app.hits.due import midnight
from app.lib import clock
from app.models import Approval, ApprovalStatus, AuditJob, RunStatus, Staff
from app.screens.audit import page

#: numbers of days to choose from, today included; the second is chosen first
PERIODS = (1, 7, 30)
MAX_PAIRS = 10


@dataclass(frozen=True)
class Pair:
    """Two people, one of whom approved ``n`` requests of the other; ``url`` lists them."""

    asked: str
    decided: str
    n: int
    url: str


def ranges(days: int) -> list[tuple[str, str, bool]]:
    """Return the periods to choose from: name, address, and whether it is the current one."""
    words = {1: _("Today"), 7: _("7 days"), 30: _("30 days")}
    return [(words[n], url_for("AuditStateView.list", days=n), n == days) for n in PERIODS]


def figures(days: int) -> list[Figure]:
    """Return the numbers of the last days that an auditor looks at."""
    first = str(_first(days))
    counted = extracts.counted

    def logged(name: str, term: str, *, urgent: bool = False, **filters: Any) -> list[Figure]:
        return counted("ChangeLogView", name, term, urgent=urgent, time__from=first, **filters)

    unchecked: dict[str, Any] = {
        "turn": "all",
        "status": ApprovalStatus.UNCHECKED,
        "requested_at__from": first,
    }
    return [
        *logged(_("Failed log-ins"), "log_in_failed", kind="log_in_failed"),
        *logged(_("Access denied"), "denied", kind="denied"),
        *counted("RevealView", _("Numbers viewed"), "reveals", revealed_at__from=first),
        *logged(_("Searches by number"), "number_search", kind="number_search"),
        *counted("ExportJobView", _("Exports"), "exports", created_at__from=first),
        *counted(
            "ExportJobView",
            _("Exports in clear"),
            "exports_clear",
            urgent=True,
            clear="1",
            created_at__from=first,
        ),
        *counted("ApprovalView", _("Without a second person"), "unchecked", urgent=True, **unchecked),
        *logged(_("Direct SQL"), "direct_sql", urgent=True, source="sql"),
        *counted(
            "ApprovalView",
            _("Awaiting approval"),
            "approvals_waiting",
            turn="all",
            status=ApprovalStatus.WAITING,
        ),
    ]


def pairs(days: int) -> list[Pair]:
    """Return the pairs of people who approved more than one request since the first of the days."""
    first = _first(days)
    n = func.count()
    query = (
        select(Approval.requested_by, Approval.decided_by, n)
        .where(Approval.status == ApprovalStatus.APPROVED, Approval.requested_at >= midnight(first))
        .group_by(Approval.requested_by, Approval.decided_by)
        .having(n > 1)
        .order_by(n.desc(), Approval.requested_by, Approval.decided_by)
        .limit(MAX_PAIRS)
    )
    found = [(asked, decided or "", n) for asked, decided, n in db.session.execute(query).tuples()]
    known = select(Staff).where(Staff.username.in_({name for pair in found for name in pair[:2]}))
    names = {user.username: user.get_full_name() for user in db.session.scalars(known)}
    return [
        Pair(names.get(asked, asked), names.get(decided, decided), n, _of_pair(asked, decided, first))
        for asked, decided, n in found
    ]


def _of_pair(asked: str, decided: str, first: dt.date) -> str:
    filters: dict[str, Any] = {"turn": "all", "status": ApprovalStatus.APPROVED, "requested_at__from": first}
    return list_url("ApprovalView", requested_by__is=asked, decided_by__is=decided, **filters)


def _first(days: int) -> dt.date:
    return clock.today() - dt.timedelta(days=days - 1)


def verdict() -> dict[str, Any] | None:
    """Return the result of the last verification with its page, None when there was none."""
    query = select(AuditJob).where(AuditJob.kind == "verify", AuditJob.finished_at.is_not(None))
    job = db.session.scalar(query.order_by(AuditJob.id.desc()).limit(1))
    if job is None or job.status not in (RunStatus.DONE, RunStatus.FAILED):
        return None
    url = url_for("AuditJobView.show", pk=job.id)
    return {"text": page.outcome(job), "when": formats.when(job.finished_at), "url": url}


def chain() -> str:
    """Return the length of the chain and what is not sealed yet."""
    return page.chain_state()


def verify_url() -> str:
    """Return the address of the form that starts a verification, empty for who may not."""
    return url_for("AuditJobView.verify") if may("can_verify", "AuditJobView") else ""
