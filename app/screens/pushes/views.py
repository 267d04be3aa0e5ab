"""The screens of pushes, of deliveries with their attempts, and of push targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, current_app, flash, redirect, request, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app.audit.events import event
from app.channels import channel, channels, targets
from app.console import formats
from app.console.access import may, me
from app.console.table import Action, Link
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.lib import clock
from app.models import (
    Delivery,
    DeliveryAttempt,
    DeliveryStatus,
    Push,
    StopReason,
    Target,
    TargetStatus,
)
from app.push import outbox
from app.push.test_push import send_sample
from app.screens.pushes import page, target_form


class DeliveryAttemptView(ConsoleView):
    """The attempts of a delivery, shown on its page."""

    model = DeliveryAttempt
    base_permissions = ["can_list"]
    list_title = lazy_gettext("Delivery attempts")
    about = lazy_gettext("Each attempt to deliver a push, with the answer.")
    empty_hint = lazy_gettext("No attempts yet.")
    list_columns = ["tried_at", "outcome", "http_status", "answer", "duration_ms"]
    order_columns = ["tried_at"]
    search_columns = ["delivery", "outcome", "tried_at"]
    filter_choices = {"outcome": page.ATTEMPT}
    label_columns = {
        "delivery": lazy_gettext("Delivery"),
        "tried_at": lazy_gettext("Attempted at"),
        "outcome": lazy_gettext("Result"),
        "http_status": lazy_gettext("HTTP status"),
        "answer": lazy_gettext("Answer"),
        "duration_ms": lazy_gettext("Duration (ms)"),
    }
    formatters_columns = {
        "tried_at": formats.moment,
        "outcome": formats.tag(page.ATTEMPT, "attempt"),
        "duration_ms": formats.number,
    }


class DeliveryView(ConsoleView):
    """投递记录: each message to each target, with its state and next attempt."""

    model = Delivery
    base_permissions = ["can_list", "can_show", "retry_now", "replay", "cancel"]
    related_views = [DeliveryAttemptView]
    computed = {"part_of": page.part_of, "next_try": page.next_attempt, "ends": page.finished_or_next}
    list_title = lazy_gettext("Deliveries")
    show_title = lazy_gettext("Delivery")
    about = lazy_gettext("Each delivery of a push to a target, with its attempts and the answer.")
    empty_next = ("ScheduleView",)
    empty_hint = lazy_gettext("No deliveries yet. A push with new hits creates one for each target.")
    list_columns = [
        "id",
        "push",
        "target",
        "part_of",
        "hits",
        "status",
        "attempts",
        "answer",
        "ends",
    ]
    order_columns = ["id", "status"]
    search_columns = ["status", "target", "push_id", "created_at"]
    filter_choices = {"status": page.DELIVERY_STATUS}
    show_columns = [
        *("push", "target", "uid", "part_of", "hits", "status", "attempts", "next_try", "answer"),
        *("created_at", "done_at"),
    ]
    label_columns = {
        "id": lazy_gettext("Delivery"),
        "push": lazy_gettext("Push"),
        "push_id": lazy_gettext("Push number"),
        "target": lazy_gettext("Target"),
        "uid": lazy_gettext("ID for the receiver"),
        "part_of": lazy_gettext("Part"),
        "hits": lazy_gettext("Hits"),
        "status": lazy_gettext("Status"),
        "attempts": lazy_gettext("Attempts"),
        "next_try": lazy_gettext("Next attempt"),
        "ends": lazy_gettext("Finished / next attempt"),
        "answer": lazy_gettext("Last answer"),
        "created_at": lazy_gettext("Created"),
        "done_at": lazy_gettext("Finished at"),
    }
    formatters_columns = {
        "id": lambda value: f"#{value}",
        "uid": formats.code,
        "hits": formats.number,
        "attempts": formats.number,
        "status": formats.tag(page.DELIVERY_STATUS, "delivery"),
        "created_at": formats.when,
        "done_at": formats.when,
    }
    add_columns = edit_columns = ["answer"]
    menu_badge = staticmethod(page.count_dead_letters)

    def heading(self, item: Delivery) -> str:
        """Return the title with the number of the delivery."""
        return f"{_('Delivery')} {item}"

    def offers(self, action: str, item: Delivery) -> bool:
        """Return whether an action applies to the state of the delivery; none applies to a test."""
        if item.push.is_test:
            return False
        if action == "replay":
            return item.status in (DeliveryStatus.SENT, DeliveryStatus.DEAD, DeliveryStatus.CANCELLED)
        if action == "cancel":
            return item.status in (DeliveryStatus.WAITING, DeliveryStatus.DEAD)
        return item.status == DeliveryStatus.WAITING

    def _change(self, items: Any, name: str, change: Callable[..., None], message: str) -> Any:
        rows = items if isinstance(items, list) else [items]
        now = clock.now()
        for row in rows:
            change(db.session(), row, now)
        db.session.commit()
        for row in rows:
            event(name, "delivery", row.id, title=str(row))
        flash(message % {"n": len(rows)}, "success")
        return self.back()

    @action("retry_now", lazy_gettext("Retry now"))
    def retry_now(self, items: Any) -> Any:
        """Attempt waiting deliveries next instead of at their time; silent times still apply."""
        return self._change(items, "retry_now", outbox.retry_now, _("%(n)s deliveries will be retried now."))

    @action(
        "replay",
        lazy_gettext("Send again"),
        lazy_gettext("Send again with the same ID? A receiver that already accepted it recognises the ID."),
    )
    def replay(self, items: Any) -> Any:
        """Send finished deliveries again."""
        return self._change(items, "replay", outbox.replay, _("%(n)s deliveries will be sent again."))

    @action(
        "cancel",
        lazy_gettext("Cancel delivery"),
        lazy_gettext("Cancel this delivery? Its hits count as pushed."),
    )
    def cancel(self, items: Any) -> Any:
        """Cancel waiting deliveries or dead letters for good."""
        return self._change(items, "cancel", outbox.cancel, _("%(n)s deliveries cancelled."))


class PushView(ConsoleView):
    """推送记录: every push of every schedule."""

    model = Push
    base_permissions = ["can_list", "can_show"]
    related_views = [DeliveryView]
    computed = {
        "of": page.schedule_of,
        "why_of": page.why_of,
        "hits_of": page.hits_of,
    }
    list_title = lazy_gettext("Push records")
    show_title = lazy_gettext("Push")
    number_columns = frozenset({"hits_of"})
    about = lazy_gettext("Each sending of hits by a schedule.")
    empty_next = ("ScheduleView",)
    empty_hint = lazy_gettext("No pushes yet. Schedules in force push at their set times.")
    base_order = ("at", "desc")
    list_columns = ["id", "of", "at", "why_of", "hits_of", "status"]
    column_terms = {"id": "push"}
    order_columns = ["id", "at", "status"]
    search_columns = ["schedule", "status", "at", "is_test"]
    filter_choices = {"status": page.PUSH_STATUS}
    show_columns = [
        "of",
        "version",
        "slot",
        "at",
        "why_of",
        "hits_of",
        "status",
        "requested_by",
        "created_at",
    ]
    label_columns = {
        "id": lazy_gettext("Push"),
        "of": lazy_gettext("Schedule"),
        "schedule": lazy_gettext("Schedule"),
        "version": lazy_gettext("Version"),
        "slot": lazy_gettext("Slot"),
        "at": lazy_gettext("Pushed at"),
        "why_of": lazy_gettext("Outcome and reason"),
        "hits_of": lazy_gettext("Hits"),
        "status": lazy_gettext("Status"),
        "is_test": lazy_gettext("Test"),
        "requested_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {
        "id": lambda value: f"#{value}",
        "slot": formats.moment,
        "at": formats.moment,
        "status": formats.tag(page.PUSH_STATUS, "push"),
        "created_at": formats.when,
    }

    def heading(self, item: Push) -> str:
        """Return the title with the number of the push and its schedule."""
        return f"{_('Push')} {item}" + "".join(
            f" · {each}" for each in (item.schedule and item.schedule.name, item.journey_version) if each
        )


class TargetView(ConsoleView):
    """推送目标: what channels send to. A target can be set up, tested, stopped and resumed."""

    model = Target
    base_permissions = [
        *("can_list", "can_show", "can_create", "can_settings", "can_secret"),
        *("try_out", "stop", "resume"),
    ]
    computed = {
        "kind_of": page.kind_of,
        "state_of": page.state_of,
        "waiting": page.waiting_deliveries,
        "settings_shown": page.settings_shown,
        "secret_state": page.secret_state,
        "used_by": page.used_by,
    }
    number_columns = frozenset({"waiting"})
    list_title = lazy_gettext("Push targets")
    show_title = lazy_gettext("Push target")
    about = lazy_gettext("The systems, mailboxes, people and folders that receive hits.")
    empty_hint = lazy_gettext(
        "No targets yet. Add the systems, mailboxes, people and folders that hits are pushed to."
    )
    base_order = ("code", "asc")
    list_columns = ["code", "name", "kind_of", "state_of", "waiting", "last_ok_at", "last_error"]
    order_columns = ["code", "name", "last_ok_at"]
    search_columns = ["code", "name", "status"]
    filter_choices = {"status": page.TARGET_STATUS}
    add_columns = edit_columns = ["name"]
    show_columns = [
        *("code", "name", "kind_of", "settings_shown", "secret_state", "used_by", "state_of", "stopped_by"),
        *("stopped_at", "waiting", "last_ok_at", "failing_since", "last_error", "created_by", "created_at"),
    ]
    label_columns = {
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "kind_of": lazy_gettext("Channel"),
        "status": lazy_gettext("Status"),
        "state_of": lazy_gettext("Status"),
        "settings_shown": lazy_gettext("Target settings"),
        "secret_state": lazy_gettext("Signing secret"),
        "used_by": lazy_gettext("Schedules that use it"),
        "stopped_by": lazy_gettext("Stopped by"),
        "stopped_at": lazy_gettext("Stopped since"),
        "waiting": lazy_gettext("Waiting deliveries"),
        "last_ok_at": lazy_gettext("Last success"),
        "failing_since": lazy_gettext("Failing since"),
        "last_error": lazy_gettext("Last failure"),
        "created_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {
        "code": formats.code,
        **dict.fromkeys(["stopped_at", "last_ok_at", "failing_since", "created_at"], formats.when),
    }

    def list_links(self) -> list[Link]:
        """Return a link for each channel that adds a target."""
        if not may("can_create", "TargetView"):
            return []
        return [
            Link(_("Add: %(kind)s", kind=each.label), url_for(".create", kind=each.kind))
            for each in channels().values()
        ]

    def show_links(self, item: Target) -> list[Link]:
        """Return the link to the settings."""
        if not may("can_settings", "TargetView"):
            return []
        return [Link(_("Change the settings"), url_for(".settings", pk=item.id), primary=not item.settings)]

    def offers(self, action: str, item: Target) -> bool:
        """Return whether an action applies: stop if active, resume if stopped, a test once it is set up."""
        if action == "try_out":
            return bool(item.settings)
        return (item.status == TargetStatus.ACTIVE) == (action == "stop")

    def _get_show_widget(self, pk: Any, item: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown = super()._get_show_widget(pk, item, *args, **kwargs)
        if item.kind in channels() and channel(item.kind).signs and may("can_secret", "TargetView"):
            shown["show"].template_args["actions"].append(_secret_action(item))
        return shown

    @expose("/create", methods=["GET", "POST"])
    @has_access
    def create(self) -> Any:
        """Set up a new target of the channel in the address."""
        kind = request.args.get("kind", "webhook")
        if kind not in channels():
            abort(404)
        form = target_form.target_form(kind, with_code=True)()
        if form.validate_on_submit():
            try:
                typed = _typed(form, kind)
                target = targets.create(kind, form.code.data, form.name.data, typed, me())
                db.session.commit()
            except FieldError as error:
                self._show_error(form, error)
            else:
                flash(_("Saved."), "success")
                return redirect(url_for(".show", pk=target.id))
        return self._form(form, _("Add: %(kind)s", kind=channel(kind).label), self._list_url())

    @expose("/settings/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def settings(self, pk: int) -> Any:
        """Change a target's name and settings."""
        target = self._row(pk)
        form = target_form.target_form(target.kind, with_code=False)()
        if not form.is_submitted():
            form.name.data = target.name
            target_form.fill(form, target.kind, target.settings)
        elif form.validate():
            try:
                targets.save(target, form.name.data, _typed(form, target.kind))
                db.session.commit()
            except FieldError as error:
                self._show_error(form, error)
            else:
                flash(_("Saved."), "success")
                return redirect(url_for(".show", pk=target.id))
        title = _("Settings: %(target)s", target=str(target))
        return self._form(form, title, url_for(".show", pk=target.id))

    def _form(self, form: Any, title: str, back: str) -> Any:
        widget = ConsoleFormWidget(form=form, next=back)
        return self.render_template("form.html", widgets={"edit": widget}, title=title)

    def _show_error(self, form: Any, error: FieldError) -> None:
        db.session.rollback()
        if not target_form.show_error(form, error):
            flash(error.text(), "danger")

    @expose("/secret/<row_id:pk>", methods=["POST"])
    @has_access
    def secret(self, pk: int) -> Any:
        """Create a new secret and show it once."""
        target = self._row(pk)
        try:
            secret = targets.new_secret(target, current_app.config["SETTINGS"])
        except DomainError as error:
            flash(error.text(), "danger")
            return redirect(url_for(".show", pk=target.id))
        db.session.commit()
        event("secret", "target", target.id, title=target.code)
        secret_page = self.render_template(
            "pushes/target_secret.html",
            title=_("New secret: %(target)s", target=str(target)),
            secret=secret,
            back=url_for(".show", pk=target.id),
        )
        return secret_page, {"Cache-Control": "no-store"}

    @action(
        "try_out",
        lazy_gettext("Send a test"),
        lazy_gettext(
            "Send a sample marked as a test now? It is sent in silent times too and touches no lead."
        ),
        multiple=False,
    )
    def try_out(self, item: Target) -> Any:
        """Send a sample marked as a test and show the answer."""
        [attempt] = send_sample([item.code], me())
        answer = " ".join(str(each) for each in (attempt.http_status, attempt.answer) if each)
        if attempt.ok:
            message = _("The test arrived in %(ms)s ms: %(answer)s", ms=attempt.duration_ms, answer=answer)
            flash(message, "success")
        else:
            flash(_("The test did not arrive: %(answer)s", answer=answer), "danger")
        return redirect(url_for("TargetView.show", pk=item.id))

    @action(
        "stop",
        lazy_gettext("Stop"),
        lazy_gettext("Stop sending to this target? Further pushes to it will wait."),
    )
    def stop(self, items: Any) -> Any:
        """Stop sending to the targets."""
        self.each(items, lambda target: targets.stop(target, StopReason.BY_HAND, me()))
        flash(_("Stopped. Further pushes to it will wait."), "success")
        return self.back()

    @action(
        "resume",
        lazy_gettext("Resume"),
        lazy_gettext("Resume sending to this target? Waiting deliveries are sent now."),
    )
    def resume(self, items: Any) -> Any:
        """Resume sending to the targets."""
        self.each(items, targets.resume)
        flash(_("Resumed. Waiting deliveries are sent now."), "success")
        return self.back()


def _typed(form: Any, kind: str) -> dict[str, Any]:
    """Return the typed settings. Raises FieldError for a place that nothing could be sent to."""
    typed = target_form.read(form, kind)
    targets.check_place(kind, typed, current_app.config["SETTINGS"])
    return typed


def _secret_action(target: Target) -> Any:
    question = (
        _("Create a new secret? The present one becomes invalid at once.") if target.secret_cipher else ""
    )
    return Action(_("Create a new secret"), url_for("TargetView.secret", pk=target.id), question)
