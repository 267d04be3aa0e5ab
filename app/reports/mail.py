"""A weekly report as an e-mail: text, HTML with charts that need no pictures, the PDF attached."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

from flask import current_app, render_template
from flask_babel import force_locale
from flask_babel import gettext as _

from app.jobs.leases import MAX_ATTEMPTS
from app.lib import mailer
from app.lib.mailer import MailError
from app.lib.pointers import to_row
from app.mails.sender import NotReady
from app.models import Mail, Staff, WeeklyReport
from app.reports import settings
from app.reports.pdf import pdf
from app.reports.wording import Document, document
from config import Settings


def written(mail: Mail) -> EmailMessage:
    """The mail of a report for its person.

    Raises NotReady while the report is to be made, MailError for good when the person may not get it.
    """
    person, report = mail.person, mail.report
    if report is None or (report.made_at is None and report.attempts < MAX_ATTEMPTS):
        raise NotReady
    if report.made_at is None:
        raise MailError("the report could not be made: %(error)s", permanent=True, error=report.error)
    if not person.active or settings.obstacle(person) is not None:
        raise MailError("this person can't receive the report any more", permanent=True)
    if not settings.may_see(person, report):
        raise MailError("this person sees other branches now", permanent=True)
    return message(report, person, mail.key, current_app.config["SETTINGS"], test=mail.is_test)


def message(report: WeeklyReport, person: Staff, key: str, config: Settings, *, test: bool) -> EmailMessage:
    """The mail for a person, in their language; sent again with the same key it is known as the same."""
    with force_locale(person.language):
        said = document(report, person.language)
        # A branch's name may hold a line break, which no header can.
        about = " ".join(said.scope.split())
        subject = _("Weekly marketing report %(period)s (%(scope)s)", period=said.period, scope=about)
        mail = mailer.draft(key, [person.email], f"[{_('Test')}] {subject}" if test else subject, config)
        opens = {"public_url": config.public_url, "opens": to_row("weekly_report", report.id)}
        mail.set_content(render_template("reports/mail.txt", report=said, test=test, **opens))
        mail.add_alternative(page(said, test=test, **opens), subtype="html")
        mail.add_attachment(
            pdf(said), maintype="application", subtype="pdf", filename=file_name(report, "pdf")
        )
    return mail


def page(report: Document, *, test: bool = False, **opens: Any) -> str:
    """The report as an HTML page that stands alone; in a mail it opens the report's own page."""
    return render_template("reports/mail.html", report=report, test=test, **opens)


def file_name(report: WeeklyReport, ending: str) -> str:
    """What the report is called as a file."""
    about = report.branch.code if report.branch else "bank"
    return f"weekly-report-{report.week}-{about}.{ending}"
