"""Weekly reports in the states that show."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.errors import Said
from app.models import Mail, WeeklyReport

WEEK = dt.date(2026, 10, 19)
_STEPS = {"hit": 120, "pushed": 110, "contacted": 40, "answered": 20, "converted": 6, "cost": "12.40"}
#: the figures of a weekly report, as they are kept
REPORT = {
    "now": _STEPS,
    "before": {**_STEPS, "hit": 100, "converted": 8},
    "parts": {
        "version": [{"key": "1", "name": "中文 v1", "steps": _STEPS}],
        "grade": [{"key": "A", "name": "A", "steps": _STEPS}],
        "source": [{"key": "none", "name": "", "steps": _STEPS}],
        "branch": [{"key": "own-1", "name": "HOME", "steps": _STEPS}],
        "channel": [{"key": "sms", "name": "", "steps": _STEPS}],
        "template": [{"key": "none", "name": "", "steps": _STEPS}],
    },
    "held": {"marketed": [6, 120], "held_out": [1, 40], "difference": 0.025, "interval": [-0.07, 0.08]},
    "trend": [{"week": "2026-10-12", "hits": 100, "converted": 8}],
    "waiting": {"unclaimed": 3, "overdue": 2, "escalated": 1, "approvals": None},
}


def reports(session: Session, rows: dict[str, Any]) -> dict[str, Any]:
    """The weekly report of a branch with a mail that failed, and the bank's that is being made."""
    made = WeeklyReport(
        week=WEEK, branch_id=rows["home"].id, content=REPORT, made_at=func.now(), requested_by="x"
    )
    mail = Mail(
        kind="report",
        report=made,
        person=rows["worker"],
        week=WEEK,
        status="failed",
        answer=Said("the mail server refused: %(code)s", {"code": 550}),
        attempts=1,
    )
    found = {"report": made, "report_mail": mail, "open_report": WeeklyReport(week=WEEK, requested_by="x")}
    session.add_all(found.values())
    return found
