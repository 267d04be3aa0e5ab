"""API keys as their screen shows and asks for them."""

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
    "active": lazy_gettext("Works"),
    "waiting": lazy_gettext("Waits for approval"),
    "expired": lazy_gettext("Expired"),
    "revoked": lazy_gettext("Has been revoked"),
    "off": lazy_gettext("Account is off"),
}


def _branches() -> list[tuple[str, str]]:
    found = db.session.scalars(select(Branch).order_by(Branch.path))
    return [("", _("Whole bank")), *((each.code, f"{each.code} · {each.name}") for each in found)]


class KeyForm(DynamicForm):  # type: ignore[misc]
    """Which system gets a key, what it reaches and for how long."""

    name = StringField(
        lazy_gettext("Name of the system"),
        description=lazy_gettext("The key gets a log-in of its own by this name, without a password."),
        validators=[DataRequired(), Length(max=64), CODE],
        widget=BS3TextFieldWidget(),
    )
    branch = SelectField(
        lazy_gettext("Scope"),
        description=lazy_gettext("A branch includes what lies below it."),
        choices=_branches,
        widget=Select2Widget(),
    )
    days = IntegerField(
        lazy_gettext("Works for"),
        description=lazy_gettext("Then it is refused, and a new one is needed."),
        default=365,
        validators=[InputRequired(), NumberRange(1, 3650)],
    )
    reason = StringField(
        lazy_gettext("Reason"),
        description=lazy_gettext(
            "Needed when the key reaches the whole bank: a second person must agree first."
        ),
        validators=[Length(max=500)],
        widget=BS3TextFieldWidget(),
    )


def account(key: ApiKey) -> Staff:
    """The log-in of a key. ``key.user`` would be Flask-AppBuilder's user, which has no branch."""
    return db.session.get_one(Staff, key.user_id)


def account_of(key: ApiKey) -> Any:
    """The log-in, as a link to its page."""
    return table.related(account(key))


def reach_of(key: ApiKey) -> Any:
    """The branch that limits what the key reaches."""
    branch = account(key).branch
    return _("Whole bank") if branch is None else table.related(branch)


def rights_of(key: ApiKey) -> str:
    """What the key may do, by its roles."""
    return ", ".join(labels.word(labels.ROLE, role.name) for role in account(key).roles)


def state_of(key: ApiKey) -> Any:
    """Whether it works, and if not why."""
    state = "off" if not (key.active and account(key).active) else "active"
    if state == "off" and open_request(KIND, key.user_id) is not None:
        state = "waiting"
    if key.expires_on is not None and key.expires_on < server_time():
        state = "expired"
    if key.revoked_on is not None:
        state = "revoked"
    return formats.tag(STATE, "key")(state)


def last_used(moment: dt.datetime | None) -> Any:
    """When, or that it never was."""
    return formats.when(moment) if moment else _("never")
