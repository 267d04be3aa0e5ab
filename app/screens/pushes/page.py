"""What the screens of pushes, deliveries, targets and reminders say."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from sqlalchemy import func, select

from app import labels
from app.channels import channels
from app.console import formats
from app.console.access import may
from app.console.urls import list_url
from app.extensions import db
from app.models import Delivery, DeliveryStatus, Push, Schedule, ScheduleVersion, Target
from app.schedules.labels import OUTCOME, WHY

PUSH_STATUS = {
    "empty": lazy_gettext("Nothing new"),
    "open": lazy_gettext("Under way"),
    "done": lazy_gettext("Delivered"),
    "failed": lazy_gettext("Not all delivered"),
}
DELIVERY_STATUS = {
    "waiting": lazy_gettext("Waits"),
    "sending": lazy_gettext("Being sent"),
    "sent": lazy_gettext("Delivered"),
    "dead": lazy_gettext("Dead letter"),
    "cancelled": lazy_gettext("Cancelled"),
}
ATTEMPT = {
    "ok": lazy_gettext("Taken by the receiver"),
    "temporary": lazy_gettext("Failed, tried again later"),
    "permanent": lazy_gettext("Failed for good"),
}
TARGET_STATUS = {"active": lazy_gettext("Active"), "stopped": lazy_gettext("Stopped")}
STOP_REASON = {
    "not_set_up": lazy_gettext("not set up yet"),
    "by_hand": lazy_gettext("by hand"),
    "failing": lazy_gettext("failed for days"),
    "gone": lazy_gettext("the other side said it is gone"),
}


def schedule_of(push: Push) -> Any:
    """Whose push it is; a test is marked."""
    name = str(push.schedule) if push.schedule else ""
    if not push.is_test:
        return name
    return Markup('<span>{} <span class="tag tag-push-test">{}</span></span>').format(name, _("Test"))


def why_of(push: Push) -> str:
    """Sent or delayed, and why."""
    if push.is_test:
        return _("Sent by hand")
    why = (
        _("made up for after an outage")
        if push.why == "late"
        else labels.word({str(key): word for key, word in WHY.items()}, push.why)
    )
    outcome = labels.word(OUTCOME, push.outcome)
    said = _("%(outcome)s: %(why)s", outcome=outcome, why=why)
    return f"{said}{_('; ')}{_('%(n)s earlier slots went with it', n=push.missed)}" if push.missed else said


def hits_of(push: Push) -> Any:
    """The number of hits, as a link to them."""
    number = formats.number(push.hits)
    if not push.hits or push.is_test or not may("can_list", "HitView"):
        return number
    return Markup('<a href="{}">{}</a>').format(list_url("HitView", push=push.id), number)


def part_of(delivery: Delivery) -> str:
    """Which part of how many."""
    return f"{delivery.part}/{delivery.parts}"


def next_try(delivery: Delivery) -> Any:
    """When it goes out, or what it waits for."""
    if delivery.status != DeliveryStatus.WAITING:
        return ""
    if delivery.target.status == "stopped":
        return _("when the target is resumed")
    return formats.moment(delivery.next_at)


def ends(delivery: Delivery) -> Any:
    """Since when it is over, or when it goes out."""
    return formats.when(delivery.done_at) if delivery.done_at else next_try(delivery)


def kind_of(target: Target) -> str:
    """The channel in words."""
    found = channels().get(target.kind)
    return str(found.label) if found else target.kind


def state_of(target: Target) -> Any:
    """Active, failing or stopped, with the reason."""
    if target.status == "stopped":
        reason = labels.word(STOP_REASON, target.stop_reason)
        text = _("%(state)s: %(reason)s", state=labels.word(TARGET_STATUS, target.status), reason=reason)
        return Markup('<span class="tag tag-target-stopped">{}</span>').format(text)
    if target.failing_since:
        return Markup('<span class="tag tag-target-failing">{}</span>').format(_("Failing"))
    return formats.tag(TARGET_STATUS, "target")(target.status)


def waiting_for(target: Target) -> Any:
    """How many deliveries wait for it, as a link to them."""
    n = db.session.scalar(
        select(func.count()).where(Delivery.target_id == target.id, Delivery.status == DeliveryStatus.WAITING)
    )
    if not n:
        return formats.number(0)
    url = list_url("DeliveryView", target=target.id, status="waiting")
    return Markup('<a href="{}">{}</a>').format(url, formats.number(n))


def settings_shown(target: Target) -> Any:
    """The settings in words."""
    found = channels().get(target.kind)
    if found is None or not target.settings:
        return ""
    rows = []
    for name, info in found.settings.model_fields.items():
        words: Any = next((each for each in info.metadata if hasattr(each, "label")), None)
        value = target.settings.get(name)
        if value in (None, "", []):
            continue
        known = dict(words.choices or []) if words else {}
        values = value if isinstance(value, list) else [value]
        shown = labels.joined(str(known.get(each, each)) for each in values)
        rows.append(Markup("{}: {}").format(words.label if words else name, shown))
    return Markup("<br>").join(rows)


def secret_state(target: Target) -> str:
    """Whether it has a secret, never the secret."""
    found = channels().get(target.kind)
    if found is None or not found.signs:
        return _("This channel needs none.")
    if target.secret_made_at is None:
        return _("None yet: make one, and give it to the receiver.")
    return _("Made on %(day)s", day=labels.local(target.secret_made_at).strftime("%Y-%m-%d %H:%M"))


def dead_letters() -> int:
    """How many deliveries were given up, tests left out: the badge in the menu."""
    of_tests = Delivery.push.has(Push.is_test)
    query = select(func.count()).select_from(Delivery)
    return db.session.scalar(query.where(Delivery.status == DeliveryStatus.DEAD, ~of_tests)) or 0


def used_by(target: Target) -> str:
    """The schedules in force that name it."""
    named = ScheduleVersion.spec["channels"].contains([{"kind": target.kind, "target": target.code}])
    rows = db.session.scalars(
        select(Schedule)
        .join(ScheduleVersion, ScheduleVersion.id == Schedule.active_version_id)
        .where(named)
        .order_by(Schedule.code)
    )
    return labels.joined(str(row) for row in rows)
