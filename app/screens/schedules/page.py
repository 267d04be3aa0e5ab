"""Presentation of schedules and their versions in lists and on pages."""

from __future__ import annotations

from typing import Any

from flask import current_app
from flask_babel import gettext as _
from markupsafe import Markup

from app import labels
from app.channels import targets
from app.console.formats import changes_markup
from app.lib import clock
from app.models import RuleStatus, Schedule, ScheduleVersion
from app.schedules import approval, describe
from app.schedules.calendar import current
from app.schedules.check import rule_names
from app.schedules.preview import next_push
from app.schedules.store import newest
from app.schedules.versions import version_def


def sentence(schedule: Schedule) -> str:
    """Return the version in force in words, or the newest version when none is."""
    return version_sentence(schedule.active_version or newest(schedule))


def version_sentence(version: ScheduleVersion) -> str:
    """Return a version in words."""
    return describe.sentence(version_def(version))


def rules(schedule: Schedule) -> str:
    """Return the names of the rules whose hits the schedule pushes."""
    return version_rules(schedule.active_version or newest(schedule))


def few_rules(schedule: Schedule) -> str:
    """Return the name of the first rule and the number of further ones."""
    codes = (schedule.active_version or newest(schedule)).spec["rules"]
    first = rule_names(codes[:1]).get(codes[0], codes[0])
    return _("%(first)s and %(n)s more", first=first, n=len(codes) - 1) if len(codes) > 1 else first


def version_rules(version: ScheduleVersion) -> str:
    """Return the names of a version's rules."""
    codes = version.spec["rules"]
    names = rule_names(codes)
    return labels.joined(names.get(code, code) for code in codes)


def version_channels(version: ScheduleVersion) -> str:
    """Return the names of the targets that a version pushes to."""
    codes = [each.target for each in version_def(version).channels]
    names = targets.names(codes)
    return labels.joined(names.get(code, code) for code in codes) or _("no channel yet")


def next_push_time(schedule: Schedule) -> Any:
    """Return the time of the next push, empty for a schedule that is not in force."""
    if schedule.status != RuleStatus.ACTIVE or schedule.active_version is None:
        return ""
    zone = current_app.config["SETTINGS"].zone
    at = next_push(version_def(schedule.active_version), clock.now(), zone, current())
    return (
        Markup("<time datetime='{}'>{}</time>").format(at.isoformat(), f"{at:%Y-%m-%d %H:%M}") if at else ""
    )


def difference(version: ScheduleVersion) -> Markup:
    """Return the differences between a version and the one in force."""
    return changes_markup(approval.changes(version))


def previous_version(version: ScheduleVersion) -> ScheduleVersion | None:
    """Return the version before this one, None for the first."""
    earlier = [each for each in version.schedule.versions if each.number < version.number]
    return earlier[-1] if earlier else None
