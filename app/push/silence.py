"""Whether a schedule may push at a moment, judged again when a delivery is about to go out."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from app.push.calendar import Calendar
from app.push.plan import stretches
from app.rules.definition import ScheduleDef

#: A request that begins now is still under way a moment later.
UNDER_WAY = dt.timedelta(seconds=2)
#: A schedule that is silent for longer than this is looked at again after it.
FAR_DAYS = 400


def allowed_from(schedule: ScheduleDef, now: dt.datetime, zone: ZoneInfo, calendar: Calendar) -> dt.datetime:
    """``now`` when the schedule is not silent then, else the first moment at which it no longer is."""
    local = now.astimezone(zone).replace(tzinfo=None)
    begins = _free_from(schedule, local, calendar)
    if begins == local:
        later = _free_from(schedule, local + UNDER_WAY, calendar)
        begins = local if later == local + UNDER_WAY else later
    return now if begins == local else begins.replace(tzinfo=zone).astimezone(dt.UTC)


def _free_from(schedule: ScheduleDef, moment: dt.datetime, calendar: Calendar) -> dt.datetime:
    midnight = dt.datetime.combine(moment.date(), dt.time())
    second = (moment - midnight).total_seconds()
    for _day in range(FAR_DAYS):
        parts = stretches(schedule, midnight.date(), calendar)
        ends = [part.begin for part in parts[1:]] + [86_400]
        for part, end in zip(parts, ends, strict=True):
            if part.why is None and end > second:
                return midnight + dt.timedelta(seconds=max(part.begin, second))
        midnight, second = midnight + dt.timedelta(days=1), 0
    return midnight
