"""Presentation of weekly reports: their state, and the forms to create and to schedule them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import current_app
from flask_appbuilder.fieldwidgets import Select2ManyWidget, Select2Widget
from flask_appbuilder.forms import DynamicForm
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import func, select
from wtforms import BooleanField, SelectField, SelectMultipleField, TimeField
from wtforms.validators import InputRequired

from app import labels
from app.console import formats
from app.console.access import may
from app.extensions import db
from app.jobs.leases import MAX_ATTEMPTS
from app.lib import clock
from app.mails import queue
from app.models import Mail, MailKind, MailStatus, ReportSetting, WeeklyReport
from app.reports import settings, weeks
from app.reports.plan import available_weeks
from app.reports.wording import period

#: age from which a failed mail is no longer counted in the menu
FAILED_SHOWN = dt.timedelta(days=28)
STATE = {
    "made": lazy_gettext("Ready to read"),
    "making": lazy_gettext("Being created"),
    "failed": lazy_gettext("Failed"),
}
#: state → the run status whose tag colour is used
TAGS = {"made": "done", "making": "running", "failed": "failed"}
WEEKDAYS = [
    (1, lazy_gettext("Monday")),
    (2, lazy_gettext("Tuesday")),
    (3, lazy_gettext("Wednesday")),
    (4, lazy_gettext("Thursday")),
    (5, lazy_gettext("Friday")),
    (6, lazy_gettext("Saturday")),
    (7, lazy_gettext("Sunday")),
]


class MakeForm(DynamicForm):  # type: ignore[misc]
    """The week to report on."""

    week = SelectField(
        lazy_gettext("Week"),
        description=lazy_gettext("Monday to Sunday. If the week already has a report, that one is opened."),
        choices=lambda: [(week.isoformat(), period(week)) for week in available_weeks()],
        coerce=dt.date.fromisoformat,
        widget=Select2Widget(),
    )


class SettingForm(DynamicForm):  # type: ignore[misc]
    """When the report is sent, and its receivers."""

    active = BooleanField(
        lazy_gettext("Send the report every week"),
        description=lazy_gettext("The report covers the last complete week, Monday to Sunday."),
    )
    weekday = SelectField(
        lazy_gettext("Day of the week"), choices=WEEKDAYS, coerce=int, widget=Select2Widget()
    )
    at = TimeField(lazy_gettext("Time"), validators=[InputRequired()])
    receivers = SelectMultipleField(
        lazy_gettext("Recipients"),
        description=lazy_gettext(
            "Staff who may see the weekly report and have an e-mail address. Each receives the figures of"
            " the branches they can see, in their own language."
        ),
        coerce=int,
        widget=Select2ManyWidget(),
    )


def setting_form(*, posted: bool) -> SettingForm:
    """Return the form as posted, or filled from the stored setting."""
    setting, receivers = settings.report_setting(), settings.receivers()
    stored = {name: getattr(setting, name) for name in settings.DEFAULTS}
    stored["receivers"] = [person.id for person in receivers]
    form = SettingForm() if posted else SettingForm(data=stored)
    offered = {person.id: person for person in [*settings.possible_receivers(), *receivers]}
    form.receivers.choices = [(key, _receiver(person)) for key, person in offered.items()]
    return form


def _receiver(person: Any) -> str:
    scope = str(person.branch) if settings.branch_in_scope(person) else _("Whole bank")
    obstacle = settings.obstacle(person)
    shown = f"{person.get_full_name()} · {person.email} · {scope}"
    return f"{shown} ({obstacle})" if obstacle else shown


def sending_facts(setting: ReportSetting) -> list[tuple[str, str]]:
    """Return the facts above the form: the mail server, and when the next report is sent."""
    config = current_app.config["SETTINGS"]
    server = (
        _("configured (SMTP_URL)") if config.smtp_url else _("SMTP_URL is not set: no e-mail can be sent.")
    )
    now = clock.now().astimezone(config.zone)
    return [(_("Mail server"), server), (_("Next report"), _next(setting, now))]


def _next(setting: ReportSetting, now: dt.datetime) -> str:
    if not setting.active:
        return _("none: sending is switched off")
    moment = weeks.last_due(now, setting.weekday, setting.at) + weeks.WEEK
    return _(
        "%(time)s, covering %(week)s",
        time=f"{moment:%Y-%m-%d %H:%M}",
        week=period(weeks.last_complete(moment.date())),
    )


def state(report: WeeklyReport) -> str:
    """Return the state of a report, a key of STATE."""
    if report.made_at is not None:
        return "made"
    return "failed" if report.attempts >= MAX_ATTEMPTS else "making"


def state_tag(code: str) -> Any:
    """Return a state as a coloured tag."""
    words = {TAGS[name]: word for name, word in STATE.items()}
    return formats.tag(words, "run")(TAGS[code])


def sent(report: WeeklyReport) -> str:
    """Return how many mails of a report were sent, failed or are queued, test mails aside."""
    query = (
        select(Mail.status, func.count())
        .where(Mail.report_id == report.id, Mail.is_test.is_(False))
        .group_by(Mail.status)
    )
    by_status: dict[str, int] = dict(map(tuple, db.session.execute(query)))
    if not by_status:
        return _("not sent")
    parts = [_("%(n)s sent", n=by_status.pop(MailStatus.SENT, 0))]
    failed = by_status.pop(MailStatus.FAILED, 0)
    if failed:
        parts.append(_("%(n)s failed", n=failed))
    if by_status:
        parts.append(_("%(n)s to be sent", n=sum(by_status.values())))
    return str(labels.joined(parts))


def failed_mails() -> int:
    """Return the number in the menu: recent failed mails, for users who may send them again."""
    if not may("retry", "ReportMailView"):
        return 0
    return queue.count_failed(MailKind.REPORT, clock.now() - FAILED_SHOWN)


def progress_of(report: WeeklyReport) -> dict[str, Any]:
    """Return what the report's page polls while the report is being created."""
    current = state(report)
    making = _("The report is being created; you may close this page.")
    return {
        "status": TAGS[current],
        "status_text": str(STATE[current]),
        "progress": 100 if current == "made" else 0,
        "summary": making if current == "making" else str(report.error or ""),
        "done": current != "making",
    }
