"""The screens of the mails of reminders and of weekly reports."""

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


def _next_attempt(mail: Mail) -> Any:
    """Return when a waiting mail is sent next, empty for any other."""
    return formats.moment(mail.next_at) if mail.status == MailStatus.WAITING and mail.next_at else ""


class _MailView(ConsoleView):
    """The list of the mails of one kind."""

    model = Mail
    kind: ClassVar[MailKind]
    retry_mail: ClassVar[Callable[..., bool]] = staticmethod(queue.retry)
    base_permissions = ["can_list", "retry"]
    computed = {
        "next_try": _next_attempt,
        "receiver": lambda mail: mail.person.get_full_name(),
        "period": lambda mail: period(mail.week),
    }
    filter_choices = {"status": labels.MAIL_STATUS}
    add_columns = edit_columns = ["status"]
    order_columns = ["created_at", "status", "done_at"]
    label_columns = {
        "created_at": lazy_gettext("Created"),
        "person": lazy_gettext("Recipient"),
        "receiver": lazy_gettext("Recipient"),
        "reminders": lazy_gettext("Reminders"),
        "report": lazy_gettext("Weekly report"),
        "period": lazy_gettext("Week"),
        "week": lazy_gettext("Week"),
        "is_test": lazy_gettext("Test"),
        "status": lazy_gettext("Status"),
        "attempts": lazy_gettext("Attempts"),
        "answer": lazy_gettext("Last answer"),
        "next_try": lazy_gettext("Next attempt"),
        "done_at": lazy_gettext("Finished at"),
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
        """Return the filters of the list, limited to the kind."""
        return [*super().row_filters(), ["kind", FilterEqual, self.kind]]

    def offers(self, action: str, item: Mail) -> bool:
        """Return whether the mail can be retried: only one that failed for good."""
        return item.status == MailStatus.FAILED

    @action("retry", lazy_gettext("Try again"))
    def retry(self, items: Any) -> Any:
        """Retry failed mails."""
        rows = items if isinstance(items, list) else [items]
        now = clock.now()
        retried = [mail for mail in rows if self.retry_mail(mail, now)]
        db.session.commit()
        for mail in retried:
            event("retry", self.subject, mail.id, title=str(mail))
        flash(_("%(n)s mails will be sent again.", n=len(retried)), "success")
        return self.back()


class ReminderMailView(_MailView):
    """提醒邮件: the mails of reminders."""

    kind, subject = MailKind.REMINDERS, "reminder_mail"
    list_title = lazy_gettext("Reminder mails")
    about = lazy_gettext("Mails with reminders, and why one failed.")
    empty_hint = lazy_gettext("No mails yet. Each user chooses which reminders are also sent by e-mail.")
    list_columns = [
        *("created_at", "person", "reminders", "status", "attempts", "answer", "next_try", "done_at"),
    ]
    search_columns = ["status", "person", "created_at"]

    @staticmethod
    def menu_badge() -> int:
        """Return the number of failed mails, for the badge in the menu."""
        return queue.count_failed(MailKind.REMINDERS)


class ReportMailView(_MailView):
    """周报邮件: the mails of weekly reports."""

    kind, subject = MailKind.REPORT, "report_mail"
    retry_mail = staticmethod(plan.retry)
    list_title = lazy_gettext("Weekly report mails")
    about = lazy_gettext("Mails with the weekly report.")
    empty_next = ("WeeklyReportView",)
    empty_hint = lazy_gettext("Not sent to anybody.")
    list_columns = ["period", "receiver", "is_test", "status", "attempts", "answer", "next_try", "done_at"]
    search_columns = ["report", "status", "week", "is_test"]

    def list_links(self) -> list[Link]:
        """Return the link back to the reports."""
        return [Link(_("Weekly report"), url_for("WeeklyReportView.list"))]
