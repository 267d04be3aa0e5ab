"""The screen on which administrators create, list and revoke API keys."""

from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.actions import action
from flask_appbuilder.security.sqla.models import ApiKey
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app.access.keys import create_key, reaches_whole_bank, revoke_key
from app.approvals.keys import ask_for_key
from app.console import formats
from app.console.access import may
from app.console.table import Link
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.screens.staff import api_key_page


class ApiKeyView(ConsoleView):
    """接口密钥: the keys with which the bank's own systems use the API."""

    model = ApiKey
    base_permissions = ["can_list", "can_show", "can_create", "revoke"]
    computed = {
        "account": api_key_page.account_of,
        "reach": api_key_page.scope_of,
        "rights": api_key_page.rights_of,
        "state": api_key_page.state_of,
    }
    list_title = lazy_gettext("API keys")
    show_title = lazy_gettext("API key")
    about = lazy_gettext("Keys with which the bank's own systems use the API.")
    empty_hint = lazy_gettext("No key yet. Create one for each system that uses the API.")
    list_columns = ["name", "account", "reach", "state", "created_on", "expires_on", "last_used_on"]
    order_columns = ["name", "created_on", "expires_on", "last_used_on"]
    search_columns = ["name"]
    add_columns = edit_columns = ["name"]
    show_columns = [
        *("name", "account", "reach", "rights", "state"),
        *("created_on", "expires_on", "revoked_on", "last_used_on"),
    ]
    label_columns = {
        "name": lazy_gettext("Name"),
        "account": lazy_gettext("Account"),
        "reach": lazy_gettext("Scope"),
        "rights": lazy_gettext("Role"),
        "state": lazy_gettext("Status"),
        "created_on": lazy_gettext("Created"),
        "expires_on": lazy_gettext("Valid until"),
        "revoked_on": lazy_gettext("Revoked"),
        "last_used_on": lazy_gettext("Last used"),
    }
    formatters_columns = {
        "name": formats.code,
        **dict.fromkeys(["created_on", "expires_on", "revoked_on"], formats.when),
        "last_used_on": api_key_page.last_used,
    }

    def heading(self, item: ApiKey) -> str:
        """Return the name of the system."""
        return str(item.name)

    def list_links(self) -> list[Link]:
        """Return the link to the form for a new key."""
        if not may("can_create", "ApiKeyView"):
            return []
        return [Link(_("New API key"), url_for(".create"), primary=True)]

    def offers(self, action: str, item: ApiKey) -> bool:
        """Return whether the key can still be revoked."""
        return bool(item.revoked_on is None)

    @expose("/create", methods=["GET", "POST"])
    @has_access
    def create(self) -> Any:
        """Create a key and show it once."""
        form = api_key_page.KeyForm()
        if form.validate_on_submit():
            try:
                made = self._create(form)
            except DomainError as error:
                db.session.rollback()
                if not isinstance(error, FieldError):
                    flash(error.text(), "danger")
                else:
                    form[error.field].errors = [*form[error.field].errors, error.text()]
            else:
                page = self.render_template(
                    "staff/api_key.html", title=_("New API key: %(name)s", name=made["name"]), made=made
                )
                return page, {"Cache-Control": "no-store"}
        widget = ConsoleFormWidget(
            form=form, units=api_key_page.UNITS, next=self._list_url(), submit=_("Create the key")
        )
        return self.render_template("form.html", widgets={"edit": widget}, title=_("New API key"))

    def _create(self, form: api_key_page.KeyForm) -> dict[str, Any]:
        """Create the key, inactive until it is approved when it covers the whole bank.

        Raises FieldError when the reason for that scope is missing.
        """
        code = form.branch.data or None
        bank_wide, reason = reaches_whole_bank(code), form.reason.data or ""
        if bank_wide and not reason.strip():
            raise FieldError("reason", "State why the key must cover the whole bank.")
        made = create_key(form.name.data, branch_code=code, days=form.days.data, active=not bank_wide)
        if not bank_wide:
            return made
        approval = ask_for_key(made["name"], g.user, reason)
        db.session.commit()
        return made | {"waits": approval is not None, "unchecked": approval is None}

    @action(
        "revoke",
        lazy_gettext("Revoke"),
        lazy_gettext(
            "Revoke this key? From the next request on, the system that uses it is refused permanently."
        ),
        multiple=False,
    )
    def revoke(self, item: ApiKey) -> Any:
        """Revoke the key at once."""
        name = api_key_page.account(item).username
        revoke_key(name)
        flash(_("The key of %(name)s is revoked.", name=name), "success")
        return redirect(url_for(".list"))
