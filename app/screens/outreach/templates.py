"""Screens of templates: their texts with a preview, and SMS that people send to their own phone."""

from __future__ import annotations

from typing import Any

from flask import g, jsonify, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from sqlalchemy import func, or_, select
from wtforms.validators import DataRequired, Length

from app import labels
from app.access.scope import hits_visible_to
from app.console import formats
from app.console.access import me
from app.console.forms import CodeField, multi_select
from app.console.forms import select as drop_down
from app.console.view import ConsoleView
from app.errors import DomainError
from app.extensions import db
from app.facts import catalogue
from app.lib.amounts import yuan
from app.lib.row_id import row_id
from app.models import Hit, OutreachBatch, OutreachStatus, OutreachTemplate, OutreachTest
from app.outreach import own_phone, templates
from app.products import catalogue as products
from app.screens.outreach import examples, page
from app.screens.outreach import forms as outreach_forms


class OutreachTemplateView(ConsoleView):
    """营销模板: texts of SMS and scripts of calls."""

    model = OutreachTemplate
    base_permissions = ["can_list", "can_show", "can_add", "can_edit", "can_delete", "can_test_sms"]
    add_template = edit_template = "outreach/template_form.html"
    computed = {
        "text": page.template_text,
        "version": page.template_version,
        "length": page.template_length,
        "history": page.template_history,
    }
    list_title = lazy_gettext("Templates")
    show_title = lazy_gettext("Template")
    add_title = lazy_gettext("New template")
    edit_title = lazy_gettext("Edit template")
    about = lazy_gettext("The texts of SMS and the scripts of calls, in versions.")
    empty_hint = lazy_gettext("There are no templates yet, so nobody can be contacted.")
    base_order = ("name", "asc")
    list_columns = ["name", "code", "channel", "text", "length", "version", "active"]
    order_columns = ["name", "code", "channel", "active"]
    search_columns = ["channel", "active", "name", "code"]
    filter_choices = {"channel": labels.OUTREACH_CHANNEL}
    show_columns = [
        *("name", "code", "channel", "text", "length", "products", "active", "history"),
        *("created_by", "created_at"),
    ]
    add_columns = ["name", "code", "channel", "body", "products"]
    edit_columns = ["name", "code", "body", "products", "active"]
    label_columns = {
        "name": lazy_gettext("Name"),
        "code": lazy_gettext("Code"),
        "products": lazy_gettext("Products"),
        "channel": lazy_gettext("Channel"),
        "text": lazy_gettext("Text"),
        "length": lazy_gettext("Length"),
        "version": lazy_gettext("Version"),
        "active": lazy_gettext("Can be chosen"),
        "history": lazy_gettext("Versions"),
        "created_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {
        "channel": formats.label(labels.OUTREACH_CHANNEL),
        "active": labels.yes_no,
        "code": formats.code,
        "products": page.product_names,
        "created_at": formats.when,
    }
    validators_columns = {"name": [DataRequired(), Length(max=64)]}
    edit_form_extra_fields = {
        "code": CodeField("TPL"),
        "body": outreach_forms.body_field(),
        "products": multi_select(lazy_gettext("Products"), lambda: list(products.names().items())),
    }
    add_form_extra_fields = edit_form_extra_fields | {
        "channel": drop_down(lazy_gettext("Channel"), labels.OUTREACH_CHANNEL),
    }

    def _form_widget(self, kind: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        widgets = super()._form_widget(kind, *args, **kwargs)
        key = (request.view_args or {}).get("pk")
        chosen = self._row(key).channel if key else request.form.get("channel")
        channel = chosen if chosen in labels.OUTREACH_CHANNEL else "sms"
        pattern = url_for(".example", channel="sms").replace("sms", "{channel}")
        return widgets | {"preview": examples.preview(channel, pattern, ["#body"])}

    @expose("/example/<any(sms, call):channel>", methods=["GET"])
    @has_access
    @permission_name("add")
    def example(self, channel: str) -> Any:
        """Return an example customer for the preview, as JSON."""
        return jsonify(examples.answer(examples.anybody(), channel))

    @expose("/test", methods=["POST"])
    @has_access
    @permission_name("test_sms")
    def test(self) -> Any:
        """Send the posted text to the user's own phone, and return what became of it as JSON."""
        try:
            sent = own_phone.send(g.user, request.form.get("body", ""), self._example_values())
        except DomainError as error:
            db.session.rollback()
            return jsonify(sent=False, message=error.text())
        if sent.status == OutreachStatus.UNKNOWN:
            return jsonify(
                sent=True, message=_("The gateway gave no clear answer; the SMS may still arrive.")
            )
        where = page.sandbox_note("sms") or _("Sent to %(phone)s.", phone=sent.phone_masked)
        return jsonify(sent=True, message=_("%(where)s It cost %(yuan)s.", where=where, yuan=yuan(sent.cost)))

    @staticmethod
    def _example_values() -> dict[str, str]:
        key = row_id(request.form.get("hit"))
        hit = db.session.scalar(select(Hit).where(Hit.id == key, hits_visible_to(g.user))) if key else None
        if hit is not None:
            return examples.values_of(hit)
        known = templates.variables(catalogue.definitions().values())
        return {name: f"〔{text}〕" for name, text in known.items()}

    def prefill_form(self, form: Any, pk: Any) -> None:
        """Fill the form with the text of the current version."""
        form.body.data, form.products.data = page.template_body(self._row(pk)), self._row(pk).products

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the template; a changed text becomes a new version."""
        item.name = item.name.strip()
        item.products = form.products.data or []
        if created:
            item.created_by = me()
        templates.store(item, form.body.data, me())

    def remove(self, item: Any) -> None:
        """Delete the template. Raises DomainError when it has been used."""
        versions = [version.id for version in item.versions]
        of_batch = or_(OutreachBatch.version_id.in_(versions), OutreachBatch.version_b_id.in_(versions))
        if db.session.query(OutreachBatch.id).filter(of_batch).first():
            raise DomainError("%(template)s has been used; switch it off instead.", template=item.name)
        db.session.delete(item)


class OutreachTestView(ConsoleView):
    """测试短信: SMS that people sent to their own phone."""

    model = OutreachTest
    base_permissions = ["can_list"]
    computed = {"state": page.test_state, "text": lambda test: templates.in_words(test.body)}
    list_title = lazy_gettext("Test SMS")
    about = lazy_gettext("SMS that people sent to their own phone to see a text as customers do.")
    empty_next = ("OutreachTemplateView",)
    empty_hint = lazy_gettext("Nobody has sent a test SMS yet. The preview of a text has a button for it.")
    base_order = ("at", "desc")
    add_columns = edit_columns = ["body"]
    list_columns = ["at", "created_by", "phone_masked", "text", "segments", "cost", "state"]
    order_columns = ["at", "created_by", "cost"]
    search_columns = ["created_by", "at"]
    label_columns = {
        "at": lazy_gettext("Time"),
        "created_by": lazy_gettext("By"),
        "phone_masked": lazy_gettext("Phone"),
        "body": lazy_gettext("Text"),
        "text": lazy_gettext("Text"),
        "segments": lazy_gettext("SMS segments"),
        "cost": lazy_gettext("Cost"),
        "state": lazy_gettext("Status"),
    }
    formatters_columns = {"at": formats.when, "phone_masked": formats.code, "cost": yuan}

    def counted(self, count: Any, list_filters: Any) -> str:
        """Return the number of tests and what they cost."""
        rows = self.datamodel.apply_filters(
            db.session.query(OutreachTest), list_filters.get_joined_filters(self._base_filters)
        )
        cost = rows.with_entities(func.coalesce(func.sum(OutreachTest.cost), 0)).order_by(None).scalar()
        return ngettext("%(n)s test SMS", "%(n)s test SMS", count, n=f"{count:,}") + f" · {yuan(cost)}"
