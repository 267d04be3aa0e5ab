"""Presentation of pushes, deliveries and targets, and the number of dead letters in the menu."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
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
    "waiting": lazy_gettext("Pending"),
    "sending": lazy_gettext("Being sent"),
    "sent": lazy_gettext("Delivered"),
    "dead": lazy_gettext("Dead letter"),
    "cancelled": lazy_gettext("Cancelled"),
}
ATTEMPT = {
    "ok": lazy_gettext("Accepted by the receiver"),
    "temporary": lazy_gettext("Failed, will be retried"),
    "permanent": lazy_gettext("Failed permanently"),
}
TARGET_STATUS = {"active": lazy_gettext("Active"), "stopped": lazy_gettext("Stopped")}
STOP_REASON = {
    "not_set_up": lazy_gettext("not set up yet"),
    "by_hand": lazy_gettext("manually"),
    "failing": lazy_gettext("failed for days"),
    "gone": lazy_gettext("the receiver reported it gone"),
}


def schedule_of(push: Push) -> Any:
    """Return the schedule of a push, with a mark for a test, or its journey."""
    name = str(push.schedule or push.journey_version or "")
    if not push.is_test:
        return name
    return Markup('<span>{} <span class="tag tag-push-test">{}</span></span>').format(name, _("Test"))


def why_of(push: Push) -> str:
    """Return the outcome of a push (sent, delayed or silenced) and its reason."""
    if push.is_test:
        return _("Sent manually")
    why = (
        _("sent late after an outage")
        if push.why == "late"
        else labels.word({str(key): word for key, word in WHY.items()}, push.why)
    )
    outcome = labels.word(OUTCOME, push.outcome)
    text = _("%(outcome)s: %(why)s", outcome=outcome, why=why)
    if not push.missed:
        return text
    return _("%(text)s; includes %(n)s earlier slots", text=text, n=push.missed)


def hits_of(push: Push) -> Any:
    """Return the number of hits, as a link to their list."""
    number = formats.number(push.hits)
    if push.journey_version_id is not None:
        return ngettext("%(num)s customer", "%(num)s customers", push.hits)
    if not push.hits or push.is_test or not may("can_list", "HitView"):
        return number
    return Markup('<a href="{}">{}</a>').format(list_url("HitView", push=push.id), number)


def part_of(delivery: Delivery) -> str:
    """Return the number of the part and how many there are."""
    return f"{delivery.part}/{delivery.parts}"


def next_attempt(delivery: Delivery) -> Any:
    """Return when a waiting delivery is attempted next, or what it waits for."""
    if delivery.status != DeliveryStatus.WAITING:
        return ""
    if delivery.target.status == "stopped":
        return _("when the target is resumed")
    return formats.moment(delivery.next_at)


def finished_or_next(delivery: Delivery) -> Any:
    """Return when the delivery was finished, or when it is attempted next."""
    return formats.when(delivery.done_at) if delivery.done_at else next_attempt(delivery)


def kind_of(target: Target) -> str:
    """Return the display name of the target's channel."""
    channel = channels().get(target.kind)
    return str(channel.label) if channel else target.kind


def state_of(target: Target) -> Any:
    """Return whether the target is active, failing or stopped, with the reason of a stop, as a tag."""
    if target.status == "stopped":
        reason = labels.word(STOP_REASON, target.stop_reason)
        text = _("%(state)s: %(reason)s", state=labels.word(TARGET_STATUS, target.status), reason=reason)
        return Markup('<span class="tag tag-target-stopped">{}</span>').format(text)
    if target.failing_since:
        return Markup('<span class="tag tag-target-failing">{}</span>').format(_("Failing"))
    return formats.tag(TARGET_STATUS, "target")(target.status)


def waiting_deliveries(target: Target) -> Any:
    """Return how many deliveries wait for the target, as a link to their list."""
    n = db.session.scalar(
        select(func.count()).where(Delivery.target_id == target.id, Delivery.status == DeliveryStatus.WAITING)
    )
    if not n:
        return formats.number(0)
    url = list_url("DeliveryView", target=target.id, status="waiting")
    return Markup('<a href="{}">{}</a>').format(url, formats.number(n))


def settings_shown(target: Target) -> Any:
    """Return the settings of the target with their display names."""
    channel = channels().get(target.kind)
    if channel is None or not target.settings:
        return ""
    rows = []
    for name, info in channel.settings.model_fields.items():
        words: Any = next((each for each in info.metadata if hasattr(each, "label")), None)
        value = target.settings.get(name)
        if value in (None, "", []):
            continue
        choices = dict(words.choices or []) if words else {}
        values = value if isinstance(value, list) else [value]
        shown = labels.joined(str(choices.get(each, each)) for each in values)
        rows.append(Markup("{}{}{}").format(words.label if words else name, _(": "), shown))
    return Markup("<br>").join(rows)


def secret_state(target: Target) -> str:
    """Return whether the target has a secret and since when, never the secret itself."""
    channel = channels().get(target.kind)
    if channel is None or not channel.signs:
        return _("This channel needs none.")
    if target.secret_made_at is None:
        return _("None yet: create one and give it to the receiver.")
    return _("Created on %(day)s", day=labels.local(target.secret_made_at).strftime("%Y-%m-%d %H:%M"))


def count_dead_letters() -> int:
    """Return the number of dead letters other than tests, for the badge in the menu."""
    is_test = Delivery.push.has(Push.is_test)
    query = select(func.count()).select_from(Delivery)
    return db.session.scalar(query.where(Delivery.status == DeliveryStatus.DEAD, ~is_test)) or 0


def used_by(target: Target) -> str:
    """Return the schedules in force that push to the target."""
    is_named = ScheduleVersion.spec["channels"].contains([{"kind": target.kind, "target": target.code}])
    rows = db.session.scalars(
        select(Schedule)
        .join(ScheduleVersion, ScheduleVersion.id == Schedule.active_version_id)
        .where(is_named)
        .order_by(Schedule.code)
    )
    return labels.joined(str(row) for row in rows)
