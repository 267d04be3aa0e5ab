"""The screens of reminders: the user's own, and which of them also come by e-mail."""

from __future__ import annotations

from typing import Any

from flask import flash, g, jsonify, redirect, render_template, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.actions import action
from flask_appbuilder.views import SimpleFormView
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import select, update
from wtforms import StringField

from app.console import formats, frame
from app.console.addresses import address_of
from app.console.parts import from_page
from app.console.sessions import poll
from app.console.table import Action, Link
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget
from app.errors import DomainError
from app.extensions import db
from app.lib import clock
from app.models import Reminder
from app.reminders import choices
from app.reminders.labels import KIND, text_of
from app.screens.reminders import page

#: reminders in the drop-down of the bell
NEWEST = 10


class ReminderView(ConsoleView):
    """我的提醒: the user's reminders."""

    model = Reminder
    base_permissions = ["can_list", "can_unread", "can_read_all", "look", "read"]
    computed = {"text": page.shown}
    special_filters = {"state": page.ReadState}
    search_form_extra_fields = {"state": StringField()}
    list_title = lazy_gettext("My reminders")
    about = lazy_gettext("What the product tells you about: hits, customers due, requests and jobs.")
    empty_hint = lazy_gettext(
        "No reminders. New hits, follow-ups that are due, requests awaiting your decision "
        "and failed jobs appear here."
    )
    base_order = ("created_at", "desc")
    list_columns = ["text", "kind", "created_at", "read_at"]
    order_columns = ["created_at"]
    search_columns = ["kind", "state", "created_at"]
    filter_choices = {"kind": KIND}
    add_columns = edit_columns = ["kind"]
    label_columns = {
        "text": lazy_gettext("Reminder"),
        "kind": lazy_gettext("Kind"),
        "state": lazy_gettext("Read or unread"),
        "created_at": lazy_gettext("Received"),
        "read_at": lazy_gettext("Read"),
    }
    formatters_columns = {"kind": formats.label(KIND), "created_at": formats.when, "read_at": formats.when}

    def offers(self, action: str, item: Reminder) -> bool:
        """Whether the reminder has a page to open, or is still unread."""
        return item.opens is not None if action == "look" else item.read_at is None

    def heading(self, item: Reminder) -> str:
        """Return the text of the reminder."""
        return text_of(item)

    def list_links(self) -> list[Link]:
        """Return the link to the reminders by e-mail."""
        return [Link(_("Reminders by e-mail"), url_for("ReminderChoiceView.this_form_get"))]

    def list_actions(self) -> list[Action]:
        """Return the button to mark all as read, while any is unread."""
        if not frame.unread():
            return []
        asked = _("Mark all your reminders as read?")
        return [Action(_("Mark all as read"), url_for(".read_all"), asked)]

    @expose("/unread", methods=["GET"])
    @has_access
    @poll
    def unread(self) -> Any:
        """Return the state of the bell, which polls once a minute while the page is visible."""
        rings = frame.bell()
        if from_page():
            return render_template("widgets/bell.html", rings=rings)
        text = rings.text if rings else "0"
        answer = jsonify(n=rings.badge if rings else 0, text=text, label=_("Reminders, %(n)s unread", n=text))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @expose("/newest", methods=["GET"])
    @has_access
    @permission_name("unread")
    @poll
    def newest(self) -> Any:
        """Return the drop-down of the bell: the newest reminders."""
        return _newest(marked=False)

    @expose("/mark", methods=["POST"])
    @expose("/mark/<row_id:pk>", methods=["POST"])
    @has_access
    @permission_name("read_all")
    def mark(self, pk: int | None = None) -> Any:
        """Mark one or all of the user's reminders as read. Return the drop-down anew."""
        _mark_all_read(*([Reminder.id == pk] if pk else []))
        return _newest(marked=True)

    @expose("/read_all", methods=["POST"])
    @has_access
    def read_all(self) -> Any:
        """Mark all of the user's reminders as read."""
        _mark_all_read()
        return self.back()

    @action("look", lazy_gettext("View"), multiple=False)
    def look(self, item: Reminder) -> Any:
        """Mark the reminder as read and redirect to its page."""
        self.each([item], _mark_read)
        return redirect(address_of(item.opens) or self._list_url())

    @action("read", lazy_gettext("Mark as read"))
    def read(self, items: Any) -> Any:
        """Mark the reminders as read."""
        self.each(items, _mark_read)
        return self.back()


def _newest(*, marked: bool) -> str:
    """Return the drop-down of the bell; ``marked`` renews the bell's count as well."""
    query = select(Reminder).where(Reminder.person_id == g.user.id)
    newest = query.order_by(Reminder.created_at.desc(), Reminder.id.desc()).limit(NEWEST)
    return render_template(
        "reminders/newest.html",
        reminders=db.session.scalars(newest).all(),
        rings=frame.bell(),
        text_of=text_of,
        when=formats.when,
        marked=marked,
    )


def _mark_all_read(*which: Any) -> None:
    unread = (Reminder.person_id == g.user.id, Reminder.read_at.is_(None), *which)
    db.session.execute(update(Reminder).where(*unread).values(read_at=clock.now()))
    db.session.commit()


def _mark_read(reminder: Reminder) -> None:
    if reminder.person_id == g.user.id and reminder.read_at is None:
        reminder.read_at = clock.now()


class ReminderChoiceView(SimpleFormView):  # type: ignore[misc]
    """邮件提醒: which of the user's reminders also come by e-mail."""

    route_base = "/reminderchoice"
    form_template = "form.html"
    edit_widget = ConsoleFormWidget
    form = page.ReminderChoiceForm
    form_title = lazy_gettext("Reminders by e-mail")

    def form_get(self, form: Any) -> None:
        """Fill the form with the stored choice."""
        choice = choices.choice_of(g.user)
        for kind in choices.offered(g.user):
            form[kind].data = choice.kinds.get(kind, "")
        form.daily_at.data = f"{choice.daily_at:%H:%M}"

    def form_post(self, form: Any) -> Any:
        """Store the choice."""
        at = page.time_of(form.daily_at.data) or choices.DAILY_AT
        try:
            choices.choose(g.user, form.mail_choices(), at, clock.now())
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
            return self.render_template(
                self.form_template, title=self.form_title, widgets=self._get_edit_widget(form=form)
            )
        db.session.commit()
        flash(_("Saved."), "success")
        return redirect(url_for("ReminderView.list"))

    def _get_edit_widget(self, form: Any, exclude_cols: Any = None, widgets: Any = None) -> dict[str, Any]:
        drawn = self.edit_widget(
            form=form,
            groups=[
                (
                    lazy_gettext("Reminders also sent by e-mail"),
                    [form[kind] for kind in choices.offered(g.user)],
                ),
                (lazy_gettext("Daily mail"), [form.daily_at]),
            ],
            about=page.facts(),
            next=url_for("ReminderView.list"),
        )
        return {"edit": drawn}
