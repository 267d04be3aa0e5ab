"""Shared parts of the rule and schedule screens: submitting versions, pausing and retiring."""

from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import approvals, labels
from app.console import formats, forms
from app.console.access import may
from app.console.formats import changes_markup
from app.console.table import Link
from app.console.widgets import ConsoleFormWidget
from app.errors import N_, DomainError
from app.extensions import db
from app.models import RuleStatus, VersionStatus

#: labels and formats of the columns that both version screens share
WORDS: dict[str, Any] = {
    "number": lazy_gettext("Version"),
    "status": lazy_gettext("Status"),
    "created_by": lazy_gettext("Created by"),
    "created_at": lazy_gettext("Created"),
    "activated_by": lazy_gettext("Put in force by"),
    "activated_at": lazy_gettext("In force since"),
}
FORMATS: dict[str, Any] = {
    "status": formats.tag(labels.VERSION_STATUS, "version"),
    "created_at": formats.when,
    "activated_at": formats.when,
}
_LOCKED = {
    VersionStatus.SUBMITTED: N_(
        "It waits for approval and can't be changed. Withdraw the request to edit it."
    ),
    VersionStatus.ACTIVE: N_("It is in force and stays on record. To change something, make a new draft."),
    VersionStatus.RETIRED: N_("A former version, kept on record. Roll back to it, or make a new draft."),
}
#: the states of a rule or schedule in which an action makes sense
NEEDED = {
    "pause": {RuleStatus.ACTIVE},
    "resume": {RuleStatus.PAUSED},
    "retire": {RuleStatus.ACTIVE, RuleStatus.PAUSED},
}


class SubmitsVersions:
    """A mix-in for the page of a version that can be submitted for approval."""

    #: a module with KIND, ``changes`` and ``submit`` of these versions
    approval: Any

    def lock_reason(self, item: Any) -> str | None:
        """Return why the version can't be changed or deleted and what to do instead, None for a draft."""
        return _(_LOCKED[item.status]) if item.status in _LOCKED else None

    def submit_links(self, item: Any) -> list[Link]:
        """Return the link to a pending request, or to submit a draft or a former version."""
        waiting = approvals.open_request(self.approval.KIND, item.id)
        if waiting is not None:
            return [
                Link(_("Request for approval"), url_for("ApprovalView.show", pk=waiting.id), primary=True)
            ]
        words = {"draft": _("Submit for approval"), "retired": _("Roll back to this version")}
        if item.status not in words or not may("can_submit", type(self).__name__):
            return []
        draft = item.status == VersionStatus.DRAFT
        return [Link(words[item.status], url_for(".submit", pk=item.id), primary=draft)]

    @expose("/submit/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def submit(self, pk: int) -> Any:
        """Submit the version for a second person's approval."""
        view: Any = self
        item, form, address = view._row(pk), forms.SubmitForm(), url_for(".show", pk=pk)
        try:
            changes = self.approval.changes(item)
            if form.validate_on_submit():
                request = self.approval.submit(item, g.user, form.reason.data)
                db.session.commit()
                flash(
                    _("%(item)s has been submitted; another person must approve it.", item=request.title),
                    "success",
                )
                return redirect(url_for("ApprovalView.show", pk=request.id))
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
            return redirect(address)
        widget = ConsoleFormWidget(
            form=form,
            next=address,
            submit=_("Submit for approval"),
            about=[(_("What will change"), changes_markup(changes))],
        )
        title = _("Submit %(version)s for approval", version=str(item))
        widgets = {"edit": widget, "more": self.beside_submission(item)}
        return view.render_template("form.html", widgets=widgets, title=title)

    def beside_submission(self, item: Any) -> list[Any]:
        """Return what helps to decide whether to submit the version."""
        return []


class Pausable:
    """A mix-in for pausing, resuming and retiring rules and schedules."""

    #: a module with ``set_paused`` and ``retire`` of these rows
    life: Any

    def offers(self, action: str, item: Any) -> bool:
        """Return whether the action makes sense in the row's state."""
        return action not in NEEDED or item.status in NEEDED[action]

    @action(
        "pause",
        lazy_gettext("Pause"),
        lazy_gettext("Pause the selected items? They evaluate and push nothing until they are resumed."),
    )
    def pause(self, items: Any) -> Any:
        """Pause the selected rules or schedules."""
        return self._set_paused(items, True)

    @action("resume", lazy_gettext("Resume"), lazy_gettext("Resume the selected items?"))
    def resume(self, items: Any) -> Any:
        """Resume the selected rules or schedules."""
        return self._set_paused(items, False)

    def _set_paused(self, items: Any, paused: bool) -> Any:
        view: Any = self
        view.each(items, lambda item: self.life.set_paused(item, paused))
        return view.back()

    @action(
        "retire",
        lazy_gettext("Retire"),
        lazy_gettext("Retire it permanently? Its versions, hits and pushes are kept."),
        multiple=False,
    )
    def retire(self, item: Any) -> Any:
        """Retire a rule or schedule. Only an approved version brings it back."""
        self.life.retire(item)
        db.session.commit()
        flash(_("%(item)s is retired.", item=str(item)), "success")
        return redirect(url_for(".show", pk=item.id))
