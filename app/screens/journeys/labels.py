"""Display names of the states of journeys' customers and steps."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext

from app.outreach.compliance import REASONS

ENROLMENT: dict[str, Any] = {
    "under_way": lazy_gettext("Under way"),
    "ended": lazy_gettext("Went through"),
    "goal": lazy_gettext("Reached the goal"),
    "left": lazy_gettext("Left early"),
}
STEP: dict[str, Any] = {
    "waiting": lazy_gettext("Waiting here"),
    "working": lazy_gettext("Being done"),
    "done": lazy_gettext("Done"),
    "held": lazy_gettext("Held back"),
    "skipped": lazy_gettext("Left here"),
}
KIND: dict[str, Any] = {
    "sms": lazy_gettext("SMS"),
    "call": lazy_gettext("Outbound call"),
    "wait": lazy_gettext("Wait"),
    "branch": lazy_gettext("Branching"),
    "strategy": lazy_gettext("Strategy table"),
    "split": lazy_gettext("Random split"),
    "task": lazy_gettext("Task"),
    "tag": lazy_gettext("Tags"),
    "hand": lazy_gettext("Hand over"),
    "webhook": lazy_gettext("Message to a system"),
    "end": lazy_gettext("End"),
}
#: why somebody left, or a contact was held; the ways that were taken
WHY: dict[str, Any] = {
    **REASONS,
    "goal": lazy_gettext("Reached the goal"),
    "answered": lazy_gettext("answered"),
    "outcome": lazy_gettext("bought"),
    "timeout": lazy_gettext("time was over"),
}


def kind_of(step: dict[str, Any]) -> str:
    """Return the kind of a step as people see it: contacts by their channel."""
    return str(step.get("channel") if step.get("do") == "contact" else step.get("do"))
