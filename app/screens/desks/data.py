"""The state of data: runs, deliveries and institutions that wait for a data operator."""

from __future__ import annotations

import datetime as dt

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import select

from app.console import extracts
from app.console.access import may
from app.console.figures import Figure
from app.console.widgets import ConsoleListWidget
from app.extensions import db
from app.lib import clock
from app.lib.settings import current_settings
from app.models import JobRun, RunStatus
from app.screens.data import completeness, refused_files

RUNS, FILES = 7, 5


def figures() -> list[Figure]:
    """Return the numbers of what waits for a data operator."""
    today = str(clock.today())
    counted = extracts.counted
    return [
        *counted("JobRunView", _("Held runs"), "runs_held", urgent=True, status=RunStatus.HELD),
        *counted("JobRunView", _("Failed runs"), "runs_failed", urgent=True, status=RunStatus.FAILED),
        *_quarantine(),
        *_marked(),
        *counted("InstitutionView", _("Not described yet"), "institutions_unlisted", listed="0"),
        *counted("IngestFileView", _("Files read today"), "files_today", ingested_at__from=today),
    ]


def _quarantine() -> list[Figure]:
    if not may("can_list", "IngestFileView"):
        return []
    n = len(refused_files.all_refused())
    return [Figure(_("Refused files"), n, url_for("IngestFileView.refused"), "files_refused", urgent=True)]


def _marked() -> list[Figure]:
    """Return the number of institutions with missing or low days, which opens the calendar of them."""
    if not may("can_list", "CompletenessView"):
        return []
    n = completeness.calendar("", True, 0).marked
    url = url_for("CompletenessView.list", marked=1)
    return [Figure(_("Institutions with gaps"), n, url, "usual_day", urgent=True)]


def notes() -> list[str]:
    """Return a sentence when the run over yesterday is late, and one for each of the ticker's problems."""
    now = clock.now().astimezone(current_settings().zone)
    yesterday = now.date() - dt.timedelta(days=1)
    status = db.session.scalar(select(JobRun.status).where(JobRun.day == yesterday))
    late = now.time() >= current_settings().t1_time and status != RunStatus.DONE
    if not late:
        return []
    if status is None:
        return [_("There is no run over the data of %(day)s yet, although its time has come.", day=yesterday)]
    return [_("The run over the data of %(day)s has not ended yet.", day=yesterday)]


def widgets() -> list[ConsoleListWidget]:
    """Return the newest runs and log deliveries."""
    tables = (
        extracts.newest("JobRunView", RUNS, ["day", "status", "summary", "finished_at"]),
        extracts.newest("IngestFileView", FILES, ["name", "accepted", "rows_rejected", "ingested_at"]),
    )
    return [ConsoleListWidget(table=table) for table in tables if table is not None]
