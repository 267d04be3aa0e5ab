"""Schedules and their versions as lists and pages show them."""

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
    """What the version in force says, or what the draft would."""
    return version_sentence(schedule.active_version or newest(schedule))


def version_sentence(version: ScheduleVersion) -> str:
    """What a version says."""
    return describe.sentence(version_def(version))


def rules(schedule: Schedule) -> str:
    """The rules whose hits it pushes."""
    return version_rules(schedule.active_version or newest(schedule))


def few_rules(schedule: Schedule) -> str:
    """The first of the rules and how many there are besides."""
    codes = (schedule.active_version or newest(schedule)).spec["rules"]
    first = rule_names(codes[:1]).get(codes[0], codes[0])
    return _("%(first)s and %(n)s more", first=first, n=len(codes) - 1) if len(codes) > 1 else first


def version_rules(version: ScheduleVersion) -> str:
    """The rules of a version, by name."""
    codes = version.spec["rules"]
    names = rule_names(codes)
    return labels.joined(names.get(code, code) for code in codes)


def version_channels(version: ScheduleVersion) -> str:
    """To whom a version pushes."""
    codes = [each.target for each in version_def(version).channels]
    names = targets.names(codes)
    return labels.joined(names.get(code, code) for code in codes) or _("no channel yet")


def coming(schedule: Schedule) -> Any:
    """When it pushes next; nothing while it does not push."""
    if schedule.status != RuleStatus.ACTIVE or schedule.active_version is None:
        return ""
    zone = current_app.config["SETTINGS"].zone
    at = next_push(version_def(schedule.active_version), clock.now(), zone, current())
    return (
        Markup("<time datetime='{}'>{}</time>").format(at.isoformat(), f"{at:%Y-%m-%d %H:%M}") if at else ""
    )


def difference(version: ScheduleVersion) -> Markup:
    """What a version differs in from the one in force."""
    return changes_markup(approval.changes(version))


def before(version: ScheduleVersion) -> ScheduleVersion | None:
    """The version before this one, None for the first."""
    earlier = [each for each in version.schedule.versions if each.number < version.number]
    return earlier[-1] if earlier else None
