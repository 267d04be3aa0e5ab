"""Notices about log-ins at browsers that didn't know the person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from flask_babel import lazy_gettext
from sqlalchemy import select

from app.extensions import db
from app.lib.pointers import to_page
from app.lib.settings import current_settings
from app.models import LoginDevice
from app.reminders.notice import Notice

#: log-ins older than this are not reported
DAYS = 7
NEW = lazy_gettext(
    "You logged in at a new browser: %(address)s, %(time)s. If it wasn't you, change your password."
)


def notices(now: dt.datetime) -> Iterator[Notice]:
    """Yield a notice for each browser that is new to a person, their first one left out."""
    query = select(LoginDevice).where(
        LoginDevice.created_at > now - dt.timedelta(days=DAYS), ~LoginDevice.is_first
    )
    for device in db.session.scalars(query.order_by(LoginDevice.id)):
        at = device.created_at.astimezone(current_settings().zone)
        values = {"address": device.address, "time": f"{at:%Y-%m-%d %H:%M}"}
        yield Notice(device.user_id, f"device-{device.id}", "device", NEW, values, to_page("my_profile"))
