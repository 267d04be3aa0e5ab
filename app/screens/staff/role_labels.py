"""Display names of permissions, and the permissions of a role as text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from flask import current_app
from flask_appbuilder.security.sqla.models import Permission, PermissionView, ViewMenu
from flask_babel import force_locale, lazy_gettext
from flask_babel import gettext as _
from markupsafe import Markup

from app import labels
from app.console.access import view_named
from app.extensions import db
from app.permissions import menu_names

_METHOD = {
    "can_list": lazy_gettext("See the list"),
    "can_show": lazy_gettext("View"),
    "can_add": lazy_gettext("Add"),
    "can_edit": lazy_gettext("Edit"),
    "can_delete": lazy_gettext("Delete"),
    "can_reveal": lazy_gettext("Reveal a phone number"),
    "can_upload": lazy_gettext("Upload"),
    "can_errors": lazy_gettext("Download rejected rows"),
    "can_rejects": lazy_gettext("Download rejected rows"),
    "can_correct": lazy_gettext("Withdraw and replace log files"),
    "can_template": lazy_gettext("Download the template"),
    "can_progress": lazy_gettext("Watch the progress"),
    "can_unread": lazy_gettext("Query unread reminders"),
    "can_read_all": lazy_gettext("Mark all as read"),
    "can_search": lazy_gettext("Search"),
    "can_count": lazy_gettext("Count the matches"),
    "can_preview": lazy_gettext("Preview"),
    "can_test": lazy_gettext("Send a test"),
    "can_compare": lazy_gettext("Compare versions"),
    "can_export_clear": lazy_gettext("Request exports with phone numbers in clear"),
    "can_backtest": lazy_gettext("Back-test"),
    "can_simulate": lazy_gettext("Simulate"),
    "can_steps": lazy_gettext("Download the simulated steps"),
    "can_pause": lazy_gettext("Pause and resume"),
    "can_stop": lazy_gettext("Stop everything"),
    "can_submit": lazy_gettext("Submit for approval"),
    "can_approve": lazy_gettext("Approve"),
    "can_reject": lazy_gettext("Reject"),
    "withdraw": lazy_gettext("Withdraw"),
    "retire": lazy_gettext("Retire"),
    "can_verify": lazy_gettext("Verify the chain"),
    "can_export_log": lazy_gettext("Export the change log"),
    "can_work": lazy_gettext("Record follow-ups and outcomes"),
    "can_take_off": lazy_gettext("Take off the list"),
    "can_switch": lazy_gettext("Request switching on or off"),
    "delete_many": lazy_gettext("Delete several at once"),
    "remove_entry": lazy_gettext("See the button for taking off the list"),
    "can_create": lazy_gettext("Set up new ones"),
    "can_contact_many": lazy_gettext("Contact many customers"),
    "can_contact_one": lazy_gettext("Contact one customer"),
    "can_allow_call": lazy_gettext("Allow a call outside contact hours"),
    "can_confirm": lazy_gettext("Confirm and send"),
    "can_change": lazy_gettext("Propose a change"),
    "can_post": lazy_gettext("Write by API"),
    "can_settings": lazy_gettext("Change the settings"),
    "can_make": lazy_gettext("Create a report"),
    "can_timing": lazy_gettext("Set the sending time and recipients"),
    "can_secret": lazy_gettext("Create a new secret"),
    "can_start": lazy_gettext("Start"),
    "can_find": lazy_gettext("Find a customer"),
    "can_held": lazy_gettext("View the data held about a customer"),
    "can_file": lazy_gettext("Download the data held about a customer"),
    "can_erase": lazy_gettext("Erase a customer's data"),
    "can_bulk": lazy_gettext("Change all rows of a list"),
    "can_assign_all": lazy_gettext("Assign all customers of a list"),
    "can_test_sms": lazy_gettext("Send a test SMS to oneself"),
    "can_export": lazy_gettext("Export the table (CSV)"),
    "can_export_all": lazy_gettext("Export the whole list"),
    "can_fetch": lazy_gettext("Download the export"),
    "can_userinfo": lazy_gettext("View one's own profile"),
    "can_this_form_get": lazy_gettext("Open"),
    "can_this_form_post": lazy_gettext("Save"),
    "can_get": lazy_gettext("Read by API"),
    "can_info": lazy_gettext("Read the structure by API"),
    "menu_access": lazy_gettext("Menu"),
}

#: parts of the API by their name in its addresses
_API = {
    "facts": lazy_gettext("Facts"),
    "hits": lazy_gettext("Hits"),
    "leads": lazy_gettext("Leads"),
    "openapi": lazy_gettext("Description of the API"),
    "outcomes": lazy_gettext("Outcomes"),
    "outreach": lazy_gettext("Results of contacts"),
}

#: what a role is for, in a sentence
PURPOSE = {
    "Admin": lazy_gettext("Everything, users and settings included; nobody can edit the change log."),
    "Manager": lazy_gettext("Leads, rules, schedules and outreach in bulk; approves what others submit."),
    "Marketer": lazy_gettext("Works the hits of the own branch and those below; views numbers one by one."),
    "DataOperator": lazy_gettext("Log deliveries, T+1 runs, institutions and background jobs."),
    "Auditor": lazy_gettext(
        "Reads all but numbers in clear, verifies and exports the change log; changes nothing."
    ),
    "Integration": lazy_gettext("For the API keys of the bank's own systems."),
    "Public": lazy_gettext("Whoever is not logged in; opens the log-in page only."),
}


def grantable_permissions() -> list[Any]:
    """Return every permission that can be granted, sorted by view; with_menu adds the menu entries."""
    pairs = [pair for pair in db.session.query(PermissionView).all() if pair.permission.name != "menu_access"]
    return sorted(pairs, key=lambda pair: (_view_name(pair.view_menu.name), *_place(pair)))


def with_menu(selected: Iterable[Any]) -> list[Any]:
    """Return the selected permissions together with the menu entries of every list among them."""
    pairs = list(selected)
    lists = {pair.view_menu.name for pair in pairs if pair.permission.name == "can_list"}
    menu = menu_names(current_app.appbuilder)  # type: ignore[attr-defined]
    names = lists | {area for area, views in menu.items() if lists & set(views)}
    entries = (
        db.session.query(PermissionView)
        .join(PermissionView.permission)
        .join(PermissionView.view_menu)
        .filter(Permission.name == "menu_access", ViewMenu.name.in_(names))
    )
    return [*pairs, *entries]


def permission_text(pair: Any) -> str:
    """Return a permission on a view in one line."""
    return _("%(view)s: %(action)s", view=_view_name(pair.view_menu.name), action=_action_name(pair))


def grouped(pairs: Iterable[Any]) -> Markup:
    """Return the permissions of a role, one line for each view, without menu entries."""
    by_view: dict[str, list[str]] = defaultdict(list)
    for pair in sorted(pairs, key=_place):
        if pair.permission.name != "menu_access":
            by_view[_view_name(pair.view_menu.name)].append(_action_name(pair))
    lines = [
        Markup("<div><strong>{}</strong> {}</div>").format(view, labels.joined(actions))
        for view, actions in sorted(by_view.items())
    ]
    return Markup('<div class="plain-list">{}</div>').format(Markup("").join(lines))


def differences(before: Iterable[Any], after: Iterable[Any]) -> dict[str, dict[str, list[str]]]:
    """Return the permissions that are granted and removed, as text in each language."""
    old, new = {pair.id: pair for pair in before}, {pair.id: pair for pair in after}
    words: dict[str, dict[str, list[str]]] = {}
    for language in ("zh", "en"):
        with force_locale(language):
            words[language] = {
                "given": _texts(pair for key, pair in new.items() if key not in old),
                "taken": _texts(pair for key, pair in old.items() if key not in new),
            }
    return words


def _texts(pairs: Iterable[Any]) -> list[str]:
    return sorted(permission_text(pair) for pair in pairs if pair.permission.name != "menu_access")


def _place(pair: Any) -> tuple[int, int]:
    """Return the place of a permission among those on its view: seeing comes before changing."""
    name = pair.permission.name
    return list(_METHOD).index(name) if name in _METHOD else len(_METHOD), pair.id


def _action_name(pair: Any) -> str:
    name = pair.permission.name
    if name in _METHOD:
        return str(_METHOD[name])
    action = getattr(view_named(pair.view_menu.name), "actions", {}).get(name)
    return str(action.text) if action else name


def _view_name(name: str) -> str:
    view = view_named(name)
    if hasattr(view, "resource_name"):
        return _("API: %(name)s", name=_API[view.resource_name])  # type: ignore[union-attr]
    title = getattr(view, "list_title", "") or getattr(view, "form_title", "")
    return str(title) or name
