"""Screens of outreach: starting and confirming batches, contacts, and the API of results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, flash, g, jsonify, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import StringField

from app import labels
from app.console import formats, selection
from app.console.access import may
from app.console.parts import OVER, WithProgress
from app.console.table import Link
from app.console.urls import list_url
from app.console.view import ConsoleView
from app.console.widgets import BatchWidget, ConsoleFormWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.lib.amounts import yuan
from app.lib.row_id import row_id
from app.models import (
    Customer,
    Outreach,
    OutreachBatch,
    OutreachBatchStatus,
    OutreachTemplateVersion,
)
from app.outreach import batches, candidates, preflight, start_time
from app.outreach.batches import Campaign
from app.outreach.compliance import REASONS
from app.outreach.start_time import NotThen
from app.outreach.variants import SecondText
from app.screens.outreach import examples, forms, page, variants
from app.screens.outreach.filters import STATES, BatchOfContacts, BatchState
from app.screens.outreach.words import word
from app.selection import Selection

MANY, ONE = "can_contact_many", "can_contact_one"


class ContactsCustomers:
    """Mixin of the views of hits and customers: SMS and calls to one customer or many."""

    endpoint: str

    def hits_of(self, items: list[Any]) -> list[int]:
        """Return the ids of the hits for which customers are contacted."""
        return [item.id for item in items]

    @action("sms", labels.OUTREACH_BULK_ACTION["sms"], single=False)
    def sms(self, items: list[Any]) -> Any:
        """批量发送短信: send SMS for the ticked rows."""
        return self._redirect_to_start("sms", items)

    @action("call", labels.OUTREACH_BULK_ACTION["call"], single=False)
    def call(self, items: list[Any]) -> Any:
        """批量外呼: make calls for the ticked rows."""
        return self._redirect_to_start("call", items)

    def _redirect_to_start(self, channel: str, items: list[Any]) -> Any:
        if not may(MANY, type(self).__name__):
            abort(403)
        ids = ",".join(map(str, self.hits_of(items)))
        return redirect(url_for(f"{self.endpoint}.contact_many", channel=channel, ids=ids))

    def contact_links(self, chosen: Selection | None = None) -> list[Link]:
        """Return the buttons above the list, to contact all that match the filters, by default the list's."""
        if not may(MANY, type(self).__name__):
            return []
        hits = chosen or selection.of_request(self)
        words = {"sms": _("Send SMS to all"), "call": _("Call all")}
        links = []
        for channel, text in words.items():
            path = url_for(f"{self.endpoint}.contact_many", channel=channel)
            links.append(Link(text, selection.url(path, hits)))
        return links

    @expose("/contact_many/<any(sms, call):channel>", methods=["GET", "POST"])
    @has_access
    def contact_many(self, channel: str) -> Any:
        """Choose a template for the ticked rows, or for all that match the filters, and start the check."""
        view: Any = self
        ids = _ids(request.args.get("ids", ""))
        hits = selection.of_request(view)

        def make(
            version: OutreachTemplateVersion, second: SecondText | None, campaign: Campaign
        ) -> OutreachBatch:
            if ids:
                return batches.of_hits(version, ids, g.user, second, campaign)
            return batches.of_filter(version, selection.checked(view), second, campaign)

        form = forms.StartForm().for_channel(channel, one=len(ids) == 1)
        if ids:
            title_of = labels.OUTREACH_ACTION if len(ids) == 1 else labels.OUTREACH_BULK_ACTION
            about = candidates.ticked(ids)
            return _start_page(view, channel, form, make, title=labels.word(title_of, channel), about=about)
        return _start_page(
            *(view, channel, form, make),
            title=labels.word(labels.OUTREACH_BULK_ACTION, channel),
            conditions=selection.conditions(view, hits.filters),
            matching=page.matching(hits),
            back=selection.url(view._list_url(), hits),
        )

    @expose("/contact_many/<any(sms, call):channel>/example", methods=["GET"])
    @has_access
    @permission_name("contact_many")
    def example_of_many(self, channel: str) -> Any:
        """Return an example customer of the selection for the preview, as JSON."""
        if ids := _ids(request.args.get("ids", "")):
            return jsonify(examples.answer(examples.of_ids(ids), channel))
        return jsonify(examples.answer(examples.of_selection(selection.checked(self)), channel))

    @expose("/contact_one/<row_id:pk>/<any(sms, call):channel>/example", methods=["GET"])
    @has_access
    @permission_name("contact_one")
    def example_of_one(self, pk: int, channel: str) -> Any:
        """Return the customer for the preview, as JSON."""
        ids = self.hits_of([self._row(pk)])  # type: ignore[attr-defined]
        return jsonify(examples.answer(examples.of_ids(ids), channel))

    @expose("/contact_one/<row_id:pk>/<any(sms, call):channel>", methods=["GET", "POST"])
    @has_access
    def contact_one(self, pk: int, channel: str) -> Any:
        """Choose a template for one customer, and start the check of a batch of one."""
        view: Any = self
        row = view._row(pk)

        def make(
            version: OutreachTemplateVersion, second: SecondText | None, campaign: Campaign
        ) -> OutreachBatch:
            return batches.of_hits(version, self.hits_of([row]), g.user, second, campaign)

        return _start_page(
            *(view, channel, forms.StartForm().for_channel(channel, one=True), make),
            title=labels.word(labels.OUTREACH_ACTION, channel),
            about=view.heading(row),
            back=url_for(f"{self.endpoint}.show", pk=row.id),
        )


def _ids(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part]
    ids = [key for part in parts if (key := row_id(part)) is not None]
    if len(ids) < len(parts):
        abort(400, description=_("“%(value)s” is not a list of hits.", value=text[:40]))
    return ids


def _start_page(
    view: Any,
    channel: str,
    form: forms.StartForm,
    make: Callable[[OutreachTemplateVersion, SecondText | None, Campaign], OutreachBatch],
    *,
    title: str,
    about: str = "",
    conditions: Any = (),
    matching: int | None = None,
    back: str = "",
) -> Any:
    if form.validate_on_submit():
        try:
            batch = make(*form.selected_versions(channel), form.campaign())
        except NotThen as error:
            db.session.rollback()
            form.start.refuse(error)
        except DomainError as error:
            db.session.rollback()
            field = form[error.field if isinstance(error, FieldError) else "template"]
            field.errors = [*field.errors, error.text()]
        else:
            preflight.start(batch)
            return redirect(url_for("OutreachBatchView.show", pk=batch.id))
    sources = [f"#{name}" for name in ("template", "template_b") if name in form]
    example_url = f"{request.path}/example?{request.query_string.decode()}"
    widget = ConsoleFormWidget(
        form=form,
        units=forms.UNITS,
        next=back or view._list_url(),
        submit=word(channel, "check"),
    )
    return view.render_template(
        "outreach/start.html",
        widget=widget,
        title=title,
        preview=examples.preview(channel, example_url, sources, bodies=examples.bodies(channel)),
        about=about,
        conditions=conditions,
        matching=matching,
        customers=view.model is Customer,
        enumerated=labels.enumerated,
        note=page.sandbox_note(channel),
        first_check=word(channel, "first_check"),
        names=form.names,
        none="" if form.template.choices else word(channel, "none"),
    )


class NamesTexts:
    """Mixin of views of contacts: on a row's page the text is called as its channel calls it."""

    def _fact(self, name: str, item: Any) -> tuple[str, Any]:
        label, value = super()._fact(name, item)  # type: ignore[misc]
        return (word(item.channel, "template") if name == "template" else label), value


class OutreachBatchView(NamesTexts, WithProgress, ConsoleView):
    """营销批次: batches of SMS or calls, checked before they are sent."""

    model = OutreachBatch
    base_permissions = ["can_list", "can_show", "can_progress", "can_confirm", "pause", "resume", "cancel"]
    computed = {
        "template": page.batch_template,
        "status": page.batch_status,
        "start": start_time.in_words,
        "counts": page.batch_counts,
        "chosen": page.selection_text,
        "cost": variants.cost_text,
    }
    number_columns = frozenset({"cost"})
    list_title = lazy_gettext("Outreach batches")
    show_title = lazy_gettext("Outreach batch")
    about = lazy_gettext(
        "SMS and calls that were sent to many customers at once, with text, numbers and cost."
    )
    empty_next = ("CustomerView", "OutreachTemplateView")
    empty_hint = lazy_gettext(
        "No batches yet. Tick customers in the list of high-potential customers, then send an SMS."
    )
    list_columns = [
        *("id", "name", "channel", "counts", "cost", "status"),
        *("created_by", "created_at"),
    ]
    column_terms = {"counts": "held_back", "cost": "batch_cost"}
    order_columns = ["id", "name", "status", "created_at"]
    search_columns = ["status", "channel", "name", "created_by", "created_at"]
    special_filters = {"status": BatchState}
    filter_choices = {"status": STATES, "channel": labels.OUTREACH_CHANNEL}
    add_columns = edit_columns = ["status"]
    show_columns = [
        *("name", "channel", "template", "status", "start", "chosen", "cost"),
        *("gateway", "created_by", "created_at", "confirmed_by", "confirmed_at", "finished_at"),
    ]
    label_columns = {
        "id": lazy_gettext("Batch"),
        "name": lazy_gettext("Campaign name"),
        "start": lazy_gettext("Starts"),
        "send_at": lazy_gettext("Starts"),
        "channel": lazy_gettext("Channel"),
        "template": lazy_gettext("Template"),
        "candidates": lazy_gettext("Hits selected"),
        "counts": lazy_gettext("Customers"),
        "chosen": lazy_gettext("Who is contacted"),
        "status": lazy_gettext("Status"),
        "gateway": lazy_gettext("Gateway"),
        "version": lazy_gettext("Template"),
        "version_b": lazy_gettext("Second template"),
        "share_b": lazy_gettext("Share of the second template (%)"),
        "cost": lazy_gettext("Cost"),
        "spent": lazy_gettext("Cost (yuan)"),
        "created_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Created"),
        "confirmed_by": lazy_gettext("Confirmed by"),
        "confirmed_at": lazy_gettext("Confirmed"),
        "finished_at": lazy_gettext("Finished"),
    }
    formatters_columns = {
        "channel": formats.label(labels.OUTREACH_CHANNEL),
        "gateway": formats.label(labels.GATEWAY),
        "created_at": formats.when,
        "confirmed_at": formats.when,
        "finished_at": formats.when,
    }

    def heading(self, item: OutreachBatch) -> str:
        """Return the number, channel and campaign name of the batch."""
        return f"#{item.id} {labels.word(labels.OUTREACH_CHANNEL, item.channel)} · {item.name}"

    def offers(self, action: str, item: OutreachBatch) -> bool:
        """Whether the status of the batch allows the action."""
        allowed = {
            "pause": (OutreachBatchStatus.RUNNING,),
            "resume": (OutreachBatchStatus.PAUSED,),
            "cancel": batches.CANCELLABLE,
        }
        return item.status in allowed.get(action, ())

    def show_links(self, item: OutreachBatch) -> list[Link]:
        """Return the links to confirm the batch (for its creator), to its rows, and to its only hit."""
        links = []
        if (
            item.status == OutreachBatchStatus.CHECKED
            and item.created_by_id == g.user.id
            and may("can_confirm", "OutreachBatchView")
            and item.planned.get("go")
        ):
            links.append(Link(page.confirm_word(item), url_for(".confirm", pk=item.id), primary=True))
        if may("can_list", "OutreachView"):
            links.append(Link(_("All rows"), list_url("OutreachView", batch=item.id)))
        if len(item.selection.get("ids", ())) == 1 and may("can_show", "HitView"):
            links.append(Link(_("Back to the hit"), url_for("HitView.show", pk=item.selection["ids"][0])))
        return links

    def state_of(self, item: OutreachBatch) -> dict[str, Any]:
        """Return the progress of the batch."""
        return page.progress(item) or OVER

    def progress_of(self, item: OutreachBatch) -> dict[str, Any] | None:
        """Return the progress of the batch, None between check and confirmation."""
        return super().progress_of(item) if page.progress(item) else None

    def _page(self, list_filters: Any, order: Any, page_number: int, size: int) -> tuple[int, list[Any], int]:
        count, rows, number = super()._page(list_filters, order, page_number, size)
        page.load(rows)
        return count, rows, number

    def _get_show_widget(self, pk: Any, item: OutreachBatch, *args: Any, **kwargs: Any) -> dict[str, Any]:
        widgets = super()._get_show_widget(pk, item, *args, **kwargs)
        return widgets | {"more": [BatchWidget(**page.batch_context(item))]}

    @expose("/confirm/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def confirm(self, pk: int) -> Any:
        """Confirm a checked batch, or submit a large one for approval."""
        item = self._row(pk)
        form = forms.ConfirmForm(data={"start": item.send_at})
        form.start.settled = start_time.in_words(item)
        if not batches.needs_approval(item):
            del form.reason
        if form.validate_on_submit():
            try:
                return self._confirm(item, form)
            except NotThen as error:
                db.session.rollback()
                form.start.refuse(error)
        widget = ConsoleFormWidget(form=form, next=url_for(".show", pk=pk), submit=page.confirm_word(item))
        return self.render_template(
            "outreach/confirm.html",
            widget=widget,
            title=_("Confirm %(batch)s", batch=self.heading(item)),
            **page.confirmation(item),
        )

    def _confirm(self, item: OutreachBatch, form: Any) -> Any:
        reason = form.reason.data if form.reason else ""
        try:
            batches.start_at(item, form.start.data)
            approval = batches.confirm(item, g.user, reason, page.translated_conditions(item))
            db.session.commit()
        except NotThen:
            raise
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
        else:
            if approval is None:
                batches.nudge_sender()
                flash(page.confirmed(item), "success")
            else:
                flash(_("Submitted: a second person must approve the batch."), "success")
        return redirect(url_for(".show", pk=item.id))

    @action("pause", lazy_gettext("Pause"), multiple=False)
    def pause(self, item: OutreachBatch) -> Any:
        """Pause sending."""
        return self._change_status(item, batches.pause)

    @action("resume", lazy_gettext("Resume"), multiple=False)
    def resume(self, item: OutreachBatch) -> Any:
        """Resume sending."""
        answer = self._change_status(item, batches.resume)
        batches.nudge_sender()
        return answer

    @action(
        "cancel",
        lazy_gettext("Cancel batch"),
        lazy_gettext(
            "Stop contacting the remaining customers of this batch? Contacts already made are not affected."
        ),
        multiple=False,
    )
    def cancel(self, item: OutreachBatch) -> Any:
        """Cancel the contacts that are left."""
        return self._change_status(item, batches.cancel)

    def _change_status(self, item: OutreachBatch, change: Any) -> Any:
        if item.created_by_id != g.user.id and not may(MANY, "HitView"):
            abort(403)
        change(item)
        db.session.commit()
        return redirect(url_for(".show", pk=item.id))


class OutreachView(NamesTexts, ConsoleView):
    """触达记录: every contact, made or held back, with the reason."""

    model = Outreach
    base_permissions = ["can_list", "can_show"]
    computed = {
        "template": page.row_template,
        "status": page.row_status,
        "why": page.reason,
        "caught": page.row_hit,
    }
    list_title = lazy_gettext("Contacts")
    show_title = lazy_gettext("Contact")
    about = lazy_gettext("Each contact of a customer by SMS or call, sent or held back, with the reason.")
    empty_next = ("CustomerView",)
    empty_hint = lazy_gettext("Nobody has been contacted yet.")
    list_columns = ["lead", "channel", "template", "status", "why", "batch", "at"]
    order_columns = ["at", "status", "channel"]
    search_columns = ["status", "reason", "batch", "letter", "channel", "at", "reserved_at", "reported_at"]
    special_filters = {"letter": variants.TextOf, "batch": BatchOfContacts}
    search_form_extra_fields = {"letter": StringField()}
    filter_choices = {
        "status": labels.of_both(labels.contact_words("sms"), labels.contact_words("call")),
        "channel": labels.OUTREACH_CHANNEL,
        "reason": REASONS,
    }
    add_columns = edit_columns = ["status"]
    show_columns = [
        *("lead", "caught", "channel", "template", "batch", "status", "why", "key"),
        *("reserved_at", "sent_at", "reported_at", "at", "attempts", "gateway_ref", "segments", "cost"),
    ]
    label_columns = {
        "lead": lazy_gettext("Lead"),
        "caught": lazy_gettext("Hit"),
        "channel": lazy_gettext("Channel"),
        "template": lazy_gettext("Template"),
        "batch": lazy_gettext("Batch"),
        "status": lazy_gettext("Status"),
        "reason": lazy_gettext("Held back because"),
        "letter": lazy_gettext("Template A or B"),
        "why": lazy_gettext("Why"),
        "key": lazy_gettext("Idempotency key"),
        "reserved_at": lazy_gettext("Decision time"),
        "sent_at": lazy_gettext("Handed over"),
        "reported_at": lazy_gettext("Reported by another system"),
        "at": lazy_gettext("Last change"),
        "attempts": lazy_gettext("Attempts"),
        "gateway_ref": lazy_gettext("Gateway reference"),
        "version": lazy_gettext("Template"),
        "segments": lazy_gettext("SMS segments"),
        "cost": lazy_gettext("Cost"),
    }
    formatters_columns = {
        "channel": formats.label(labels.OUTREACH_CHANNEL),
        "key": formats.code,
        "gateway_ref": formats.code,
        "attempts": formats.number,
        "cost": yuan,
        **dict.fromkeys(("at", "reserved_at", "sent_at", "reported_at"), formats.when),
    }

    def hidden_columns(self, item: Outreach) -> tuple[str, ...]:
        """Return what a contact has not: segments a call, a hit that of some journeys, and most a report."""
        absent = {
            "segments": item.channel == "call",
            "reported_at": item.reported_at is None,
            "caught": item.hit_id is None,
        }
        return tuple(name for name, missing in absent.items() if missing)
