"""Presentation of API keys, and the form for a new one."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_appbuilder.fieldwidgets import BS3TextFieldWidget, Select2Widget
from flask_appbuilder.forms import DynamicForm
from flask_appbuilder.security.sqla.models import ApiKey
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import select
from wtforms import IntegerField, SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from app import labels
from app.access.keys import server_time
from app.approvals import open_request
from app.approvals.keys import KIND
from app.console import formats, table
from app.console.forms import CODE
from app.extensions import db
from app.models import Branch, Staff

UNITS = {"days": lazy_gettext("days")}
STATE = {
    "active": lazy_gettext("Valid"),
    "waiting": lazy_gettext("Awaiting approval"),
    "expired": lazy_gettext("Expired"),
    "revoked": lazy_gettext("Has been revoked"),
    "off": lazy_gettext("Account disabled"),
}


def _branches() -> list[tuple[str, str]]:
    branches = db.session.scalars(select(Branch).order_by(Branch.path))
    return [("", _("Whole bank")), *((each.code, f"{each.code} · {each.name}") for each in branches)]


class KeyForm(DynamicForm):  # type: ignore[misc]
    """Name, scope, validity and reason of a new key."""

    name = StringField(
        lazy_gettext("Name of the system"),
        description=lazy_gettext(
            "Letters, digits, dots, dashes and underscores. The key gets its own account with this name and"
            " no password."
        ),
        validators=[DataRequired(), Length(max=64), CODE],
        widget=BS3TextFieldWidget(),
    )
    branch = SelectField(
        lazy_gettext("Scope"),
        description=lazy_gettext("A branch includes the branches below it."),
        choices=_branches,
        widget=Select2Widget(),
    )
    days = IntegerField(
        lazy_gettext("Valid for"),
        description=lazy_gettext("After that the key is refused and a new one is needed."),
        default=365,
        validators=[InputRequired(), NumberRange(1, 3650)],
    )
    reason = StringField(
        lazy_gettext("Reason for the scope"),
        description=lazy_gettext(
            "Required when the key covers the whole bank; a second person must approve it first."
        ),
        validators=[Length(max=500)],
        widget=BS3TextFieldWidget(),
    )


def account(key: ApiKey) -> Staff:
    """Return the account of a key. ``key.user`` would be Flask-AppBuilder's user, which has no branch."""
    return db.session.get_one(Staff, key.user_id)


def account_of(key: ApiKey) -> Any:
    """Return the account as a link to its page."""
    return table.related(account(key))


def scope_of(key: ApiKey) -> Any:
    """Return the branch to which the key is limited, or that it covers the whole bank."""
    branch = account(key).branch
    return _("Whole bank") if branch is None else table.related(branch)


def rights_of(key: ApiKey) -> str:
    """Return the roles of the key's account."""
    return ", ".join(labels.word(labels.ROLE, role.name) for role in account(key).roles)


def state_of(key: ApiKey) -> Any:
    """Return the state of the key as a tag: active, or why it does not work."""
    state = "off" if not (key.active and account(key).active) else "active"
    if state == "off" and open_request(KIND, key.user_id) is not None:
        state = "waiting"
    if key.expires_on is not None and key.expires_on < server_time():
        state = "expired"
    if key.revoked_on is not None:
        state = "revoked"
    return formats.tag(STATE, "key")(state)


def last_used(moment: dt.datetime | None) -> Any:
    """Return the time of the last use, or that there was none."""
    return formats.when(moment) if moment else _("never")
