"""Display names of the codes of schedules and plans."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext

from app.schedules.plan import Why

DAY_KIND = {
    "holiday": lazy_gettext("Public holiday"),
    "workday": lazy_gettext("Make-up working day"),
}
PRESET = {
    "hourly": lazy_gettext("Every hour"),
    "daily": lazy_gettext("Every day"),
    "every_7_days": lazy_gettext("Every 7 days"),
    "every_30_days": lazy_gettext("Every 30 days"),
    "custom": lazy_gettext("Custom"),
}
LEVEL = {
    "H": lazy_gettext("High"),
    "M": lazy_gettext("Medium"),
    "L": lazy_gettext("Low"),
    "S": lazy_gettext("Silent"),
}
OUTCOME = {
    "send": lazy_gettext("Sent"),
    "delayed": lazy_gettext("Delayed"),
    "silenced": lazy_gettext("Silenced"),
}
WHY: dict[str, Any] = {
    Why.ON_TIME: lazy_gettext("on time"),
    Why.HOLIDAY: lazy_gettext("silent on public holidays"),
    Why.WEEKEND: lazy_gettext("silent at weekends"),
    Why.QUIET: lazy_gettext("quiet hours"),
    Why.CELL: lazy_gettext("silent cell of the week grid"),
    Why.RANGE: lazy_gettext("silent time range"),
    Why.GAP: lazy_gettext("minimum gap to the previous push"),
}
DAY = {
    "mon": lazy_gettext("Mon"),
    "tue": lazy_gettext("Tue"),
    "wed": lazy_gettext("Wed"),
    "thu": lazy_gettext("Thu"),
    "fri": lazy_gettext("Fri"),
    "sat": lazy_gettext("Sat"),
    "sun": lazy_gettext("Sun"),
}
WEEKEND = {
    "normal": lazy_gettext("as on working days"),
    "stretched": lazy_gettext("stretched"),
    "silent": lazy_gettext("silent"),
}
HOLIDAYS = {
    "normal": lazy_gettext("as on working days"),
    "weekend": lazy_gettext("as at weekends"),
    "silent": lazy_gettext("silent"),
}
