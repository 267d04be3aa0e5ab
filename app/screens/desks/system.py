"""The state of the installation: approvals, log-ins, queues, checks and processes."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import doctor
from app.console import extracts, formats
from app.console.figures import Figure
from app.jobs import processes
from app.lib.settings import current_settings
from app.models import DeliveryStatus, MailStatus, OutreachBatchStatus, RunStatus, TargetStatus

CHECK = {
    "database": lazy_gettext("Database"),
    "migrations": lazy_gettext("Database schema"),
    "installation": lazy_gettext("Installation"),
    "permissions": lazy_gettext("Permissions of roles"),
    "change_log": lazy_gettext("Change log"),
    "clock": lazy_gettext("Clock"),
    "contacts": lazy_gettext("Guard of contacts"),
    "redis": lazy_gettext("Redis"),
    "ticker": lazy_gettext("Scheduled tasks"),
    "activity": lazy_gettext("Analytical data"),
    "disk": lazy_gettext("Disk"),
    "secrets": lazy_gettext("Secrets"),
    "second_factor": lazy_gettext("Second factor"),
    "phones": lazy_gettext("Keys of phone numbers"),
}
STATE = {
    "busy": lazy_gettext("working"),
    "idle": lazy_gettext("waiting for work"),
    "suspended": lazy_gettext("suspended"),
    "started": lazy_gettext("starting"),
    "": lazy_gettext("does not run"),
    "ticking": lazy_gettext("ticking"),
}
QUEUE = {
    "default": lazy_gettext("Worker: exports, back-tests, changes"),
    "import": lazy_gettext("Worker: imports"),
    "t1": lazy_gettext("Worker: T+1"),
    "push": lazy_gettext("Worker: pushes and mails"),
    "outreach": lazy_gettext("Worker: outreach"),
    processes.TICKER: lazy_gettext("Ticker"),
}


class Check(NamedTuple):
    """A check of the installation: its name, whether it passed, and what it found."""

    name: str
    ok: bool
    detail: str


def figures() -> list[Figure]:
    """Return the numbers of what waits for an administrator, or is stuck."""
    counted = extracts.counted
    return [
        *counted("ApprovalView", _("Waiting for me"), "approvals_mine", urgent=True),
        *counted("StaffView", _("Disabled users"), "users_disabled", active="0"),
        *counted("StaffView", _("Users with failed log-ins"), "users_failing", fail_login_count__from=1),
        *counted(
            "DeliveryView", _("Dead letters"), "deliveries_dead", urgent=True, status=DeliveryStatus.DEAD
        ),
        *counted(
            "TargetView", _("Stopped targets"), "targets_stopped", urgent=True, status=TargetStatus.STOPPED
        ),
        *counted(
            "ReminderMailView", _("Failed mails"), "mails_failed", urgent=True, status=MailStatus.FAILED
        ),
        *counted(
            "DeliveryView", _("Deliveries waiting"), "deliveries_waiting", status=DeliveryStatus.WAITING
        ),
        *counted("ExportJobView", _("Exports queued"), "exports_queued", status=RunStatus.QUEUED),
        *counted(
            "OutreachBatchView",
            _("Batches being sent"),
            "batches_running",
            status=OutreachBatchStatus.RUNNING,
        ),
    ]


def checks() -> list[Check]:
    """Return the checks of `flask doctor`, those that failed first."""
    found = doctor.results(current_settings())
    named = [Check(str(CHECK.get(name, name)), each.ok, each.detail.text()) for name, each in found.items()]
    return sorted(named, key=lambda check: check.ok)


def running() -> list[dict[str, Any]] | None:
    """Return the processes with their queues in words, None when Redis does not answer."""
    found = processes.found()
    if found is None:
        return None
    return [
        {
            "name": str(QUEUE.get(each.name, each.name)),
            "alive": bool(each.state),
            "state": str(STATE.get(each.state, each.state)),
            "seen": formats.when(each.seen) or "—",
            "waiting": "" if each.waiting is None else f"{each.waiting:,}",
        }
        for each in found
    ]
