"""Screens of outreach settings: forbidden words, rules, gateways, and the sandbox outbox."""

from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms.validators import DataRequired, Length

from app import labels
from app.console import formats, forms
from app.console.access import may, me
from app.console.forms import select
from app.console.table import Link
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget, NoteWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.lib.settings import current_settings
from app.models import (
    ContactStatement,
    ForbiddenWord,
    OutreachGateway,
    OutreachSetting,
    SandboxMessage,
)
from app.outreach import gateway_approval, http_gateway, settings, templates
from app.screens.outreach import forms as outreach_forms
from app.screens.outreach import gateway_form, page


class ForbiddenWordView(ConsoleView):
    """禁用词: words that no template may contain."""

    model = ForbiddenWord
    list_title = lazy_gettext("Forbidden words")
    show_title = lazy_gettext("Forbidden word")
    add_title = lazy_gettext("New forbidden word")
    edit_title = lazy_gettext("Edit forbidden word")
    about = lazy_gettext("Words that may not appear in a text to customers.")
    empty_hint = lazy_gettext("There are no forbidden words.")
    base_permissions = ["can_list", "can_add", "can_edit", "can_delete"]
    base_order = ("word", "asc")
    list_columns = ["word", "note", "created_by", "created_at"]
    order_columns = ["word", "created_at"]
    search_columns = ["word", "created_by"]
    add_columns = edit_columns = ["word", "note"]
    label_columns = {
        "word": lazy_gettext("Word"),
        "note": lazy_gettext("Note"),
        "created_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {"created_at": formats.when}
    validators_columns = {"word": [DataRequired(), Length(max=32)], "note": [Length(max=255)]}

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the word with its creator."""
        item.word = templates.check_word(item.word)
        if created:
            item.created_by = me()
            db.session.add(item)


class OutreachSettingView(ConsoleView):
    """触达规则: caps, hours and exclusions, with history; a change needs a second person."""

    model = OutreachSetting
    base_permissions = ["can_list", "can_show", "can_change"]
    computed = {name: page.setting_value(name) for name in settings.LABELS}
    list_title = lazy_gettext("Outreach rules")
    show_title = lazy_gettext("Outreach rules")
    about = lazy_gettext("The rules that every contact obeys, in versions.")
    empty_hint = lazy_gettext("The defaults are in force; nobody has changed them yet.")
    list_columns = ["id", "status", "reason", "created_by", "created_at", "activated_by", "activated_at"]
    order_columns = ["id", "created_at"]
    search_columns = ["status", "created_by"]
    filter_choices = {"status": labels.VERSION_STATUS}

    def heading(self, item: OutreachSetting) -> str:
        """Return the title with the number."""
        return _("Outreach rules #%(id)s", id=item.id)

    add_columns = edit_columns = ["reason"]
    _history = ["status", "reason", "created_by", "created_at", "activated_by", "activated_at"]
    show_columns = [*_history, *settings.LABELS]
    show_fieldsets = [
        (None, {"fields": _history}),
        *((title, {"fields": names}) for title, names in outreach_forms.RULE_GROUPS),
    ]
    label_columns = settings.LABELS | {
        "id": lazy_gettext("Number"),
        "status": lazy_gettext("Status"),
        "reason": lazy_gettext("Reason given"),
        "created_by": lazy_gettext("Proposed by"),
        "created_at": lazy_gettext("Proposed"),
        "activated_by": lazy_gettext("Approved by"),
        "activated_at": lazy_gettext("In force since"),
    }
    formatters_columns = {
        "status": formats.tag(labels.VERSION_STATUS, "version"),
        "created_at": formats.when,
        "activated_at": formats.when,
    }

    def list_links(self) -> list[Link]:
        """Return the link to propose a change."""
        if not may("can_change", "OutreachSettingView"):
            return []
        return [Link(_("Propose a change"), url_for(".change"), primary=True)]

    @expose("/change", methods=["GET", "POST"])
    @has_access
    def change(self) -> Any:
        """Show the rules in force as a form, and submit the changed ones for approval."""
        form = outreach_forms.SettingForm()
        if request.method == "GET":
            form.process(data=settings.current().model_dump())
        elif form.validate():
            try:
                approval = settings.propose(settings.checked(form.values()), g.user, form.reason.data)
                db.session.commit()
                flash(_("Submitted: a second person must approve the change."), "success")
                return redirect(url_for("ApprovalView.show", pk=approval.id))
            except FieldError as error:
                db.session.rollback()
                form[error.field].errors = [*form[error.field].errors, error.text()]
            except DomainError as error:
                db.session.rollback()
                flash(error.text(), "danger")
        widget = ConsoleFormWidget(
            form=form,
            groups=form.groups(),
            units=outreach_forms.UNITS,
            next=self._list_url(),
            submit=_("Submit for approval"),
        )
        return self.render_template(
            "form.html", widgets={"edit": widget}, title=_("Propose a change to the outreach rules")
        )


class ContactStatementView(ConsoleView):
    """触达合规日报: each day's contacts against the rules, which are to be none, with the exceptions."""

    model = ContactStatement
    base_permissions = ["can_list"]
    computed = {"change_log": page.statement_entry} | {
        name: page.statement_count(name) for name in page.STATEMENT
    }
    number_columns = frozenset(page.STATEMENT)
    list_title = lazy_gettext("Statement of contacts")
    about = lazy_gettext(
        "Counted from the contacts of each day the night after, and kept in the change log: what the outreach"
        " rules forbid was done never, if the three numbers are 0."
    )
    empty_hint = lazy_gettext("The first statement is made the night after today.")
    base_order = ("day", "desc")
    list_columns = [
        *("day", "contacts", "outside_hours", "over_cap", "opted_out", "overrides", "reported"),
        "change_log",
    ]
    order_columns = ["day", "contacts"]
    search_columns = ["day"]
    add_columns = edit_columns = ["day"]
    label_columns = {
        "day": lazy_gettext("Day"),
        "contacts": lazy_gettext("Contacts"),
        "outside_hours": lazy_gettext("Outside contact hours"),
        "over_cap": lazy_gettext("Over a cap"),
        "opted_out": lazy_gettext("Opted out"),
        "overrides": lazy_gettext("Calls allowed"),
        "reported": lazy_gettext("Reported"),
        "change_log": lazy_gettext("Change log"),
    }


class SandboxMessageView(ConsoleView):
    """沙箱发件箱: messages that would have reached customers."""

    model = SandboxMessage
    base_permissions = ["can_list"]
    computed = {"lead": page.message_lead, "state": page.message_state}
    list_title = lazy_gettext("Sandbox outbox")
    about = lazy_gettext("What would have been sent if a gateway were set up.")
    empty_next = ("OutreachGatewayView", "CustomerView")
    empty_hint = lazy_gettext("Nothing has been sent to the sandbox yet.")
    add_columns = edit_columns = ["channel"]
    list_columns = ["accepted_at", "channel", "lead", "phone_masked", "body", "state"]
    order_columns = ["accepted_at"]
    search_columns = ["channel", "accepted_at"]
    filter_choices = {"channel": labels.OUTREACH_CHANNEL}
    label_columns = {
        "accepted_at": lazy_gettext("Time"),
        "channel": lazy_gettext("Channel"),
        "lead": lazy_gettext("Lead"),
        "phone_masked": lazy_gettext("Phone"),
        "body": lazy_gettext("Text"),
        "state": lazy_gettext("Status"),
    }
    formatters_columns = {
        "accepted_at": formats.when,
        "channel": formats.label(labels.OUTREACH_CHANNEL),
        "phone_masked": formats.code,
    }

    def _list(self) -> Any:
        widgets = super()._list()
        note = _("Sandbox: nothing here has reached a customer, and replies are simulated.")
        return widgets | {"above": [NoteWidget(text=note)]}


class OutreachGatewayView(ConsoleView):
    """触达网关: the systems that send SMS and make calls."""

    model = OutreachGateway
    base_permissions = [
        "can_list",
        "can_show",
        "can_add",
        "can_edit",
        "can_delete",
        "can_switch",
        "switch_on",
        "switch_off",
    ]
    computed = {"health": page.gateway_health, "says": page.gateway_settings}
    list_title = lazy_gettext("Gateways")
    show_title = lazy_gettext("Gateway")
    add_title = lazy_gettext("New gateway")
    edit_title = lazy_gettext("Edit gateway")
    about = lazy_gettext("The bank's systems that send SMS and place calls.")
    empty_hint = lazy_gettext(
        "No gateways yet: everything goes to the sandbox, and nothing reaches a customer."
    )
    list_columns = ["name", "channel", "active", "health", "updated_by", "updated_at"]
    order_columns = ["name", "channel", "updated_at"]
    search_columns = ["channel", "active"]
    filter_choices = {"channel": labels.OUTREACH_CHANNEL}
    show_columns = ["name", "channel", "active", "health", "says", "updated_by", "updated_at"]
    add_columns = ["name", "channel", *gateway_form.FIELDS, "secret"]
    edit_columns = ["name", *gateway_form.FIELDS, "secret"]
    units = gateway_form.UNITS
    label_columns = {
        "name": lazy_gettext("Name"),
        "channel": lazy_gettext("Channel"),
        "active": lazy_gettext("Switched on"),
        "health": lazy_gettext("Health"),
        "says": lazy_gettext("Connection"),
        "updated_by": lazy_gettext("Changed by"),
        "updated_at": lazy_gettext("Changed"),
    }
    formatters_columns = {
        "channel": formats.label(labels.OUTREACH_CHANNEL),
        "active": labels.yes_no,
        "updated_at": formats.when,
    }
    validators_columns = {"name": [DataRequired(), Length(max=64)]}
    edit_form_extra_fields = gateway_form.fields()
    add_form_extra_fields = gateway_form.fields(new=True) | {
        "channel": select(lazy_gettext("Channel"), labels.OUTREACH_CHANNEL)
    }

    def prefill_add(self, form: Any) -> None:
        """Fill the form with the mapping of the documented contract."""
        gateway_form.fill(form, http_gateway.DEFAULTS)

    def prefill_form(self, form: Any, pk: Any) -> None:
        """Fill the form with the stored settings, except the secret."""
        gateway_form.fill(form, self._row(pk).settings)

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the checked settings; an empty secret keeps the current one."""
        item.name = item.name.strip()
        item.settings = http_gateway.checked(gateway_form.values(form)).model_dump(mode="json")
        item.updated_by = me()
        if form.secret.data:
            http_gateway.keep_secret(item, form.secret.data, current_settings())
        if created:
            db.session.add(item)

    def lock_reason(self, item: Any) -> str | None:
        """Return why the gateway can't be changed: it is switched on."""
        return _("Switch the gateway off before you change it.") if item.active else None

    def offers(self, action: str, item: OutreachGateway) -> bool:
        """Whether the gateway can be switched on, or off."""
        return item.active if action == "switch_off" else not item.active

    @action("switch_on", lazy_gettext("Switch on"), multiple=False)
    def switch_on(self, item: OutreachGateway) -> Any:
        """Redirect to the form that asks for the reason."""
        return redirect(url_for(".switch", pk=item.id))

    @action("switch_off", lazy_gettext("Switch off"), multiple=False)
    def switch_off(self, item: OutreachGateway) -> Any:
        """Redirect to the form that asks for the reason."""
        return redirect(url_for(".switch", pk=item.id))

    @expose("/switch/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def switch(self, pk: int) -> Any:
        """Request that a gateway replaces the current one of its channel, or is replaced by the sandbox."""
        item, form = self._row(pk), forms.SubmitForm()
        on = not item.active
        if form.validate_on_submit():
            try:
                approval = gateway_approval.ask(item, on, g.user, form.reason.data)
                db.session.commit()
            except DomainError as error:
                db.session.rollback()
                flash(error.text(), "danger")
            else:
                flash(*page.switch_message(item, approval))
            return redirect(url_for(".show", pk=pk))
        effect = (
            _("Send all contacts of this channel through this gateway from now on?")
            if on
            else _("From now on, contacts of this channel go to the sandbox and reach nobody.")
        )
        widget = ConsoleFormWidget(
            form=form,
            next=url_for(".show", pk=pk),
            submit=_("Submit for approval"),
            about=[(_("What will change"), effect), (_("Connection"), page.gateway_settings(item))],
        )
        decision = _("Switch on") if on else _("Switch off")
        title = _("%(decision)s: %(item)s", decision=decision, item=item.name)
        return self.render_template("form.html", widgets={"edit": widget}, title=title)
