"""Weekly reports as a person sees them: their state, the form of when and to whom."""

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
from app.reports.plan import open_weeks
from app.reports.wording import period

#: a mail that failed longer ago is nobody's worry any more
FAILED_SHOWN = dt.timedelta(days=28)
STATE = {
    "made": lazy_gettext("Ready to read"),
    "making": lazy_gettext("Being made"),
    "failed": lazy_gettext("Failed"),
}
#: the colours of runs' tags
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
        description=lazy_gettext("Monday to Sunday. A report that is there already is opened as it is."),
        choices=lambda: [(week.isoformat(), period(week)) for week in open_weeks()],
        coerce=dt.date.fromisoformat,
        widget=Select2Widget(),
    )


class SettingForm(DynamicForm):  # type: ignore[misc]
    """When the report goes out, and to whom."""

    active = BooleanField(
        lazy_gettext("Send the report every week"),
        description=lazy_gettext("It is about the last week that is over, Monday to Sunday."),
    )
    weekday = SelectField(
        lazy_gettext("Day of the week"), choices=WEEKDAYS, coerce=int, widget=Select2Widget()
    )
    at = TimeField(lazy_gettext("Time"), validators=[InputRequired()])
    receivers = SelectMultipleField(
        lazy_gettext("Receivers"),
        description=lazy_gettext(
            "Staff who may see the weekly report and have an e-mail address. Each gets the figures of the"
            " branches they see, in their own language."
        ),
        coerce=int,
        widget=Select2ManyWidget(),
    )


def setting_form(*, typed: bool) -> SettingForm:
    """The form as posted, or as things are set."""
    kept, chosen = settings.report_setting(), settings.chosen()
    now = {name: getattr(kept, name) for name in settings.DEFAULTS}
    form = SettingForm() if typed else SettingForm(data=now | {"receivers": [each.id for each in chosen]})
    offered = {person.id: person for person in [*settings.candidates(), *chosen]}
    form.receivers.choices = [(key, _receiver(person)) for key, person in offered.items()]
    return form


def _receiver(person: Any) -> str:
    about = str(person.branch) if settings.branch_seen(person) else _("Whole bank")
    obstacle = settings.obstacle(person)
    named = f"{person.get_full_name()} · {person.email} · {about}"
    return f"{named} ({obstacle})" if obstacle else named


def about_sending(kept: ReportSetting) -> list[tuple[str, str]]:
    """What the form says above: the mail server, and when the next report goes out."""
    config = current_app.config["SETTINGS"]
    server = (
        _("is set up (SMTP_URL)") if config.smtp_url else _("SMTP_URL is not set: no e-mail can be sent.")
    )
    return [(_("Mail server"), server), (_("Next report"), _next(kept, clock.now().astimezone(config.zone)))]


def _next(kept: ReportSetting, now: dt.datetime) -> str:
    if not kept.active:
        return _("none: it is switched off")
    moment = weeks.last_due(now, kept.weekday, kept.at) + weeks.WEEK
    return _(
        "%(time)s, about %(week)s",
        time=f"{moment:%Y-%m-%d %H:%M}",
        week=period(weeks.last_complete(moment.date())),
    )


def state(report: WeeklyReport) -> str:
    """Where a report stands, one of STATE."""
    if report.made_at is not None:
        return "made"
    return "failed" if report.attempts >= MAX_ATTEMPTS else "making"


def state_tag(code: str) -> Any:
    """The state as a coloured tag."""
    words = {TAGS[name]: word for name, word in STATE.items()}
    return formats.tag(words, "run")(TAGS[code])


def sent(report: WeeklyReport) -> str:
    """What became of a report's mails, tests apart."""
    query = (
        select(Mail.status, func.count())
        .where(Mail.report_id == report.id, Mail.is_test.is_(False))
        .group_by(Mail.status)
    )
    found: dict[str, int] = dict(map(tuple, db.session.execute(query)))
    if not found:
        return _("to nobody")
    parts = [_("%(n)s sent", n=found.pop(MailStatus.SENT, 0))]
    failed = found.pop(MailStatus.FAILED, 0)
    if failed:
        parts.append(_("%(n)s failed", n=failed))
    if found:
        parts.append(_("%(n)s to be sent", n=sum(found.values())))
    return str(labels.joined(parts))


def failed_mails() -> int:
    """How many mails of the last weeks failed, for who may send them again: the badge in the menu."""
    if not may("retry", "ReportMailView"):
        return 0
    return queue.count_failed(MailKind.REPORT, clock.now() - FAILED_SHOWN)


def progress_of(report: WeeklyReport) -> dict[str, Any]:
    """What the report's page shows and polls while it is made."""
    now = state(report)
    making = _("The report is being made; you may close this page.")
    return {
        "status": TAGS[now],
        "status_text": str(STATE[now]),
        "progress": 100 if now == "made" else 0,
        "summary": making if now == "making" else str(report.error or ""),
        "done": now != "making",
    }
