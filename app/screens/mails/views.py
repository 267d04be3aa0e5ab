"""The mails of reminders and of weekly reports: whether they went, and why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from flask import flash, url_for
from flask_appbuilder.actions import action
from flask_appbuilder.models.sqla.filters import FilterEqual
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import labels
from app.audit.events import event
from app.console import formats
from app.console.table import Link
from app.console.view import ConsoleView
from app.extensions import db
from app.lib import clock
from app.mails import queue
from app.models import Mail, MailKind, MailStatus
from app.reports import plan
from app.reports.wording import period


def _next_try(mail: Mail) -> Any:
    """When a mail that waits is tried next."""
    return formats.moment(mail.next_at) if mail.status == MailStatus.WAITING and mail.next_at else ""


class _MailView(ConsoleView):
    """The mails of one kind."""

    model = Mail
    kind: ClassVar[MailKind]
    again: ClassVar[Callable[..., bool]] = staticmethod(queue.retry)
    base_permissions = ["can_list", "retry"]
    computed = {
        "next_try": _next_try,
        "receiver": lambda mail: mail.person.get_full_name(),
        "period": lambda mail: period(mail.week),
    }
    filter_choices = {"status": labels.MAIL_STATUS}
    add_columns = edit_columns = ["status"]
    order_columns = ["created_at", "status", "done_at"]
    label_columns = {
        "created_at": lazy_gettext("Made"),
        "person": lazy_gettext("Recipient"),
        "receiver": lazy_gettext("Receiver"),
        "reminders": lazy_gettext("Reminders"),
        "report": lazy_gettext("Weekly report"),
        "period": lazy_gettext("Week"),
        "week": lazy_gettext("Week"),
        "is_test": lazy_gettext("Test"),
        "status": lazy_gettext("Status"),
        "attempts": lazy_gettext("Attempts"),
        "answer": lazy_gettext("Last answer"),
        "next_try": lazy_gettext("Next try"),
        "done_at": lazy_gettext("Over since"),
    }
    formatters_columns = {
        "created_at": formats.when,
        "reminders": formats.number,
        "is_test": labels.yes_no,
        "attempts": formats.number,
        "status": formats.tag(labels.MAIL_STATUS, "mail"),
        "done_at": formats.when,
    }

    def row_filters(self) -> list[list[Any]]:
        """The mails of the kind alone."""
        return [*super().row_filters(), ["kind", FilterEqual, self.kind]]

    def offers(self, action: str, item: Mail) -> bool:
        """Only what was given up is tried again by hand."""
        return item.status == MailStatus.FAILED

    @action("retry", lazy_gettext("Try again"))
    def retry(self, items: Any) -> Any:
        """Send failed mails again."""
        rows = items if isinstance(items, list) else [items]
        now = clock.now()
        again = [mail for mail in rows if self.again(mail, now)]
        db.session.commit()
        for mail in again:
            event("retry", self.subject, mail.id, title=str(mail))
        flash(_("%(n)s mails are tried again.", n=len(again)), "success")
        return self.back()


class ReminderMailView(_MailView):
    """提醒邮件: the mails of reminders."""

    kind, subject = MailKind.REMINDERS, "reminder_mail"
    list_title = lazy_gettext("Mails of reminders")
    empty_hint = lazy_gettext("No mail yet. Each person chooses which reminders also come by e-mail.")
    list_columns = [
        *("created_at", "person", "reminders", "status", "attempts", "answer", "next_try", "done_at"),
    ]
    search_columns = ["status", "person", "created_at"]

    @staticmethod
    def menu_badge() -> int:
        """How many were given up."""
        return queue.count_failed(MailKind.REMINDERS)


class ReportMailView(_MailView):
    """The mails of weekly reports: to whom, and what became of them."""

    kind, subject = MailKind.REPORT, "report_mail"
    again = staticmethod(plan.retry)
    list_title = lazy_gettext("Mails of the weekly report")
    empty_hint = lazy_gettext("Sent to nobody.")
    list_columns = ["period", "receiver", "is_test", "status", "attempts", "answer", "next_try", "done_at"]
    search_columns = ["report", "status", "week", "is_test"]

    def list_links(self) -> list[Link]:
        """Back to the reports."""
        return [Link(_("Weekly report"), url_for("WeeklyReportView.list"))]
